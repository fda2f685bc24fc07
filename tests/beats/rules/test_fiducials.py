"""Known waves found at their places, what must not matter does not, and LUDB's accuracy."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.beats.global_beats import GlobalBeats, global_beats
from beatssl.beats.rules.fiducials import CHUNK_BEATS, Fiducials, find_fiducials
from beatssl.beats.windows import beats_of_rows
from beatssl.signals.filters import bandpass, resample

MARKS = tuple(field.name for field in fields(Fiducials))
LUDB_LEADS = ("i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6")

# Half-widths of raised cosines: each wave has a true beginning and end.
P_WAVE, R_WAVE, S_WAVE, T_WAVE = (-0.16, 0.05), (0.0, 0.04), (0.035, 0.03), (0.28, 0.10)


def hump(t: np.ndarray, place: tuple[float, float]) -> np.ndarray:
    middle, half = place
    return np.where(np.abs(t - middle) < half, 0.5 + 0.5 * np.cos(np.pi * (t - middle) / half), 0.0)


def beats_mv(
    count: int = 3,
    leads: int = 12,
    fs_hz: float = 100.0,
    p_mv: float = 0.15,
    noise_mv: float = 0.004,
    shift_s: float = 0.0,
    seed: int = 1,
) -> np.ndarray:
    """Windows from −0.4 to 0.7 s of beats whose waves have their own directions over the leads."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(-0.4 * fs_hz), round(0.7 * fs_hz)) / fs_hz - shift_s
    waves = np.stack([p_mv * hump(t, P_WAVE), hump(t, R_WAVE), -0.6 * hump(t, S_WAVE), 0.3 * hump(t, T_WAVE)])
    direction = np.random.default_rng(0).normal(1.0, 0.5, (leads, 4))
    clean = direction @ waves
    return (clean + rng.normal(0, noise_mv, (count, *clean.shape))).astype(np.float32)


def found(window_mv: np.ndarray, fs_hz: float = 100.0, rr_prev_s: float = 0.9, rr_next_s: float = 0.9) -> Fiducials:
    rr = np.ones(len(window_mv), np.float32)
    prev, following = rr * np.float32(rr_prev_s), rr * np.float32(rr_next_s)
    return find_fiducials(window_mv, fs_hz, round(0.4 * fs_hz), prev, following)


def table(fiducials: Fiducials) -> np.ndarray:
    return np.stack([getattr(fiducials, mark) for mark in MARKS], axis=1)


# Where each mark of the made beat lies, and how near to it the answer must be: a wave of 100 Hz samples that fades out
# as a raised cosine has no sharp end, and a T end by the tangent or the trapezium comes before the last of it.
EXPECTED = {
    "p_onset_s": (-0.21, 0.020),
    "p_peak_s": (-0.16, 0.008),
    "p_offset_s": (-0.11, 0.020),
    "qrs_onset_s": (-0.04, 0.010),
    "r_peak_s": (0.0, 0.010),
    "qrs_offset_s": (0.065, 0.012),
    "t_onset_s": (0.18, 0.035),
    "t_peak_s": (0.28, 0.008),
    "t_offset_s": (0.38, 0.030),
}


@pytest.mark.parametrize("leads", [1, 2, 8, 12])
@pytest.mark.parametrize("fs_hz", [100.0, 250.0, 500.0])
def test_waves_of_known_place_are_found(leads: int, fs_hz: float) -> None:
    result = found(beats_mv(leads=leads, fs_hz=fs_hz), fs_hz)
    for mark, (place, tolerance) in EXPECTED.items():
        np.testing.assert_allclose(getattr(result, mark), place, atol=tolerance, err_msg=mark)


def test_marks_are_float32_and_in_order() -> None:
    result = found(beats_mv(count=50))
    assert all(getattr(result, mark).dtype == np.float32 for mark in MARKS)
    assert (np.diff(table(result), axis=1) > 0).all()


