"""A network small enough to train within a test, and what pretraining reads of the small synthetic store."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_pre_hook

from beatssl.models.config import EncoderConfig
from beatssl.store.store import Store
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.pretraining.columns import Rows, load_rows
from beatssl.training.pretraining.config import PretrainConfig

TINY = EncoderConfig(width=0.25, depth=0.5)
SMALL = (
    "objective.projector_hidden=16", "objective.projector_out=8", "objective.beat_shape=4",
    "objective.kernel.coordinates=0",
)  # fmt: skip
"""Without the kernel's coordinates: their principal components take seconds, however few the rows are."""


@pytest.fixture(scope="session")
def rows(store: Store) -> Rows:
    """All of the store; not to be changed."""
    return load_rows([store.path])


@pytest.fixture
def config(store: Store, tmp_path: Path) -> Callable[..., PretrainConfig]:
    """`config(epochs=…)`: a run of seconds, in this test's folder; fields of `optim` and `run` by their own names."""

    def make(**changes: object) -> PretrainConfig:
        optim = {"batch_size": 6} | {name: changes.pop(name) for name in OPTIM & changes.keys()}
        run = {"log_every": 1, "save_every": 1, "device": "cpu"}
        run |= {name: changes.pop(name) for name in RUN & changes.keys()}
        few: dict[str, object] = {"stores": (store.path,), "out": tmp_path / "run", "encoder": TINY, "epochs": 2}
        few |= {"set": SMALL, "optim": OptimConfig(**optim), "run": RunConfig(**run)}
        return PretrainConfig(**(few | changes))

    return make


OPTIM, RUN = set(OptimConfig.__dataclass_fields__), set(RunConfig.__dataclass_fields__)


@pytest.fixture
def first_gradient() -> Callable[[], AbstractContextManager[list[Tensor]]]:
    """`with first_gradient() as gradient:` a list of what the first step of an optimizer gets, as one vector."""

    @contextmanager
    def watch() -> Iterator[list[Tensor]]:
        found: list[Tensor] = []

        def look(optimizer: torch.optim.Optimizer, *_: object) -> None:
            if not found:
                weights = [weight for group in optimizer.param_groups for weight in group["params"]]
                found.append(
                    torch.cat([weight.grad.flatten().clone() for weight in weights if weight.grad is not None])
                )

        handle = register_optimizer_step_pre_hook(look)
        try:
            yield found
        finally:
            handle.remove()

    return watch


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., list[str]]]:
    """`forked(script, argument, …)`: the lines that a script prints, run in a process of one thread that may fork."""
    if os.name == "nt":
        pytest.skip("SIGKILL and fork are POSIX")
    server = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "forking.py")], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert server.stdin is not None
    assert server.stdout is not None

    def run(script: Path, *args: object) -> list[str]:
        out = tmp_path_factory.mktemp("forked") / "out"
        print(json.dumps({"script": str(script), "args": [*map(str, args)], "out": str(out)}), file=server.stdin)
        server.stdin.flush()
        assert int(server.stdout.readline()) == 0, Path(f"{out}.err").read_text()
        return out.read_text().splitlines()

    yield run
    server.stdin.close()
    server.wait()
    server.stdout.close()
