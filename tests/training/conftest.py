"""A small synthetic store, and a network small enough to train within a test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from beatssl.models.encoded import EncoderConfig
from beatssl.store.store import Store
from beatssl.training.pretraining.columns import TrainingData, load
from beatssl.training.pretraining.config import PretrainConfig

TINY = EncoderConfig(width=0.25, depth=0.5)


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
