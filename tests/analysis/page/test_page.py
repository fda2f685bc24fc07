"""What a page holds: signal, events, median beats, tables; and its index."""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

import beatssl
from beatssl.analysis.analyze import analyze
from beatssl.analysis.config import AnalyzeConfig
from beatssl.analysis.page import tables
from beatssl.analysis.page.events import MOST, Kind, events
from beatssl.analysis.page.figures import overview_svg
from beatssl.analysis.page.median_beats import median_beats
from beatssl.analysis.page.page import _KINDS, inert
from beatssl.analysis.page.signal_data import ENVELOPE_BYTES, STRETCH_BYTES, signal_data
from beatssl.analysis.result import USE, Analysis
from beatssl.analysis.rhythms.result import RhythmEpisode
from beatssl.analysis.rhythms.truth import RHYTHMS
from beatssl.records.record import Record
from beatssl.records.synthetic import synthetic_record
from beatssl.records.synthetic.clinical_files import ecg_uv, edf
from beatssl.signals.filters import bandpass
from beatssl.signals.leads import LEADS
from beatssl.signals.vcg import to_vcg


def samples(part: dict[str, object], lead: str, scale: float) -> np.ndarray:
    text = part["samples"][lead]  # type: ignore[index]
    return np.frombuffer(base64.b64decode(text), "<i2") * scale


def test_a_short_record_is_kept_whole(twelve: Analysis) -> None:
    assert twelve.signal is not None
    kept = signal_data(twelve.signal, [])
    assert kept.envelope_s is None
    assert kept.content["envelope"] is None
    (part,) = kept.content["parts"]
    filtered = bandpass(twelve.signal.ecg_mv, twelve.signal.fs_hz, 0.5, 80.0)
    for lead, mv in zip(twelve.signal.leads, filtered, strict=True):
        assert np.abs(samples(part, lead, kept.content["scaleMv"]) - mv).max() <= kept.content["scaleMv"]


def test_limb_leads_are_derived_and_gaps_stay_gaps() -> None:
    whole = synthetic_record(2)
    rows = [whole.leads.index(lead) for lead in ("I", "II", "V1")]
    mv = whole.ecg_mv[rows].copy()
    mv[:, 1000:1200] = np.nan
    kept = signal_data(Record(mv, ("I", "II", "V1"), whole.fs_hz, "three", "synthetic"), [])
    assert kept.derived == ("III", "aVR", "aVL", "aVF")
    (part,), scale = kept.content["parts"], kept.content["scaleMv"]
    i, ii, iii = (samples(part, lead, 1) for lead in ("I", "II", "III"))
    assert (i[1000:1200] == -32768).all()
    assert np.abs(iii - (ii - i))[1300:].max() * scale < 3 * scale


def test_a_long_record_keeps_extremes_of_all_and_samples_about_events() -> None:
    fs_hz, seconds = 250.0, 9000
    rng = np.random.default_rng(1)
    mv = (0.1 * rng.standard_normal((1, int(fs_hz * seconds)))).astype(np.float32)
    mv[0, int(6000.4 * fs_hz)] = 4.0
    kept = signal_data(Record(mv, ("II",), fs_hz, "long", "synthetic"), [5000.0, 8999.0, 5003.0])
    assert [(one.start_s, one.stop_s) for one in kept.stretches] == [(0, 60), (4996, 5009), (8995, 9000)]
    assert kept.envelope_s is not None
    envelope = kept.content["envelope"]
    low, high = (
        np.frombuffer(base64.b64decode(envelope[name]["II"]), np.int8) * envelope["scaleMv"] for name in ("low", "high")
    )
    assert len(low) == len(high) == int(np.ceil(mv.shape[1] / round(kept.envelope_s * fs_hz)))
    assert len(low) * 2 <= ENVELOPE_BYTES
    assert abs(int(high.argmax()) * kept.envelope_s - 6000.4) <= 2 * kept.envelope_s
    filtered = bandpass(mv[:, 5000 * 250 - 1000 : 5000 * 250 + 1000], fs_hz, 0.5, 80.0)[0, 1000]
    at = int(5000 / kept.envelope_s)
    assert low[at] <= filtered <= high[at]


