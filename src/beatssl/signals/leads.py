"""The twelve leads: names, aliases, and the algebra among the limb leads."""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""Canonical order of the twelve leads."""

INDEPENDENT = (0, 1, 6, 7, 8, 9, 10, 11)
"""Positions of the eight independent leads I, II, V1–V6 in `LEADS`."""

# "Lead II", "ECG_ii", "MDC_ECG_LEAD_V1": the word in front says nothing about which lead it is.
_PREFIX = r"(?:(?:MDC_ECG_LEAD|(?:ECG|EKG)[\s_:.\-]*LEAD|LEAD|ECG|EKG)[\s_:.\-]*)?"
_LIMB = re.compile(_PREFIX + r"(?:ML|D|L)?[\s_]?(III|II|I)", re.IGNORECASE)
_LIMB_DIGIT = re.compile(_PREFIX + r"M?L[\s_]?([123])", re.IGNORECASE)
_AUGMENTED = re.compile(_PREFIX + r"A?[\s_\-]?V[\s_\-]?([RLF])", re.IGNORECASE)
_CHEST = re.compile(_PREFIX + r"[VC][\s_\-]?([1-6])", re.IGNORECASE)

# Leads of no standard place: numbered channels, bipolar and monitoring leads, Frank's and EASI's.
_OTHER_LEAD = re.compile(
    r"(?:ECG|EKG|CH|CHANNEL|LEAD|V|C|MV|MCL|CM|CC|CB|CR|CS|CL|D|E)[\s_\-]?\d{1,3}[LR]?|ECG|EKG|[XYZ]|ES|AS|AI|-aVR",
    re.IGNORECASE,
)

# Each limb lead from any two others: target = a * lead_a + b * lead_b (Goldberger; III = II - I).
_LIMB_AS_I_II = {
    "I": (1.0, 0.0), "II": (0.0, 1.0), "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0),
}  # fmt: skip


@lru_cache(maxsize=4096)
def canonical_lead(name: str) -> str:
    """The name among `LEADS` that a file's lead name means, or the name as it stands, stripped.

    Case, blanks, underscores and the words "lead" and "ECG" in front do not count: "MLII", "ML2", "ECG Lead II", "DII"
    and "ecg_ii" are II, "AVR" and "VR" are aVR, "C3" is V3. Names of no standard place ("ECG1", "CM5", "V3R", "I-II")
    keep their spelling, and so does "-aVR", whose sign is turned.

    "D3" deserves a word: Latin systems write DIII for III, while QTDB's D3 is a chest lead of another kind, so a D
    with a digit keeps its name too.
    """
    stripped = name.strip()
    if match := _LIMB.fullmatch(stripped):
        return match[1].upper()
    if match := _LIMB_DIGIT.fullmatch(stripped):
        return "I" * int(match[1])
    if match := _AUGMENTED.fullmatch(stripped):
        return f"aV{match[1].upper()}"
    if match := _CHEST.fullmatch(stripped):
        return f"V{match[1]}"
    return stripped


@lru_cache(maxsize=1024)
def without_free_text(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that are surely those of leads; "" for any other text, which may be anything, a patient's name too.

    Kept are the twelve under all their aliases, numbered channels ("ECG1", "CH 3", "V3R", "CM5", "MCL1", "D3"), X, Y
    and Z, and the leads of EASI. `canonical_leads` calls the others "lead 1", "lead 2", … by their place.
    """
    return tuple(n if canonical_lead(n) in LEADS or _OTHER_LEAD.fullmatch(n.strip()) else "" for n in names)


@lru_cache(maxsize=1024)
def canonical_leads(names: tuple[str, ...]) -> tuple[str, ...]:
    """Canonical names of a record's leads, no two alike.

    The first lead of a place takes its name; a second one ("MLII" beside "II") keeps the file's spelling, with a
    number where that is taken too. A lead without a name is called "lead 1", "lead 2", … by its place in the file.
    """
    out: list[str] = []
    for position, name in enumerate(names, start=1):
        given = name.strip() or f"lead {position}"
        lead = canonical_lead(given)
        if lead in out:
            lead = given
        number = 2
        while lead in out:
            lead = f"{given} ({number})"
            number += 1
        out.append(lead)
    return tuple(out)


def to_twelve(ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str]) -> Float32[np.ndarray, "12 time"]:
    """Leads put in canonical order, missing limb leads derived where two are there, all other missing leads NaN.

    Where two leads claim one place ("II" and "MLII"), the first stands.
    """
    out = np.full((12, ecg_mv.shape[1]), np.nan, np.float32)
    taken: set[str] = set()
    for row, name in zip(ecg_mv, leads, strict=True):
        if (lead := canonical_lead(name)) in LEADS and lead not in taken:
            out[LEADS.index(lead)] = row
            taken.add(lead)
    return derive_limb_leads(out)


def present_leads(ecg_mv: Float32[np.ndarray, "lead time"]) -> Bool[np.ndarray, " lead"]:
    """Which leads hold any measured sample (a missing lead is all NaN)."""
    return np.asarray(np.isfinite(ecg_mv).any(axis=1))


def derive_limb_leads(ecg_mv: Float32[np.ndarray, "12 time"]) -> Float32[np.ndarray, "12 time"]:
    """Missing limb leads filled from the first two that are there, by III = II − I and Goldberger's relations.

    aVR = −(I + II)/2, aVL = I − II/2, aVF = II − I/2; any two of the six determine the other four. With fewer than
    two there, the leads come back as they are.
    """
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
