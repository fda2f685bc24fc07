"""Data sets from PhysioNet: every file of the published SHA256SUMS, in parallel, resumed where it broke off."""

import hashlib
import re
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from beatssl.progress import progress
from beatssl.records.reader import inside
from beatssl.records.record import RecordError

DataSet = Literal["ptbxl", "ludb", "qtdb", "mitdb"]
Rate = Literal["100", "500", "both"]

PHYSIONET = "https://physionet.org/files"
SET_PATHS: dict[DataSet, str] = {
    "ptbxl": "ptb-xl/1.0.3",
    "ludb": "ludb/1.0.1",
    "qtdb": "qtdb/1.0.0",
    "mitdb": "mitdb/1.0.0",
}
"""Folder and version of each set below the base address."""

CHECKSUMS = "SHA256SUMS.txt"
TRIES = 5  # connections to a file before it counts as failed
TIMEOUT_S = 60.0
_BLOCK = 1 << 18
_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_OUT_OF_RANGE = 416


class DownloadError(RuntimeError):
    """Files that could not be had; `failed` gives the reason for each. What was fetched stays and is not refetched."""

    def __init__(self, message: str, failed: Mapping[str, str]) -> None:
        super().__init__(message)
        self.failed = dict(failed)


@dataclass(frozen=True, slots=True)
class Downloaded:
    """How many files were fetched, and how many were there already."""

    fetched: int
    kept: int


def download(
    name: DataSet,
    dest: Path,
    base_url: str = PHYSIONET,
    workers: int = 4,
    rate: Rate = "100",
    backoff_s: float = 1.0,
) -> Downloaded:
    """Fetches data set `name` into the folder `dest`, in PhysioNet's layout; call it again to go on or to check.

    SHA256SUMS.txt comes first and names all files. A file already there with its published checksum is left alone. A
    transfer goes into `FILE.part`, goes on from there after a break (HTTP Range), and takes its final name only once
    its checksum is right; with a wrong one it is fetched once more from the start. A broken connection or a busy
    server is tried again, `TRIES` times in all, after `backoff_s`, twice that, and so on.

    Args:
        name: the data set.
        dest: folder to fill; what is there already is checked, not fetched again.
        base_url: address below which the sets stand, for a mirror.
        workers: files fetched at a time.
        rate: of PTB-XL only: its records at 100 Hz (0.6 GB), at 500 Hz (2.5 GB), or both.
        backoff_s: seconds before a broken connection is tried again; doubled each time.

    Raises `DownloadError` at the end, listing the files that could not be had and why, or at once where
    SHA256SUMS.txt cannot be had or read. Raises `RecordError` ("unsafe-path") before anything is fetched where the
    list names a file outside `dest`.
    """
    if name not in SET_PATHS:
        raise ValueError(f"data set {name!r} cannot be downloaded; choose one of {', '.join(SET_PATHS)}")
    url = f"{base_url.rstrip('/')}/{SET_PATHS[name]}"
    dest.mkdir(parents=True, exist_ok=True)
    wanted = _wanted(_published_checksums(url, dest, backoff_s), name, rate)
    paths = {file: _safe_path(dest, file) for file in wanted}
    fetched, failed = 0, dict[str, str]()
    with ThreadPoolExecutor(workers) as pool, progress(f"Downloading {name}", len(wanted), "files") as advance:
        jobs = {
            pool.submit(_fetch, f"{url}/{quote(file)}", paths[file], sha256, backoff_s): file
            for file, sha256 in wanted.items()
        }
        try:
            for job in as_completed(jobs):
                try:
                    fetched += job.result()
                except (_NotFetched, OSError) as error:
                    failed[jobs[job]] = str(error)
                advance(1)
        except BaseException:  # Ctrl-C must not wait for thousands of files that have not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    if failed:
        raise DownloadError(_failure_message(failed, len(wanted), url), failed)
    return Downloaded(fetched, len(wanted) - fetched)


class _NotFetched(Exception):
    """One file could not be had."""


