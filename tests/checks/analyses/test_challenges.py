"""The checks of CinC 2011 and 2017 and of MIT-BIH, on synthetic records in their layout, and their resuming."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from beatssl.analysis.rhythms.truth import AF, OTHER, RHYTHMS, SINUS
from beatssl.checks.analyses import lines as lines_of_checks
from beatssl.checks.analyses import rhythm_annotations
from beatssl.checks.analyses.acceptability import check_acceptability
from beatssl.checks.analyses.lines import analysed_lines
from beatssl.checks.analyses.rhythm_annotations import check_rhythm_annotations, paced_counts
from beatssl.checks.analyses.single_lead_rhythm import SingleLeadCheckConfig, called_as, check_single_lead_rhythm
from beatssl.checks.check import CheckConfig, check
from beatssl.records.record import BeatMarks
from beatssl.records.synthetic import synthetic_record


def result(name: str, p: float = 0.9, **more: object) -> dict[str, object]:
    rest = (1 - p) / (len(RHYTHMS) - 1)
    rhythm = {one: p if one == name else rest for one in RHYTHMS}
    return {"rhythm": rhythm, "quality": 0.9, "rate": 70.0, "ectopic": 0, "statements": {}} | more


def test_what_a_result_is_called() -> None:
    config = SingleLeadCheckConfig()
    assert called_as(result(SINUS), config) == "normal"
    assert called_as(result(AF), config) == "af"
    assert called_as(result(OTHER), config) == "other"
    assert called_as(result(SINUS, rate=110.0), config) == "other"
    assert called_as(result(SINUS, rate=None), config) == "other"
    assert called_as(result(SINUS, statements={"PVC": 0.9}), config) == "other"
    assert called_as(result(SINUS, statements={"LVH": 0.9}, ectopic=1), config) == "normal"
    assert called_as(result(SINUS, ectopic=1), config, by_beats=True) == "other"
    assert called_as(result(AF, quality=0.1), config) == "noise"
    assert called_as(result(SINUS) | {"rhythm": {}}, config) == "noise"


def test_the_challenge_of_2017(tmp_path: Path) -> None:
    one = synthetic_record(0).replace(beats=None)
    one.replace(ecg_mv=one.ecg_mv[:1], leads=("ECG",)).save(tmp_path / "A1.hea")
    noise = np.random.default_rng(0).normal(0, 0.2, (1, 5000)).astype(np.float32)
    one.replace(ecg_mv=noise, leads=("ECG",)).save(tmp_path / "A2.hea")
    (tmp_path / "REFERENCE.csv").write_text("A1,N\nA2,~\n")
    figures = check_single_lead_rhythm(tmp_path, tmp_path / "kept.jsonl")
    assert figures.confusion["normal"]["normal"] == 1
    assert figures.confusion["noise"]["noise"] == 1
    assert figures.this_mix.normal == 1
    assert (figures.records, figures.by_class["af"]) == (2, 0)


def test_the_challenge_of_2011(tmp_path: Path) -> None:
    good = synthetic_record(0)
    good.save(tmp_path / "1.hea")
    noise = np.random.default_rng(0).normal(0, 0.5, good.ecg_mv.shape).astype(np.float32)
    good.replace(ecg_mv=noise).save(tmp_path / "2.hea")
    (tmp_path / "RECORDS-acceptable").write_text("1\n")
    (tmp_path / "RECORDS-unacceptable").write_text("2\n")
    figures = check(CheckConfig(tmp_path, "acceptability", tmp_path / "out"))
    assert (figures.records, figures.acceptable, figures.auroc) == (2, 1, 1)
    assert (figures.flagged_acceptable, figures.flagged_unacceptable, figures.with_rhythm_unacceptable) == (0, 1, 0)
    written = json.loads((tmp_path / "out" / "check-acceptability.json").read_text())
    assert written["auroc"] == 1
    assert written["data"]["count"] == 6
    assert not list((tmp_path / "out").glob("*.jsonl"))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="that of the data set's files"):
        check(CheckConfig(tmp_path / "none", "acceptability", tmp_path))
    with pytest.raises(FileNotFoundError, match="RECORDS-acceptable"):
        check_acceptability(tmp_path, tmp_path / "kept.jsonl")


def lines() -> list[dict[str, object]]:
    """A record of two minutes: AF annotated from 60 s on, found from 90 s on."""
    p_af = (0.1, 0.1, 0.4, 0.9)
    stretches = [
        {"start_s": 30.0 * k, "stop_s": 30.0 * (k + 1), "probability": [1 - p, p, 0.0, 0.0]} for k, p in enumerate(p_af)
    ]
    episodes = [
        {"start_s": 0.0, "stop_s": 90.0, "name": SINUS, "probability": 0.8},
        {"start_s": 90.0, "stop_s": 120.0, "name": AF, "probability": 0.9},
    ]
    annotated = [[0.5, "(N"], [60.0, "(AFIB"]]
    beats = [[float(at), float(at < 50 or at == 70)] for at in range(120)]
    line = {
        "record": "1", "duration_s": 120.0, "annotated": annotated, "episodes": episodes, "stretches": stretches,
        "beats": beats,
    }  # fmt: skip
    return [line | {"paced_beats": [20, 10, 8, 9]}, line | {"paced_beats": [0, 0, 0, 0]}]


def test_rhythm_annotations_are_compared_by_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(rhythm_annotations, "analysed_lines", lambda *_: lines())
    monkeypatch.setattr(rhythm_annotations, "MitdbReader", lambda: SimpleNamespace(sources=lambda _: []))
    figures = check_rhythm_annotations(tmp_path, tmp_path / "kept.jsonl")
    of_af = figures.by_time[AF]
    assert (of_af.sensitivity, of_af.ppv) == (pytest.approx(0.5), pytest.approx(1))
    assert of_af.hours == pytest.approx(120 / 3600)
    assert figures.by_time[SINUS].ppv == pytest.approx(60 / 90)
    assert (figures.stretches, figures.af_stretch_auroc, figures.without_rhythm) == (8, 1, 0)
    one, _ = figures.records_with_af
    assert (one.annotated, one.found) == (pytest.approx(0.5), pytest.approx(0.25))
    assert figures.p_per_beat[SINUS] == pytest.approx(50 / 60)
    assert figures.p_per_beat[AF] == pytest.approx(1 / 60)
    paced = figures.paced_beats
    assert (paced.beats, paced.sensitivity, paced.ppv) == (20, pytest.approx(0.4), pytest.approx(0.9))


def test_paced_beats_are_compared_one_by_one() -> None:
    marks = BeatMarks(np.arange(6) * 1.0, ("/", "/", "f", "N", "/", "V"))
    labels = ("Q", "V", "Q", "Q", "Q", "V")
    assert paced_counts(marks, np.arange(6) + 0.05, labels) == [3, 4, 2, 3]
    assert paced_counts(None, np.arange(6) + 0.05, labels) == [0, 0, 0, 0]


def test_finished_lines_are_not_made_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(lines_of_checks, "package_sha256", lambda: "1")
    monkeypatch.setattr(lines_of_checks, "load", lambda device: None)
    asked: list[str] = []

    def line_of(_: object, name: str) -> dict[str, object] | None:
        asked.append(name)
        return None if name == "b" else {"value": name}

    kept = tmp_path / "kept.jsonl"
    found = analysed_lines(["a", "b"], line_of, kept)  # type: ignore[arg-type]
    kept.write_text(kept.read_text() + '{"record": "c", "val')  # cut off
    again = analysed_lines(["a", "b", "c"], line_of, kept)  # type: ignore[arg-type]
    assert [line["value"] for line in found] == ["a"]
    assert [line["value"] for line in again] == ["a", "c"]
    assert asked == ["a", "b", "c"]
    monkeypatch.setattr(lines_of_checks, "package_sha256", lambda: "2")
    analysed_lines(["a"], line_of, kept)  # type: ignore[arg-type]
    assert asked[3:] == ["a"]
