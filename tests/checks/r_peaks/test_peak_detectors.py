"""Detectors beside each other, the noise stress test, and the reliability of the confidence."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from beatssl.checks.r_peaks import peak_detectors
from beatssl.checks.r_peaks.cases import PeakCase, peak_cases
from beatssl.checks.r_peaks.detectors import DETECTORS, detected
from beatssl.checks.r_peaks.noise_stress import with_electrode_motion
from beatssl.checks.r_peaks.peak_detectors import check_peak_detectors
from beatssl.metrics.boundaries import Score
from beatssl.records.synthetic.drawn import drawn_ecg, regular

RIVALS = tuple(name for name in DETECTORS if "beatssl" not in name)


def case(record: str = "a", duration_s: float = 30.0, data: str = "made", rated: bool = True) -> PeakCase:
    r_s = regular(70, duration_s)
    ecg_mv = drawn_ecg(r_s, duration_s, leads=(1.0, 0.7), fs_hz=250.0, to_hz=250.0)
    return PeakCase(data, record, ecg_mv, 250.0, 0, r_s, 0.15, (-np.inf, np.inf), rated)


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector_finds_the_beats_of_a_clean_record(name: str) -> None:
    pytest.importorskip("neurokit2")
    one = case()
    score = one.score(detected(name, one))
    assert score.missed <= 2
    assert score.false <= 1


def test_what_lies_outside_the_span_does_not_count() -> None:
    one = case()
    one = PeakCase("made", "a", one.ecg_mv, 250.0, 0, np.array([1.0, 2.0, 3.0]), 0.15, (1.5, 3.5))
    score = one.score(np.array([1.1, 2.05, 3.3, 4.0]))
    assert (score.matched, score.missed, score.false) == (1, 1, 1)


def test_noise_has_the_strength_that_its_snr_says_and_leaves_five_minutes_clean() -> None:
    fs_hz = 100.0
    r_s = regular(70, 600.0)
    ecg_mv = drawn_ecg(r_s, 600.0, leads=(1.0, 0.5), noise_mv=0.0, fs_hz=fs_hz)
    noisy_mv = with_electrode_motion(ecg_mv, fs_hz, r_s, 6.0, seed=0)
    noise = noisy_mv - ecg_mv
    assert np.abs(noise[:, :30000]).max() == 0
    assert np.abs(noise[:, 42100:53900]).max() == 0
    near = np.round(r_s[:300] * fs_hz).astype(int)[:, None] + np.arange(-5, 11)
    height_mv = np.ptp(ecg_mv[:, near], axis=2).mean(axis=1)
    seconds = noise[:, 30000:42000].reshape(2, -1, 100)
    power = seconds.std(axis=2).mean(axis=1) ** 2
    assert 10 * np.log10(height_mv**2 / 8 / power) == pytest.approx([6.0, 6.0], abs=1.0)
    assert np.corrcoef(noise[:, 30000:42000])[0, 1] == pytest.approx(0, abs=0.3)


def test_it_goes_on_after_the_last_line_and_says_how_reliable_the_confidence_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [case("a"), case("b", 40.0), case("c", 20.0, rated=False), case("d", 20.0, "paced", False)]
    monkeypatch.setattr(peak_detectors, "peak_cases", lambda _: iter(cases))
    kept = tmp_path / "kept.jsonl"
    first = check_peak_detectors(tmp_path, kept, ("beatssl", "sleepecg"))
    assert [(one.data, one.detector, one.records) for one in first.detectors] == [
        ("made", "beatssl", 3), ("made", "sleepecg", 3),
        ("paced", "beatssl", 1), ("paced", "sleepecg", 1),
    ]  # fmt: skip
    assert first.detectors[0].beats == sum(len(one.reference_s) for one in cases[:3])
    assert first.detectors[0].f1 == 1.0
    assert [one.data for one in first.reliability] == ["made", "all"]
    highest = first.reliability[1].bins[-1]
    assert highest.candidates == len(cases[0].reference_s) + len(cases[1].reference_s)
    assert highest.beats_share == 1.0
    monkeypatch.setattr(peak_detectors, "detected", lambda *_: pytest.fail("detected again"))
    assert check_peak_detectors(tmp_path, kept, ("beatssl", "sleepecg")) == first


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="holds none of mitdb, ludb, incartdb, cpsc2019"):
        next(peak_cases(tmp_path))


def test_the_published_sets_are_read(data_root: Path, tmp_path: Path) -> None:
    few = {"mitdb": ("100", "118", "119"), "ludb/data": ("1", "2"), "incartdb": ("I01",)}
    for folder, names in few.items():
        (tmp_path / folder).mkdir(parents=True)
        for path in (each for name in names for each in (data_root / folder).glob(f"{name}.*")):
            shutil.copy(path, tmp_path / folder)
    (tmp_path / "mitdb" / "RECORDS").write_text("\n".join(few["mitdb"]) + "\n")
    (tmp_path / "ludb" / "RECORDS").write_text("data/1\ndata/2\n")
    for path in (data_root / "ludb").glob("*.csv"):
        shutil.copy(path, tmp_path / "ludb")
    if (data_root / "cpsc2019").is_dir():
        (tmp_path / "cpsc2019").symlink_to(data_root / "cpsc2019")
    cases = list(peak_cases(tmp_path))
    count = {data: sum(one.data == data for one in cases) for data in {one.data for one in cases}}
    assert count["MIT-BIH"] == 3
    assert count["LUDB"] == 2
    assert count["noise stress -6 dB"] == 2
    assert (count["20/min"], count["250/min"], count["T taller than R"]) == (4, 4, 9)
    assert len({(one.data, one.record) for one in cases}) == len(cases)
    changed = {one.data: one for one in cases if one.data.startswith("ten minutes")}
    assert [one.fs_hz for one in changed.values()] == [360.0, 50.0, 1000.0, 360.0]
    for one in changed.values():
        assert one.record == "100"
        assert one.score(detected("beatssl", one)) == Score(760, 0, 0)
    if (data_root / "cpsc2019").is_dir():
        one = next(each for each in cases if each.data == "CPSC 2019")
        assert one.score(one.reference_s).f1 == 1.0