@pytest.mark.parametrize(("leads", "hours", "fs_hz"), [(1, 24, 250.0), (3, 24, 128.0), (12, 2, 1000.0)])
def test_any_long_record_stays_within_its_bytes(leads: int, hours: int, fs_hz: float) -> None:
    mv = np.zeros((leads, int(hours * 3600 * fs_hz)), np.float32)
    mv[:, ::100] = 1
    places = [float(at) for at in range(0, hours * 3600, 30)]
    kept = signal_data(Record(mv, LEADS[:leads], fs_hz, "long", "synthetic"), places)
    size = len(json.dumps(kept.content))
    assert size < 1.35 * (ENVELOPE_BYTES + STRETCH_BYTES)
    assert len(kept.stretches) > 3


def test_events_are_what_interrupts_the_rhythm(day: Analysis) -> None:
    found = events(day)
    assert [one.start_s for one in found] == sorted(one.start_s for one in found)
    assert [(one.start_s, one.text) for one in found if one.kind == "pause"] == [(3600.0, "pause of 5.0 s")]
    ectopic = [one for one in found if one.kind == "V"]
    assert len(ectopic) == MOST < day.beats.labels.count("V")
    assert all(np.abs(day.beats.time_s - one.start_s).min() == 0 for one in ectopic)
    assert ectopic[0].start_s < 3600 * 2
    assert ectopic[-1].start_s > 3600 * 22
    assert sum(one.kind == "rate" for one in found) == 2


def test_episodes_of_other_rhythms_are_events_and_shaded(day: Analysis) -> None:
    names = (*RHYTHMS, RHYTHMS[0])
    episodes = tuple(RhythmEpisode(600.0 * at, 600.0 * (at + 1), name, 0.9) for at, name in enumerate(names))
    a = replace(day, rhythm=replace(day.rhythm, episodes=episodes))
    found = [(one.start_s, one.text) for one in events(a) if one.kind == "rhythm"]
    assert found[0] == (600.0, "atrial fibrillation or flutter for 10.0 min, probability 0.90")
    assert [start_s for start_s, _ in found] == [600.0, 1200.0, 1800.0]  # sinus rhythm is none
    drawn, _ = overview_svg(a)
    assert [f'<rect class="rhythm{at}"' in drawn for at in range(4)] == [True] * 4


def test_a_page_has_room_for_every_kind_of_event(twelve: Analysis) -> None:
    assert set(_KINDS) == set(get_args(Kind))
    episode = RhythmEpisode(0.0, 10.0, RHYTHMS[-1], 0.9)
    assert "<!doctype html>" in replace(twelve, rhythm=replace(twelve.rhythm, episodes=(episode,))).to_html()


def test_median_beats_and_loops_are_the_records_own(twelve: Analysis) -> None:
    found = median_beats(twelve)
    assert found is not None
    assert found.leads == LEADS
    assert found.count == len(twelve.beats)
    r = int(np.abs(found.time_s).argmin())
    measured = [twelve.lead_measures[lead]["r_mv"].value for lead in ("V4", "V5", "V6")]
    drawn = [float(found.median_mv[LEADS.index(lead), r - 20 : r + 20].max()) for lead in ("V4", "V5", "V6")]
    assert drawn == pytest.approx(measured, abs=0.15)
    assert found.loops_mv is not None
    assert np.allclose(found.loops_mv, to_vcg(found.median_mv), atol=1e-5)
    onset_s, offset_s = found.waves_s["QRS"]
    assert (offset_s - onset_s) * 1000 == pytest.approx(twelve.intervals["qrs_duration_global_ms"].value, abs=10)


def test_no_loops_without_the_eight_leads(day: Analysis) -> None:
    found = median_beats(day)
    assert found is not None
    assert found.loops_mv is None
    assert found.count == 60
    assert "Vectorcardiogram" not in day.to_html()


def test_probabilities_change_without_the_leads_they_rest_on(twelve: Analysis) -> None:
    found = twelve.without_leads
    assert found is not None
    assert found.leads == LEADS
    assert found.change.shape == (12, len(twelve.diagnoses.statements))
    assert twelve.signal is not None
    mv = twelve.signal.ecg_mv.copy()
    mv[LEADS.index("V2")] = np.nan
    without = beatssl.load(device="cpu").analyze(twelve.signal.replace(ecg_mv=mv), embeddings=False)
    change = [
        a.probability - b.probability
        for a, b in zip(without.diagnoses.statements, twelve.diagnoses.statements, strict=True)
    ]
    assert found.change[LEADS.index("V2")] == pytest.approx(change, abs=0.02)
    assert np.abs(found.change).max() > 0.01


