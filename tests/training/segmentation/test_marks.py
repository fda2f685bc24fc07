"""Shares of waves in samples, against marks counted one by one."""

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.training.segmentation.marks import MARK_HZ, classes_of, marked_rows, targets


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


def unmoved(rows, count=4):
    return torch.arange(rows.ecg_mv.shape[2], dtype=torch.float32).expand(count, -1)


def test_shares_sum_to_one_and_cross_one_half_at_the_marks(store, rows):
    share, known = targets(rows.covered, unmoved(rows), store.fs_hz)
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
    plain, _ = targets(rows.covered, unmoved(rows), store.fs_hz)
    slower, _ = targets(rows.covered, unmoved(rows) / 1.25 + 3.3, store.fs_hz)
    before, after = (crossings(share[0, 1, 2].numpy()) for share in (plain, slower))
    expected = (before - 3.3) * 1.25
    expected = expected[(expected > 0) & (expected < plain.shape[3] - 1)]
    np.testing.assert_allclose(after, expected, atol=0.2)


def test_nothing_is_known_beyond_the_marks_or_the_record(store, rows):
    _, known = targets(rows.covered, unmoved(rows) + 900, store.fs_hz)
    assert not known[:, :, 101:].any()
    marks = store.waves[
        (store.waves["record_id"] == store.records["record_id"].iloc[0]) & (store.waves["lead"] == "V3")
    ]
    line = classes_of(store, np.array([0]))[0, 8]
    outside = np.flatnonzero(line >= 0)[[0, -1]] / MARK_HZ
    np.testing.assert_allclose(outside, [marks["onset_s"].min(), marks["offset_s"].max()], atol=0.005)


def changed(store, change):
    """Classes of the store's first record with its marks changed."""
    marks = store.waves[store.waves["record_id"] == store.records["record_id"].iloc[0]].copy()
    return classes_of(store.with_tables(waves=change(marks)), np.array([0]))[0]


def test_a_beat_that_one_lead_does_not_mark_is_not_known_there(store):
    def without_second_beat(marks):
        beat = marks[(marks["lead"] == "V4") & (marks["wave"] == "QRS")].iloc[2]
        near = (marks["lead"] == "V4") & (marks["peak_s"] - beat["peak_s"]).abs().lt(0.45)
        without_second_beat.at_s = beat["peak_s"]
        return marks[~near]

    lines = changed(store, without_second_beat)
    at = round(without_second_beat.at_s * MARK_HZ)
    assert lines[9, at] == -1
    assert lines[8, at] == 2


def test_a_wave_without_an_onset_is_known_from_its_peak(store):
    def no_onset(marks):
        marks.loc[(marks["lead"] == "I") & (marks["wave"] == "QRS"), "onset_s"] = np.nan
        no_onset.marks = marks[(marks["lead"] == "I") & (marks["wave"] == "QRS")]
        return marks

    line = changed(store, no_onset)[0]
    peak, offset = (np.round(no_onset.marks[name].to_numpy() * MARK_HZ).astype(int) for name in ("peak_s", "offset_s"))
    assert (line[peak[1:] - 3] == -1).all()
    assert (line[peak[1:] + 1] == 2).all()
    assert (line[offset[1:] - 2] == 2).all()


def test_missing_t_waves_are_not_known_where_other_leads_have_them(store):
    lines = changed(store, lambda m: m[~((m["lead"] == "V1") & (m["wave"] == "T"))])
    assert not (lines[6] == 3).any()
    assert (lines[6][lines[7] == 3] == -1).mean() > 0.7


def test_a_store_without_marks_is_refused(store):
    other = store.with_tables(waves=pd.DataFrame(columns=store.waves.columns))
    with pytest.raises(ValueError, match="no marked waves"):
        marked_rows(other, [0])


def test_a_store_of_leads_as_recorded_is_refused(store):
    with pytest.raises(ValueError, match="has leads as recorded; prepare it again with leads='twelve'"):
        marked_rows(store.with_config(leads="as-recorded"), [0])


def test_some_rows_are_those_rows(store, rows):
    some, alone = rows.take(np.array([1, 3])), marked_rows(store, [1, 3])
    assert len(some) == 2
    for name, value in vars(alone).items():
        np.testing.assert_array_equal(getattr(some, name), value)
