"""The twelve leads: names, aliases, and the algebra among the limb leads."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

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

# What recorders write around a name: a comment, the lead of a numbered channel, an EEG montage's words, a unit.
_COMMENT = re.compile(r"\s#.*")
_CHANNEL_OF = re.compile(r"(?:ch|channel)[\s_.]*\d*\s*[(:\[]\s*([^()\[\]]+?)\s*[)\]]?", re.IGNORECASE)
_MONTAGE = re.compile(r"(?:EEG\s+)?(?:POL\s+)?((?:ECG|EKG).*?)(?:[\s_\-]+(?:REF|LE|AR|AVG))?", re.IGNORECASE)
_UNIT = re.compile(r"(.*\S)\s*[(\[]\s*[nuµμm]?V\s*[)\]]", re.IGNORECASE)

# Leads of no standard place: numbered channels, bipolar, monitoring, posterior and right-sided leads, Frank's and
# EASI's, and those of catheters.
_OTHER_LEAD = re.compile(
    r"(?:(?:ECG|EKG|CH|CHANNEL|LEAD|V|C|MV|MCL|CM|CC|CB|CR|CS|CL|D|E)[\s_\-]?\d{1,3}[LR]?|ECG|EKG|V|V?[XYZ]|ES|AS|AI|-aVR"
    r"|(?:ABL|HIS|CS|RVA?|HRA|RA|LA|LV|CRISTA|HALO|LASSO|MAP|RVOT)[\s_\-]?(?:[DPM]|DIST|PROX|MID|\d{1,2}[\s_\-]\d{1,2})"
    r"|(?:ECG|EKG)[\s_](?:LEAD|SIGNAL|MV|UV|RAW|VALUE)|A?ECG[\s_]?\d{0,2}|DIRECT[\s_]?\d|ABDOMEN[\s_]?\d)",
    re.IGNORECASE,
)

_NO_ECG = re.compile(
    r"(?:edf |bdf )?annotations?|pleth\w*|ppg\w*|s[pa]o2\w*|osat|pulse|resp\w*|imp(?:edance)?|thor(?:ax|acic)?"
    r"|abd(?:o|omen|ominal)?|chest|(?:air)?flow|nasal\w*|snore|co2|etco2|body|pos(?:ition)?|abp\w*|n?ibp\w*|bp|art\w*|ao|cvp\w*|pap\w*|pcwp|icp\w*|rap|lap"
    r"|uap|uvp|p[1-9]|press\w*|temp\w*|t[1-4]|acc\w*|gyro\w*|mark(?:er)?s?|events?|trig\w*|status|stim\w*|battery|light"
    r"|e[em]g.*|eo[gm].*|[lr]oc|eda|gsr|hr|fhr|uc|ibi.*|bursts?.*|suppr.*|photic.*|dc[\s_]?\d+|rr|pace(?:r|maker)?"
    r"|time\w*|samples?|index|t"
    r"|(?:fp[12z]|a?f[1-9z]0?|f?c[z]|p[z]|o[12z]|a[12]|m[12])(?:-\w+)?",
    re.IGNORECASE,
)
"""Names of signals that are no ECG: pulse, breath, pressures, brain, eyes, muscles, motion, marks, times."""

# Each limb lead from any two others: target = a * lead_a + b * lead_b (Goldberger; III = II - I).
_LIMB_AS_I_II = {
    "I": (1.0, 0.0), "II": (0.0, 1.0), "III": (-1.0, 1.0),
    "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0),
}  # fmt: skip


@lru_cache(maxsize=4096)
def canonical_lead(name: str) -> str:
    """The name among `LEADS` that a file's lead name means, or the name as it stands, stripped.

    Case, blanks, underscores and the words "lead" and "ECG" in front do not count: "MLII", "ML2", "ECG Lead II", "DII"
    and "ecg_ii" are II, "AVR" and "VR" are aVR, "C3" is V3; nor does what recorders write around a name: "II # right
    arm", "Ch1 (II)" and "II (mV)" are II, "EEG EKG1-REF" is EKG1. Names of no standard place ("ECG1", "V", "CM5",
    "V3R", "I-II") keep their spelling, and so does "-aVR", whose sign is turned.

    "D3" deserves a word: Latin systems write DIII for III, while QTDB's D3 is a chest lead of another kind, so a D
    with a digit keeps its name too.
    """
    bare = _bare(name)
    if match := _LIMB.fullmatch(bare):
        return match[1].upper()
    if match := _LIMB_DIGIT.fullmatch(bare):
        return "I" * int(match[1])
    if match := _AUGMENTED.fullmatch(bare):
        return f"aV{match[1].upper()}"
    if match := _CHEST.fullmatch(bare):
        return f"V{match[1]}"
    return bare


def _bare(name: str) -> str:
    """The name without what recorders write around it."""
    bare = _COMMENT.sub("", f" {name}").strip()
    for around in (_UNIT, _CHANNEL_OF, _MONTAGE):
        if match := around.fullmatch(bare):
            bare = match[1].strip()
    word, _, rest = bare.partition(" ")
    return rest.strip() if word.upper() in ("ECG", "EKG", "LEAD") and _OTHER_LEAD.fullmatch(rest.strip()) else bare


LeadKind = Literal["twelve", "lead", "no-ecg", "unknown"]


@lru_cache(maxsize=4096)
def lead_kind(name: str) -> LeadKind:
    """What a signal's name says it is: one of `LEADS`, an ECG lead of no place among them, no ECG, or nothing known."""
    bare = canonical_lead(name)
    if bare in LEADS:
        return "twelve"
    if _OTHER_LEAD.fullmatch(bare):
        return "lead"
    return "no-ecg" if _NO_ECG.fullmatch(bare) else "unknown"


