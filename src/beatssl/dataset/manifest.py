"""The plan a store is made to, what two plans differ in, and the manifest that closes a finished store."""

import hashlib
import json
import os
from collections import Counter
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from beatssl.dataset.config import PrepareConfig
from beatssl.dataset.layout import FORMAT_VERSION, LARGEST, MISSING, UNITS_PER_MV, StoreError, shard_name
from beatssl.records.reader import Reader, Source

_LIBRARIES = ("beatssl", "numpy", "scipy", "pandas", "pyarrow", "wfdb", "sleepecg", "scikit-learn", "ecgdatakit")
_INDEX_BYTES = 256 << 20
"""Files in the source folder itself up to this size (CSV tables, RECORDS) are hashed whole."""


def make_plan(config: PrepareConfig, reader: Reader, sources: list[Source]) -> dict[str, Any]:
    """All that decides the result: format, config, versions, and a hash of the inputs. Nothing of this machine."""
    return {
        "format": FORMAT_VERSION,
        "config": config.what_counts(),
        "reader": _options(reader),
        "signal": {"units_per_mv": UNITS_PER_MV, "missing": MISSING, "largest": LARGEST, "samples": config.row_samples},
        "versions": _versions(),
        "inputs": {"sources": len(sources), "sha256": hash_inputs(config.source, sources)},
    }


def _options(reader: Reader) -> dict[str, Any]:
    """What the reader was told, where it is a dataclass (rate, unit, leads of plain files, a seed)."""
    if not is_dataclass(reader):
        return {}
    options = {field.name: getattr(reader, field.name) for field in fields(reader) if field.repr}
    return {
        name: value if isinstance(value, int | float | str | None) else repr(value) for name, value in options.items()
    }


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hash_inputs(root: Path, sources: list[Source]) -> str:
    """SHA-256 over the sources (id, path, what the index says), the sizes of their files, and the index files.

    Signals are not read for it. A file counts to a source when its name is the source's, whatever follows a dot.
    """
    digest = hashlib.sha256()
    sizes: dict[Path, dict[str, list[tuple[str, int]]]] = {}
    folder = root.parent if root.is_file() else root
    for source in sources:
        path = folder / source.path
        if path.parent not in sizes:
            sizes[path.parent] = _sizes(path.parent)
        files = sizes[path.parent].get(path.name.split(".")[0], [])
        line = [source.id, source.path, sorted((str(key), repr(value)) for key, value in source.info.items()), files]
        digest.update(json.dumps(line).encode())
    for name, content in _index_files(root, sources):
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()


def _sizes(folder: Path) -> dict[str, list[tuple[str, int]]]:
    found: dict[str, list[tuple[str, int]]] = {}
    if folder.is_dir():
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.is_file():
                    found.setdefault(entry.name.split(".")[0], []).append((entry.name, entry.stat().st_size))
    return found


def _index_files(root: Path, sources: list[Source]) -> list[tuple[str, str]]:
    if not root.is_dir():
        return []
    of_sources = {Path(source.path).name.split(".")[0] for source in sources}
    files = [path for path in sorted(root.iterdir()) if path.is_file() and path.name.split(".")[0] not in of_sources]
    return [
        (path.name, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
        if not path.name.startswith(".") and path.stat().st_size <= _INDEX_BYTES
    ]


def differences(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """What two nested dictionaries differ in, one line an entry: `config.fs_hz: 100.0 against 250.0`."""
    lines: list[str] = []
    for key in sorted(one.keys() | other.keys()):
        left, right = one.get(key), other.get(key)
        if isinstance(left, dict) and isinstance(right, dict):
            lines += differences(left, right, f"{prefix}{key}.")
        elif left != right:
            lines.append(f"{prefix}{key}: {left} against {right}")
    return lines


def check_same_plan(store: Path, there: dict[str, Any], asked: dict[str, Any]) -> None:
    """Raises StoreError, naming every difference, where a store was begun to another plan than the one asked for."""
    if lines := differences({key: there.get(key) for key in asked}, asked):
        raise StoreError(
            f"store {store} was made to another plan (there against asked): {'; '.join(lines)}; "
            "pass another out= folder, remove this one, or ask for the same"
        )


def make_manifest(plan: dict[str, Any], shards: list[dict[str, Any]], cluster_files: dict[str, str]) -> dict[str, Any]:
    """The plan, with what came of it: counts, the size of each shard, and the SHA-256 of every file."""
    rejects = Counter[str]()
    for shard in shards:
        rejects.update(shard["rejects"])
    counts: dict[str, Any] = {
        key: sum(shard[key] for shard in shards) for key in ("sources", "records", "rows", "beats")
    }
    counts["leads"] = max((shard["leads"] for shard in shards), default=0)
    counts["rejects"] = dict(sorted(rejects.items()))
    files = {
        f"{shard_name(index)}/{name}": digest
        for index, shard in enumerate(shards)
        for name, digest in shard["files"].items()
    }
    return {
        **plan,
        "counts": counts,
        "shards": [{key: shard[key] for key in ("rows", "beats", "leads")} for shard in shards],
        "files": dict(sorted((files | cluster_files).items())),
    }
