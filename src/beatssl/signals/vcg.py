"""Vectorcardiogram: three orthogonal axes from the twelve leads, and twelve leads from three axes.

Axes follow Frank and the American Heart Association: X to the patient's left, Y to the feet, Z to the back.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Float64

from beatssl.signals.leads import INDEPENDENT

Method = Literal["dower", "kors"]

INVERSE_DOWER: Float64[np.ndarray, "3 8"] = np.array(
    [
        [0.156, -0.009, -0.172, -0.073, 0.122, 0.231, 0.239, 0.193],
        [-0.227, 0.886, 0.057, -0.019, -0.106, -0.022, 0.040, 0.048],
        [0.021, 0.102, -0.228, -0.310, -0.245, -0.063, 0.054, 0.108],
    ]
)
"""Axes X, Y, Z from leads I, II, V1–V6 (Dower's matrix inverted; Edenbrandt and Pahlm 1988)."""

KORS: Float64[np.ndarray, "3 8"] = np.array(
    [
        [0.38, -0.07, -0.13, 0.05, -0.01, 0.14, 0.06, 0.54],
        [-0.07, 0.93, 0.06, -0.02, -0.05, 0.06, -0.17, 0.13],
        [0.11, -0.23, -0.43, -0.06, -0.14, -0.20, -0.11, 0.31],
    ]
)
"""Axes X, Y, Z from leads I, II, V1–V6 by regression on Frank's leads (Kors et al. 1990)."""

TWELVE_FROM_EIGHT: Float64[np.ndarray, "12 8"] = np.zeros((12, 8))
"""The lead algebra: III = II − I, aVR = −(I + II)/2, aVL = I − II/2, aVF = II − I/2; the other eight as they are."""
TWELVE_FROM_EIGHT[INDEPENDENT, range(8)] = 1.0
TWELVE_FROM_EIGHT[2:6, :2] = [[-1.0, 1.0], [-0.5, -0.5], [1.0, -0.5], [-0.5, 1.0]]

_TO_VCG: dict[Method, Float64[np.ndarray, "3 8"]] = {"dower": INVERSE_DOWER, "kors": KORS}


def eight_from_vcg_matrix(method: Method = "dower") -> Float64[np.ndarray, "8 3"]:
    """Leads I, II, V1–V6 from X, Y, Z: the Moore–Penrose pseudo-inverse of the matrix that `to_vcg` uses."""
    return np.linalg.pinv(_TO_VCG[method])


def to_vcg(
    ecg_mv: Float[np.ndarray, "*batch lead time"], method: Method = "dower"
) -> Float[np.ndarray, "*batch 3 time"]:
    """The three axes X, Y, Z in mV: M · (I, II, V1…V6), M the inverse Dower matrix or Kors's regression.

    `ecg_mv` holds twelve leads in canonical order, or the eight independent ones (I, II, V1–V6), in mV. The result has
    the input's precision; NaN in any independent lead gives NaN. Raises ValueError for another number of leads.

    Sources: Edenbrandt and Pahlm, J Electrocardiol 1988;21:361; Kors et al., Eur Heart J 1990;11:1083.
    """
    matrix = _TO_VCG[method].astype(ecg_mv.dtype)
    lead_count = ecg_mv.shape[-2]
    if lead_count not in (8, 12):
        raise ValueError(
            f"a VCG needs 8 leads (I, II, V1–V6) or 12 in canonical order, not {lead_count}; "
            "bring the record to twelve leads with beatssl.signals.leads.to_twelve"
        )
    return matrix @ (ecg_mv[..., INDEPENDENT, :] if lead_count == 12 else ecg_mv)


def from_vcg(
    vcg_mv: Float[np.ndarray, "*batch 3 time"], method: Method = "dower"
) -> Float[np.ndarray, "*batch 12 time"]:
    """Twelve leads in canonical order, mV: the pseudo-inverse of `to_vcg`'s matrix, then the lead algebra.

    `to_vcg(from_vcg(v)) = v` for every v. The other way round only what a dipole explains comes back.
    """
    return twelve_from_eight(eight_from_vcg_matrix(method).astype(vcg_mv.dtype) @ vcg_mv)


def twelve_from_eight(ecg8_mv: Float[np.ndarray, "*batch 8 time"]) -> Float[np.ndarray, "*batch 12 time"]:
    """Leads I, II, V1–V6 completed by III, aVR, aVL and aVF, each exact in the input's own precision."""
    i, ii = ecg8_mv[..., 0:1, :], ecg8_mv[..., 1:2, :]
    return np.concatenate([i, ii, ii - i, -(i + ii) / 2, i - ii / 2, ii - i / 2, ecg8_mv[..., 2:, :]], axis=-2)
