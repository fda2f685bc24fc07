"""Shares of waves in samples, against marks counted one by one."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.store.store import Store
from beatssl.training.segmentation.marks import MARK_HZ, classes_of, marked_rows, targets
from beatssl.training.segmentation.pseudo_labels import MeasuredRows, rows_beside


def crossings(share):
    """Times in samples at which a share rises through one half, interpolated."""
    at = np.flatnonzero((share[:-1] < 0.5) & (share[1:] >= 0.5))
    return at + (0.5 - share[at]) / (share[at + 1] - share[at])


def marks_of(store, row, lead):
    record_id = store.records["record_id"].iloc[row]
    return store.waves[(store.waves["record_id"] == record_id) & (store.waves["lead"] == lead)]


@pytest.fixture(scope="module")
def rows(store):
    return marked_rows(store, range(4))


def steady(rows, count=4):
    return torch.arange(rows.ecg_mv.shape[2], dtype=torch.float32).expand(count, -1)


def test_shares_sum_to_one_and_cross_one_half_at_the_marks(store, rows):
    share, known = targets(rows.covered, steady(rows), store.fs_hz)
    np.testing.assert_allclose(share.sum(dim=2).numpy(), 1, atol=1e-5)
    marks = store.waves[
        (store.waves["record_id"] == store.records["record_id"].iloc[1]) & (store.waves["lead"] == "II")
    ]
    onset_s = marks.loc[marks["wave"] == "QRS", "onset_s"].to_numpy()
    found_s = crossings(share[1, 1, 2].numpy()) / store.fs_hz
    assert known[1, 1].any()
    assert len(found_s) == len(onset_s)
    np.testing.assert_allclose(found_s, onset_s, atol=0.002 + 0.1 / store.fs_hz)


def test_marks_move_with_time(store, rows):
    plain, _ = targets(rows.covered, steady(rows), store.fs_hz)
    slower, _ = targets(rows.covered, steady(rows) / 1.25 + 3.3, store.fs_hz)
    before, after = (crossings(share[0, 1, 2].numpy()) for share in (plain, slower))
    expected = (before - 3.3) * 1.25
    expected = expected[(expected > 0) & (expected < plain.shape[3] - 1)]
    np.testing.assert_allclose(after, expected, atol=0.2)


def test_nothing_is_known_beyond_the_marks_or_the_record(store, rows):
    _, known = targets(rows.covered, steady(rows) + 900, store.fs_hz)
    assert not known[:, :, 101:].any()
    marks = store.waves[
        (store.waves["record_id"] == store.records["record_id"].iloc[0]) & (store.waves["lead"] == "V3")
    ]
    line = classes_of(store, np.array([0]))[0, 8]
    outside = np.flatnonzero(line >= 0)[[0, -1]] / MARK_HZ
    np.testing.assert_allclose(outside, [marks["onset_s"].min(), marks["offset_s"].max()], atol=0.005)


def changed(store, monkeypatch, change):
    """Classes of the store's first record with its marks changed."""
    marks = store.waves[store.waves["record_id"] == store.records["record_id"].iloc[0]].copy()
    monkeypatch.setitem(store.__dict__, "waves", change(marks))
    return classes_of(store, np.array([0]))[0]


def test_a_beat_that_one_lead_does_not_mark_is_not_known_there(store, monkeypatch):
    def without_second_beat(marks):
        beat = marks[(marks["lead"] == "V4") & (marks["wave"] == "QRS")].iloc[2]
        near = (marks["lead"] == "V4") & (marks["peak_s"] - beat["peak_s"]).abs().lt(0.45)
        without_second_beat.at_s = beat["peak_s"]
        return marks[~near]

    lines = changed(Store(store.path), monkeypatch, without_second_beat)
    at = round(without_second_beat.at_s * MARK_HZ)
    assert lines[9, at] == -1
    assert lines[8, at] == 2


