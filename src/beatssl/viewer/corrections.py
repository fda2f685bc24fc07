"""The folder of corrections: corrected records with their marks, for `prepare` and `segment`, and a table of labels,
for `probe` and `finetune`.

`ecgs/NAME.hea` and `.dat` are the record, `ecgs/NAME.LEAD` its waves, `ecgs/NAME.beats` its beats; `labels.csv` has a
line a record: 1 where a person said yes, 0 where no, nothing where neither.
"""

import csv
import io
import re
import threading
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from beatssl.analysis.result import Analysis, WavesOfLeads
from beatssl.files import make_folder, write_bytes
from beatssl.records.formats.saved_marks import saved_marks
from beatssl.records.record import BeatMarks, WaveMarks
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.viewer.edits import with_marks
from beatssl.viewer.refusal import Refused

ECGS, LABELS = "ecgs", "labels.csv"
_ID = "record_id"


class Corrections:
    """Reads and writes the folder; one save at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()

    def load(self, a: Analysis, sha256: str) -> tuple[Analysis, dict[str, bool]]:
        """The analysis with the marks that were saved for this record, and its labels.

        Raises Refused where what was saved cannot be read.
        """
        name = self._known(sha256)
        if name is None:
            return a, {}
        leads = a.waves.leads
        try:
            waves, beats = saved_marks(self.folder / ECGS, name, leads, a.record.fs_hz)
        except ValueError as error:
            raise Refused(422, "corrections", f"the corrections of this record are damaged: {error}") from None
        labels = list(a.beats.labels)
        if beats is not None and _same_beats(a, beats):
            labels = ["" if symbol == "Q" else symbol for symbol in beats.symbol]
        if waves is not None:
            merged = _merged(a, waves)
            changed = len(merged) != len(a.waves) or bool(np.isnan(merged.onset_confidence).any())
            if changed or labels != list(a.beats.labels):
                a = with_marks(a, merged, labels)
        return a, self.labels().get(name, {})

    def save(self, a: Analysis, sha256: str, labels: Mapping[str, bool]) -> str:
        """Write the record, its marks and its line of labels; gives the record's name.

        Raises Refused where the record cannot be written.
        """
        record = a.signal
        assert record is not None
        with self._lock:
            name = self._known(sha256) or _name(a.record.id, sha256)
            path = self.folder / ECGS / f"{name}.hea"
            try:
                make_folder(path.parent)
                if not path.exists():
                    record.save(path)
                a.save_annotations(path)
                self._save_labels(name, labels)
            except ValueError as error:
                raise Refused(422, "corrections", f"this record cannot be saved: {error}") from None
            except OSError as error:
                why = (error.strerror or type(error).__name__).lower()
                raise Refused(
                    500, "corrections", f"nothing can be written to the folder of corrections ({why})"
                ) from None
        return name

    def labels(self) -> dict[str, dict[str, bool]]:
        """The table of labels, by record."""
        path = self.folder / LABELS
        if not path.is_file():
            return {}
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        return {
            row[_ID]: {name: cell == "1" for name, cell in row.items() if name != _ID and cell in ("0", "1")}
            for row in rows
            if row.get(_ID)
        }

    def _save_labels(self, name: str, labels: Mapping[str, bool]) -> None:
        table = self.labels()
        if not labels and name not in table:
            return
        table[name] = dict(labels)
        titles = sorted({title for row in table.values() for title in row})
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([_ID, *titles])
        for record_id, row in sorted(table.items()):
            writer.writerow([record_id, *(str(int(row[title])) if title in row else "" for title in titles)])
        write_bytes(self.folder / LABELS, out.getvalue().encode())

    def _known(self, sha256: str) -> str | None:
        found = sorted((self.folder / ECGS).glob(f"*-{sha256[:12]}.hea"))
        return found[0].stem if found else None


def _name(record_id: str, sha256: str) -> str:
    """A name of a WFDB record: the last part of the record's id, cleaned, and 12 digits of its content's SHA-256."""
    clean = re.sub(r"[^A-Za-z0-9_-]", "_", PurePosixPath(record_id).name)[:40]
    return f"{clean or 'ecg'}-{sha256[:12]}"


def _same_beats(a: Analysis, beats: BeatMarks) -> bool:
    there = np.round(a.beats.time_s * a.record.fs_hz)
    return len(there) == len(beats.time_s) and bool(
        np.all(np.abs(there - np.round(beats.time_s * a.record.fs_hz)) <= 1)
    )


def _merged(a: Analysis, saved: WaveMarks) -> WavesOfLeads:
    """The saved waves; those that the models found just so keep their exact times and their confidence."""
    found = a.waves
    last = round(a.record.duration_s * a.record.fs_hz) - 1

    def keys(lead: Any, wave: Any, onset_s: Any, offset_s: Any) -> list[tuple[int, ...]]:
        ends = [
            np.nan_to_num(np.clip(np.round(times * a.record.fs_hz), 0, last), nan=-1) for times in (onset_s, offset_s)
        ]
        return [tuple(key) for key in np.stack([lead, wave, *ends], axis=1).astype(int).tolist()]

    numbers = {lead: number for number, lead in enumerate(found.leads)}
    kinds = {name: number for number, name in enumerate(WAVE_CLASSES)}
    by_key = {key: row for row, key in enumerate(keys(found.lead, found.wave, found.onset_s, found.offset_s))}
    lead = np.array([numbers[name] for name in saved.lead], np.int8)
    wave = np.array([kinds[name] for name in saved.wave], np.int8)
    columns = {name: getattr(saved, name).copy() for name in ("onset_s", "peak_s", "offset_s")}
    sure = ("onset_confidence", "offset_confidence", "confidence")
    columns |= {name: np.full(len(lead), np.nan, np.float32) for name in sure}
    for at, key in enumerate(keys(lead, wave, saved.onset_s, saved.offset_s)):
        if (row := by_key.get(key)) is not None:
            for name, values in columns.items():
                values[at] = getattr(found, name)[row]
    order = np.lexsort((columns["onset_s"], lead))
    columns |= {"lead": lead, "wave": wave}
    return WavesOfLeads(found.leads, **{name: values[order] for name, values in columns.items()})
