"""The loop on a task of its own: a line fitted to noisy points."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from beatssl.training import loop
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.loop import train
from beatssl.training.random_streams import part_of, shuffled
from beatssl.training.run import read_log, start_accelerator
from beatssl.training.state import STATE
from beatssl.training.task import Losses, NotFinite

RUN = RunConfig(log_every=1, save_every=2, device="cpu")
PLAIN = OptimConfig()


@dataclass
class Line:
    """y = 2x + 1; evaluations come from a list, so that the best is known."""

    updates: int = 6
    updates_per_epoch: int = 3
    qualities: tuple[float, ...] = ()
    stop_after: int | None = None
    title: str = "Line"
    kept: list[int] = field(default_factory=list)
    spoilt: int | None = None

    def __post_init__(self) -> None:
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            self.model: nn.Module = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    @property
    def chosen_by(self) -> str | None:
        return "quality" if self.qualities else None

    def groups(self):
        return ((self.model, 1.0),)

    def train_mode(self) -> None:
        self.model.train()

    def batches(self, first: int, end: int) -> Iterator[Tensor]:
        points = torch.linspace(-1, 1, 12)[:, None]
        for number in range(first, end):
            yield points[torch.from_numpy(part_of(shuffled(12, 4, 0, number), 0, 1))]

    def views(self, batch: Tensor, generator: torch.Generator, update: int) -> Tensor:
        if update == self.stop_after:
            raise KeyboardInterrupt
        noisy = batch + 0.01 * torch.randn(batch.shape, generator=generator)
        return noisy * float("nan") if update == self.spoilt else noisy

    def losses(self, model: nn.Module, batch: Tensor, seen: Tensor) -> Losses:
        loss = (model(seen) - 2 * batch - 1).square().mean()
        return Losses(loss, {"square": loss}, "details")

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        assert losses.details == "details"
        return {"looked": 1.0}

    def warnings(self, figures: Mapping[str, float]) -> dict[str, str]:
        return {"large": "the loss is large"} if figures["loss"] > 0 else {}

    def evaluation_due(self, update: int) -> bool:
        return update < len(self.qualities)

    def evaluate(self, model: nn.Module, update: int) -> dict[str, float]:
        model.eval()
        return {"quality": self.qualities[update]}

    def suspects(self, batch: Tensor, seen: Tensor) -> list[str]:
        return ["one", "two"]

    def checkpoint(self, model: nn.Module, updates: int) -> None:
        self.kept.append(updates)


def weights(model: nn.Module) -> list[float]:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()]).tolist()


def run(task: Line, out, optim: OptimConfig = PLAIN, options: RunConfig = RUN):
    return train(task, optim, options, 0, out, start_accelerator(options, out))


@pytest.mark.parametrize(
    "optim", [OptimConfig(average=0.9), OptimConfig(accumulate=3), OptimConfig(precision="bfloat16", clip=0.0)]
)
@pytest.mark.parametrize("qualities", [(), (0.1, 0.2, 0.9, 0.3, 0.9, 0.1, 0.2)])
def test_resumed_at_any_update_it_ends_with_the_same_bits(tmp_path, optim, qualities):
    whole = Line(qualities=qualities)
    result = run(whole, tmp_path / "whole", optim)
    for at in range(1, 6):
        out = tmp_path / f"stopped-{at}"
        with pytest.raises(KeyboardInterrupt):
            run(Line(qualities=qualities, stop_after=at), out, optim)
        again = Line(qualities=qualities)
        assert run(again, out, optim) == result
        assert weights(again.model) == weights(whole.model)
        lines, expected = read_log(out), read_log(tmp_path / "whole")
        clean = [{k: v for k, v in line.items() if not k.endswith("_s")} for line in lines]
        assert clean == [{k: v for k, v in line.items() if not k.endswith("_s")} for line in expected]


@pytest.mark.parametrize("itself", [True, False])
def test_bfloat16_is_float32_where_the_device_only_imitates_it(tmp_path, monkeypatch, itself):
    monkeypatch.setattr(loop, "computes_in_bfloat16", lambda device: itself)
    single, half = Line(), Line()
    run(single, tmp_path / "single")
    run(half, tmp_path / "half", OptimConfig(precision="bfloat16"))
    assert (weights(half.model) == weights(single.model)) is not itself


def test_the_best_evaluation_chooses_the_first_of_equals(tmp_path):
    qualities = (0.1, 0.5, 0.3, 0.5, 0.2, 0.1, 0.1)
    task = Line(qualities=qualities)
    result = run(task, tmp_path / "best")
    assert result.best == {"update": 1, "quality": 0.5}
    assert [line["quality"] for line in result.evaluations] == list(qualities)
    short = Line()
    with pytest.raises(KeyboardInterrupt):
        run(Line(stop_after=1), tmp_path / "short", options=RunConfig(log_every=1, save_every=1, device="cpu"))
    run(short, tmp_path / "short", options=RunConfig(log_every=1, save_every=1, device="cpu"))
    assert weights(short.model) != weights(task.model)
    assert not task.model.training


def test_a_finished_run_is_not_trained_again(tmp_path):
    one = Line(qualities=(0.2,))
    result = run(one, tmp_path)
    again = Line(qualities=(0.2,), stop_after=0)
    assert run(again, tmp_path) == result
    assert weights(again.model) == weights(one.model)


def test_the_log_holds_what_is_due_and_checkpoints_come_with_states(tmp_path, capsys):
    task = Line(updates=5, qualities=(0.1,))
    run(task, tmp_path)
    lines = read_log(tmp_path)
    assert [line["update"] for line in lines] == [0, 1, 2, 3, 4, 5]
    assert {"loss", "loss_square", "rate", "gradient", "looked", "epoch", "update_s"} <= lines[1].keys()
    assert task.kept == [2, 4, 5]
    assert capsys.readouterr().out.count("warning: the loss is large") == 1
    assert (tmp_path / STATE).exists()


def test_a_loss_that_is_not_finite_names_update_records_and_remedy(tmp_path):
    with pytest.raises(NotFinite, match=r"loss of update 2 .*square nan.* on records one, two; .*rate than 0.003"):
        run(Line(spoilt=2), tmp_path)


def test_accumulated_batches_are_one_update(tmp_path):
    task = Line(updates=2)
    run(task, tmp_path, OptimConfig(accumulate=3))
    assert len(read_log(tmp_path)) == 2
    assert json.loads(json.dumps(task.kept)) == [2]
    assert np.isfinite(weights(task.model)).all()
