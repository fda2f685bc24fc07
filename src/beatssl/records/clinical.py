"""Clinical formats through ecgdatakit: DICOM, HL7 aECG, MUSE XML, SCP-ECG, EDF, ISHNE, MFER, Philips, Mortara, Kardia.

Nothing that names a person passes: see `privacy`. The metadata is a whitelist, and errors carry no content of a file,
nor its path, which in a clinic often is the patient's name: a salted hash stands for it.
"""

import warnings
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float32

from beatssl.records.demographics import OVER_89_YEARS, sex_of
from beatssl.records.privacy import default_salt, names_someone, salted_hash, words_of
from beatssl.records.reader import inside
from beatssl.records.record import Record, RecordError
from beatssl.records.units import STRICT, UnitPolicy, check_amplitude
from beatssl.signals.leads import LEADS, canonical_leads, without_free_text

EXTENSIONS = frozenset(
    [".dcm", ".dicom", ".xml", ".scp", ".edf", ".ecg", ".mwf", ".mfer", ".mfr", ".json"]
)  # fmt: skip
"""What clinical files are usually called; the content decides."""

_NEEDS_FORMATS = (
    'clinical files are read through ecgdatakit (and DICOM through pydicom): pip install "beatssl[formats]"'
)
_LEAD_FAULT = -32768  # ISHNE's sample for a lead that was off
_NOBODY = frozenset(["anonymous", "anonymised", "anonymized", "anon", "unknown", "patient", "test", "none", "name"])
_SHORTEST_NAME = 3


@dataclass(frozen=True, slots=True)
class Privacy:
    """How identifiers are treated. Without a salt, `privacy.default_salt()` holds."""

    keep_identifiers: bool = False
    salt: bytes | None = field(default=None, repr=False)


HASHED = Privacy()
"""The default: identifiers hashed with the user's own salt."""


def hashed_path(path: str, salt: bytes) -> str:
    """What stands for the path of a clinical file: 32 digits of a salted hash, and the extension if it is a usual one.

    `privacy.find_hashed` finds the file again.
    """
    extension = PurePosixPath(path).suffix.lower()
    return salted_hash(path, salt) + (extension if extension in EXTENSIONS else "")


def read_clinical(
    root: Path, name: str, record_id: str, privacy: Privacy = HASHED, policy: UnitPolicy = STRICT
) -> Record:
    """The file `name` below `root`, as recorded, in mV.

    `patient_id` is a salted hash of the file's patient number (of name and birth date where it has none). The record's
    id, being a path, is kept only where the file says its patient's name and the id holds neither that nor number or
    birth date; else `hashed_path` stands for it, and in errors always. A lead name that is free text becomes "lead 1",
    …. Ages over 89 become 90. With `privacy.keep_identifiers` number, name and birth date are kept, on purpose.

    Raises `RecordError`: "unreadable" (also where the extra `formats` is not installed, with the remedy), "truncated",
    "checksum", "unit", "amplitude", "nan", "unsafe-path".
    """
    if privacy.keep_identifiers:
        return _read(root, name, name, record_id, privacy, policy)
    hashed = hashed_path(name, privacy.salt or default_salt())
    try:
        return _read(root, name, hashed, record_id, privacy, policy)
    except RecordError as error:
        found = f"find the file with beatssl.records.privacy.find_hashed(folder, {hashed!r})"
        raise RecordError(error.reason, f"{error}; {found}") from None


def _read(root: Path, path: str, name: str, record_id: str, privacy: Privacy, policy: UnitPolicy) -> Record:
    """The file at `path`, which errors call `name`."""
    try:
        parsed = _parse(inside(root, path), name, policy)
    except RecordError as error:
        if error.reason != "unsafe-path":
            raise
        raise RecordError("unsafe-path", f"{name}: leads out of the folder; a file must stay inside it") from None
    ecg_mv, leads, fs_hz = _signals(parsed, name)
    person = parsed.patient
    number, names, birth = _identity(person)
    metadata = _metadata(parsed) | check_amplitude(ecg_mv, leads, name, policy)
    if person.age is not None and person.age > 89 and not privacy.keep_identifiers:
        metadata["age_over_89"] = True
    identity = number or ("|".join([*names, birth]) if names and birth else "")
    if privacy.keep_identifiers:
        patient_id = number or None
        metadata |= {key: value for key, value in (("name", " ".join(names)), ("birth_date", birth)) if value}
    else:
        salt = privacy.salt or default_salt()
        patient_id = salted_hash(identity, salt) if identity else None
        if not _says_who(names) or names_someone(record_id, [number, *names, *_dates(birth)]):
            record_id = hashed_path(record_id, salt)
    return Record(
        ecg_mv=ecg_mv,
        leads=leads,
        fs_hz=fs_hz,
        id=record_id,
        source="files",
        patient_id=patient_id,
        age_years=_age(person.age, privacy),
        sex=sex_of(person.sex),
        metadata=metadata,
    )


