"""The plan a store is made to, what two plans differ in, and the manifest that closes a finished store."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from beatssl.files import sha256_of
from beatssl.records.reader import Reader, Source
from beatssl.store.config import PrepareConfig
from beatssl.store.inputs import hash_sources
from beatssl.store.layout import (
    BEAT_CLUSTERS,
    CLUSTERS,
    FORMAT_VERSION,
    LARGEST,
    MANIFEST,
    MISSING,
    UNITS_PER_MV,
    StoreError,
    canonical_hash,
    read_manifest,
    shard_name,
)

_LIBRARIES = ("beatssl", "numpy", "scipy", "pandas", "pyarrow", "wfdb", "sleepecg", "scikit-learn", "ecgdatakit")


def make_plan(
    config: PrepareConfig, reader: Reader, sources: list[Source], table: str = "", distinct_from: Sequence[str] = ()
) -> dict[str, Any]:
    """All that decides the result but the files' bytes: format, config, versions, sources, the hash of a table of
    the user's own and those of the stores it is distinct from. Nothing of this machine."""
    others = {"distinct_from": list(distinct_from)} if distinct_from else {}
    return {
        "format": FORMAT_VERSION,
        "config": config.what_counts() | ({"table": table} if table else {}) | others,
        "reader": _options(reader),
        "signal": {"units_per_mv": UNITS_PER_MV, "missing": MISSING, "largest": LARGEST, "samples": config.row_samples},
        "versions": _versions(),
        "sources": {"count": len(sources), "sha256": hash_sources(sources)},
    }


def _options(reader: Reader) -> dict[str, Any]:
    """Options of the reader, where it is a dataclass (rate, unit, leads of plain files, a seed)."""
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
    """The plan, with what came of it: a hash of all inputs, counts, size of each shard, SHA-256 of every file."""
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
        "inputs": canonical_hash([shard["inputs"] for shard in shards]),
        "counts": counts,
        "shards": [{key: shard[key] for key in ("rows", "beats", "leads")} for shard in shards],
        "files": dict(sorted((files | cluster_files).items())),
    }


def complete_manifest(out: Path, plan: dict[str, Any], shards: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The manifest of a store that needs no more work: it fits these shards, and its other files are whole; else None.

    `shards` are those found to be whole.
    """
    try:
        manifest = read_manifest(out / MANIFEST)
        own = {name: want for name, want in manifest["files"].items() if _of_clusters(name)}
        whole = all(sha256_of(out / name) == want for name, want in own.items())
        return manifest if whole and manifest == make_manifest(plan, shards, own) else None
    except (OSError, KeyError):
        return None


def _of_clusters(name: str) -> bool:
    return name == CLUSTERS or name.endswith(f"/{BEAT_CLUSTERS}")
