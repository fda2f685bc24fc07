"""A saved segmenter on records it has not seen: files of any kind that can be read, or the rows of a store."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32, Int64
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.beats.wave_decoding import CLASSES, decode_waves
from beatssl.dataset.conditioning import Reject, condition
from beatssl.dataset.config import PrepareConfig
from beatssl.dataset.layout import MANIFEST
from beatssl.dataset.manifest import differences
from beatssl.dataset.readers import make_reader
from beatssl.dataset.store import Store
from beatssl.progress import track
from beatssl.training.saved import CheckpointError, Preprocessing
from beatssl.training.segmenter import EcgSegmenter

SHIPPED = "training/weights/ludb"
"""Where in the package the segmenter named "default" lies."""

WAVES, REFUSED = "waves.parquet", "refused.parquet"
_NOTHING = np.zeros((1, len(CLASSES), 1), np.float32)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class FileOptions:
    """What CSV and .npy files do not say."""

    csv_fs_hz: float | None = None
    """Their sampling rate."""
    unit: str | None = None
    """Their unit, such as mV or uV."""
    lead_names: tuple[str, ...] = ()
    """Their leads, in order; any name will do, one of the twelve is understood."""


def open_segmenter(source: str) -> EcgSegmenter:
    """ "default", the folder of a segmenter or of a run that has one, or a repository of the hub.

    Raises CheckpointError where there is none.
    """
    if source != "default":
        inner = Path(source) / "segmenter"
        return EcgSegmenter.from_pretrained(inner if inner.is_dir() else source)
    place = Path(str(package_files("beatssl"))) / SHIPPED
    if not place.is_dir():
        raise CheckpointError("this version of beatssl ships no segmenter; pass the folder that segment has written")
    return EcgSegmenter.from_pretrained(place)


def apply_segmenter(
    segmenter: EcgSegmenter, places: Sequence[Path], out: Path, options: FileOptions, device: torch.device
) -> dict[str, Any]:
    """Waves of every record at `places` (files, folders, stores), written to `out`/waves.parquet, and their counts.

    What could not be used is listed with its reason in `out`/refused.parquet.
    """
    segmenter = segmenter.to(device)
    waves: list[pd.DataFrame] = []
    refused: list[dict[str, str]] = []
    for place in places:
        found = (
            of_store(segmenter, Store(place)) if (place / MANIFEST).is_file() else _of_files(segmenter, place, options)
        )
        for record in found:
            if isinstance(record, Reject):
                refused.append(asdict(record))
            else:
                waves.append(record)
    table = pd.concat(waves, ignore_index=True) if waves else _named("", (), decode_waves(_NOTHING, 100.0))
    out.mkdir(parents=True, exist_ok=True)
    table.to_parquet(out / WAVES, index=False)
    columns = [field.name for field in fields(Reject)]
    pd.DataFrame(refused, columns=columns).to_parquet(out / REFUSED, index=False)
    counts = table["wave"].value_counts()
    return {"records": len(waves), "refused": len(refused)} | {name: int(counts.get(name, 0)) for name in CLASSES[1:]}


def of_store(segmenter: EcgSegmenter, store: Store) -> Iterator[pd.DataFrame]:
    """Waves of each record of a store, the rows of a long one joined again, so that no wave is cut between two.

    Raises CheckpointError where the store was prepared otherwise than the segmenter expects; its leads may be any.
    """
    theirs, mine = Preprocessing.of_store(store), segmenter.preprocessing
    if lines := differences(asdict(replace(theirs, leads=mine.leads)), asdict(mine)):
        raise CheckpointError(
            f"store {store.path} was prepared otherwise than the signals this segmenter was trained on (store against "
            f"segmenter): {'; '.join(lines)}; prepare it again with the segmenter's settings"
        )
    rows = pd.Series(np.arange(len(store))).groupby(store.records["record_id"].astype(str).to_numpy(), sort=False)
    for record_id, row in track(list(rows), "Segmenting"):
        about = store.records.iloc[row.to_numpy()]
        parts = store.ecg_mv(row.to_numpy(np.int64))
        ecg_mv = np.concatenate(
            [part[:, :samples] for part, samples in zip(parts, about["samples"], strict=True)], axis=1
        )
        names = tuple(str(name) for name in about["lead_names"].iloc[0])
        yield waves_of_record(segmenter, str(record_id), ecg_mv, names, float(about["start_s"].iloc[0]))


def waves_of_record(
    segmenter: EcgSegmenter,
    record_id: str,
    ecg_mv: Float32[np.ndarray, "lead time"],
    leads: Sequence[str],
    start_s: float = 0.0,
) -> pd.DataFrame:
    """Waves of one record of any length, prepared as the segmenter expects, NaN where not measured.

    A line a wave: record_id, lead, wave, onset_s, peak_s, offset_s and how sure its boundaries are, as `decode_waves`
    gives them, in seconds of record time.
    """
    probability = segmenter.probabilities(ecg_mv, leads)
    return _named(record_id, leads, decode_waves(probability, segmenter.preprocessing.fs_hz, ecg_mv), start_s)


def waves_of_rows(
    store: Store, rows: Int64[np.ndarray, " row"], probability: Float32[np.ndarray, "row lead 4 time"]
) -> pd.DataFrame:
    """Waves of some rows of a store from their probabilities, as `waves_of_record` gives them."""
    about = store.records.iloc[rows]
    each = zip(about["record_id"].astype(str), about["start_s"], store.ecg_mv(rows), probability, strict=True)
    parts = [
        _named(record_id, store.leads, decode_waves(of_row, store.fs_hz, ecg_mv), float(start_s))
        for record_id, start_s, ecg_mv, of_row in each
    ]
    return pd.concat(parts, ignore_index=True)


def _of_files(segmenter: EcgSegmenter, place: Path, options: FileOptions) -> Iterator[pd.DataFrame | Reject]:
    """Waves of every record of a file or folder, each read, filtered and resampled as `prepare` does."""
    wanted = segmenter.preprocessing
    config = PrepareConfig(
        "files", place, out=place, leads="as-recorded", fs_hz=wanted.fs_hz, low_hz=wanted.low_hz,
        high_hz=wanted.high_hz, **asdict(options),
    )  # fmt: skip
    reader = make_reader(replace(config, out=Path()))
    for source in track(reader.sources(place), "Segmenting"):
        ready = condition(reader, source, config)
        if isinstance(ready, Reject):
            yield ready
        else:
            yield waves_of_record(segmenter, ready.record.id, ready.ecg_mv, ready.lead_names)


def _named(record_id: str, leads: Sequence[str], waves: pd.DataFrame, start_s: float = 0.0) -> pd.DataFrame:
    """Leads by name, times from the record's start."""
    names = np.array([*leads, ""], object)
    moved = {name: waves[name] + start_s for name in ("onset_s", "peak_s", "offset_s")}
    named = waves.assign(lead=names[waves["lead"].to_numpy(np.int64)], **moved)
    named.insert(0, "record_id", record_id)
    return named
