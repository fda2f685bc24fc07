"""Waves from probabilities: against a slow search, order and widths of any input, exact crossings, silence, seams."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from hypothesis import example, given, settings
from hypothesis import strategies as st

from beatssl.beats.decoding import viterbi, wave_decoding
from beatssl.beats.decoding.viterbi import LEAST_S, P_GAP_S, QRS_GAP_S, wave_segments
from beatssl.beats.decoding.wave_decoding import LEAST_CONFIDENCE, decode_waves, silent
from beatssl.signals.waves import WAVE_CLASSES

FS_HZ = 100.0
seeds = st.integers(0, 2**32 - 1)

# The states and what may follow them, written out once more: (class, may follow after how long and at what cost).
STATES = {"none": 0, "P": 1, "after P": 0, "long after P": 0, "QRS": 2, "after QRS": 0, "long after QRS": 0, "T": 3}
RARE = viterbi.RARE_COST
FOLLOWS = {
    "none": {"T": 0.0},
    "P": {"none": 0.0, "T": 0.0, "long after P": RARE, "long after QRS": RARE},
    "after P": {"P": 0.0},
    "long after P": {"P": 0.0},
    "QRS": {"none": 0.0, "T": 0.0, "P": 0.0, "after P": 0.0, "long after QRS": RARE},
    "after QRS": {"QRS": 0.0},
    "long after QRS": {"QRS": 0.0},
    "T": {"QRS": 0.0, "after QRS": 0.0},
}
LEAST = {"P": 4, "QRS": 4, "T": 7, "long after P": 11, "long after QRS": 11}


def rough(rng: np.random.Generator, leads: int, time: int, smooth: int = 3, strength: float = 4.0) -> np.ndarray:
    """Probabilities that wander between the classes."""
    steps = rng.normal(size=(leads, 4, time + smooth - 1)) * strength
    logits = np.lib.stride_tricks.sliding_window_view(steps, smooth, axis=2).sum(axis=3) / np.sqrt(smooth)
    chance = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (chance / chance.sum(axis=1, keepdims=True)).astype(np.float32)


def probability_of(waves: list[tuple[int, float, float]], time: int, fs_hz: float = FS_HZ) -> np.ndarray:
    """One lead's probabilities: the share of each sample that lies in each wave (class, onset_s, offset_s)."""
    out = np.zeros((1, 4, time), np.float32)
    edge = (np.arange(time + 1) - 0.5) / fs_hz
    for kind, onset, offset in waves:
        out[0, kind] += np.clip(np.minimum(edge[1:], offset) - np.maximum(edge[:-1], onset), 0, None) * fs_hz
    out[:, 0] = 1 - out[:, 1:].sum(axis=1)
    return np.clip(out, 0, 1)


def slow_waves(probability: np.ndarray) -> list[tuple[int, int, int]]:
    """Best segmentation of one lead by trying every last segment: (class, first, last) of its waves."""
    time, pad = probability.shape[1], 11
    log_p = np.concatenate([np.log(np.clip(probability, 1e-4, 1)), np.zeros((4, pad))], axis=1)
    total = np.concatenate([np.zeros((4, 1)), np.cumsum(log_p, axis=1)], axis=1)
    best: list[dict[str, tuple[float, int, str]]] = []  # by last sample: value, first sample, state before
    for end in range(time + pad):
        here: dict[str, tuple[float, int, str]] = {}
        for state, kind in STATES.items():
            options = [(total[kind, end + 1], 0, "")]
            for first in range(1, end + 2 - LEAST.get(state, 1)):
                evidence = total[kind, end + 1] - total[kind, first] - (viterbi.WAVE_COST if kind else 0)
                options += [
                    (best[first - 1][source][0] + evidence - cost, first, source)
                    for source, cost in FOLLOWS[state].items()
                ]
            here[state] = max(options)
        best.append(here)
    waves: list[tuple[int, int, int]] = []
    end, state = time + pad - 1, max(best[-1], key=lambda name: best[-1][name][0])
    while state:
        _, first, source = best[end][state]
        if STATES[state] and first < time:
            waves.append((STATES[state], first, min(end, time - 1)))
        end, state = first - 1, source
    return waves[::-1]


@given(seed=seeds)
@settings(max_examples=15, deadline=None)
def test_it_is_the_best_segmentation_of_all(seed: int) -> None:
    probability = rough(np.random.default_rng(seed), 2, 45, strength=2.0)
    found = wave_segments(probability, FS_HZ)
    for lead in range(2):
        of_lead = found.line == lead
        columns = (found.kind[of_lead].tolist(), found.first[of_lead].tolist(), found.last[of_lead].tolist())
        assert list(zip(*columns, strict=True)) == slow_waves(probability[lead].astype(np.float64))