def _parse(path: Path, name: str, policy: UnitPolicy) -> Any:
    """ecgdatakit's record of the file, leads in mV. What it merely warns of, but spoils a record, is an error here."""
    try:
        import ecgdatakit  # an extra
    except ImportError:
        raise RecordError("unreadable", f"{name}: {_NEEDS_FORMATS}") from None
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            parsed = ecgdatakit.FileParser.parse(path)
        except ImportError:
            raise RecordError("unreadable", f"{name}: {_NEEDS_FORMATS}") from None
        # From here on only the kind of error is given, never its text: that may quote the file.
        except FileNotFoundError:
            raise RecordError("unreadable", f"{name}: there is no such file") from None
        except ecgdatakit.UnsupportedFormatError:
            raise RecordError(
                "unreadable",
                f"{name}: not a file of any clinical format that ecgdatakit {ecgdatakit.__version__} knows",
            ) from None
        except Exception as error:
            raise RecordError(
                "unreadable", f"{name}: damaged or truncated; ecgdatakit cannot decode it ({type(error).__name__})"
            ) from None
    if any(issubclass(warning.category, ecgdatakit.ChecksumWarning) for warning in heard):
        raise RecordError("checksum", f"{name}: its checksum does not fit its content; export it again")
    if any("truncated" in str(warning.message) for warning in heard):
        raise RecordError("truncated", f"{name}: holds less than its header says; export it again")
    if parsed.raw_metadata.get("scale_warning") and policy.missing == "error":
        raise RecordError(
            "unit",
            f"{name}: states no amplitude scale; pass no_unit='assume' to take ecgdatakit's guess",
        )
    if _has_gaps(parsed.raw_metadata):
        raise RecordError("unreadable", f"{name}: its recording has gaps (EDF+D); export it without, or in parts")
    return parsed


def _has_gaps(raw: dict[str, Any]) -> bool:
    onsets = np.asarray(raw.get("record_onsets") or [0.0], np.float64)
    return len(onsets) > 1 and not np.allclose(np.diff(onsets), float(raw["record_duration"]), atol=1e-6)


def _signals(parsed: Any, name: str) -> tuple[Float32[np.ndarray, "lead time"], tuple[str, ...], float]:
    """The leads in volts that share the rate and length of the standard leads (of all, where none is standard)."""
    volts = [lead for lead in parsed.leads if lead.units == "mV" and not lead.is_raw]
    if not volts:
        raise RecordError("unit", f"{name}: none of its {len(parsed.leads)} signals is in volts; export it in µV or mV")
    names = canonical_leads(without_free_text(tuple(lead.label for lead in volts)))
    standard = [i for i, lead in enumerate(names) if lead in LEADS] or list(range(len(names)))
    shapes = {(volts[i].sampling_rate, len(volts[i].samples)) for i in standard}
    if len(shapes) > 1:
        raise RecordError(
            "unreadable",
            f"{name}: its leads differ in rate or length, (Hz, samples): {sorted(shapes)}; export it at one rate",
        )
    shape = shapes.pop()
    kept = [i for i, lead in enumerate(volts) if (lead.sampling_rate, len(lead.samples)) == shape]
    ecg_mv = np.stack([volts[i].samples for i in kept]).astype(np.float32)
    if parsed.source_format == "ishne_holter":
        step_mv = np.array([volts[i].resolution / 1000 for i in kept])[:, None]  # resolution: µV a unit
        ecg_mv[ecg_mv < (_LEAD_FAULT + 0.5) * step_mv] = np.nan
    return ecg_mv, tuple(names[i] for i in kept), _rate(parsed.raw_metadata, volts[kept[0]])


def _rate(raw: dict[str, Any], lead: Any) -> float:
    """The exact rate: ecgdatakit rounds the leads' own to whole hertz and keeps the file's beside it."""
    exact = raw.get("exact_sampling_rates", {}).get(lead.label)  # EDF
    exact = exact or raw.get("rhythm_time", {}).get("sampling_rate_exact")  # HL7
    groups = raw.get("multiplex_groups") or [{}]  # DICOM
    return float(exact or groups[0].get("sampling_frequency") or lead.sampling_rate)


def _identity(person: Any) -> tuple[str, list[str], str]:
    """Number, names and birth date (YYYY-MM-DD) as the file gives them; "" and [] where it does not."""
    names = [text.strip() for text in (person.first_name, person.last_name) if text.strip()]
    birth = person.birth_date.date().isoformat() if person.birth_date else ""
    return person.patient_id.strip(), names, birth


def _says_who(names: list[str]) -> bool:
    """Whether a path can be held against the names: without any, or with a placeholder, it may name the patient."""
    words = {word for name in names for word in words_of(name)}
    return any(len(word) >= _SHORTEST_NAME and word not in _NOBODY for word in words)


def _dates(birth: str) -> list[str]:
    """A birth date in the orders that file names have it."""
    if not birth:
        return []
    year, month, day = birth.split("-")
    return [year + month + day, day + month + year, month + day + year, year[2:] + month + day, day + month + year[2:]]


def _age(age: int | None, privacy: Privacy) -> float | None:
    if age is None or not 0 <= age <= 120:
        return None
    return float(age) if age <= 89 or privacy.keep_identifiers else OVER_89_YEARS


def _metadata(parsed: Any) -> dict[str, Any]:
    """The whitelist: the format and numbers of the recording. Free text of any kind may name someone and stays out."""
    filters = parsed.recording.acquisition.filters
    found = {
        "format": parsed.source_format,
        "highpass_hz": filters.highpass,
        "lowpass_hz": filters.lowpass,
        "notch_hz": filters.notch,
        "pacemaker": parsed.patient.has_pacemaker,
    }
    return {key: value for key, value in found.items() if value is not None}
