"""What the user states of files that do not say it themselves, or wrongly."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.records.units import Implausible, Missing, UnitPolicy

Hertz = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FileOptions:
    """What files do not say, or say wrongly."""

    csv_fs_hz: Hertz | None = None
    """Sampling rate of files that state none (CSV, .npy, .npz, .mat, HDF5)."""
    unit: str | None = None
    """Unit of signals that state none, such as mV or uV."""
    lead_names: tuple[str, ...] = ()
    """Leads of files that name none, in order; any name will do, one of the twelve is understood."""
    fs_hz_override: Hertz | None = None
    """Sampling rate to take instead of the one that the files state wrongly."""
    no_unit: Missing = "by-format"
    """A file that states no unit or gain: by-format takes what its format's specification says (WFDB: mV, 200 units per
    mV) and flags it, else refuses it; error always refuses it; assume takes mV where a format says nothing."""
    implausible: Implausible = "error"
    """A record whose amplitude no ECG has (a wrong unit, mostly): error refuses it, flag keeps and flags it."""

    correct_electrodes: bool = False
    """Undo the exchange of electrodes (or the wrong sign of all leads) that a twelve-lead record shows, where it can be
    undone; it is said which."""

    @property
    def units(self) -> UnitPolicy:
        """The two of them."""
        return UnitPolicy(self.no_unit, self.implausible)
