"""Hashes of what a store is made from: the list of its sources, and the bytes of their files."""

import hashlib
import json
import os
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from beatssl.records.reader import BESIDE, Source

_CHUNK_BYTES = 1 << 18


def hash_sources(sources: Sequence[Source]) -> str:
    """SHA-256 over id, path and what the index said of every source. No file is read for it."""
    digest = hashlib.sha256()
    for source in sources:
        info = sorted((str(key), repr(value)) for key, value in source.info.items())
        digest.update(json.dumps([source.id, source.path, info]).encode())
    return digest.hexdigest()


def hash_files(root: Path, sources: Sequence[Source]) -> str:
    """SHA-256 over names and contents of all files of the sources, in the order of the sources.

    A source's file is the one at its path. A WFDB record has no such file: its files are those of its name whatever
    follows a dot (header, signals, annotations), and the signal files and segments that its header names besides.
    """
    digest = hashlib.sha256()
    listings: dict[Path, list[str]] = {}
    for source in sources:
        path = source.folder(root) / source.path
        listing = listings.get(path.parent)
        if listing is None:
            listing = listings[path.parent] = _listing(path.parent)
        for name in _files_of(path, listing):
            digest.update(f"{source.path} {name} ".encode())
            digest.update(_hash_of(path.parent / name))
        if beside := source.info.get(BESIDE):
            digest.update(_hash_of(source.folder(root) / beside))
    return digest.hexdigest()


def _listing(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_file())
    except OSError:
        return []


def _files_of(path: Path, listing: list[str]) -> list[str]:
    """Names, in the folder of `path`, of the files that make up the source there."""
    if not path.name.endswith(".hea") and _holds(listing, path.name):
        return [path.name]
    found: set[str] = set()
    parts = [path.name.removesuffix(".hea")]
    while parts:
        part = parts.pop()
        for name in _beginning_with(f"{part}.", listing):
            if name not in found and name.endswith(".hea"):
                files, segments = _named_in(path.parent / name)
                found.update(file for file in files if _holds(listing, file))
                parts += segments
            found.add(name)
    return sorted(found)


def _holds(listing: list[str], name: str) -> bool:
    at = bisect_left(listing, name)
    return at < len(listing) and listing[at] == name


def _beginning_with(start: str, listing: list[str]) -> list[str]:
    at = end = bisect_left(listing, start)
    while end < len(listing) and listing[end].startswith(start):
        end += 1
    return listing[at:end]


def _named_in(header: Path) -> tuple[list[str], list[str]]:
    """Signal files and segments that a WFDB header names; of a damaged one whatever stands in their places."""
    try:
        lines = header.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return [], []
    first, *others = [line.split(maxsplit=1)[0] for line in lines if line.strip() and not line.startswith("#")] or [""]
    return ([], others) if "/" in first else (others, [])


def _hash_of(path: Path) -> bytes:
    digest = hashlib.sha256()
    try:
        with open(path, "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError:
        return b"unreadable"
    return digest.digest()
