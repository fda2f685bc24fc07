"""How a store lies on disk: file names, the int16 scale of signals, and writing that a kill cannot leave half done."""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int16

from beatssl.files import read_json

FORMAT_VERSION = 1
"""Raised whenever a reader of the old layout would misread the new one."""

UNITS_PER_MV = 1000
MISSING = -32768
"""Stored where a lead is missing, a sample was not measured, or a row is padded."""

LARGEST = 32767
MANIFEST, PLAN, SHARD, PARTIAL = "manifest.json", "plan.json", "shard.json", ".partial"
ECG, MEDIAN_BEATS = "ecg.npy", "median_beats.npy"
CLUSTERS, BEAT_CLUSTERS = "clusters.safetensors", "beat_clusters.npy"


class StoreError(ValueError):
    """A folder that is no store, is not finished, or was made otherwise than asked."""


def to_int16(ecg_mv: Float32[np.ndarray, "*shape"]) -> Int16[np.ndarray, "*shape"]:
    """mV in units of 1 µV, clipped to the range of int16; `MISSING` where NaN."""
    units = ecg_mv * np.float32(UNITS_PER_MV)
    missing = np.isnan(units)
    units[missing] = MISSING
    np.rint(units, out=units)
    np.clip(units, -LARGEST, LARGEST, out=units)
    whole = units.astype(np.int16)
    whole[missing] = MISSING
    return whole


def to_mv(units: Int16[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """The inverse of `to_int16`."""
    ecg_mv = units.astype(np.float32)
    ecg_mv /= np.float32(UNITS_PER_MV)
    ecg_mv[units == MISSING] = np.nan
    return ecg_mv


def out_of_range(ecg_mv: Float32[np.ndarray, "*row lead time"]) -> Bool[np.ndarray, "*row"]:
    """Whether a row holds amplitudes that `to_int16` clips (beyond ±32.767 mV)."""
    return np.asarray((np.abs(ecg_mv) * UNITS_PER_MV > LARGEST + 0.5).any(axis=(-2, -1)))


def shard_name(index: int) -> str:
    return f"shard-{index:05d}"


def canonical_hash(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """The manifest or plan of a store. Raises StoreError where the file is damaged."""
    try:
        content = read_json(path)
        if isinstance(content["format"], int) and content.keys() >= {"config", "signal"}:
            return content
    except (ValueError, TypeError, KeyError):  # no JSON, no text, or no object with a format
        pass
    raise StoreError(
        f"{path} is damaged or of something else than a store; if {path.parent} is a store, remove this file and run "
        "the same prepare command again: finished shards are kept"
    )


@contextmanager
def appearing(path: Path, store: Path) -> Generator[Path, None, None]:
    """A scratch path to write a file to; it becomes `path` in one step when the block ends without an exception."""
    scratch = scratch_path(store, path.name)
    yield scratch
    os.replace(scratch, path)


def scratch_path(store: Path, name: str) -> Path:
    """A path of this process's own on the store's file system, from where `os.replace` moves what is finished."""
    (store / PARTIAL).mkdir(exist_ok=True)
    return store / PARTIAL / f"{os.getpid()}-{uuid.uuid4().hex[:8]}-{name}"


def remove_scratch(store: Path) -> None:
    shutil.rmtree(store / PARTIAL, ignore_errors=True)


def baseline_of(manifest: Mapping[str, Any]) -> str:
    """The option `baseline` of a store; those made before it was among the settings say it by their reader."""
    by_reader = "medians" if "reader" in manifest.get("reader", {}) else "as-recorded"
    return manifest["config"].get("baseline", by_reader)


@contextmanager
def held(store: Path) -> Generator[None, None, None]:
    """A lock on the folder, let go by the system when the process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows: two runs on one folder are the user's to avoid
        yield
        return
    folder = os.open(store, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(folder)
        raise StoreError(f"another run is preparing {store}; wait for it or pass another out=") from error
    except OSError:
        pass  # a network file system that knows no locks
    try:
        yield
    finally:
        os.close(folder)
