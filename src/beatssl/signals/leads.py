"""The twelve leads: names, aliases, and the algebra among the limb leads."""

import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Canonical order of the twelve leads."""

INDEPENDENT = (0, 1, 6, 7, 8, 9, 10, 11)
"""Positions of the eight independent leads I, II, V1–V6 in `LEADS`."""

_BY_KEY = {name.upper(): name for name in LEADS} | {
    "MLI": "I", "MLII": "II", "MLIII": "III", "DI": "I", "DII": "II", "DIII": "III",
    "L1": "I", "L2": "II", "L3": "III", "D1": "I", "D2": "II", "D3": "III",
    "VR": "aVR", "VL": "aVL", "VF": "aVF",
} | {f"C{n}": f"V{n}" for n in range(1, 7)}  # fmt: skip

# Each limb lead from any two others: target = a * lead_a + b * lead_b (Goldberger; III = II - I).
_LIMB_AS_I_II = {
    "I": (1.0, 0.0), "II": (0.0, 1.0), "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0),
}  # fmt: skip


def canonical_lead(name: str) -> str:
    """The name among `LEADS` that a file's lead name means, or the name as it stands, stripped.

    Case, the words "lead" and "ECG", blanks and underscores do not count: "MLII", "Lead II", "DII" and "ecg_ii" are
    II, "AVR" is aVR, "C3" is V3. "ECG1", "CM5" and "D3"-like names of no standard place keep their names.

    "D3" deserves a word: Latin systems write DIII for III, while QTDB's D3 is a chest lead of another kind, so a bare
    digit after D counts only in files whose reader says so; here it stays as it is.
    """
    stripped = name.strip()
    key = re.sub(r"^(LEAD|ECG)[\s_:]*(?=\D|$)", "", stripped, flags=re.IGNORECASE)
    key = re.sub(r"[\s_\-]", "", key).upper()
    if key in ("D1", "D2", "D3"):
        return stripped
    return _BY_KEY.get(key, stripped)


def to_twelve(
    ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str]
) -> Float32[np.ndarray, "12 time"]:
    """Leads put in canonical order, missing limb leads derived where two are there, all other missing leads NaN."""
    out = np.full((12, ecg_mv.shape[1]), np.nan, np.float32)
    for row, name in zip(ecg_mv, leads, strict=True):
        if (lead := canonical_lead(name)) in LEADS:
            out[LEADS.index(lead)] = row
    return derive_limb_leads(out)


def present_leads(ecg_mv: Float32[np.ndarray, "lead time"]) -> Bool[np.ndarray, " lead"]:
    """Which leads hold any measured sample (a missing lead is all NaN)."""
    return np.asarray(np.isfinite(ecg_mv).any(axis=1))


def derive_limb_leads(ecg_mv: Float32[np.ndarray, "12 time"]) -> Float32[np.ndarray, "12 time"]:
    """Missing limb leads filled from the first two that are there, by III = II − I and Goldberger's relations."""
    present = present_leads(ecg_mv)[:6]
    have = np.flatnonzero(present)
    if present.all() or have.size < 2:
        return ecg_mv
    as_i_ii = np.array([_LIMB_AS_I_II[name] for name in LEADS[:6]])
    pair = have[:2]
    i_ii = np.linalg.solve(as_i_ii[pair], ecg_mv[pair].astype(np.float64))
    out = ecg_mv.copy()
    out[:6][~present] = (as_i_ii[~present] @ i_ii).astype(np.float32)
    return out
