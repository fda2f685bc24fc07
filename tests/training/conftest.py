"""A small synthetic store, and a network small enough to train within a test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from beatssl.dataset.config import PrepareConfig
from beatssl.dataset.prepare import prepare
from beatssl.dataset.store import Store
from beatssl.models.encoded import EncoderConfig
from beatssl.training.config import PretrainConfig
from beatssl.training.data import TrainingData, load

TINY = EncoderConfig(width=0.25, depth=0.5)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """24 records of ten seconds; not to be changed."""
    folder = tmp_path_factory.mktemp("training") / "store"
    prepare(PrepareConfig("synthetic", Path("24"), folder, workers=1, clusters=3, shard_records=10))
    return Store(folder)


@pytest.fixture(scope="session")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The records of `store`, and ten more; not to be changed."""
    folder = tmp_path_factory.mktemp("training") / "larger"
    prepare(PrepareConfig("synthetic", Path("34"), folder, workers=1))
    return Store(folder)


@pytest.fixture(scope="session")
def data(store: Store) -> TrainingData:
    """All of the store; not to be changed."""
    return load([store.path], beat_shape=4)


@pytest.fixture
def config(store: Store, tmp_path: Path) -> Callable[..., PretrainConfig]:
    """`config(epochs=…)`: a run of seconds, in this test's folder."""

    def make(**changes: object) -> PretrainConfig:
        few = {"encoder": TINY, "batch_size": 6, "epochs": 2, "log_every": 1, "save_every": 1, "beat_shape": 4}
        few |= {"set": ("objective.projector_hidden=16", "objective.projector_out=8"), "cpu": True}
        return PretrainConfig(**({"stores": (store.path,), "out": tmp_path / "run"} | few | changes))

    return make
