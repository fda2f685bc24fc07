"""What every reader returns: a record, its reference marks, and the error that sets a bad one aside."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32, Float64

Reason = Literal[
    "unreadable", "truncated", "checksum", "nan", "unit", "amplitude", "no-ecg", "sampling-rate", "missing-leads",
    "no-beats", "impossible-rate", "too-short", "unsafe-path", "duplicate",
]  # fmt: skip


METADATA = frozenset(
    [
        "format", "highpass_hz", "lowpass_hz", "notch_hz", "pacemaker", "unit_assumed", "implausible_amplitude",
        "age_over_89", "age_as_published", "gain_corrected", "flutter_s", "height", "weight", "device",
        "site", "heart_axis", "baseline_drift", "static_noise", "burst_noise", "electrodes_problems", "extra_beats",
        "rate_bpm", "pr_s", "qrs_s", "qt_s", "left_out", "left_out_groups", "calibration_cut_s",
        "fs_overridden_from_hz", "damaged_sections", "derived", "trailing",
        "electrodes_corrected", "sign_corrected",
    ]
)  # fmt: skip
"""Keys of `Record.metadata` that a store keeps. They name nobody; a key that is not listed here stays out."""

IDENTITY = frozenset(["name", "birth_date"])
"""Keys that it keeps beside them where identifiers are kept on purpose."""


_SENTENCES = {
    "unit_assumed": "assumed: a unit or gain that the file does not state",
    "left_out": "left out, as no ECG or at another rate: {}",
    "left_out_groups": "left out: {} other groups of the file, such as median beats",
    "calibration_cut_s": "cut off: {} s of calibration pulse",
    "fs_overridden_from_hz": "sampling rate given by the user; the file states {} Hz",
    "electrodes_corrected": "undone: an exchange of the electrodes {}",
    "sign_corrected": "undone: a wrong sign of all leads",
    "derived": "derived from two others: {}",
    "trailing": "more follows in the file than its header states; it was not read",
    "damaged_sections": "damaged and not needed for the samples: section {}",
    "implausible_amplitude": "amplitude: beats are higher than any ECG's; is the unit or gain right?",
    "age_over_89": "age: over 89",
}
"""What `Record.notes` says of metadata."""


class RecordError(ValueError):
    """A record that cannot be used. `reason` is one of `Reason`; the message names value, place and remedy."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason: Reason = reason

    def __reduce__(self) -> tuple[type["RecordError"], tuple[Reason, str]]:
        return type(self), (self.reason, str(self))


@dataclass(frozen=True, slots=True)
class WaveMarks:
    """Reference P, QRS and T waves. All arrays share one axis, one entry a wave; NaN where a mark was not set."""

    lead: tuple[str, ...]  # "" where the marks name no lead (QTDB)
    wave: tuple[str, ...]  # "P", "QRS" or "T"
    onset_s: Float64[np.ndarray, " wave"]
    peak_s: Float64[np.ndarray, " wave"]
    offset_s: Float64[np.ndarray, " wave"]


@dataclass(frozen=True, slots=True)
class BeatMarks:
    """Reference beats: R time in seconds from the record's start, and the class in the source's own symbols."""

    time_s: Float64[np.ndarray, " beat"]
    symbol: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Label:
    """One statement on a record: a name within a label set, and its likelihood (100 when stated without one)."""

    label_set: str  # "scp", "superclass", "subclass", "form", "rhythm", "snomed", …
    name: str
    likelihood: float = 100.0


@dataclass(frozen=True, slots=True)
class Record:
    """One ECG as it was recorded, in mV, leads in file order unless a reader says otherwise; NaN where unmeasured."""

    ecg_mv: Float32[np.ndarray, "lead time"]
    leads: tuple[str, ...]
    fs_hz: float
    id: str
    source: str
    patient_id: str | None = None
    age_years: float | None = None
    sex: Literal["female", "male"] | None = None
    fold: int | None = None
    labels: tuple[Label, ...] = ()
    waves: WaveMarks | None = None
    beats: BeatMarks | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    own: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Columns that a user's own table gives it: text, numbers, None where not known."""

    def __post_init__(self) -> None:
        if self.ecg_mv.shape[0] != len(self.leads):
            raise RecordError(
                "unreadable", f"record {self.id}: {self.ecg_mv.shape[0]} signals but {len(self.leads)} lead names"
            )
        if len(set(self.leads)) != len(self.leads):
            raise RecordError("unreadable", f"record {self.id}: a lead name stands twice in {list(self.leads)}")
        if not (np.isfinite(self.fs_hz) and self.fs_hz > 0):
            raise RecordError("unreadable", f"record {self.id}: sampling rate {self.fs_hz} Hz; state it with fs_hz=")

    def __str__(self) -> str:
        """What was read, in a few lines: leads, rate, length, person, and what was assumed, left out or is missing."""
        return "\n".join([f"{self.id}: {self.summary}", *(f"  {note}" for note in self.notes)])

    @property
    def summary(self) -> str:
        """Leads, rate, length and source in one line."""
        count = len(self.leads)
        leads = f"{count} lead{'s' if count != 1 else ''} ({' '.join(self.leads)})"
        person = [f"age {self.age_years:g}" if self.age_years is not None else "", self.sex or ""]
        said = "".join(f", {text}" for text in person if text)
        return f"{leads}, {self.fs_hz:g} Hz, {self.duration_s:.4g} s, {self.metadata.get('format', self.source)}{said}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader assumed, left out, cut off or overruled, and what is missing, a sentence each."""
        missing = [lead for lead, row in zip(self.leads, self.ecg_mv, strict=True) if np.isnan(row).all()]
        gaps = float(np.isnan(self.ecg_mv).mean()) if self.ecg_mv.size else 0.0
        said = [text.format(self.metadata[key]) for key, text in _SENTENCES.items() if self.metadata.get(key)]
        if missing:
            said.append(f"missing (never measured, or never changes): {', '.join(missing)}")
        elif gaps:
            said.append(f"not measured: {100 * gaps:.2g} % of the samples")
        return tuple(said)

    @property
    def duration_s(self) -> float:
        return self.ecg_mv.shape[1] / self.fs_hz

    def replace(self, **changes: Any) -> "Record":
        """A copy with the named fields changed."""
        return replace(self, **changes)

    def save(self, path: Path | str, bits: Literal[16, 24] = 16, overwrite: bool = False) -> Path:
        """Write to WFDB (`.hea` or no ending), EDF+ (`.edf`), CSV (`.csv`) or DICOM (`.dcm`); the path to read back.

        Samples that were digitised come back to the bit: always in CSV; in WFDB and DICOM where their range in steps
        fits the bits (`bits` in WFDB, 16 elsewhere); in EDF where its eight characters state the step too, and else to
        about a part in ten million. Any other signal is rounded by at most half of the finest step that the bits allow,
        (highest − lowest value) / (2^bits − 3). Gaps are kept but in EDF, which cannot hold them: it leaves out leads
        that are missing throughout and refuses other gaps. EDF's rate is exact, or right to a part in a million where
        no divisor of the length has a short duration. Age, sex and patient id are written where the format has a place
        for them, marks and other metadata nowhere.

        Raises FileExistsError, ValueError for what a format cannot hold (named, with the format that can), ImportError
        for DICOM without pydicom.
        """
        from beatssl.records.writers.save import save  # it imports this module

        return save(self, path, bits, overwrite)
