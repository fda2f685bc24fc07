"""No P is stated in episodes of atrial fibrillation or flutter."""

from dataclasses import replace

import numpy as np
import pytest

from beatssl.analysis import model as model_module
from beatssl.analysis.model import EcgModel, load
from beatssl.analysis.result import Analysis
from beatssl.analysis.rhythms.result import RhythmEpisode
from beatssl.analysis.rhythms.truth import AF, SINUS
from beatssl.records.synthetic.drawn import drawn_ecg, regular
from beatssl.signals.leads import LEADS

HALF_S = 5.0


@pytest.fixture(scope="module")
def model() -> EcgModel:
    return load(device="cpu")


def analysed(model: EcgModel, monkeypatch: pytest.MonkeyPatch, *names: str) -> Analysis:
    """A regular heart with P at 80/min, whose halves are told to be of these rhythms."""
    found = model_module.rhythms_of

    def told(*given: object):
        halves = (RhythmEpisode(HALF_S * k, HALF_S * (k + 1), name, 0.9) for k, name in enumerate(names))
        return replace(found(*given), episodes=tuple(halves))

    monkeypatch.setattr(model_module, "rhythms_of", told)
    ecg_mv = drawn_ecg(regular(80, 10.0), 10.0, [1.0] * 12, p_ratio=0.15, noise_mv=0.01, to_hz=500.0, seed=3)
    return model.analyze(ecg_mv, leads=LEADS, fs_hz=500, embeddings=False)


def test_p_of_sinus_rhythm_stay(model: EcgModel, monkeypatch: pytest.MonkeyPatch) -> None:
    a = analysed(model, monkeypatch, SINUS, SINUS)
    assert (a.beats.p_share >= 0.5).mean() > 0.9
    assert a.intervals["pr_interval_ms"].value == pytest.approx(160, abs=40)


def test_p_of_an_episode_are_left_out(model: EcgModel, monkeypatch: pytest.MonkeyPatch) -> None:
    sinus, half = analysed(model, monkeypatch, SINUS, SINUS), analysed(model, monkeypatch, AF, SINUS)
    early = half.beats.time_s < HALF_S
    np.testing.assert_array_equal(half.beats.p_share, np.where(early, 0, sinus.beats.p_share))
    for name in ("p_onset_s", "p_peak_s", "p_offset_s"):
        expected = np.where(early, np.nan, getattr(sinus.beats.marks, name))
        np.testing.assert_array_equal(getattr(half.beats.marks, name), expected)
    waves, all_waves = half.waves.to_frame(), sinus.waves.to_frame()
    gone = (all_waves["wave"] == "P") & (all_waves["peak_s"] < HALF_S)
    assert gone.sum() > 12
    assert waves.equals(all_waves[~gone].reset_index(drop=True))
    assert half.intervals["qrs_duration_ms"] == sinus.intervals["qrs_duration_ms"]
    assert half.intervals["pr_interval_ms"].count < sinus.intervals["pr_interval_ms"].count
    assert half.intervals["p_axis_deg"].count < sinus.intervals["p_axis_deg"].count


def test_pr_of_a_fibrillating_record_is_not_stated(model: EcgModel, monkeypatch: pytest.MonkeyPatch) -> None:
    a = analysed(model, monkeypatch, AF, AF)
    assert not (a.waves.to_frame()["wave"] == "P").any()
    for name in ("pr_interval_ms", "p_duration_ms", "p_axis_deg", "pr_interval_global_ms"):
        assert a.intervals[name].value is None
        assert "are no P: the rhythm is atrial fibrillation or flutter" in a.intervals[name].reason
    assert a.intervals["qt_interval_ms"].value is not None