@settings(max_examples=25, deadline=None)
@given(shift_ms=st.integers(-20, 20), gain=st.floats(0.5, 4.0))
def test_times_move_with_the_signal_and_not_with_its_size(shift_ms: int, gain: float) -> None:
    shift_s = shift_ms / 1000
    still = table(found(beats_mv(noise_mv=0.0)))
    moved = table(found((beats_mv(noise_mv=0.0, shift_s=shift_s) * gain).astype(np.float32)))
    # Between samples, so that nothing may stick to the 10 ms grid.
    np.testing.assert_allclose(moved - still, shift_s, atol=0.006)


def test_a_beat_does_not_depend_on_its_neighbours() -> None:
    windows = beats_mv(count=2 * CHUNK_BEATS + 3, noise_mv=0.02)
    whole = table(found(windows))
    some = np.array([0, 1, CHUNK_BEATS - 1, CHUNK_BEATS, len(windows) - 1])
    np.testing.assert_allclose(table(found(windows[some])), whole[some], atol=1e-4)


def test_missing_leads_are_left_out() -> None:
    windows = beats_mv(count=4)
    missing = windows.copy()
    missing[:, 3:] = np.nan
    np.testing.assert_allclose(table(found(missing)), table(found(windows[:, :3])), atol=1e-6)
    # Also where only some records of a batch miss them.
    mixed = table(found(np.concatenate([missing[:2], windows[2:]])))
    np.testing.assert_allclose(mixed[:2], table(found(missing))[:2], atol=1e-4)
    np.testing.assert_allclose(mixed[2:], table(found(windows))[2:], atol=1e-4)


def test_what_lies_beyond_the_record_is_not_measured() -> None:
    windows = beats_mv(count=3)
    windows[0, :, :35] = np.nan  # the record begins 50 ms before R: no P
    windows[1, :, 70:] = np.nan  # it ends 300 ms after R, within T
    windows[2, :, 44:] = np.nan  # it ends 40 ms after R, within QRS
    result = found(windows)
    assert np.isnan(result.p_onset_s).tolist() == [True, False, False]
    assert np.isnan(result.qrs_onset_s).tolist() == [False, False, False]
    assert np.isnan(result.t_offset_s).tolist() == [False, True, True]
    assert np.isnan(result.qrs_offset_s).tolist() == [False, False, True]


def test_a_record_that_begins_within_qrs_has_no_onset() -> None:
    windows = beats_mv(count=1)
    windows[:, :, :39] = np.nan
    assert np.isnan(found(windows).qrs_onset_s).all()


def test_no_p_where_there_is_none() -> None:
    noise = np.isfinite(found(beats_mv(count=200, p_mv=0.0, noise_mv=0.015)).p_peak_s).mean()
    present = np.isfinite(found(beats_mv(count=200, noise_mv=0.015)).p_peak_s).mean()
    assert noise < 0.05
    assert present > 0.95


def test_fibrillation_is_no_p() -> None:
    windows = beats_mv(count=200, p_mv=0.0)
    rng = np.random.default_rng(3)
    t = np.arange(-40, 70) / 100
    phase, rate_hz = rng.uniform(0, 2 * np.pi, (200, 1, 1)), rng.uniform(5, 8, (200, 1, 1))
    waves = 0.08 * np.cos(2 * np.pi * rate_hz * t + phase) * rng.uniform(0.2, 1, (200, 12, 1))
    share = np.isfinite(found((windows + waves).astype(np.float32)).p_peak_s).mean()
    assert share < 0.3


def test_a_long_pr_is_found() -> None:
    t = np.arange(-40, 70) / 100
    windows = beats_mv(p_mv=0.0)
    windows += np.float32(0.15) * hump(t, (-0.26, 0.05)).astype(np.float32)
    result = found(windows)
    np.testing.assert_allclose(result.p_onset_s, -0.31, atol=0.02)


