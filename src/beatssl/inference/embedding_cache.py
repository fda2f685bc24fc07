"""Embeddings and other numbers of a store kept on disk between commands, by a hash of all that they depend on."""

import hashlib
import os
import time
import zipfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict
from inspect import getfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64

from beatssl._version import __version__
from beatssl.inference import embedding, row_signals
from beatssl.inference.embedding import embed
from beatssl.inference.tensors import hash_of_weights
from beatssl.models import encoded
from beatssl.models.encoded import Encoder
from beatssl.store.layout import canonical_hash
from beatssl.store.store import Store

FOLDER, SIZE = "BEATSSL_CACHE", "BEATSSL_CACHE_GB"
"""Environment: where the cache lies, and how large it may grow; 0 turns it off."""

DEFAULT_GB = 4.0
_FORGOTTEN_S = 86_400.0
"""Age at which a file that was being written is taken for that of a process that was killed."""


def cached_embed(
    encoder: Encoder,
    store: Store,
    rows: Sequence[int] | Int64[np.ndarray, " row"],
    batch_size: int = 256,
    device: torch.device | str = "cpu",
    leads: Sequence[str] = (),
    cache: bool = True,
) -> Float32[np.ndarray, "row embedding"]:
    """As `embed`, read from the user's cache where the same was embedded before: the same numbers, to the bit.

    The cache is ~/.cache/beatssl/embeddings, or below the folder that BEATSSL_CACHE names. Beyond BEATSSL_CACHE_GB
    (4) what was used longest ago is removed. A cache that cannot be written or read is done without. A store in memory
    or changed in memory is not cached.

    Raises ValueError where BEATSSL_CACHE_GB is no number, and as `embed` does.
    """
    wanted = np.asarray(rows, np.int64)

    def key() -> list[Any]:
        return _key(encoder, batch_size, torch.device(device), leads)

    return kept(store, wanted, key, lambda: embed(encoder, store, wanted, batch_size, device, leads=leads), cache)


def kept(
    store: Store,
    rows: Int64[np.ndarray, " row"],
    key: Callable[[], list[Any]],
    compute: Callable[[], Float32[np.ndarray, "row number"]],
    cache: bool = True,
) -> Float32[np.ndarray, "row number"]:
    """What `compute` gives of rows of a store, from the cache where it was computed before.

    `key` names all that it depends on beside the store and the rows. Raises ValueError as `cached_embed`.
    """
    limit = _limit_bytes()
    made_of = store.fingerprint() if cache and limit > 0 else None
    if made_of is None:
        return compute()
    which = [__version__, made_of, hashlib.sha256(rows.tobytes()).hexdigest(), *key()]
    path = cache_folder() / f"{canonical_hash(which)}.npz"
    values = _read(path, len(rows))
    if values is None:
        values = compute()
        if values.nbytes <= limit:
            _write(path, values)
            _trim(path.parent, limit)
    return values


def hash_of_code(files: Iterable[Path]) -> str:
    """Of files that compute what is kept: another version of them may give other numbers."""
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()


def cache_folder() -> Path:
    """Where embeddings are kept: below BEATSSL_CACHE, else below the user's folder for caches."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(os.environ.get(FOLDER) or Path(base) / "beatssl") / "embeddings"


def _limit_bytes() -> float:
    text = os.environ.get(SIZE, str(DEFAULT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise ValueError(f"{SIZE}={text!r} in the environment is no size; set gigabytes such as 4, or 0 for no cache")
    return limit * 1e9


def _key(encoder: Encoder, batch_size: int, device: torch.device, leads: Sequence[str]) -> list[Any]:
    """All that a bit of an embedding may depend on: weights, code, signals, and the arithmetic of this machine."""
    arithmetic = [
        torch.__version__, device.type, torch.get_num_threads(), torch.get_float32_matmul_precision(),
        torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability(),
    ]  # fmt: skip
    network = [type(encoder).__qualname__, asdict(encoder.config), hash_of_weights(encoder)]
    return [_code(encoder), network, batch_size, sorted(leads), arithmetic]


def _code(encoder: Encoder) -> str:
    """Hash of the files that compute an embedding."""
    files = {*Path(getfile(encoded)).parent.glob("*.py"), Path(getfile(embedding)), Path(getfile(row_signals))}
    for kind in (*type(encoder).__mro__, *(type(part) for part in encoder.children())):
        with suppress(TypeError, OSError):  # a class that was typed in has no file
            files.add(Path(getfile(kind)))
    return hash_of_code(files)


def _read(path: Path, rows: int) -> Float32[np.ndarray, "row embedding"] | None:
    """Kept embeddings; None where there are none, or they are damaged (a zip file has checksums)."""
    try:
        with path.open("rb") as file:  # np.load would leave a damaged file open
            values = np.load(file, allow_pickle=False)["values"]
        os.utime(path)  # used now
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile):
        return None
    return values if values.dtype == np.float32 and values.ndim == 2 and len(values) == rows else None


def _write(path: Path, values: Float32[np.ndarray, "row embedding"]) -> None:
    """Keep embeddings, whole or not at all; where that cannot be done nothing is kept."""
    scratch = path.with_name(f".{path.stem}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with scratch.open("wb") as file:
            np.savez(file, values=values)
        os.replace(scratch, path)
    except OSError:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def _trim(folder: Path, limit: float) -> None:
    """Remove what was used longest ago until the rest fits, and what killed processes left half written."""
    with suppress(OSError):
        for part in folder.glob(".*.part"):
            if time.time() - part.stat().st_mtime > _FORGOTTEN_S:
                part.unlink(missing_ok=True)
        kept = sorted((file.stat().st_mtime_ns, file.stat().st_size, file) for file in folder.glob("*.npz"))
        total = sum(size for _, size, _ in kept)
        for _, size, file in kept:
            if total <= limit:
                break
            file.unlink(missing_ok=True)
            total -= size