def test_it_is_computed_only_where_asked_for(day: Analysis) -> None:
    assert day.without_leads is not None
    assert day.without_leads.leads == ("II", "V1", "V5")
    short = beatssl.load(device="cpu").analyze(synthetic_record(3), embeddings=False)
    assert short.without_leads is None
    assert "without_leads=True" in short.to_html()


def test_the_page_says_what_the_analysis_says(twelve: Analysis) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", twelve.to_html()))
    assert text.count(USE) == 2
    for line in tables.measure_lines(twelve):
        assert f"{line.name} {line.value}".replace("\u202f", " ") in text
    for one in twelve.diagnoses.statements:
        assert one.text in text
    assert twelve.diagnoses.trained_on in text
    for model in twelve.provenance.models:
        assert model.weights_sha256[:12] in text


def test_what_was_not_determinable_says_why(twelve: Analysis) -> None:
    silence = Record(np.zeros((2, 5000), np.float32), ("I", "II"), 500.0, "silence", "synthetic")
    noise = np.random.default_rng(0).normal(0, 0.02, (2, 5000)).astype(np.float32)
    a = beatssl.load(device="cpu").analyze(silence.replace(ecg_mv=noise), without_leads=True)
    text = a.to_html()
    assert len(a.beats) == 0
    assert "not determinable, because" in text
    assert a.flags[0].message in text
    with pytest.raises(ValueError, match="kept without its signal"):
        replace(twelve, signal=None).to_html()


def test_a_lead_of_no_place_among_the_twelve_has_a_page() -> None:
    short = synthetic_record(1)
    record = Record(short.ecg_mv[1:2], ("patch",), 500.0, "one", "synthetic")
    a = beatssl.load(device="cpu").analyze(record, without_leads=True)
    assert '"leads":["patch"]' in a.to_html()


def test_json_within_a_script_is_inert() -> None:
    value = {"a": "</script><!--\u2028\u2029&", "b": [1, None]}
    text = inert(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="JSON compliant"):
        inert(float("nan"))


def test_nothing_is_rounded_to_certainty() -> None:
    assert [tables.probability_text(p) for p in (0.0, 0.004, 0.1, 0.994, 0.999)] == [
        "<0.01", "<0.01", "0.10", "0.99", ">0.99",
    ]  # fmt: skip
    assert [tables.hundredths(change) for change in (0.0, -0.004, 0.12, -0.12)] == ["0", "0", "+12", "−12"]


def files(folder: Path) -> Sequence[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_gets_a_page_and_a_pdf_a_record_and_an_index(tmp_path: Path) -> None:
    source, out = tmp_path / "ward & 7", tmp_path / "out"
    (source / "a").mkdir(parents=True)
    (source / "a" / "x <b>'#?%.edf").write_bytes(edf(ecg_uv()))
    (source / "two.edf").write_bytes(edf(ecg_uv()))
    (source / "photo.dcm").write_bytes(b"\xff\xd8\xff\xe0 a photo")
    found = analyze(AnalyzeConfig((source,), out, html=True, pdf=True, workers=1, device="cpu"))
    assert (found.records, found.refused) == (2, 1)
    made = files(out)
    assert [name for name in made if name.startswith("html/")] == [
        "html/a/x _b_'#_%.edf.html", "html/two.edf.html",
    ]  # fmt: skip
    assert [name for name in made if name.startswith("pdf/")] == [
        "pdf/a/x _b_'#_%.edf.pdf", "pdf/two.edf.pdf",
    ]  # fmt: skip
    index = (out / "index.html").read_text("utf-8")
    assert "<b>'" not in index
    assert "x &lt;b&gt;" in index
    assert "expected a DICOM file, found a JPEG picture" in index
    assert USE in index
    links = re.findall(r'href="([^"]+)"', index)
    assert links == [
        "html/a/x%20_b_%27%23_%25.edf.html", "pdf/a/x%20_b_%27%23_%25.edf.pdf", "html/two.edf.html", "pdf/two.edf.pdf",
    ]  # fmt: skip
    assert "Diagnoses with a lead left out" in (out / "html" / "two.edf.html").read_text("utf-8")


def test_pages_need_a_folder() -> None:
    with pytest.raises(ValueError, match="html=True writes a file for each record"):
        AnalyzeConfig((Path("x.edf"),), html=True)