@lru_cache(maxsize=1024)
def without_free_text(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names that are surely those of leads; "" for any other text, which may be anything, a patient's name too.

    Kept are the twelve under all their aliases, numbered channels ("ECG1", "CH 3", "V3R", "CM5", "MCL1", "D3"), "V", X,
    Y and Z, the leads of EASI and of catheters. `canonical_leads` calls the others "lead 1", "lead 2", … by place.
    """
    return tuple(name if lead_kind(name) in ("twelve", "lead") else "" for name in names)


@lru_cache(maxsize=1024)
def canonical_leads(names: tuple[str, ...]) -> tuple[str, ...]:
    """Canonical names of a record's leads, no two alike.

    The first lead of a place takes its name; a second one ("MLII" beside "II") keeps the file's spelling, with a
    number where that is taken too. A lead without a name is called "lead 1", "lead 2", … by its place in the file.
    """
    out: list[str] = []
    for position, name in enumerate(names, start=1):
        given = _bare(name) or f"lead {position}"
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


def without_constant(ecg_mv: Float32[np.ndarray, "lead time"]) -> Float32[np.ndarray, "lead time"]:
    """The leads, those that never change NaN: nothing was measured there, whatever value a recorder wrote."""
    constant = ecg_mv.max(axis=1, initial=-np.inf) == ecg_mv.min(axis=1, initial=np.inf)  # never with a NaN
    return np.where(constant[:, None], np.float32(np.nan), ecg_mv) if constant.any() else ecg_mv


def without_dropouts(
    ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float, least_s: float = 1.0
) -> Float32[np.ndarray, "lead time"]:
    """The leads, NaN where none of them changes for a second (or `least_s`) or more: nothing was measured there,
    whatever a recorder wrote."""
    moves = np.zeros(max(ecg_mv.shape[1] - 1, 0), np.bool_)
    for lead in ecg_mv:
        moves |= (lead[1:] != lead[:-1]) & np.isfinite(lead[1:]) & np.isfinite(lead[:-1])
    edges = np.concatenate([[0], np.flatnonzero(moves) + 1, [ecg_mv.shape[1]]])
    rests = np.flatnonzero(np.diff(edges) >= least_s * fs_hz)
    if not len(rests):
        return ecg_mv
    out = ecg_mv.copy()
    for at in rests:
        out[:, edges[at] : edges[at + 1]] = np.nan
    return out


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


def with_derived(leads: Sequence[str]) -> tuple[str, ...]:
    """The leads of twelve that a record of `leads` has once limb leads are derived, in canonical order.

    Raises ValueError for a name that is none of the twelve.
    """
    if strange := [name for name in leads if name not in LEADS]:
        raise ValueError(f"{strange[0]!r} is none of the twelve leads; they are {', '.join(LEADS)}")
    derived = set(_LIMB_AS_I_II) if len(set(leads) & set(_LIMB_AS_I_II)) > 1 else set[str]()
    return tuple(name for name in LEADS if name in leads or name in derived)
