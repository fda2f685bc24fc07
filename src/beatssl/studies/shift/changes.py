"""PTB-XL's test records as they were recorded, changed to be like another database's, and what the models say."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int16, Int64

from beatssl.progress import track
from beatssl.records.registry import READERS
from beatssl.store.layout import MISSING, to_int16
from beatssl.store.store import Store
from beatssl.studies.shift.answers import Answered, Models
from beatssl.studies.shift.recordings import Measured, Ranks, Recording, as_recorded, measured
from beatssl.studies.shift.result import RecordingFigures

_APART_UV = 2
"""Rounding may differ by one; anything beyond is another file."""


@dataclass(frozen=True)
class Raw:
    """Records as their files hold them, in the order of a store's leads."""

    ecg_mv: Float32[np.ndarray, "record 12 time"]
    fs_hz: float
    ids: list[str]
    source: Path

    @classmethod
    def of(cls, store: Store, source: Path, rows: Int64[np.ndarray, " row"]) -> "Raw":
        """Reads the files of the rows. Raises ValueError where `source` lacks one of them."""
        records = store.records.iloc[rows]
        rates = records["source_fs_hz"].unique()
        options = {"sampling": f"{rates[0]:g}"} if store.kind == "ptbxl" else {}
        reader = READERS[store.kind](**options)
        sources = {one.id: one for one in reader.sources(source)}
        ids = records["record_id"].astype(str).tolist()
        if missing := [one for one in ids if one not in sources]:
            raise ValueError(
                f"{source} lacks record {missing[0]} of {store.path}; pass the folder it was prepared from"
            )
        read = (reader.read(source, sources[one]) for one in ids)
        ecg_mv = np.stack([store.preparation.in_order(one.ecg_mv.astype(np.float32), one.leads) for one in read])
        return cls(ecg_mv, float(rates[0]), ids, source)


@dataclass(frozen=True)
class Changes:
    """Raw records of some rows of PTB-XL's store, and answers to them under changes; equal ones are asked once."""

    store: Store
    rows: Int64[np.ndarray, " record"]
    raw: Raw
    ranks: Ranks
    models: Models
    seed: int
    _known: dict[str, Answered] = field(default_factory=dict[str, Answered])

    @classmethod
    def of(cls, store: Store, raw: Raw, rows: Int64[np.ndarray, " row"], models: Models, seed: int) -> "Changes":
        """Raises ValueError where the raw records are not those that the store was prepared from."""
        ranks = Ranks.of(measured(store.ecg_mv(rows), store.fs_hz))
        found = cls(store, rows, raw, ranks, models, seed)
        apart = np.abs(found.units(Recording()).astype(np.int64) - store.ecg_units(rows))
        if int(apart.max()) > _APART_UV:
            raise ValueError(
                f"record {raw.ids[int(apart.max(axis=(1, 2)).argmax())]} of {raw.source} is not that of {store.path}; "
                "pass the folder it was prepared from"
            )
        return found

    @property
    def reference(self) -> Measured:
        """What the unchanged records show of how they were recorded."""
        return self.ranks.own

    def units(self, recording: Recording) -> Int16[np.ndarray, "record 12 prepared_time"]:
        """The records so recorded, as a store keeps them."""
        raw = self.raw
        made = [
            as_recorded(raw.ecg_mv[at], raw.fs_hz, self.store.preparation, recording, at, self.ranks, self.seed)
            for at in track(range(len(raw.ecg_mv)), "Changing", unit="records")
        ]
        return np.stack([to_int16(one) for one in made])

    def answers(self, recording: Recording) -> Answered:
        """Log odds by every model."""
        key = _key(recording)
        if key not in self._known:
            units = self.units(recording)
            there = (units != MISSING).any(axis=1)
            samples = there.shape[1] - there[:, ::-1].argmax(axis=1)
            self._known[key] = self.models(self.store, self.rows, units, samples)
        return self._known[key]


def _key(recording: Recording) -> str:
    """Equal for recordings that change the same."""
    values = [one.tobytes() if isinstance(one, np.ndarray) else one for one in vars(recording).values()]
    return hashlib.sha256(repr(values).encode()).hexdigest()


def recording_figures(found: Measured, fs_hz: float, gain_at_30_hz: float, seconds: float) -> RecordingFigures:
    """Medians over records and leads that were recorded."""
    count = found.there.sum(axis=1)
    return RecordingFigures(
        fs_hz=fs_hz,
        leads=int(count.max()),
        share_of_all_leads=float((count == count.max()).mean()),
        noise_uv=float(np.nanmedian(found.noise_mv)) * 1e3,
        wander_uv=float(np.nanmedian(found.wander_mv)) * 1e3,
        gain_at_30_hz=gain_at_30_hz,
        seconds=seconds,
    )
