"""Record ids that a user wrote and those of a store: with or without folder and ending."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from beatssl.records.privacy import default_salt, salted_hash

ENDINGS = (
    "csv", "tsv", "txt", "npy", "npz", "mat", "h5", "hdf5", "hea", "dat", "edf", "bdf", "dcm", "dicom", "xml", "scp",
    "ecg", "mwf", "mfer", "mfr", "json", "atc", "zip",
)  # fmt: skip
_ENDING = re.compile(rf"\.(?:{'|'.join(ENDINGS)})$", re.IGNORECASE)
_HASHED = re.compile(r"[0-9a-f]{32}(?:\.\w+)?")


def match_ids(written: Sequence[str], ids: Sequence[str], path: Path) -> dict[str, str | None]:
    """For every id that the table at `path` has, the one of `ids` that is meant; None where there is none.

    Equal ids match, and those of which one leaves out the ending or leading folders that the other has: "ecg1" is
    "ward7/ecg1.csv", but "ward8/ecg1" is not. An id that is a hash is that of the file whose path is written, where
    this user's salt was used. Raises ValueError where an id may be two.
    """
    by_name: dict[str, list[str]] = {}
    for one in dict.fromkeys(ids):
        by_name.setdefault(_parts(one)[-1], []).append(one)
    hashed = {one[:32]: one for one in ids if _HASHED.fullmatch(one)}
    return {text: _match(text, by_name, hashed, path) for text in dict.fromkeys(written)}


def _match(text: str, by_name: Mapping[str, list[str]], hashed: Mapping[str, str], path: Path) -> str | None:
    found = [one for one in by_name.get(_parts(text)[-1], []) if _alike(text, one)]
    if text in found:
        return text
    if len(found) > 1:
        raise ValueError(
            f"{path}: {text!r} may be {found[0]!r} or {found[1]!r}; write the folder and the ending as the store does"
        )
    if not found and hashed:
        return hashed.get(salted_hash(text, default_salt()))
    return found[0] if found else None


def unmatched(missing: Sequence[str], lines: int, without: Sequence[str], path: Path, there: str) -> ValueError:
    """What to say of records of a table that are not `there`, with the first records there that have no line."""
    other = f"; {len(without):,} records there have no line, {without[0]!r} first" if without else ""
    lost = [text for text in missing if text.isdigit() and any(one.lstrip("0") == text for one in map(_bare, without))]
    zeros = "; leading zeros are lost (a spreadsheet does that): save the ids as text" if lost else ""
    return ValueError(
        f"{len(missing):,} of {lines:,} records of {path} are not in {there}, {missing[0]!r} first{other}{zeros}; "
        "write ids as the store has them (folder and ending may be left out), or remove the lines"
    )


def _bare(text: str) -> str:
    return _parts(text)[-1]


def _parts(text: str) -> list[str]:
    """Folders and name, without ending."""
    return _ENDING.sub("", text.replace("\\", "/")).strip("/").removeprefix("./").split("/")


def _alike(one: str, other: str) -> bool:
    """Whether one says no less than the other but for leading folders and the ending."""
    endings = [match[0].lower() for text in (one, other) if (match := _ENDING.search(text))]
    if len(endings) == 2 and endings[0] != endings[1]:
        return False
    shorter, longer = sorted((_parts(one), _parts(other)), key=len)
    return longer[-len(shorter) :] == shorter
