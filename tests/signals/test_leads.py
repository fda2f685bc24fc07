"""Lead names and the algebra among the limb leads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from beatssl.signals.leads import (
    LEADS,
    canonical_lead,
    canonical_leads,
    derive_limb_leads,
    to_twelve,
    without_dropouts,
    without_free_text,
)


@pytest.mark.parametrize(
    ("name", "lead"),
    [
        ("MLII", "II"), ("AVR", "aVR"), ("Lead II", "II"), ("DII", "II"), ("ecg_ii", "II"), ("i", "I"), ("avf", "aVF"),
        ("C3", "V3"), ("v6 ", "V6"), ("MDC_ECG_LEAD_AVL", "aVL"), ("ECG V1", "V1"), ("EKG I", "I"), ("L3", "III"),
        ("V 2", "V2"), ("aV-R", "aVR"), ("VF", "aVF"), ("LEAD:III", "III"), ("ML2", "II"), ("ECG Lead II", "II"),
        ("ECG_LEAD_I", "I"),
    ],
)  # fmt: skip
def test_aliases(name: str, lead: str) -> None:
    assert canonical_lead(name) == lead


@pytest.mark.parametrize(
    "name", ["ECG1", "CM5", "D3", "V3R", "V7", "I-II", "-aVR", "X", "ECG", "", "V1-V2", "IV", "V12"]
)
def test_names_of_no_standard_place_stay(name: str) -> None:
    assert canonical_lead(name) == name


@given(st.sampled_from(LEADS), st.sampled_from(["", "Lead ", "ECG_", "ecg ", "MDC_ECG_LEAD_"]), st.data())
def test_case_prefix_and_blanks_do_not_count(lead: str, prefix: str, data: st.DataObject) -> None:
    mixed = "".join(data.draw(st.sampled_from([c.lower(), c.upper()])) for c in lead)
    assert canonical_lead(f" {prefix}{mixed} ") == lead


@given(st.text(max_size=12))
def test_canonical_names_are_stable(name: str) -> None:
    once = canonical_lead(name)
    assert canonical_lead(once) == once


@given(st.lists(st.sampled_from(["II", "MLII", "ii", "", "ECG", "V1", "C1"]), max_size=8))
def test_no_two_leads_of_a_record_are_alike(names: list[str]) -> None:
    leads = canonical_leads(tuple(names))
    assert len(set(leads)) == len(leads) == len(names)
    assert "" not in leads
    for lead in ("II", "V1"):
        assert (lead in leads) == any(canonical_lead(name) == lead for name in names)


def test_names_that_are_surely_leads_stay_and_free_text_goes() -> None:
    leads = ("II", "ecg lead v3", "ML2", "ECG1", "ch 3", "V3R", "V7", "CM5", "MCL1", "D3", "X", "AS", "-aVR", " ECG ")
    assert without_free_text(leads) == leads
    others = ("John", "Smith", "JS", "MRN4711", "1950-01-01", "Doe 3", "V4711", "time", "", "I-II")
    assert set(without_free_text(others)) == {""}


def _six(i: np.ndarray, ii: np.ndarray) -> np.ndarray:
    return np.stack([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2])


volts = arrays(np.float64, 7, elements=st.floats(-5.0, 5.0, width=32))


@given(volts, volts, st.sets(st.integers(0, 5), min_size=2, max_size=6))
def test_any_two_limb_leads_give_all_six(i: np.ndarray, ii: np.ndarray, known: set[int]) -> None:
    true = np.full((12, 7), np.nan, np.float32)
    true[:6] = _six(i, ii)
    given_ = true.copy()
    given_[[k for k in range(6) if k not in known]] = np.nan
    derived = derive_limb_leads(given_)
    np.testing.assert_allclose(derived[:6], true[:6], atol=2e-5)
    assert np.isnan(derived[6:]).all()  # chest leads are never made up


def test_one_limb_lead_gives_no_other() -> None:
    ecg = np.full((12, 3), np.nan, np.float32)
    ecg[1] = 1.0
    np.testing.assert_array_equal(np.isfinite(derive_limb_leads(ecg)).any(axis=1), np.arange(12) == 1)


def test_to_twelve_orders_derives_and_marks_missing() -> None:
    rows = np.array([[5, 5], [2, 2], [1, 1], [9, 9]], np.float32)
    out = to_twelve(rows, ["v1", "DII", "I", "ECG1"])
    assert out[:6, 0].tolist() == [1, 2, 1, -1.5, 0, 1.5]
    assert out[6, 0] == 5
    assert np.isnan(out[7:]).all()


def test_first_of_two_leads_for_one_place_stands() -> None:
    out = to_twelve(np.array([[1, 1], [2, 2]], np.float32), ["MLII", "II"])
    assert out[1].tolist() == [1, 1]


def test_where_no_lead_changes_for_a_second_nothing_was_measured() -> None:
    ecg_mv = np.random.default_rng(0).normal(0, 1, (3, 1000)).astype(np.float32)
    assert without_dropouts(ecg_mv, 100.0) is ecg_mv
    ecg_mv[:, 200:299] = 0.5  # less than a second
    ecg_mv[:2, 400:600] = 0.0  # the third lead goes on
    ecg_mv[:, 700:850] = np.array([[0.0], [-5.0], [np.nan]])
    ecg_mv[0, 960:] = ecg_mv[1:, 960:] = 1.0  # short, at the end
    found = without_dropouts(ecg_mv, 100.0)
    assert np.array_equal(np.flatnonzero(np.isnan(found).all(axis=0)), np.arange(700, 850))
    assert np.array_equal(np.delete(found, np.s_[700:850], axis=1), np.delete(ecg_mv, np.s_[700:850], axis=1))
