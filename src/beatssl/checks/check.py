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
    "peaks", "peak-detectors", "fiducials", "features", "beat-classes", "beat-embeddings", "encoded-features",
    "targets", "delineation", "marked-points", "wave-presence", "electrodes", "sampling-rates", "rhythm",
    "stated-p", "rhythm-annotations", "single-lead-rhythm", "acceptability", "devices",
]  # fmt: skip
CHECKS: tuple[What, ...] = get_args(What)


_OPTIONS = {
    "beat-embeddings": ("encoder", "device"),
    "encoded-features": ("encoder", "device"),
    "marked-points": ("segmenter", "device"),
    "wave-presence": ("segmenter", "device"),
    "delineation": ("source",),
}
"""Options of single checks."""

_OF_ANALYSES = ("rhythm", "stated-p", "rhythm-annotations", "single-lead-rhythm", "acceptability", "devices")
"""Checks of `analyze`."""

_OF_R_PEAKS = ("peaks", "peak-detectors")

_OF_ENCODERS = ("beat-embeddings", "encoded-features")

_OF_FILES = (*_OF_ANALYSES[2:], "peak-detectors")
"""Checks of a data set's files rather than of a store."""

_RESUMED = (*_OF_ANALYSES, "peak-detectors")
"""Checks record after record: stopped, they go on after the last finished one."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CheckConfig:
    """Measure a store against its reference marks or labels.

    - peaks: R peaks against reference beats (LUDB, MIT-BIH, synthetic).
    - fiducials: P, QRS and T boundaries against reference marks (LUDB, QTDB, synthetic).
    - features: diagnoses predicted from the record features alone (PTB-XL).
    - beat-classes: beat classes against the reference's (MIT-BIH, synthetic).
    - beat-embeddings: beat classes by a linear probe on an encoder's embeddings of beats (MIT-BIH).
    - encoded-features: record features predicted linearly from an encoder's embedding, and which of them diagnoses
      rely on (PTB-XL).
    - targets: whether records of high target similarity share a diagnosis (PTB-XL).
    - delineation: P, QRS and T of every lead by NeuroKit2 and by the package's rules (LUDB, synthetic).
    - marked-points: a saved segmenter at marks that name no lead (QTDB).
    - wave-presence: P where PTB-XL's statements say that there are some or none; synthetic records too (PTB-XL).
    - electrodes: exchanges of electrodes made in software, and false alarms (PTB-XL).
    - sampling-rates: rates stated wrongly on purpose that heart rate, QRS and QT give away, and false alarms (any).
    - rhythm: rhythms by `analyze`, atrial fibrillation among them, and their calibration (PTB-XL).
    - stated-p: P and PR that `analyze` states, by what PTB-XL's statements say of them (PTB-XL).

    Of the files of a data set rather than of a store, as it was published:

    - rhythm-annotations: rhythm over time by `analyze` against the annotated one (MIT-BIH).
    - peak-detectors: R peaks of the package, sleepecg, NeuroKit2 and wfdb's XQRS, in noise, at other rates, inverted,
      paced and on drawn records too (a folder that holds mitdb, ludb, incartdb, cpsc2019, or some of them).
    - single-lead-rhythm: normal, atrial fibrillation, other or noise by `analyze` (CinC 2017).
    - acceptability: signal quality by `analyze` (CinC 2011).
    - devices: rate, intervals and axes by `analyze` against what the recording machines printed (clinical files).
    """

    store: tyro.conf.Positional[Path]
    """Folder of a prepared store, or of the data set's files."""
    what: What
    """Which figures to measure."""
    out: Path | None = None
    """Folder for check-WHAT.json; None: the store's own."""
    encoder: str = "default"
    """For beat-embeddings and encoded-features: run or checkpoint; "default": the bundled weights; "random": an
    untrained network; NAME:PATH: the weights of an encoder that others published, ecg-fm or ecgfounder."""
    segmenter: str = "default"
    """For marked-points and wave-presence: folder of a segmenter, or of a run with one; "default": bundled weights."""
    device: Device = "auto"
    """For beat-embeddings, encoded-features, marked-points and wave-presence: where the network runs."""
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

    name = config.what.replace("-", "_")
    folders = {"analyses": _OF_ANALYSES, "r_peaks": _OF_R_PEAKS, "encoders": _OF_ENCODERS}
    within = next((f"checks.{name}" for name, checks in folders.items() if config.what in checks), "checks")
    measure: Callable[..., Any] = getattr(import_module(f"beatssl.{within}.{name}"), f"check_{name}")
    options = {name: getattr(config, name) for name in _OPTIONS.get(config.what, ())}
    if config.what in _OF_FILES:
        if not config.store.is_dir():
            raise FileNotFoundError(
                f"{config.store} is no folder; --what {config.what} takes that of the data set's files"
            )
        of: Any = config.store
        asked = {"data": _files_in(config.store)}
    else:
        of = store = Store(config.store)
        stated = ("config", "versions", "inputs", "counts")
        asked = {"store": {key: store.manifest[key] for key in stated if key in store.manifest}}
    asked |= {"options": to_json(options)} if options else {}
    file = (config.out or config.store) / f"check-{config.what}.json"
    check_file(file, config.overwrite, asked)
    if config.what not in _RESUMED:
        figures = measure(of, **options)
    else:
        kept = file.with_suffix(".jsonl")
        figures = measure(of, kept)
        kept.unlink(missing_ok=True)
    write_json(file, to_json(figures) | asked)
    return figures


def _files_in(folder: Path) -> dict[str, int]:
    """How many files a folder holds, and their bytes."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {"count": len(sizes), "bytes": sum(sizes)}
