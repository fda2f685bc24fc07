"""Volts in their many spellings, and what to do with a file that states none or whose amplitude no ECG has."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from beatssl.records.record import RecordError
from beatssl.signals.leads import LEADS, canonical_lead

_MV_PER = {"nv": 1e-6, "uv": 1e-3, "mv": 1.0, "v": 1e3}
_SPELLED = {"nanovolt": "nv", "microvolt": "uv", "millivolt": "mv", "volt": "v"}

LARGEST_MV = 100.0
"""Greatest range (highest minus lowest sample of one lead) taken for an ECG.

The input of a diagnostic recorder is ±5 mV (IEC 60601-2-25), and the wildest PTB-XL records reach about 20 mV,
artefacts included. Microvolts taken for millivolts make a QRS of 1 mV into 1000. The range is tested, not the value,
because a DC-coupled recorder may carry up to ±300 mV of electrode offset.
"""

SMALLEST_MV = 0.02
"""Smallest range of a record's largest lead taken for an ECG (0.2 mm on paper); volts taken for millivolts give less.
A record without any range is dead rather than mis-scaled."""

LARGEST_LEVEL_MV = 2000.0
"""Highest value taken for an ECG: electrode offset and an amplifier's full input together are under half of it."""

LARGEST_BEAT_MV = {"limb-median": 3.7, "limb": 5.2, "chest": 10.0}
"""Greatest height of a beat (median range of a second) over the limb leads, in one limb lead and in any other lead: no
record of PTB-XL's folds 1-9 has more (3.6, 5.0, 9.7 mV; 99 % of them 1.9, 2.7, 5.4)."""


Missing = Literal["by-format", "error", "assume"]
Implausible = Literal["error", "flag"]


@dataclass(frozen=True, slots=True)
class UnitPolicy:
    """How strict a reader is.

    A file may state no unit or no gain. `missing="by-format"` takes it at what its format's specification says where it
    says something (WFDB: mV, 200 units per mV) and refuses it elsewhere; "error" always refuses, "assume" always takes
    it, in mV where the format says nothing. What was assumed is said in `metadata["unit_assumed"]`.
    `implausible="flag"` keeps a record of impossible amplitude and says so in `metadata["implausible_amplitude"]`.
    """

    missing: Missing = "by-format"
    implausible: Implausible = "error"


BY_FORMAT = UnitPolicy()
"""The policy of a reader without options."""


@lru_cache(maxsize=256)
def mv_per(unit: str) -> float | None:
    """Millivolts in one `unit` ("uV", "µV", "mv", "Volt", …), or None where `unit` is no voltage."""
    key = unit.strip().lower().replace("µ", "u").replace("μ", "u")
    key = _SPELLED.get(key.removesuffix("s"), key)
    return _MV_PER.get(key)


def check_amplitude(
    ecg_mv: Float32[np.ndarray, "lead time"], leads: tuple[str, ...], fs_hz: float, where: str, policy: UnitPolicy,
    remedy: str = "correct it, or pass implausible='flag' to keep and flag it",
) -> dict[str, Any]:  # fmt: skip
    """Metadata to add: empty, or the flag of an implausible amplitude.

    An amplitude is implausible where the range of a lead exceeds `LARGEST_MV` or no lead's range reaches `SMALLEST_MV`:
    the policy says whether that is an error. And where beats are higher than those of any ECG (`LARGEST_BEAT_MV`),
    which is only flagged: a gain five times too large is so found in most records.

    Raises `RecordError`: "nan" where no sample is finite, "missing-leads" where every lead is constant, "amplitude".
    """
    # fmax and fmin pass over NaN, and give NaN only for a lead that is missing throughout.
    highest, lowest = (reduce(ecg_mv, axis=1, initial=np.nan) for reduce in (np.fmax.reduce, np.fmin.reduce))
    span = highest - lowest
    measured = np.isfinite(span)
    if not measured.any():
        raise RecordError("nan", f"{where}: holds no finite sample in any lead")
    worst = int(np.argmax(np.where(measured, span, -1.0)))
    largest = float(span[worst])
    if largest == 0.0:
        raise RecordError(
            "missing-leads", f"{where}: none of its {len(leads)} leads ever changes; nothing was recorded"
        )
    level = float(np.nanmax(np.abs(highest)))
    if SMALLEST_MV <= largest <= LARGEST_MV and level <= LARGEST_LEVEL_MV:
        return {"implausible_amplitude": True} if _beats_too_high(ecg_mv, leads, fs_hz, span) else {}
    if policy.implausible == "flag":
        return {"implausible_amplitude": True}
    raise RecordError(
        "amplitude",
        f"{where}: lead {leads[worst]} ranges over {largest:.4g} mV and reaches {level:.4g} mV, an ECG ranges over "
        f"{SMALLEST_MV} to {LARGEST_MV:g} mV and reaches at most {LARGEST_LEVEL_MV:g}; "
        f"its unit or gain is probably another: {remedy}",
    )


def _beats_too_high(
    ecg_mv: Float32[np.ndarray, "lead time"],
    leads: tuple[str, ...],
    fs_hz: float,
    span: Float32[np.ndarray, " lead"],
) -> bool:
    limit = np.array([LARGEST_BEAT_MV["limb" if canonical_lead(lead) in LEADS[:6] else "chest"] for lead in leads])
    high = span > min(LARGEST_BEAT_MV.values())
    if not high.any():
        return False
    window = min(round(fs_hz), ecg_mv.shape[1])  # one second: most hold a beat
    parts = ecg_mv[high, : ecg_mv.shape[1] // window * window].reshape(int(high.sum()), -1, window)
    height = np.zeros(len(leads))
    ranges = np.nan_to_num(np.fmax.reduce(parts, axis=2) - np.fmin.reduce(parts, axis=2))
    height[high] = np.median(ranges, axis=1)
    limb = [i for i, lead in enumerate(leads) if canonical_lead(lead) in LEADS[:6]]
    many = len(limb) >= 3 and float(np.median(height[limb])) > LARGEST_BEAT_MV["limb-median"]
    return many or bool((height > limit).any())