@example(seed=160, fs_hz=250.0, smooth=1)  # a gap that closes
@given(seed=seeds, fs_hz=st.sampled_from([100.0, 250.0]), smooth=st.integers(1, 40))
@settings(max_examples=30, deadline=None)
def test_whatever_comes_in_waves_keep_order_widths_and_gaps(seed: int, fs_hz: float, smooth: int) -> None:
    waves = decode_waves(rough(np.random.default_rng(seed), 3, 400, smooth), fs_hz)
    for _, lead in waves.groupby("lead"):
        onset, offset = lead["onset_s"].to_numpy(), lead["offset_s"].to_numpy()
        whole = np.isfinite(onset) & np.isfinite(offset)
        least = lead["wave"].map(LEAST_S).to_numpy(np.float64)
        assert (offset - onset >= least - 1e-9)[whole].all()
        gap = onset[1:] - offset[:-1]
        assert (gap >= -1e-9).all()
        assert np.isfinite(onset[1:]).all()  # only the first wave can begin, and the last end, beyond the record
        assert np.isfinite(offset[:-1]).all()
        pairs = list(zip(lead["wave"].iloc[:-1], lead["wave"].iloc[1:], gap, strict=True))
        for before, after, gap_s in pairs:
            assert (before, after) not in {("P", "T"), ("T", "T")}
            if (before, after) == ("P", "P"):
                assert gap_s >= P_GAP_S - 1e-9
            if before == "QRS" and after != "T":
                assert gap_s >= min(QRS_GAP_S, LEAST_S["T"]) - 1e-9  # a T may have been there, and absent
    sure = waves[["onset_confidence", "offset_confidence"]].to_numpy()
    assert ((sure >= 0) & (sure <= 1) | np.isnan(sure)).all()
    assert (np.isnan(sure) == waves[["onset_s", "offset_s"]].isna().to_numpy()).all()


def test_a_p_or_t_below_a_half_is_absent_and_every_qrs_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    probability = rough(np.random.default_rng(0), 6, 2000, 9)
    kept = decode_waves(probability, FS_HZ)
    monkeypatch.setattr(wave_decoding, "LEAST_CONFIDENCE", 0.0)
    every = decode_waves(probability, FS_HZ)
    doubtful = every["confidence"] < LEAST_CONFIDENCE
    assert set(every["wave"][doubtful]) == set(every["wave"][~doubtful]) == set(WAVE_CLASSES[1:])
    stays = ~doubtful | (every["wave"] == "QRS")
    pd.testing.assert_frame_equal(kept, every[stays].reset_index(drop=True))


@given(onset=st.floats(20.0, 25.0), offset=st.floats(40.0, 45.0), half=st.floats(1.5, 3.0))
@settings(deadline=None)
def test_the_crossing_of_linear_ramps_is_exact(onset: float, offset: float, half: float) -> None:
    sample = np.arange(80)
    up, down = (sample - onset) / half, (offset - sample) / half
    probability = np.zeros((1, 4, 80), np.float64)
    probability[0, 2] = np.clip((1 + np.minimum(up, down)) / 2, 0, 1)
    probability[0, 0] = 1 - probability[0, 2]
    # Exact where both samples beside the crossing lie on the ramp: it reaches 1.5 samples to either side.
    (wave,) = decode_waves(probability.astype(np.float32), FS_HZ).itertuples()
    assert (wave.wave, wave.onset_s) == ("QRS", pytest.approx(onset / FS_HZ, abs=1e-7))
    assert wave.offset_s == pytest.approx(offset / FS_HZ, abs=1e-7)
    assert wave.onset_confidence == pytest.approx(1.0, abs=1e-6)  # the whole ramp lies within 40 ms


def test_confidence_is_the_share_of_the_chance_within_40_ms() -> None:
    probability = np.zeros((1, 4, 100), np.float32)
    probability[0, 3] = np.interp(np.arange(100), [20, 40, 60, 62], [0, 1, 1, 0])  # onset: 0 to 1 over 200 ms
    probability[0, 0] = 1 - probability[0, 3]
    (wave,) = decode_waves(probability, FS_HZ).itertuples()
    assert wave.onset_s == pytest.approx(0.3)
    assert wave.onset_confidence == pytest.approx(0.4)
    assert wave.offset_confidence == pytest.approx(1.0)


@given(seed=seeds, shift=st.integers(1, 60))
@settings(max_examples=20, deadline=None)
def test_a_later_signal_has_later_waves(seed: int, shift: int) -> None:
    quiet = np.zeros((2, 4, 120), np.float32)
    quiet[:, 0] = 1
    middle = rough(np.random.default_rng(seed), 2, 200, 9)
    first = decode_waves(np.concatenate([quiet, middle, quiet], axis=2), FS_HZ)
    later = decode_waves(np.concatenate([quiet[:, :, :shift], quiet, middle, quiet], axis=2), FS_HZ)
    assert first["wave"].tolist() == later["wave"].tolist()
    times = ["onset_s", "offset_s"]
    np.testing.assert_allclose(first[times] + shift / FS_HZ, later[times], atol=1e-9)


def test_fragments_are_one_wave_and_blocked_p_waves_are_several() -> None:
    beat = [(1, 0.5, 0.6), (2, 0.7, 0.8), (3, 1.0, 1.09), (3, 1.11, 1.2)]
    two_p = [(1, 1.6, 1.7), (1, 2.3, 2.4), (2, 2.5, 2.6), (3, 2.8, 3.0)]
    waves = decode_waves(probability_of(beat + two_p, 350), FS_HZ)
    assert waves["wave"].tolist() == ["P", "QRS", "T", "P", "P", "QRS", "T"]
    assert waves["offset_s"][2] == pytest.approx(1.2, abs=0.005)