def test_a_wave_without_an_onset_is_known_from_its_peak(store, monkeypatch):
    def no_onset(marks):
        marks.loc[(marks["lead"] == "I") & (marks["wave"] == "QRS"), "onset_s"] = np.nan
        no_onset.marks = marks[(marks["lead"] == "I") & (marks["wave"] == "QRS")]
        return marks

    line = changed(Store(store.path), monkeypatch, no_onset)[0]
    peak, offset = (np.round(no_onset.marks[name].to_numpy() * MARK_HZ).astype(int) for name in ("peak_s", "offset_s"))
    assert (line[peak[1:] - 3] == -1).all()
    assert (line[peak[1:] + 1] == 2).all()
    assert (line[offset[1:] - 2] == 2).all()


def test_missing_t_waves_are_not_known_where_other_leads_have_them(store, monkeypatch):
    lines = changed(Store(store.path), monkeypatch, lambda m: m[~((m["lead"] == "V1") & (m["wave"] == "T"))])
    assert not (lines[6] == 3).any()
    assert (lines[6][lines[7] == 3] == -1).mean() > 0.7


def test_a_store_without_marks_is_refused(store, monkeypatch):
    other = Store(store.path)
    monkeypatch.setitem(other.__dict__, "waves", pd.DataFrame(columns=store.waves.columns))
    with pytest.raises(ValueError, match="no marked waves"):
        marked_rows(other, [0])


def test_some_rows_are_those_rows(store, rows):
    some, alone = rows.take(np.array([1, 3])), marked_rows(store, [1, 3])
    assert len(some) == 2
    for name, value in vars(alone).items():
        np.testing.assert_array_equal(getattr(some, name), value)


def test_measured_rows_cross_one_half_where_the_store_measured_a_boundary_in_all_leads_alike(store):
    fine = replace(store.preparation, fs_hz=2 * store.fs_hz, high_hz=80.0)
    found = MeasuredRows(store, np.arange(2, 6), fine).take(np.array([1, 2]))
    assert list(found.row) == [3, 4]
    assert found.fs_hz == 2 * store.fs_hz
    assert found.ecg_mv.shape[2] == 2 * store.ecg_mv([3]).shape[2]
    np.testing.assert_allclose(found.ecg_mv[0, 1, ::2], store.ecg_mv([3])[0, 1], atol=0.02)
    share, _ = targets(found.covered, steady(found, 2), found.fs_hz)
    assert torch.equal(share[:, 0], share[:, 7])
    for at, row in enumerate(found.row):
        beats = store.beats[store.beats["row"] == row]
        onset_s = (beats["time_s"] + beats["qrs_onset_s"]).dropna().to_numpy(np.float64)
        found_s = crossings(share[at, 1, 2].numpy()) / found.fs_hz
        np.testing.assert_allclose(found_s, onset_s[-len(found_s) :], atol=0.003)
        assert len(found_s) >= len(onset_s) - 1


def test_rows_without_waves_are_left_out_and_other_signals_refused(store, monkeypatch):
    own = store.preparation
    other = Store(store.path)
    monkeypatch.setitem(other.__dict__, "beats", store.beats[store.beats["row"] != 3])
    assert list(MeasuredRows(other, np.arange(2, 6), own).row) == [2, 4, 5]
    with pytest.raises(ValueError, match="measured waves"):
        MeasuredRows(other, np.array([3]), own)
    with pytest.raises(ValueError, match="prepare it alike"):
        MeasuredRows(store, np.arange(4), replace(own, low_hz=0.05))


def test_people_and_waveforms_of_the_marked_store_take_no_part(store, larger, monkeypatch):
    assert list(rows_beside(larger, store, ()).row) == list(range(24, 34))
    records = larger.records.assign(patient_id=[f"other {row}" for row in range(34)])
    records.loc[30, "patient_id"] = store.records["patient_id"].iloc[0]
    records.loc[:4, "waveform_hash"] = "another"
    monkeypatch.setitem(larger.__dict__, "records", records)
    assert list(rows_beside(larger, store, ()).row) == [*range(5), *range(24, 30), *range(31, 34)]
    monkeypatch.setitem(larger.__dict__, "records", records.assign(fold=range(34)))
    assert list(rows_beside(larger, store, (3, 27, 30)).row) == [3, 27]


def test_rows_of_another_length_are_refused(store, larger, monkeypatch):
    monkeypatch.setattr(Store, "duration_s", property(lambda self: 5.0 if self is larger else 10.0))
    with pytest.raises(ValueError, match=r"last 5 s, those of .* 10 s"):
        rows_beside(larger, store, ())
