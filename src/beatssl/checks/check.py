"""A store measured against its reference marks or labels: one entry for every check."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import tyro
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.store.store import Store

What = Literal[
    "peaks", "fiducials", "features", "beat-classes", "beat-embeddings", "targets", "delineation", "marked-points"
]
CHECKS: tuple[What, ...] = get_args(What)


_OPTIONS = {"beat-embeddings": ("encoder",), "marked-points": ("encoder",), "delineation": ("source",)}
"""What a check is told beside its store."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CheckConfig:
    """Measure a store against its reference marks or labels.

    - peaks: R peaks against reference beats (LUDB, MIT-BIH, synthetic).
    - fiducials: P, QRS and T boundaries against reference marks (LUDB, QTDB, synthetic).
    - features: diagnoses predicted from the record features alone (PTB-XL).
    - beat-classes: beat classes against the reference's (MIT-BIH, synthetic).
    - beat-embeddings: beat classes as a linear probe reads them from an encoder's beats (MIT-BIH).
    - targets: whether records that soft targets call alike share a diagnosis (PTB-XL).
    - delineation: P, QRS and T of every lead by NeuroKit2 and by the package's rules (LUDB, synthetic).
    - marked-points: a saved segmenter at marks that name no lead (QTDB).
    """

    store: tyro.conf.Positional[Path]
    """Folder of a prepared store."""
    what: What
    """Which figures to measure."""
    out: Path | None = None
    """Folder for check-WHAT.json; None: the store's own."""
    encoder: str = "default"
    """For beat-embeddings: run or checkpoint; "default": the shipped weights; "random": an untrained network. For
    marked-points: folder of a segmenter, or "default"."""
    source: Path | None = None
    """For delineation: folder that the store was prepared from, so that NeuroKit2 gets the records as recorded."""


def check(config: CheckConfig) -> dict[str, Any]:
    """The figures that `config.what` names, also written as `check-<what>.json`, there with what made the store.

    Returns a dict of figures: numbers, or dicts of them.

    Raises:
        StoreError: where the folder is no finished store.
        ValueError: where the store has no marks or labels to check against.
    """
    module = import_module(f"beatssl.checks.{config.what.replace('-', '_')}")
    measure: Callable[..., dict[str, Any]] = getattr(module, f"check_{config.what.replace('-', '_')}")
    store = Store(config.store)
    options = {name: getattr(config, name) for name in _OPTIONS.get(config.what, ())}
    figures = as_plain(measure(store, **options))
    made_by = {key: store.manifest[key] for key in ("config", "versions", "inputs", "counts") if key in store.manifest}
    folder = config.out or config.store
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"check-{config.what}.json").write_text(
        json.dumps(figures | {"store": made_by}, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    return figures


def as_plain(value: Any) -> Any:
    """Figures as JSON takes them: plain numbers, text, lists and dicts; None for what is not finite."""
    if isinstance(value, np.ndarray):
        return as_plain(value.tolist())
    if isinstance(value, np.generic):
        return as_plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): as_plain(v) for k, v in value.items()}  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_plain(v) for v in value]
    return value
