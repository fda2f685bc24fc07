"""The PTB Diagnostic ECG Database (Bousseljot et al. 1995): twelve and Frank leads, one diagnosis a record."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from beatssl.records.datasets.listing import sources_of, wfdb_record
from beatssl.records.reader import Source
from beatssl.records.record import Label, Record
from beatssl.records.units import BY_FORMAT, UnitPolicy
from beatssl.records.wfdb_files import record_names

DIAGNOSES: dict[str, str] = {
    "healthy control": "426783006", "myocardial infarction": "164865005", "bundle branch block": "6374002",
    "hypertrophy": "266249003",
} | dict.fromkeys(
    ("cardiomyopathy", "heart failure", "dysrhythmia", "myocarditis", "valvular heart disease", "palpitation",
     "stable angina", "unstable angina"), "",
)  # fmt: skip
"""What headers give as the reason for admission, without the grade in brackets: the labels of the set "ptbdb". With the
SNOMED CT code of those that mean one of PTB-XL's superclasses: a healthy control has sinus rhythm and nothing else."""

_REASON = re.compile(r"reason for admission\s*:\s*(.*)", re.IGNORECASE)
_PATIENT = re.compile(r"patient(\d+)")


@dataclass(frozen=True, slots=True)
class PtbdbReader:
    """PTB Diagnostic 1.0.0 (`patientNNN/sNNNN_re`), or its records in one folder (`patientNNN_sNNNN_re`).

    The label is the reason for admission that the comments of the header state, where it is one of `DIAGNOSES`, and of
    the set "snomed" its code. The patient is the number in the path. CinC 2021's records `S0001` and on are from here.
    """

    units: UnitPolicy = BY_FORMAT
    kind: str = field(default="ptbdb", init=False)

    def sources(self, root: Path) -> list[Source]:
        """The records that `RECORDS` names, sorted by id. Raises FileNotFoundError where it is missing."""
        return sources_of(record_names(root))

    def read(self, root: Path, source: Source) -> Record:
        """The record at `source.path`, with its diagnosis."""
        patient = _PATIENT.search(source.path)
        record, comments = wfdb_record(root, source, self.units, "ptbdb", patient_id=patient and patient[1])
        return record.replace(labels=_labels(comments))


def _labels(comments: Iterable[str]) -> tuple[Label, ...]:
    """The diagnosis; comments are free text, so nothing that is not on the list is taken from them."""
    found = [match[1] for comment in comments if (match := _REASON.match(comment))]
    words = found[0].partition("(")[0].strip().lower() if found else ""
    if words not in DIAGNOSES:
        return ()
    return (Label("ptbdb", words), *([Label("snomed", DIAGNOSES[words])] if DIAGNOSES[words] else []))
