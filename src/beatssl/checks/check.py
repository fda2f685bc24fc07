"""A store measured against its reference marks or labels: one entry for every check."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

import tyro
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device

What = Literal[
    "peaks", "fiducials", "features", "beat-classes", "beat-embeddings", "targets", "delineation", "marked-points",
    "electrodes", "sampling-rates",
]  # fmt: skip
CHECKS: tuple[What, ...] = get_args(What)


_OPTIONS = {
    "beat-embeddings": ("encoder", "device"),
    "marked-points": ("segmenter", "device"),
    "delineation": ("source",),
}
"""Options of single checks."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CheckConfig:
    """Measure a store against its reference marks or labels.

    - peaks: R peaks against reference beats (LUDB, MIT-BIH, synthetic).
    - fiducials: P, QRS and T boundaries against reference marks (LUDB, QTDB, synthetic).
    - features: diagnoses predicted from the record features alone (PTB-XL).
    - beat-classes: beat classes against the reference's (MIT-BIH, synthetic).
    - beat-embeddings: beat classes by a linear probe on an encoder's embeddings of beats (MIT-BIH).
    - targets: whether records of high target similarity share a diagnosis (PTB-XL).
    - delineation: P, QRS and T of every lead by NeuroKit2 and by the package's rules (LUDB, synthetic).
    - marked-points: a saved segmenter at marks that name no lead (QTDB).
    - electrodes: exchanges of electrodes made in software, and false alarms (PTB-XL).
    - sampling-rates: rates stated wrongly on purpose that heart rate, QRS and QT give away, and false alarms (any).
    """

    store: tyro.conf.Positional[Path]
    """Folder of a prepared store."""
    what: What
    """Which figures to measure."""
    out: Path | None = None
    """Folder for check-WHAT.json; None: the store's own."""
    encoder: str = "default"
    """For beat-embeddings: run or checkpoint; "default": the bundled weights; "random": an untrained network."""
    segmenter: str = "default"
    """For marked-points: folder of a segmenter, or of a run that has one; "default": the bundled weights."""
    device: Device = "auto"
    """For beat-embeddings and marked-points: where the network runs."""
    source: Path | None = None
    """For delineation: folder that the store was prepared from, so that NeuroKit2 gets the records as recorded."""
    overwrite: bool = False
    """Replace figures of another store or of other options that are there already."""


def check(config: CheckConfig) -> Any:
    """The figures that `config.what` names, also written as `check-<what>.json`, there with what made the store.

    Returns the result of the check's own function, such as `PeakFigures`.

    Raises:
        StoreError: where the folder is no finished store.
        ValueError: where the store has no marks or labels to check against.
    """
    from beatssl.files import write_json
    from beatssl.results import to_json
    from beatssl.store.outputs import check_file
    from beatssl.store.store import Store

    module = import_module(f"beatssl.checks.{config.what.replace('-', '_')}")
    measure: Callable[..., Any] = getattr(module, f"check_{config.what.replace('-', '_')}")
    store = Store(config.store)
    options = {name: getattr(config, name) for name in _OPTIONS.get(config.what, ())}
    made_by = {key: store.manifest[key] for key in ("config", "versions", "inputs", "counts") if key in store.manifest}
    asked = {"store": made_by} | ({"options": to_json(options)} if options else {})
    file = (config.out or config.store) / f"check-{config.what}.json"
    check_file(file, config.overwrite, asked)
    figures = measure(store, **options)
    write_json(file, to_json(figures) | asked)
    return figures
