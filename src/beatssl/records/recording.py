"""What a file of any format holds before its ECG is chosen: channels with names, rates and units, and a person."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, slots=True)
class Channel:
    """One signal as a file stores it."""

    name: str  # as the file spells it
    samples: Float[np.ndarray, " time"]  # in `unit`; NaN where not measured
    fs_hz: float
    unit: str | None  # "mV", "uV", "mmHg", …; None where the file states none


@dataclass(frozen=True, slots=True)
class Person:
    """Whom a file says it recorded; "" and None where it does not. Nothing of it leaves `privacy` unhashed."""

    number: str = ""
    names: tuple[str, ...] = ()
    birth_date: str = ""  # YYYY-MM-DD
    age_years: float | None = None
    sex: Literal["female", "male"] | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """Every channel of a file, ECG or not, and what it says of itself."""

    format: str  # "dicom", "edf", …
    channels: tuple[Channel, ...]
    person: Person = Person()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])  # keys of `record.METADATA` alone
    told: bool = False  # the user named the channels: all of them are leads, under these names
