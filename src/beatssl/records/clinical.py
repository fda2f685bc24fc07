"""From what a file holds to a record: the ECG among its channels, in mV, of a person whom nothing names.

Nothing that names a person passes: see `privacy`. The metadata is a whitelist, and errors carry no content of a file,
nor its path, which in a clinic often is the patient's name: a salted hash stands for it.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from beatssl.records.demographics import OVER_89_YEARS
from beatssl.records.formats.channels import stack_mv
from beatssl.records.formats.formats import FORMATS, format_of
from beatssl.records.formats.options import FileOptions
from beatssl.records.privacy import default_salt, names_someone, salted_hash, words_of
from beatssl.records.reader import inside
from beatssl.records.record import Record, RecordError
from beatssl.records.recording import Person, Recording
from beatssl.records.units import check_amplitude
from beatssl.signals.calibration import without_calibration
from beatssl.signals.leads import without_constant

_NOBODY = frozenset(["anonymous", "anonymised", "anonymized", "anon", "unknown", "patient", "test", "none", "name"])
_SHORTEST_NAME = 3
_SHORTEST_S = 1.0
_OLDEST = 130.0
_RATES_HZ = (20.0, 100_000.0)


@dataclass(frozen=True, slots=True)
class Privacy:
    """How identifiers are treated. Without a salt, `privacy.default_salt()` holds."""

    keep_identifiers: bool = False
    salt: bytes | None = field(default=None, repr=False)
    paths_shown: bool = False  # in errors, to the person who has typed them


HASHED = Privacy()
"""The default: identifiers hashed with the user's own salt."""

AS_STATED = FileOptions()
"""Nothing is said of files beside what they state."""


def hashed_path(path: str, salt: bytes) -> str:
    """What stands for the path of a clinical file: 32 digits of a salted hash, and the extension if it is a usual one.

    `privacy.find_hashed` finds the file again.
    """
    extension = PurePosixPath(path).suffix.lower()
    return salted_hash(path, salt) + (extension if extension in HASHED_EXTENSIONS else "")


HASHED_EXTENSIONS = frozenset(
    [
        ".dcm", ".dicom", ".xml", ".scp", ".edf", ".bdf", ".ecg", ".mwf", ".mfer", ".mfr", ".json", ".atc",
    ]
)  # fmt: skip
"""What clinical files are usually called; the content decides."""


def read_clinical(
    root: Path, name: str, record_id: str, privacy: Privacy = HASHED, options: FileOptions = AS_STATED
) -> Record:
    """The ECG of the file `name` below `root`, as recorded, in mV.

    Which of its channels are ECG is told by `channels.choose`; the others are named in `metadata["left_out"]`. A
    calibration pulse at an end is cut off (`metadata["calibration_cut_s"]`), and a lead that never changes is missing.

    `patient_id` is a salted hash of the file's patient number (of name and birth date where it has none). The record's
    id, being a path, is kept only where the file says its patient's name and the id holds neither that nor number or
    birth date; else `hashed_path` stands for it, and in errors always. A lead name that is free text becomes "lead 1",
    …. Ages over 89 become 90. With `privacy.keep_identifiers` number, name and birth date are kept, on purpose.

    Raises `RecordError`: "unreadable" (also where the extra `formats` is not installed, with the remedy), "truncated",
    "checksum", "unit", "no-ecg", "sampling-rate", "too-short", "amplitude", "nan", "missing-leads", "unsafe-path".
    """
    if privacy.keep_identifiers or privacy.paths_shown:
        return _read(root, name, name, record_id, privacy, options)
    hashed = hashed_path(name, privacy.salt or default_salt())
    try:
        return _read(root, name, hashed, record_id, privacy, options)
    except RecordError as error:
        found = f"find the file with beatssl.records.privacy.find_hashed(folder, {hashed!r})"
        raise RecordError(error.reason, f"{error}; {found}") from None


def _read(root: Path, path: str, name: str, record_id: str, privacy: Privacy, options: FileOptions) -> Record:
    """The file at `path`, which errors call `name`."""
    try:
        content = inside(root, path).read_bytes()
    except RecordError:
        raise RecordError("unsafe-path", f"{name}: leads out of the folder; a file must stay inside it") from None
    except OSError as error:
        raise RecordError("unreadable", f"{name}: {error.strerror}") from None
    kind = format_of(path, content[:4096]) or "kit"
    return record_of(FORMATS[kind](content, name, options), name, record_id, privacy, options)


