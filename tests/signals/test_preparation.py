"""One preparation: leads in order, band-pass, resampling; and what cannot be prepared is named."""

import re
from dataclasses import replace

import numpy as np
import pytest

from beatssl.signals.filters import bandpass, resample
from beatssl.signals.leads import LEADS, to_twelve
from beatssl.signals.preparation import Preparation, resample_rows

TWELVE = Preparation(100.0, 0.5, 40.0)
AS_RECORDED = replace(TWELVE, leads=())
RNG = np.random.default_rng(0)
ECG_MV = RNG.normal(size=(3, 1250)).astype(np.float32)
NAMES = ("V2", "MLII", "belly")


def test_leads_are_put_in_order_filtered_and_resampled():
    expected = resample(bandpass(to_twelve(ECG_MV, NAMES), 250.0), 250.0, 100.0)
    found = TWELVE.apply(ECG_MV, NAMES, 250.0)
    np.testing.assert_array_equal(found, expected)
    assert found.shape == (12, 500)
    assert TWELVE.lead_names(NAMES) == LEADS


def test_a_lead_of_no_standard_place_stays_where_leads_are_as_recorded():
    found = AS_RECORDED.apply(ECG_MV, NAMES, 250.0)
    np.testing.assert_array_equal(found, resample(bandpass(ECG_MV, 250.0), 250.0, 100.0))
    assert np.isfinite(found).all()
    assert AS_RECORDED.lead_names(NAMES) == ("V2", "II", "belly")


def test_what_is_filtered_already_is_not_filtered_again():
    np.testing.assert_array_equal(AS_RECORDED.apply(ECG_MV, NAMES, 100.0, True), ECG_MV)
    halved = AS_RECORDED.apply(ECG_MV, NAMES, 200.0, already_filtered=True)
    np.testing.assert_array_equal(halved, resample(ECG_MV, 200.0, 100.0))


def test_double_precision_is_taken():
    found = AS_RECORDED.apply(ECG_MV.astype(np.float64), NAMES, 100.0, already_filtered=True)
    assert found.dtype == np.float32


def test_a_batch_is_its_records_one_by_one():
    batch = RNG.normal(size=(4, 3, 1250)).astype(np.float32)
    batch[1, 2] = np.nan
    batch[2, 0, 50:90] = np.nan
    for preparation in (TWELVE, AS_RECORDED):
        found = preparation.apply_batch(batch, NAMES, 250.0)
        for one, record in zip(found, batch, strict=True):
            np.testing.assert_array_equal(one, preparation.apply(record, NAMES, 250.0))


def test_rows_are_resampled_as_records_are():
    rows = RNG.normal(size=(2, 3, 500)).astype(np.float32)
    rows[0, 1] = np.nan
    found = resample_rows(rows, 100.0, 200.0)
    for one, row in zip(found, rows, strict=True):
        np.testing.assert_array_equal(one, resample(row, 100.0, 200.0))


@pytest.mark.parametrize(
    ("ecg_mv", "leads", "fs_hz", "named"),
    [
        (ECG_MV.T, NAMES, 250.0, "shape (1250, 3) with 3 lead names is (time, lead); pass ecg_mv.T"),
        (ECG_MV, ("I", "II"), 250.0, "shape (3, 1250) with 2 lead names (I, II); pass a name for each lead"),
        (ECG_MV, "V1", 250.0, "leads='V1' is one text; pass a name for each lead"),
        (ECG_MV[:, :1], NAMES, 250.0, "has 1 samples; pass a record of some seconds"),
        (ECG_MV, NAMES, 0.0, "fs_hz=0; pass the sampling rate"),
        (ECG_MV, NAMES, -250.0, "fs_hz=-250; pass the sampling rate"),
        (ECG_MV, NAMES, float("nan"), "fs_hz=nan; pass the sampling rate"),
    ],
)
def test_what_is_no_record_is_named_with_its_remedy(ecg_mv, leads, fs_hz, named):
    with pytest.raises(ValueError, match=re.escape(named)):
        TWELVE.apply(ecg_mv, leads, fs_hz)


def test_other_leads_than_the_twelve_must_be_those_named():
    two = replace(TWELVE, leads=("V5", "V2"))
    with pytest.raises(ValueError, match="leads V2, MLII, belly given; pass those that are known here, V5, V2"):
        two.apply(ECG_MV, NAMES, 250.0)
    assert two.apply(ECG_MV[:2], ("V5", "V2"), 250.0).shape == (2, 500)
