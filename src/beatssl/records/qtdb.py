"""The QT Database (Laguna et al. 1997): two leads, waves of some beats marked by hand."""

from dataclasses import dataclass, field
from pathlib import Path

from beatssl.records.annotations import read_annotations, wave_marks, waves_of
from beatssl.records.demographics import age_of, comment_fields, sex_of
from beatssl.records.reader import Source, unlike_ids
from beatssl.records.record import Record
from beatssl.records.units import BY_FORMAT, UnitPolicy
from beatssl.records.wfdb_files import lead_names, read_wfdb, record_names


@dataclass(frozen=True, slots=True)
class QtdbReader:
    """QTDB 1.0.0 with the first cardiologist's marks (`q1c`). They name no lead, so `WaveMarks.lead` is "".

    Leads keep the file's names ("ECG1", "CM5", "D3"): most have no place among the twelve. Headers here state a gain
    but no unit, and two (sel821, sel883) no gain: WFDB's defaults hold, and `metadata["unit_assumed"]` says so.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="qtdb", init=False)

    def sources(self, root: Path) -> list[Source]:
        """The records that `RECORDS` names, sorted. Raises FileNotFoundError where it is missing."""
        names = sorted(record_names(root))
        return [Source(record_id, name) for record_id, name in zip(unlike_ids(names), names, strict=True)]

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path` with the marks of `q1c`."""
        signals = read_wfdb(root, source.path, self.units)
        waves = waves_of(read_annotations(root, source.path, "q1c"))
        said = comment_fields(signals.comments)
        return Record(
            ecg_mv=signals.ecg_mv,
            leads=lead_names(signals.leads),
            fs_hz=signals.fs_hz,
            id=source.id,
            source="qtdb",
            patient_id=source.id,
            age_years=age_of(said.get("age", "")),
            sex=sex_of(said.get("sex", "")),
            waves=wave_marks(waves, signals.fs_hz),
            metadata=signals.metadata,
        )