def record_of(recording: Recording, where: str, record_id: str, privacy: Privacy, options: FileOptions) -> Record:
    """The record in what a file holds; `where` is what errors call it. Raises `RecordError` as `read_clinical`."""
    metadata: dict[str, Any] = {"format": recording.format, **recording.metadata}
    if options.fs_hz_override is not None:
        recording, stated_hz = _at_rate(recording, options.fs_hz_override)
        metadata.setdefault("fs_overridden_from_hz", stated_hz)
    ecg_mv, leads, fs_hz, choice = stack_mv(recording, options.units, options.unit, where)
    if not _RATES_HZ[0] <= fs_hz <= _RATES_HZ[1]:
        raise RecordError(
            "sampling-rate",
            f"{where}: states {fs_hz:g} Hz, an ECG has {_RATES_HZ[0]:g} to {_RATES_HZ[1]:g}; pass the true rate as "
            "fs_hz_override=",
        )
    if ecg_mv.shape[1] < _SHORTEST_S * fs_hz:
        raise RecordError(
            "too-short",
            f"{where}: holds {ecg_mv.shape[1]} samples, {ecg_mv.shape[1] / fs_hz:.3g} s; {_SHORTEST_S:g} s are needed",
        )
    ecg_mv, cut_first_s, cut_last_s = without_calibration(ecg_mv, fs_hz)
    if cut_first_s or cut_last_s:
        metadata["calibration_cut_s"] = round(cut_first_s + cut_last_s, 3)
    if choice.left_out:
        metadata["left_out"] = ", ".join(one for one in (metadata.get("left_out"), *choice.left_out) if one)
    if choice.assumed:
        metadata["unit_assumed"] = True
    metadata |= check_amplitude(ecg_mv, leads, fs_hz, where, options.units)
    person = recording.person
    if person.age_years is not None and 89 < person.age_years <= _OLDEST and not privacy.keep_identifiers:
        metadata["age_over_89"] = True
    patient_id, record_id = _identity(person, record_id, privacy, metadata)
    return Record(
        ecg_mv=without_constant(ecg_mv),
        leads=leads,
        fs_hz=fs_hz,
        id=record_id,
        source="files",
        patient_id=patient_id,
        age_years=_age(person.age_years, privacy),
        sex=person.sex,
        metadata=metadata,
    )


def _at_rate(recording: Recording, fs_hz: float) -> tuple[Recording, float]:
    """The recording at the rate that its user knows, and the highest it states; channels keep their ratios."""
    stated = max(channel.fs_hz for channel in recording.channels)
    channels = tuple(replace(channel, fs_hz=channel.fs_hz / stated * fs_hz) for channel in recording.channels)
    return replace(recording, channels=channels), stated


def _identity(person: Person, record_id: str, privacy: Privacy, metadata: dict[str, Any]) -> tuple[str | None, str]:
    """Patient id and record id; with `keep_identifiers` name and birth date are added to the metadata."""
    if privacy.keep_identifiers:
        kept = (("name", " ".join(person.names)), ("birth_date", person.birth_date))
        metadata |= {key: value for key, value in kept if value}
        return person.number or None, record_id
    salt = privacy.salt or default_salt()
    if not _says_who(person.names) or names_someone(
        record_id, [person.number, *person.names, *_dates(person.birth_date)]
    ):
        record_id = hashed_path(record_id, salt)
    together = "|".join([*person.names, person.birth_date]) if person.names and person.birth_date else ""
    identity = person.number or together
    return salted_hash(identity, salt) if identity else None, record_id


def _says_who(names: tuple[str, ...]) -> bool:
    """Whether a path can be held against the names: without any, or with a placeholder, it may name the patient."""
    words = {word for name in names for word in words_of(name)}
    return any(len(word) >= _SHORTEST_NAME and word not in _NOBODY for word in words)


def _dates(birth: str) -> list[str]:
    """A birth date in the orders that file names have it."""
    if not birth:
        return []
    year, month, day = birth.split("-")
    return [year + month + day, day + month + year, month + day + year, year[2:] + month + day, day + month + year[2:]]


def _age(age: float | None, privacy: Privacy) -> float | None:
    if age is None or not 0 <= age <= _OLDEST:
        return None
    return age if age <= 89 or privacy.keep_identifiers else OVER_89_YEARS