def test_neighbours_bound_the_search_at_fast_rates() -> None:
    t = np.arange(-40, 70) / 100
    windows = beats_mv()
    # The beat before and the beat after, 400 ms away, whose QRS must pass for neither P nor T.
    for place in (-0.4, 0.4):
        windows += hump(t, (place, 0.04)).astype(np.float32)
    result = found(windows, rr_prev_s=0.4, rr_next_s=0.4)
    assert (np.isnan(result.p_onset_s) | (result.p_onset_s > -0.25)).all()
    assert (np.isnan(result.t_offset_s) | (result.t_offset_s < 0.37)).all()


def test_a_line_has_no_waves() -> None:
    assert np.isnan(table(found(np.zeros((2, 12, 110), np.float32)))).all()
    assert np.isnan(table(found(np.full((2, 12, 110), np.nan, np.float32)))).all()


def test_no_beats() -> None:
    assert table(found(np.zeros((0, 12, 110), np.float32))).shape == (0, 9)


def test_first_and_last_beats_have_no_neighbour() -> None:
    assert np.isfinite(table(found(beats_mv(), rr_prev_s=np.nan, rr_next_s=np.nan))).all()


def test_windows_too_short_for_a_qrs_are_refused() -> None:
    rr = np.ones(1, np.float32)
    with pytest.raises(ValueError, match="do not reach"):
        find_fiducials(np.zeros((1, 12, 50), np.float32), 100.0, 40, rr, rr)


def ludb_record(folder: Path, record: int) -> tuple[np.ndarray, GlobalBeats]:
    """The signal at 100 Hz and the reference beats."""
    signal = wfdb.rdrecord(str(folder / str(record))).p_signal
    assert signal is not None
    wave: list[str] = []
    marks: list[tuple[float, float, float]] = []
    for lead in LUDB_LEADS:
        annotation = wfdb.rdann(str(folder / str(record)), lead)
        symbols, at = annotation.symbol, np.append(annotation.sample / 500, np.nan)
        assert symbols is not None
        for k, symbol in enumerate(symbols):
            if symbol in "pNt":
                wave.append({"p": "P", "N": "QRS", "t": "T"}[symbol])
                onset = at[k - 1] if k and symbols[k - 1] == "(" else np.nan
                marks.append((onset, at[k], at[k + 1] if symbols[k + 1 : k + 2] == [")"] else np.nan))
    ecg_mv = resample(bandpass(signal.T.astype(np.float32), 500.0), 500.0, 100.0)
    return ecg_mv, global_beats(wave, *np.array(marks).T)


def test_ludb_boundaries(data_root: Path) -> None:
    # Every fourth record: none of the odd-numbered, on which the constants were chosen.
    records = [ludb_record(data_root / "ludb" / "data", record) for record in range(4, 201, 4)]
    beats = beats_of_rows([ecg for ecg, _ in records], [truth.r_peak_s for _, truth in records], 100.0)
    result = find_fiducials(beats.window_mv, beats.fs_hz, beats.r_index, beats.rr_prev_s, beats.rr_next_s)
    r_sample_s = np.round(beats.time_s * beats.fs_hz) / beats.fs_hz
    truth = {mark: np.concatenate([getattr(t, mark) for _, t in records]) - r_sample_s for mark in MARKS}
    limits = {"p_onset": 6, "p_offset": 7, "qrs_onset": 6, "qrs_offset": 5, "t_peak": 6, "t_offset": 10}
    for mark, limit_ms in limits.items():
        error_ms = 1000 * np.abs(getattr(result, f"{mark}_s") - truth[f"{mark}_s"])
        assert np.nanmedian(error_ms) <= limit_ms, mark
    assert np.isfinite(result.qrs_onset_s).mean() > 0.99
    has_p, p_found = np.isfinite(truth["p_peak_s"]), np.isfinite(result.p_peak_s)
    inner = np.isfinite(beats.rr_prev_s)  # marks begin with a QRS: P of the first beat is not marked
    assert p_found[inner & has_p].mean() > 0.9
    assert (~p_found)[inner & ~has_p].mean() > 0.6