def test_two_waves_that_touch_share_a_boundary() -> None:
    waves = decode_waves(probability_of([(1, 0.5, 0.603), (2, 0.603, 0.7)], 200), FS_HZ)
    assert waves["wave"].tolist() == ["P", "QRS"]
    assert waves["offset_s"][0] == pytest.approx(waves["onset_s"][1])
    assert waves["offset_s"][0] == pytest.approx(0.603, abs=0.002)


def test_a_wave_cut_by_the_end_has_no_boundary_there() -> None:
    waves = decode_waves(probability_of([(3, -0.2, 0.15), (2, 0.97, 1.2)], 100), FS_HZ)
    assert waves["wave"].tolist() == ["T", "QRS"]
    assert np.isnan([waves["onset_s"][0], waves["onset_confidence"][0], waves["offset_s"][1]]).all()
    assert waves["onset_s"][1] == pytest.approx(0.97, abs=0.002)


def test_no_wave_on_a_flat_or_missing_lead() -> None:
    rng = np.random.default_rng(3)
    probability = rough(rng, 4, 500, 9)
    ecg_mv = rng.normal(0, 0.2, (4, 500)).astype(np.float32)
    ecg_mv[1] = 1.5 + 0.002 * rng.uniform(-1, 1, 500)
    ecg_mv[2] = np.nan
    ecg_mv[3, 150:350] = 0.0
    waves = decode_waves(probability, FS_HZ, ecg_mv)
    assert set(waves["lead"]) == {0, 3}
    dead = waves[waves["lead"] == 3]
    assert not ((dead["onset_s"] < 3.4) & (dead["offset_s"] > 1.6)).any()
    assert len(dead) > 0


def test_silence_is_the_whole_second() -> None:
    ecg_mv = np.zeros((1, 400), np.float32)
    ecg_mv[0, [0, 99, 200, 301, 399]] = 1.0
    # Only between samples 200 and 301 are there 100 quiet samples in a row.
    assert np.flatnonzero(silent(ecg_mv, FS_HZ)[0]).tolist() == [*range(100, 200), *range(201, 301)]


def test_a_signal_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"signal of shape \(3, 90\) for probabilities of shape \(3, 4, 100\)"):
        decode_waves(np.zeros((3, 4, 100), np.float32), FS_HZ, np.zeros((3, 90), np.float32))


@pytest.mark.parametrize("fs_hz", [100.0, 250.0])
def test_windows_of_a_long_record_leave_no_seam(fs_hz: float, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    truth: list[tuple[int, float, float]] = []
    for r in np.cumsum(rng.uniform(0.6, 1.6, 65)):
        truth += [(1, r - 0.2, r - 0.1), (2, r - 0.04, r + 0.05), (3, r + 0.2, r + 0.35)]
    time = round(70 * fs_hz)
    clean = probability_of(truth, time, fs_hz)
    probability = (0.6 * clean + 0.4 * rough(rng, 1, time, 9)).astype(np.float32)
    in_windows = decode_waves(probability, fs_hz)
    assert len(in_windows) >= 180
    monkeypatch.setattr(viterbi, "CORE_S", 100.0)
    whole = decode_waves(probability, fs_hz)
    assert in_windows["wave"].tolist() == whole["wave"].tolist()
    np.testing.assert_allclose(in_windows["onset_s"], whole["onset_s"])


def test_peak_is_where_the_wave_stands_out() -> None:
    time = np.arange(200) / FS_HZ
    ecg_mv = (0.3 * time - np.exp(-0.5 * ((time - 1.003) / 0.02) ** 2)).astype(np.float32)[None]
    (wave,) = decode_waves(probability_of([(2, 0.95, 1.05)], 200), FS_HZ, ecg_mv).itertuples()
    assert wave.peak_s == pytest.approx(1.003, abs=0.001)


def test_ludb_marks_come_back(data_root: Path) -> None:
    for name in ("1", "2"):
        for lead in ("ii", "v2"):
            marks = wfdb.rdann(str(data_root / "ludb" / "data" / name), lead)
            kind = {"p": 1, "N": 2, "t": 3}
            at = [i for i in range(1, len(marks.symbol) - 1) if marks.symbol[i] in kind]
            at = [i for i in at if marks.symbol[i - 1] == "(" and marks.symbol[i + 1] == ")"]
            truth = [(kind[marks.symbol[i]], marks.sample[i - 1] / 500, marks.sample[i + 1] / 500) for i in at]
            waves = decode_waves(probability_of(truth, 1000), FS_HZ)
            assert waves["wave"].tolist() == [WAVE_CLASSES[k] for k, _, _ in truth]
            np.testing.assert_allclose(waves["onset_s"], [onset for _, onset, _ in truth], atol=0.0025)
            np.testing.assert_allclose(waves["offset_s"], [offset for _, _, offset in truth], atol=0.0025)
