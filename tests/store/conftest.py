"""A made-up data set that is quick to prepare: twelve leads of regular beats, some records spoilt on purpose."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.reader import Source
from beatssl.records.record import BeatMarks, Label, Record, RecordError, WaveMarks
from beatssl.signals.leads import LEADS
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


def heartbeat_mv(seed: int, duration_s: float, fs_hz: float, rate: float) -> np.ndarray:
    """Twelve leads of P, QRS and T as Gaussians, each lead with its own sizes."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(duration_s * fs_hz)) / fs_hz
    phase = (time + rng.uniform(0, 60 / rate)) % (60 / rate) - 0.35
    waves = ((-0.16, 0.02, 0.15), (0.0, 0.012, 1.2), (0.28, 0.05, 0.3))
    shapes = np.stack([size * np.exp(-0.5 * ((phase - at) / width) ** 2) for at, width, size in waves])
    gains = rng.uniform(0.4, 1.4, (8, 3))
    eight = gains @ shapes + 0.01 * rng.normal(size=(8, time.size))
    one, two = eight[0], eight[1]
    limbs = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2])
    return np.concatenate([limbs, eight[2:]]).astype(np.float32)


@dataclass
class FakeReader:
    """Record n is good unless `spoilt` says what is wrong with it."""

    records: int = 12
    duration_s: float = 10.0
    fs_hz: float = 100.0
    spoilt: dict[int, str] = field(default_factory=dict)
    kind: str = "fake"

    def sources(self, root: Path) -> list[Source]:
        return [Source(f"r{index:03d}", f"files/r{index:03d}") for index in range(self.records)]

    def read(self, root: Path, source: Source) -> Record:
        index = int(source.id[1:])
        what = self.spoilt.get(index, "")
        if what == "checksum":
            raise RecordError("checksum", f"{root / source.path}: checksum 1 stated, 2 found; download it again")
        if what == "crash":
            raise KeyError(f"{root}/secret of record {index}")
        ecg_mv = heartbeat_mv(index, 1.0 if what == "short" else self.duration_s, self.fs_hz, 60.0 + index)
        if what == "flat":
            ecg_mv[:] = np.linspace(0, 0.05, ecg_mv.shape[1])
        if what == "constant":
            ecg_mv[:] = 0
        if what == "gaps":
            ecg_mv[:, ::3] = np.nan
        if what == "large":
            ecg_mv *= 100
        kept = 1 if what == "one lead" else 12
        if what == "two limb leads missing":
            ecg_mv[[2, 4]] = np.nan
        return Record(
            ecg_mv=ecg_mv[:kept],
            leads=LEADS[:kept],
            fs_hz=self.fs_hz,
            id=source.id,
            source="fake",
            patient_id=f"patient {index // 2}",
            age_years=50.0 + index,
            sex="female" if index % 2 else "male",
            fold=index % 10 + 1,
            labels=(Label("superclass", "NORM"), Label("scp", "SR", 0.0)),
            waves=WaveMarks(("I",), ("QRS",), np.array([0.1]), np.array([0.15]), np.array([np.nan])),
            beats=BeatMarks(np.array([0.15, 1.15]), ("N", "V")),
            metadata={"name": "Jane Doe", "weight": np.int64(70), "device": "CS-12", "remark": "of Jane Doe"},
        )


@pytest.fixture(scope="session")
def heartbeat() -> np.ndarray:
    """Ten seconds of twelve leads at 100 Hz, in mV."""
    return heartbeat_mv(0, 10.0, 100.0, 66.0)


@pytest.fixture(scope="session")
def fake_reader() -> type[FakeReader]:
    """`fake_reader(records=…, spoilt={3: "flat"})`."""
    return FakeReader


def make_store(folder: Path, reader: FakeReader, name: str = "store", **changes: object) -> Store:
    """A store made in this process."""
    config = {"salt": "test", "shard_records": 5, "workers": 1, "clusters": 4} | changes
    prepare(PrepareConfig(kind="fake", source=folder, out=folder / name, **config), reader)
    return Store(folder / name)


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Store]:
    """`prepared(reader, **config)`: a store made for this test."""
    return partial(make_store, tmp_path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Twelve records in four shards, one of them set aside; not to be changed."""
    folder = tmp_path_factory.mktemp("fake")
    return make_store(folder, FakeReader(12, spoilt={4: "flat"}), shard_records=3)
