"""Rows with the waves that `prepare` measured, against the store's table of beats; and who takes part."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from beatssl.inference.segmenter import EcgSegmenter
from beatssl.signals.preparation import Preparation
from beatssl.training.segmentation.marks import targets
from beatssl.training.segmentation.pseudo_labels import PseudoLabelledRows, _believed, _taught, rows_to_cotrain


def crossings(share):
    """Times in samples at which a share rises through one half, interpolated."""
    at = np.flatnonzero((share[:-1] < 0.5) & (share[1:] >= 0.5))
    return at + (0.5 - share[at]) / (share[at + 1] - share[at])


def test_shares_cross_one_half_where_the_store_measured_a_boundary_in_all_leads_alike(store):
    fine = replace(store.preparation, fs_hz=2 * store.fs_hz, high_hz=80.0)
    found = PseudoLabelledRows(store, np.arange(2, 6), fine).take(np.array([1, 2]))
    assert list(found.row) == [3, 4]
    assert found.fs_hz == 2 * store.fs_hz
    assert found.ecg_mv.shape[2] == 2 * store.ecg_mv([3]).shape[2]
    np.testing.assert_allclose(found.ecg_mv[0, 1, ::2], store.ecg_mv([3])[0, 1], atol=0.02)
    unmoved = torch.arange(found.ecg_mv.shape[2], dtype=torch.float32).expand(2, -1)
    share, _ = targets(found.covered, unmoved, found.fs_hz)
    assert torch.equal(share[:, 0], share[:, 7])
    for at, row in enumerate(found.row):
        beats = store.beats[store.beats["row"] == row]
        onset_s = (beats["time_s"] + beats["qrs_onset_s"]).dropna().to_numpy(np.float64)
        found_s = crossings(share[at, 1, 2].numpy()) / found.fs_hz
        np.testing.assert_allclose(found_s, onset_s[-len(found_s) :], atol=0.003)
        assert len(found_s) >= len(onset_s) - 1


def test_rows_without_waves_are_left_out_and_other_signals_refused(store):
    own = store.preparation
    other = store.with_tables(beats=store.beats[store.beats["row"] != 3])
    assert list(PseudoLabelledRows(other, np.arange(2, 6), own).row) == [2, 4, 5]
    with pytest.raises(ValueError, match="measured waves"):
        PseudoLabelledRows(other, np.array([3]), own)
    with pytest.raises(ValueError, match="prepare it alike"):
        PseudoLabelledRows(store, np.arange(4), replace(own, low_hz=0.05))


def test_people_and_waveforms_of_the_marked_store_take_no_part(store, larger):
    assert list(rows_to_cotrain(larger, store, ()).row) == list(range(24, 34))
    records = larger.records.assign(patient_id=[f"other {row}" for row in range(34)])
    records.loc[30, "patient_id"] = store.records["patient_id"].iloc[0]
    records.loc[:4, "waveform_hash"] = [f"another {row}" for row in range(5)]
    other = larger.with_tables(records=records)
    assert list(rows_to_cotrain(other, store, ()).row) == [*range(5), *range(24, 30), *range(31, 34)]
    folded = larger.with_tables(records=records.assign(fold=range(34)))
    assert list(rows_to_cotrain(folded, store, (3, 27, 30)).row) == [3, 27]


def test_rows_of_another_length_are_refused(store, larger):
    with pytest.raises(ValueError, match=r"last 5 s, those of .* 10 s"):
        rows_to_cotrain(larger.with_config(duration_s=5.0), store, ())


def beats_of(rr_s, p):
    """Beats at the given RR intervals, with a P where `p` says so, as `_believed` takes them."""
    r_s = np.cumsum([0.5, *rr_s])
    there = np.where(p, 0.0, np.nan)
    return {
        "p_onset_s": r_s - 0.18 + there, "p_peak_s": r_s - 0.14 + there, "p_offset_s": r_s - 0.1 + there,
        "qrs_onset_s": r_s - 0.04, "r_peak_s": r_s, "qrs_offset_s": r_s + 0.05,
        "t_onset_s": r_s + 0.2, "t_peak_s": r_s + 0.28, "t_offset_s": r_s + 0.35,
    }  # fmt: skip


def test_what_the_rules_do_not_know_is_no_label():
    regular, irregular = np.full(9, 0.8), np.array([0.5, 0.9, 0.6, 1.1, 0.7, 0.5, 1.0, 0.6, 0.9])
    some = np.arange(10) % 2 == 0
    unsure, no_t, denied = _believed(beats_of(regular, some))
    assert len(unsure) == 5  # a beat without P among beats with one: from the T before it to its QRS
    assert unsure[0] == pytest.approx((0.5 + 0.28, 1.3 - 0.04))
    assert not no_t
    assert not denied
    assert _believed(beats_of(regular, np.zeros(10, bool)))[0]  # nor where a regular row has none at all
    fibrillation = beats_of(irregular, np.arange(10) == 3)
    unsure, _, denied = _believed(fibrillation)  # few P in an irregular row are none, unless a teacher says so
    assert (len(unsure), len(denied)) == (0, 10)
    assert np.isnan(fibrillation["p_onset_s"]).all()
    doubtful = beats_of(irregular, np.arange(10) < 5)
    assert len(_believed(doubtful)[0]) == 10


def test_a_t_that_was_not_measured_may_be_there():
    beats = beats_of(np.full(9, 0.8), np.ones(10, bool))
    beats["t_offset_s"][4] = np.nan
    assert _believed(beats) == ([], [pytest.approx((3.7 + 0.05, 3.7 + 0.6))], [])


class Teacher(EcgSegmenter):
    """Sees P from 0.2 to 0.1 s before each QRS of the rows, or of every other beat alone."""

    def __init__(self, r_s, sees):
        torch.nn.Module.__init__(self)
        self.preparation, self.r_s, self.sees = Preparation(200.0, 0.5, 80.0), r_s, sees

    def of_batch(self, ecg_mv, slot, preparation):
        assert preparation == self.preparation
        p = np.zeros((len(ecg_mv), ecg_mv.shape[1], 4, ecg_mv.shape[2]), np.float32)
        time = np.arange(ecg_mv.shape[2]) / 200
        for r, seen in zip(self.r_s, self.sees, strict=True):
            p[:, :, 2, np.abs(time - r) < 0.045] = 0.98
            p[:, :, 1, (time > r - 0.2) & (time < r - 0.1)] = 0.9 if seen else 0.0
        p[:, :, 0] = 1 - p[:, :, 1:].sum(axis=2)
        return p


@pytest.mark.parametrize(("sees", "marked"), [(np.ones(10, bool), 10), (np.zeros(10, bool), 0)])
def test_a_teacher_marks_p_where_the_beats_together_convince_it(sees, marked):
    r_s = 0.7 + 0.9 * np.arange(10)
    classes = np.full((2, 5000), -1, np.int16)
    unsure = [[(r - 0.4, r - 0.04) for r in r_s], []]
    _taught(Teacher(r_s, sees), np.ones((2, 12, 2000), np.float32), classes, unsure)
    edges = np.flatnonzero(np.diff((classes[0] == 1).astype(int), prepend=0, append=0)).reshape(-1, 2) / 500
    assert len(edges) == marked
    if marked:
        np.testing.assert_allclose(edges, np.stack([r_s - 0.2, r_s - 0.1], axis=1), atol=0.006)
    assert (classes[1] == -1).all()
    assert np.isin(classes[0], (-1, 1)).all()
