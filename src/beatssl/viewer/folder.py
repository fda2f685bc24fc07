"""The folder to choose from: what the server found in it, by random ids; no path comes from the page."""

import secrets
import threading
from pathlib import Path

from beatssl.analysis.parts import reader_of
from beatssl.records.files import located
from beatssl.records.formats.options import FileOptions
from beatssl.records.reader import Source, inside
from beatssl.records.record import RecordError
from beatssl.viewer.refusal import Refused

LISTED = 20_000
"""Most files that are listed."""


class Folder:
    """ECG files below a folder; links that lead out of it are no part of it."""

    def __init__(self, path: Path | None, options: FileOptions) -> None:
        self.path = None if path is None else located(path).resolve()
        self._options = options
        self._lock = threading.Lock()
        self._ids: dict[str, str] = {}
        self._sources: dict[str, Source] = {}

    def listing(self) -> list[dict[str, str]]:
        """Id and name of every file, as the folder is now; a file keeps its id."""
        if self.path is None:
            return []
        try:
            found = reader_of(self._options).sources(self.path)[:LISTED]
        except FileNotFoundError:
            found = []
        with self._lock:
            self._sources = {}
            for source in found:
                if self._inside(source):
                    made = self._ids.setdefault(f"{source.path}\0{source.id}", secrets.token_urlsafe(9))
                    self._sources[made] = source
            return [{"id": made, "name": source.id} for made, source in self._sources.items()]

    def source(self, file_id: str) -> Source:
        """Raises Refused where no such file was listed, or it leads out of the folder by now."""
        with self._lock:
            source = self._sources.get(file_id)
        if source is None or not self._inside(source):
            raise Refused(404, "no-file", "there is no such file in the folder (any more); list it again")
        return source

    def _inside(self, source: Source) -> bool:
        assert self.path is not None
        try:
            inside(self.path if self.path.is_dir() else self.path.parent, source.path)
        except (RecordError, OSError):
            return False
        return True
