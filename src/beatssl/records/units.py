"""Volts in their many spellings, and what to do with a file that states none or whose amplitude no ECG has."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from beatssl.records.record import RecordError

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
A record without any range is dead rather than mis-scaled, and is left to the quality flags."""


@dataclass(frozen=True, slots=True)
class UnitPolicy:
    """How strict a reader is.

    `missing="assume"` takes a file that states no unit or gain at the default of its format (WFDB: 200 units per mV)
    and says so in `metadata["unit_assumed"]`. `implausible="flag"` keeps a record of impossible amplitude and says so
    in `metadata["implausible_amplitude"]`.
    """

    missing: Literal["error", "assume"] = "error"
    implausible: Literal["error", "flag"] = "error"


STRICT = UnitPolicy()
"""The policy of a reader without options: an error for either."""

WFDB_DEFAULTS = UnitPolicy(missing="assume")
"""For data sets whose publisher relies on WFDB's defaults: mV where no unit stands, 200 units per mV where no gain."""


@lru_cache(maxsize=256)
def mv_per(unit: str) -> float | None:
    """Millivolts in one `unit` ("uV", "µV", "mv", "Volt", …), or None where `unit` is no voltage."""
    key = unit.strip().lower().replace("µ", "u").replace("μ", "u")
    key = _SPELLED.get(key.removesuffix("s"), key)
    return _MV_PER.get(key)


def check_amplitude(
    ecg_mv: Float32[np.ndarray, "lead time"], leads: tuple[str, ...], where: str, policy: UnitPolicy
) -> dict[str, Any]:
    """Metadata to add: empty, or the flag of an implausible amplitude.

    Raises `RecordError`: "nan" where no sample is finite, "amplitude" where the range of a lead exceeds `LARGEST_MV` or
    no lead's range reaches `SMALLEST_MV` and the policy says error.
    """
    # fmax and fmin pass over NaN, and give NaN only for a lead that is missing throughout.
    span = np.fmax.reduce(ecg_mv, axis=1, initial=np.nan) - np.fmin.reduce(ecg_mv, axis=1, initial=np.nan)
    measured = np.isfinite(span)
    if not measured.any():
        raise RecordError("nan", f"{where}: holds no finite sample in any lead")
    worst = int(np.argmax(np.where(measured, span, -1.0)))
    largest = float(span[worst])
    if largest == 0.0 or SMALLEST_MV <= largest <= LARGEST_MV:
        return {}
    if policy.implausible == "flag":
        return {"implausible_amplitude": True}
    raise RecordError(
        "amplitude",
        f"{where}: lead {leads[worst]} ranges over {largest:.4g} mV, an ECG over {SMALLEST_MV} to {LARGEST_MV:g} mV; "
        "the stated unit or gain is probably wrong: correct it, or pass implausible='flag' to keep and flag it",
    )
