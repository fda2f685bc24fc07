"""Embeddings of many records at once: of a store, or of files of any kind that can be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32, Shaped

from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.inference.embedding_cache import cached_embed
from beatssl.inference.encoder import BeatEncoder
from beatssl.progress import track
from beatssl.records.files import FilesReader, located
from beatssl.records.formats.options import FileOptions
from beatssl.records.record import Record
from beatssl.store.layout import MANIFEST, PLAN
from beatssl.store.outputs import check_ecgs
from beatssl.store.shards.reading import PreparedRecord, Reject, prepare_record, read_record
from beatssl.store.store import Store

Place = Store | Path | str


@dataclass(frozen=True)
class Embeddings:
    """Embeddings, a line a record (of a store a line a row), with the record's id, and what could not be used."""

    values: Float32[np.ndarray, "record embedding"]
    record_id: Shaped[np.ndarray, " record"]
    """As text: that of the store, or the file's path below the folder that was given."""
    refused: tuple[Reject, ...] = ()
    """Records of files that could not be used, each with its reason."""

    def __len__(self) -> int:
        return len(self.values)


def embed(
    encoder: BeatEncoder | Path | str,
    source: Place | Sequence[Place],
    *,
    files: FileOptions | None = None,
    device: Device = "auto",
    cache: bool = True,
) -> Embeddings:
    """The encoder's embeddings of all records of `source`: a store, its folder, ECG files, folders of them, or several.

    Args:
        encoder: a model, or what `BeatEncoder.from_pretrained` takes: "default", a run, a checkpoint, a repository.
        source: in the order in which the lines are to come.
        files: what files do not say, such as the rate of a CSV.
        device: where the network runs; the model is left where it was.
        cache: whether embeddings of stores may be read from the user's cache and kept there; see `cached_embed`.

    Raises CheckpointError where there is no such encoder or a store was prepared otherwise than it expects,
    FileNotFoundError for a path that is not there and for a folder without any ECG.
    """
    model = encoder if isinstance(encoder, BeatEncoder) else BeatEncoder.from_pretrained(encoder)
    places: Sequence[Place] = [source] if isinstance(source, Store | Path | str) else source
    before, there = next(model.parameters()).device, torch_device(device)
    values: list[Float32[np.ndarray, "some embedding"]] = []
    ids: list[str] = []
    refused: list[Reject] = []
    model.to(there)
    try:
        for place in places:
            if (store := store_at(place)) is not None:
                model.check_store(store)
                values.append(cached_embed(model.encoder, store, range(len(store)), device=there, cache=cache))
                ids += store.records["record_id"].astype(str).tolist()
                continue
            for one in _prepared_files(model, Path(str(place)), files or FileOptions()):
                if isinstance(one, Reject):
                    refused.append(one)
                else:
                    values.append(_embedded(model, one))
                    ids.append(one.record.id)
    finally:
        model.to(before)
    joined = np.concatenate(values) if values else np.zeros((0, 0), np.float32)
    return Embeddings(joined, np.array(ids, dtype=str), tuple(refused))


def store_at(place: Place) -> Store | None:
    """The store at a place; None where files are."""
    if isinstance(place, Store):
        return place
    is_store = any((Path(place) / name).is_file() for name in (MANIFEST, PLAN))
    return Store(place) if is_store else None


def _prepared_files(model: BeatEncoder, place: Path, given: FileOptions) -> Iterator[PreparedRecord | Reject]:
    """Every record of a file or folder, prepared as the model takes it."""
    place = located(place)
    check_ecgs(place)
    reader = FilesReader(given.csv_fs_hz, given.unit, given.lead_names, given.units, given.fs_hz_override)

    def prepared(record: Record) -> PreparedRecord:
        return prepare_record(record, model.takes)

    for source in track(reader.sources(place), "Embedding"):
        yield read_record(reader, place, source, prepared)


@torch.inference_mode()
def _embedded(model: BeatEncoder, ready: PreparedRecord) -> Float32[np.ndarray, "1 embedding"]:
    return model.encoder.embed(model.encoder(*model.on_device(ready.ecg_mv[None]))).float().cpu().numpy()
