"""The training loop: one for every task. It knows batches, losses and an optimizer, and nothing of what is learnt."""

import copy
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from beatssl.inference.device import computes_in_bfloat16, to_device
from beatssl.progress import progress
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.optim import make_optimizer, rate_at, set_rate, update_average
from beatssl.training.prefetch import prefetched
from beatssl.training.random_streams import NETWORK, VIEWS, seed_of, seeded
from beatssl.training.run import Log
from beatssl.training.state import Best, Position, load_state, save_state
from beatssl.training.task import Losses, NotFinite, Task


@dataclass(frozen=True)
class Trained:
    """How a run went: its updates, its evaluations, each with its `update`, and which of them chose the weights."""

    updates: int
    evaluations: list[dict[str, float]]
    best: dict[str, float] | None


def train(
    task: Task[Any, Any], optim: OptimConfig, run: RunConfig, seed: int, out: Path, accelerator: Accelerator
) -> Trained:
    """Train a task's model; it ends with the weights to keep, in evaluation mode.

    `out` gets metrics.jsonl and the state to resume from: started again, the run goes on from its last state; on one
    CPU with the same number of threads the weights are then, to the bit, those of a run that was never stopped.

    Raises NotFinite where a loss or gradient is not finite, with the update, the records and a remedy.
    """
    return _Loop(task, optim, run, seed, out, accelerator).run()