def _published_checksums(url: str, dest: Path, backoff_s: float) -> dict[str, str]:
    """SHA-256 by file name, from the set's SHA256SUMS.txt, which is kept in `dest`."""
    path = dest / CHECKSUMS
    part = _part(path)
    part.unlink(missing_ok=True)  # nothing vouches for a piece of it, so it is never resumed
    try:
        _transfer_with_retries(f"{url}/{CHECKSUMS}", part, backoff_s)
    except (_NotFetched, OSError) as error:
        raise DownloadError(
            f"{url}/{CHECKSUMS}: {error}; check the address and the connection", {CHECKSUMS: str(error)}
        ) from error
    checksums = dict[str, str]()
    for number, line in enumerate(part.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        match = re.fullmatch(r"([0-9a-fA-F]{64})\s+\*?(\S.*?)\s*", line)
        if match is None:
            raise DownloadError(f"{url}/{CHECKSUMS}, line {number}: no checksum and file name in {line[:80]!r}", {})
        checksums[match[2]] = match[1].lower()
    part.replace(path)
    return checksums


def _wanted(checksums: dict[str, str], name: DataSet, rate: Rate) -> dict[str, str]:
    """The files to fetch: all, less PTB-XL's records at the rate not asked for."""
    unwanted = {"100": "records500/", "500": "records100/", "both": None}[rate]
    if name != "ptbxl" or unwanted is None:
        return checksums
    return {file: sha256 for file, sha256 in checksums.items() if not file.startswith(unwanted)}


def _safe_path(dest: Path, file: str) -> Path:
    path = inside(dest, file)
    if path == dest.resolve():
        raise RecordError("unsafe-path", f"{CHECKSUMS} names {file!r}, which is the folder {dest} itself and no file")
    return path


def _fetch(url: str, path: Path, sha256: str, backoff_s: float) -> bool:
    """Brings one file; false where it was there already. Raises `_NotFetched`."""
    if path.is_file() and _sha256(path) == sha256:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part(path)
    found = ""
    # The first round may go on from a piece that is of another version, or damaged; the second starts anew.
    for _ in range(2):
        _transfer_with_retries(url, part, backoff_s)
        if (found := _sha256(part)) == sha256:
            part.replace(path)
            return True
        part.unlink()
    raise _NotFetched(f"checksum {found[:12]}… is not the published {sha256[:12]}…, twice")


def _transfer_with_retries(url: str, part: Path, backoff_s: float) -> None:
    """Fills `part` to its end. Raises `_NotFetched` where the server refuses or every try breaks off."""
    reason = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(backoff_s * 2 ** (attempt - 1))
        try:
            _transfer(url, part)
            return
        except urllib.error.HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            error.close()
            if error.code == _OUT_OF_RANGE and part.exists():
                return  # all of it is there; the checksum decides
            if error.code not in _TRY_AGAIN:
                raise _NotFetched(reason) from error
        except (urllib.error.URLError, HTTPException, ConnectionError, TimeoutError) as error:
            reason = f"{type(error).__name__}: {error}"
    raise _NotFetched(f"{reason}, {TRIES} times")


def _transfer(url: str, part: Path) -> None:
    """One connection: the rest of `part` where the server gives it, else the whole. Raises ConnectionError if cut."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    response: HTTPResponse
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        goes_on = have > 0 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        expected = response.headers.get("Content-Length")
        received = 0
        with part.open("ab" if goes_on else "wb") as file:
            while block := response.read(_BLOCK):
                file.write(block)
                received += len(block)
    if expected is not None and received < int(expected):
        raise ConnectionError(f"cut after {received} of {expected} bytes")


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _failure_message(failed: Mapping[str, str], total: int, url: str) -> str:
    shown = [f"  {file}: {reason}" for file, reason in sorted(failed.items())[:20]]
    more = [f"  … and {len(failed) - 20} more"] if len(failed) > 20 else []
    head = f"{len(failed)} of {total} files of {url} could not be had; the others are there, run it again for these:"
    return "\n".join([head, *shown, *more])
