"""Rows as other hearts would give them: the marks must move with what they mark."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from beatssl.training.segmentation.config import UNCHANGED, HeartChanges
from beatssl.training.segmentation.heart_changes import changed
from beatssl.training.segmentation.marks import MarkedRows, classes_at, covered_by

FS_HZ = 200.0
OFF = UNCHANGED
P, QRS, T = 1, 2, 3


def rows(rate=60.0, leads=12, seconds=10.0):
    """Two rows of beats whose marked waves alone are not zero: P is 0.1 mV, QRS 1 mV, T 0.3 mV high."""
    steps = round(seconds * 500)
    classes = np.zeros((2, leads, steps), np.int16)
    signal = np.zeros((2, leads, round(seconds * FS_HZ)), np.float32)
    at = np.arange(0.4, seconds - 0.5, 60 / rate)
    for r in at:
        for wave, begin, end, height in ((P, -0.2, -0.1, 0.1), (QRS, -0.04, 0.05, 1.0), (T, 0.2, 0.36, 0.3)):
            classes[:, :, round((r + begin) * 500) : round((r + end) * 500)] = wave
            time = np.arange(signal.shape[2]) / FS_HZ
            inside = (time > r + begin) & (time < r + end)
            signal[:, :, inside] = height * np.sin(np.pi * (time[inside] - r - begin) / (end - begin)).astype(
                np.float32
            )
    return MarkedRows(
        row=np.arange(2), record_id=np.array(["a", "b"], object), ecg_mv=torch.from_numpy(signal),
        lead_mask=torch.ones(2, leads, dtype=torch.bool), covered=torch.from_numpy(covered_by(classes)),
        beat_row=torch.from_numpy(np.repeat([0, 1], len(at))),
        beat_at=torch.from_numpy(np.tile(at * FS_HZ, 2).astype(np.float32)), fs_hz=FS_HZ,
    )  # fmt: skip


def waves(found, wave, row=0, lead=1):
    line = classes_at(found.covered)[row, lead] == wave
    edges = np.flatnonzero(np.diff(line.astype(int), prepend=0, append=0))
    return edges.reshape(-1, 2) / 500


def rng(seed=0):
    return np.random.default_rng(seed)


def test_nothing_changes_where_no_change_is_asked_for():
    before = rows()
    after = changed(before, OFF, rng())
    assert torch.equal(before.ecg_mv, after.ecg_mv)
    assert torch.equal(before.covered, after.covered)
    assert torch.equal(before.beat_at, after.beat_at)


def test_a_faster_heart_has_its_marks_where_its_waves_are():
    after = changed(rows(), replace(OFF, faster=1.0, rate=(110.0, 110.0)), rng(3))
    beats = after.beat_at[after.beat_row == 0].numpy() / FS_HZ
    rate = 60 / np.median(np.diff(beats))
    assert 100 < rate < 115
    assert len(waves(after, P)) == pytest.approx(len(waves(after, QRS)), abs=1)
    signal, time = after.ecg_mv[0, 1].numpy(), np.arange(after.ecg_mv.shape[2]) / FS_HZ
    for wave, height in ((P, 0.1), (QRS, 1.0), (T, 0.3)):
        for begin, end in waves(after, wave)[1:-1]:
            part = signal[(time >= begin) & (time <= end)]
            assert part.max() > 0.8 * height
    nothing = np.ones(len(time), bool)
    for wave in (P, QRS, T):
        for begin, end in waves(after, wave):
            nothing &= (time < begin - 0.006) | (time > end + 0.006)
    assert np.abs(signal[nothing]).max() < 0.03
    on = np.array([[begin, end] for begin, end in waves(after, QRS)])
    assert all(((on[:, 0] <= r) & (r <= on[:, 1])).any() for r in beats[1:-1])


def test_at_a_high_rate_p_begins_upon_t():
    after = changed(rows(), replace(OFF, faster=1.0, rate=(200.0, 200.0)), rng())
    ends, begins = waves(after, T)[:, 1], waves(after, P)[:, 0]
    gaps = begins[np.clip(np.searchsorted(begins, ends[1:-1] - 0.001), 0, len(begins) - 1)] - ends[1:-1]
    assert np.median(np.abs(gaps)) < 0.005
    assert (np.diff(after.beat_at[after.beat_row == 0].numpy()) / FS_HZ < 0.55).all()


def test_a_row_without_p_becomes_faster_too():
    before = rows()
    classes = classes_at(before.covered)
    classes[classes == P] = 0
    after = changed(
        replace(before, covered=torch.from_numpy(covered_by(classes))), replace(OFF, faster=1.0, rate=(100.0, 100.0)),
        rng(),
    )  # fmt: skip
    assert not len(waves(after, P))
    assert len(waves(after, QRS)) > 12


@pytest.mark.parametrize(("change", "wave", "left"), [("no_p", P, 0.02), ("no_t", T, 0.12)])
def test_a_wave_taken_out_leaves_neither_mark_nor_shape(change, wave, left):
    before = rows()
    after = changed(before, replace(OFF, **{change: 1.0}), rng())
    time = np.arange(before.ecg_mv.shape[2]) / FS_HZ
    assert not len(waves(after, wave))
    for begin, end in waves(before, wave):
        part = after.ecg_mv[0, 1].numpy()[(time > begin) & (time < end)]
        assert np.abs(part).max() < left
    assert len(waves(after, QRS)) == len(waves(before, QRS))


def test_a_small_p_keeps_its_marks():
    after = changed(rows(), replace(OFF, small_p=1.0), rng())
    assert len(waves(after, P)) == len(waves(rows(), P))
    assert after.ecg_mv[0, 1, 40:60].max() < 0.095


def test_st_and_t_change_in_some_leads_and_marks_stay():
    before = rows()
    after = changed(before, replace(OFF, st_t=1.0), rng(1))
    assert torch.equal(before.covered, after.covered)
    assert torch.equal(before.beat_at, after.beat_at)
    time = np.arange(before.ecg_mv.shape[2]) / FS_HZ
    r = before.beat_at[1].item() / FS_HZ
    st, top = np.abs(time - r - 0.12).argmin(), np.abs(time - r - 0.28).argmin()
    moved = after.ecg_mv[0, :, st].abs()
    assert 0 < (moved < 1e-4).sum() < 12
    assert 0.05 < moved.max() <= 0.3
    t_mv = after.ecg_mv[:, :, top] - before.ecg_mv[:, :, top]
    assert t_mv.min() < -0.3 < 0.05 < t_mv.max()
    outside = (time > r - 0.25) & (time < r - 0.05)  # P, and the line about it
    assert torch.equal(before.ecg_mv[:, :, outside], after.ecg_mv[:, :, outside])


def test_pr_and_qrs_become_longer():
    long_pr = changed(rows(), replace(OFF, long_pr=1.0), rng(1))
    pr = np.median(waves(long_pr, QRS)[2:6, 0] - waves(long_pr, P)[2:6, 0])
    assert 0.17 < pr < 0.38
    wide = changed(rows(), replace(OFF, wide_qrs=1.0), rng(1))
    assert np.median(np.diff(waves(wide, QRS)[1:-1])) > 0.1


def test_some_p_are_not_conducted():
    after = changed(rows(), replace(OFF, not_conducted=1.0), rng(2))
    p, qrs = waves(after, P)[:, 0], waves(after, QRS)[:, 0]
    alone = [x for x in p[1:-1] if not ((qrs > x) & (qrs < x + 0.3)).any()]
    assert alone
    assert len(alone) <= len(p) / 2 + 1


def test_noise_leaves_marks_alone_and_is_of_the_strength_asked_for():
    before = rows()
    after = changed(before, replace(OFF, noisy=1.0), rng())
    assert torch.equal(before.covered, after.covered)
    noise = (after.ecg_mv - before.ecg_mv).numpy()
    rms = np.sqrt(np.mean(noise**2, axis=2))
    assert (rms > 0.01).all()
    assert (rms < 0.4).all()  # 0 dB: as a sine of 1 mV peak to peak


def test_the_same_draw_gives_the_same_rows():
    changes = HeartChanges()
    one, other = (changed(rows(), changes, rng(5)) for _ in range(2))
    assert torch.equal(one.ecg_mv, other.ecg_mv)
    assert torch.equal(one.covered, other.covered)