class _Loop:
    def __init__(
        self, task: Task[Any, Any], optim: OptimConfig, run: RunConfig, seed: int, out: Path, accelerator: Accelerator
    ) -> None:
        self.task, self.optim, self.options, self.seed, self.out, self.accelerator = (
            task, optim, run, seed, out, accelerator,
        )  # fmt: skip
        self.rate = optim.rate or 3e-3
        if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
            torch.nn.SyncBatchNorm.convert_sync_batchnorm(task.model)
        self.average = copy.deepcopy(task.model).requires_grad_(False) if optim.average else None
        self.optimizer = make_optimizer(task.groups(), self.rate, optim.weight_decay)
        self.position: Position = load_state(out, task.model, self.average, self.optimizer)
        self.model: nn.Module = accelerator.prepare(task.model)
        self.half = optim.precision == "bfloat16" and computes_in_bfloat16(accelerator.device)
        self.log = Log(out, self.position.updates) if accelerator.is_main_process else None
        self.figures: dict[str, list[float]] = defaultdict(list)
        self.warned: set[str] = set()

    @property
    def evaluated(self) -> nn.Module:
        """The weights that are evaluated and kept."""
        return self.task.model if self.average is None else self.average

    def run(self) -> Trained:
        """Every update that is left, then the weights to keep."""
        task, done = self.task, self.position.updates
        if done == 0:
            self._evaluate(0)
        task.train_mode()
        ahead = 0 if self.accelerator.device.type == "cpu" else 2  # on a CPU both would want the same cores
        parts = self.optim.accumulate
        batches = prefetched(task.batches(done * parts, task.updates * parts), ahead)
        try:
            with progress(task.title, task.updates - done, "updates") as advance:
                for update in range(done, task.updates):
                    self._update(update, batches)
                    self._after(update + 1)
                    advance(1)
        finally:
            batches.close()
        self.accelerator.end_training()
        best = self.position.best
        task.model.load_state_dict(self.evaluated.state_dict() if best is None else best.weights)
        task.model.eval()
        chosen = None if best is None else next(e for e in self.position.evaluations if e["update"] == best.update)
        return Trained(task.updates, self.position.evaluations, chosen)

    def _update(self, update: int, batches: Iterator[Any]) -> None:
        """One step of the optimizer over `accumulate` batches."""
        optim, accelerator = self.optim, self.accelerator
        began = time.perf_counter()
        updates = self.task.updates
        rate = rate_at(update, updates, round(optim.warmup * updates), self.rate)
        set_rate(self.optimizer, rate)
        for part in range(optim.accumulate):
            waiting = time.perf_counter()
            batch = to_device(next(batches), accelerator.device)
            self._note(loading_s=time.perf_counter() - waiting)
            last = part == optim.accumulate - 1
            with nullcontext() if last else accelerator.no_sync(self.model):
                self._backward(update * optim.accumulate + part, batch, update)
        size = float(accelerator.clip_grad_norm_(self.model.parameters(), optim.clip or float("inf")) or 0.0)
        if not size < float("inf"):
            raise NotFinite(f"the gradient of update {update} is {size}; {self._remedy()}")
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            update_average(self.average, self.task.model, optim.average, update)
        self._note(rate=rate, gradient=size, update_s=time.perf_counter() - began)

    def _backward(self, number: int, batch: Any, update: int) -> None:
        device, half = self.accelerator.device, self.half
        began = time.perf_counter()
        generator = torch.Generator(device).manual_seed(self._seed(VIEWS, number))
        seen = self.task.views(batch, generator, update)
        self._note(views_s=time.perf_counter() - began)
        with seeded(self._seed(NETWORK, number), device), torch.autocast(device.type, torch.bfloat16, enabled=half):
            losses = self.task.losses(self.model, batch, seen)
        total = float(losses.total.detach())
        if not abs(total) < float("inf"):
            self._refuse(update, batch, seen, losses)
        self.accelerator.backward(losses.total / self.optim.accumulate)
        self._note(loss=total, **{f"loss_{name}": float(loss.detach()) for name, loss in losses.parts.items()})
        if (update + 1) % self.options.log_every == 0:
            self._note(**self.task.diagnostics(losses))

    def _seed(self, use: int, number: int) -> int:
        return seed_of(self.seed, use, number, self.accelerator.process_index)

    def _note(self, **figures: float) -> None:
        for name, value in figures.items():
            self.figures[name].append(value)

    def _after(self, update: int) -> None:
        """What is due once `update` updates are done: a line of the log, an evaluation, a state to resume from."""
        ends = update == self.task.updates
        if ends or update % self.options.log_every == 0 or update % self.task.updates_per_epoch == 0:
            self._flush(update)
        self._evaluate(update)
        if ends or update % self.options.save_every == 0:
            self.position.updates = update
            if self.accelerator.is_main_process:
                self.task.checkpoint(self.evaluated, update)
                save_state(self.out, self.position, self.task.model, self.average, self.optimizer)
            self.accelerator.wait_for_everyone()

    def _flush(self, update: int) -> None:
        figures: dict[str, Any] = {name: sum(values) / len(values) for name, values in self.figures.items()}
        self.figures.clear()
        figures = {"epoch": update / self.task.updates_per_epoch} | figures
        for kind, message in self.task.warnings(figures).items():
            if kind not in self.warned:  # else they would repeat at every line
                self.warned.add(kind)
                self.accelerator.print(f"warning: {message}")
        self._write(update, figures)

    def _write(self, update: int, figures: dict[str, Any]) -> None:
        if self.log is not None:
            self.log.write(update, figures)
            self.accelerator.log(
                {name: value for name, value in figures.items() if isinstance(value, float)}, step=update
            )

    def _evaluate(self, update: int) -> None:
        """The task's evaluation, where one is due; the best weights so far are kept."""
        if not self.task.evaluation_due(update):
            return
        if self.accelerator.is_main_process:
            figures = self.task.evaluate(self.evaluated, update)
            self.position.evaluations.append({"update": update} | figures)
            self._choose(update, figures)
            self._write(update, figures)
        self.accelerator.wait_for_everyone()
        self.task.train_mode()

    def _choose(self, update: int, figures: dict[str, float]) -> None:
        by, best = self.task.chosen_by, self.position.best
        if by is not None and (best is None or not figures[by] <= best.figure):
            weights = {name: value.detach().clone() for name, value in self.evaluated.state_dict().items()}
            self.position.best = Best(update, figures[by], weights)

    def _refuse(self, update: int, batch: Any, seen: Any, losses: Losses) -> None:
        """Raises NotFinite, naming the records."""
        ids = ", ".join(self.task.suspects(batch, seen))
        parts = ", ".join(f"{name} {float(loss.detach()):g}" for name, loss in losses.parts.items())
        parts = parts or f"{float(losses.total.detach()):g}"
        raise NotFinite(
            f"the loss of update {update} is not finite ({parts}) on records {ids}; {self._remedy()}, or leave these "
            "records out"
        )

    def _remedy(self) -> str:
        precise = "" if self.optim.precision == "float32" else " or precision='float32'"
        return f"go on from the last state with a lower rate than {self.rate:g}{precise}"
