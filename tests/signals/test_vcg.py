import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beatssl.signals.vcg import (
    INVERSE_DOWER,
    KORS,
    TWELVE_FROM_EIGHT,
    eight_from_vcg_matrix,
    from_vcg,
    to_vcg,
    twelve_from_eight,
)

# Dower's own (forward) matrix, I, II, V1–V6 from X, Y, Z, as published; Z here points to the back.
DOWER_I_II_V = np.array(
    [
        [0.632, -0.235, 0.059], [0.235, 1.066, -0.132], [-0.515, 0.157, -0.917], [0.044, 0.164, -1.387],
        [0.882, 0.098, -1.277], [1.213, 0.127, -0.601], [1.125, 0.127, -0.086], [0.831, 0.076, 0.230],
    ]
)  # fmt: skip

METHODS = ("dower", "kors")


def ecg(shape: tuple[int, ...], seed: int = 0, dtype: type = np.float64) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def test_inverse_dower_inverts_the_published_dower_matrix():
    np.testing.assert_allclose(INVERSE_DOWER, np.linalg.pinv(DOWER_I_II_V), atol=0.0016)
    np.testing.assert_allclose(eight_from_vcg_matrix(), DOWER_I_II_V, atol=0.012)


def test_kors_points_the_same_way_as_dower():
    for kors, dower in zip(KORS @ DOWER_I_II_V, np.eye(3), strict=True):
        assert np.argmax(np.abs(kors)) == np.argmax(dower)
        assert kors @ dower > 0.8


@given(st.integers(0, 1000), st.sampled_from(METHODS))
def test_a_dipole_survives_the_way_there_and_back(seed, method):
    dipole = ecg((3, 50), seed)
    np.testing.assert_allclose(to_vcg(from_vcg(dipole, method), method), dipole, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_round_trip_of_a_rank_3_record_is_the_record(method):
    record = from_vcg(ecg((3, 80)), method)
    assert np.linalg.matrix_rank(record) == 3
    np.testing.assert_allclose(from_vcg(to_vcg(record, method), method), record, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_round_trip_is_a_projection(method):
    """What is lost is lost once: the second round trip changes nothing."""
    once = from_vcg(to_vcg(ecg((12, 60)), method), method)
    np.testing.assert_allclose(from_vcg(to_vcg(once, method), method), once, atol=1e-12)


@given(st.integers(0, 1000))
def test_lead_identities_are_exact_in_single_precision(seed):
    leads = twelve_from_eight(ecg((8, 40), seed, np.float32))
    i, ii, iii, avr, avl, avf = leads[:6]
    assert leads.dtype == np.float32
    for lead, expected in ((iii, ii - i), (avr, -(i + ii) / 2), (avl, i - ii / 2), (avf, ii - i / 2)):
        np.testing.assert_array_equal(lead, expected)


def test_the_matrix_of_the_lead_algebra_is_the_function():
    eight = ecg((8, 30))
    np.testing.assert_allclose(TWELVE_FROM_EIGHT @ eight, twelve_from_eight(eight), atol=1e-15)


def test_eight_and_twelve_leads_and_a_batch_agree():
    eight = ecg((2, 5, 8, 30))
    from_eight = to_vcg(eight)
    assert from_eight.shape == (2, 5, 3, 30)
    np.testing.assert_array_equal(to_vcg(twelve_from_eight(eight)), from_eight)
    np.testing.assert_allclose(to_vcg(eight[1, 3]), from_eight[1, 3], atol=1e-15)
    assert from_vcg(from_eight).shape == (2, 5, 12, 30)


def test_axes_point_left_down_and_back():
    """A dipole to the left is up in I and V6, one to the feet up in II and aVF, one to the back down in V2."""
    left, down, back = from_vcg(np.eye(3)).T
    names = dict(
        zip(("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"), range(12), strict=True)
    )
    assert left[names["I"]] > 0.5
    assert left[names["V6"]] > 0.5
    assert down[names["II"]] > 0.5
    assert down[names["aVF"]] > 0.5
    assert back[names["V2"]] < -0.5


def test_precision_is_kept():
    assert to_vcg(ecg((12, 5), dtype=np.float32)).dtype == np.float32
    assert from_vcg(ecg((3, 5), dtype=np.float32)).dtype == np.float32


def test_a_missing_lead_gives_no_invented_axis():
    record = ecg((12, 5))
    record[8] = np.nan
    assert np.isnan(to_vcg(record)).all()


def test_other_lead_counts_are_refused():
    with pytest.raises(ValueError, match=r"not 3; bring the record to twelve leads"):
        to_vcg(ecg((3, 5)))
