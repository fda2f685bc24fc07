"""The training loop. It knows an objective, a stream of batches and an optimizer, and nothing of what is learnt."""

import time
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from beatssl.progress import progress
from beatssl.targets.diagnostics import target_figures, target_warning
from beatssl.training.optim import follow, rate_at, set_rate
from beatssl.training.pretraining.batches import NETWORK, VIEWS, Batch, Stream, prefetched, seed_of
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.diagnostics import look_at, warnings_of
from beatssl.training.pretraining.objectives.beatssl import Objective, Outcome
from beatssl.training.pretraining.presets import Recipe
from beatssl.views.view import Composed, Signals
from beatssl.views.window import window


class NotFinite(RuntimeError):
    """A loss or a gradient is infinite or not a number."""


@dataclass
class Loop:
    """One run's parts, and what is said of it on the way.

    `save(updates)` keeps all that is needed to go on; `probe()` gives figures of the encoder after some epochs;
    `log(update, figures)` takes a line of figures.
    """

    config: PretrainConfig
    accelerator: Accelerator
    stream: Stream
    recipe: Recipe
    views: Composed
    model: nn.Module  # the objective, as the accelerator wrapped it
    objective: Objective
    average: Objective | None
    optimizer: torch.optim.Optimizer
    save: Callable[[int], None]
    probe: Callable[[], dict[str, float]]
    log: Callable[[int, dict[str, Any]], None]
    window: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    warned: set[str] = field(default_factory=set)

    @property
    def updates_per_epoch(self) -> int:
        return max(1, self.stream.batches_per_epoch // self.config.accumulate)

    @property
    def updates(self) -> int:
        """Weight updates of the whole run."""
        return self.updates_per_epoch * self.config.epochs

    def run(self, done: int) -> None:
        """Every update after the first `done`."""
        first, end = done * self.config.accumulate, self.updates * self.config.accumulate
        batches = prefetched(self.stream.batches(first, end))
        try:
            with progress("Pretraining", self.updates - done, "updates") as advance:
                for update in range(done, self.updates):
                    self._update(update, batches)
                    self._after(update + 1)
                    advance(1)
        finally:
            batches.close()

    def _update(self, update: int, batches: Iterator[Batch]) -> None:
        """One step of the optimizer over `accumulate` batches."""
        config, accelerator = self.config, self.accelerator
        began = time.perf_counter()
        rate = rate_at(update, self.updates, round(config.warmup * self.updates), config.rate)
        set_rate(self.optimizer, rate)
        for part in range(config.accumulate):
            waiting = time.perf_counter()
            batch = next(batches).to(accelerator.device)
            self._note(loading_s=time.perf_counter() - waiting)
            last = part == config.accumulate - 1
            with nullcontext() if last else accelerator.no_sync(self.model):
                self._backward(update * config.accumulate + part, batch, update)
        size = self._clip()
        if not size < float("inf"):
            raise NotFinite(f"the gradient of update {update} is {size}; {_remedy(config)}")
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.average is not None:
            follow(self.average, self.objective, config.average, update)
        self._note(rate=rate, gradient=size, update_s=time.perf_counter() - began)

    def _backward(self, number: int, batch: Batch, update: int) -> None:
        views_began = time.perf_counter()
        views = versions(batch, self.views, self.objective, self._seed(VIEWS, number), self._window_s(update))
        self._note(views_s=time.perf_counter() - views_began)
        device, half = self.accelerator.device, self.config.precision == "bfloat16"
        with seeded(self._seed(NETWORK, number), device), torch.autocast(device.type, torch.bfloat16, enabled=half):
            outcome: Outcome = self.model(batch, views)
        total = float(outcome.total.detach())
        if not abs(total) < float("inf"):
            self._refuse(update, batch, views, outcome)
        self.accelerator.backward(outcome.total / self.config.accumulate)
        self._note(loss=total, **{f"loss_{name}": float(loss.detach()) for name, loss in outcome.losses.items()})
        if (update + 1) % self.config.log_every == 0:
            self._look(outcome)

    def _window_s(self, update: int) -> float:
        """Seconds of each row that this update sees; 0: all."""
        return self.recipe.window_s if update < self.recipe.window_share * self.updates else 0.0

    def _seed(self, use: int, number: int) -> int:
        return seed_of(self.config.seed, use, number, self.accelerator.process_index)

    def _clip(self) -> float:
        """Length of the gradient before it is cut to the longest allowed."""
        longest = self.config.clip or float("inf")
        return float(self.accelerator.clip_grad_norm_(self.model.parameters(), longest) or 0.0)

    def _look(self, outcome: Outcome) -> None:
        for name, pairs in outcome.contrasted.items():
            seen = look_at(pairs.z_a.detach(), pairs.z_b.detach())
            if seen is not None:
                self._note(**seen.named(name))
            if pairs.targets is not None and len(pairs.targets):
                figures = target_figures(pairs.targets)
                self._note(**{f"{name}_target_{key}": value for key, value in _plain(figures).items()})
                self._warn(f"{name} targets", target_warning(figures, name))

    def _note(self, **figures: float) -> None:
        for name, value in figures.items():
            self.window[name].append(value)

    def _warn(self, kind: str, message: str | None) -> None:
        """Each kind of warning once: they repeat at every step otherwise."""
        if message and kind not in self.warned:
            self.warned.add(kind)
            self.accelerator.print(f"warning: {message}")

    def _after(self, update: int) -> None:
        """What is due once `update` updates are done: a line of the log, a probe, a state to go on from."""
        epoch_ends = update % self.updates_per_epoch == 0
        if epoch_ends or update % self.config.log_every == 0:
            self._flush(update)
        every = self.config.probe_every
        if epoch_ends and every and (update // self.updates_per_epoch) % every == 0:
            self.log(update, self.probe())
        if epoch_ends or update % self.config.save_every == 0:
            self.save(update)

    def _flush(self, update: int) -> None:
        figures: dict[str, Any] = {name: sum(values) / len(values) for name, values in self.window.items()}
        self.window.clear()
        for kind, message in warnings_of(figures, self.config.batch_size).items():
            self._warn(kind, message)
        self.log(update, {"epoch": update / self.updates_per_epoch} | figures)

    def _refuse(self, update: int, batch: Batch, views: tuple[Signals, ...], outcome: Outcome) -> None:
        """Raises NotFinite, naming the records whose embedding is not finite, or else all of the batch."""
        spoilt = torch.zeros(len(batch), dtype=torch.bool)
        with torch.no_grad():
            for view in views:
                good = self.objective.embed(view).isfinite().all(dim=1) & view.ecg_mv.isfinite().all(dim=(1, 2))
                spoilt |= ~good.cpu()
        rows = batch.row[spoilt] if spoilt.any() else batch.row
        ids = [str(name) for name in self.stream.data.record_id[rows.numpy()]]
        parts = ", ".join(f"{name} {float(loss.detach()):g}" for name, loss in outcome.losses.items())
        what = "their embeddings are not finite" if spoilt.any() else "no single record is to blame"
        raise NotFinite(
            f"the loss of update {update} is not finite ({parts}) on records {', '.join(ids)}; {what}: "
            f"{_remedy(self.config)}, or leave these records out"
        )


def versions(
    batch: Batch, views: Composed, objective: Objective, seed: int, window_s: float = 0.0
) -> tuple[Signals, ...]:
    """What the objective compares: two views of the batch, the untouched signal, or both; see `Objective.forward`.

    With `window_s` each is of a window of its own.
    """
    signals = batch.signals()
    generator = torch.Generator(signals.ecg_mv.device).manual_seed(seed)
    config = objective.config

    def seen() -> Signals:
        return window(signals, window_s, generator)

    made: tuple[Signals, ...] = ()
    if config.contrasts or config.regress_from == "views":
        first = seen() if config.anchor == "signal" else views(seen(), generator)
        made = (first,) if config.anchor == "self" else (first, views(seen(), generator))
    return (*made, seen()) if config.signal_apart else made


@contextmanager
def seeded(seed: int, device: torch.device) -> Generator[None, None, None]:
    """PyTorch's own random numbers (dropout, first weights) from `seed` within the block, and as before after it."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _plain(figures: Any) -> dict[str, float]:
    return {name: float(getattr(figures, name)) for name in figures.__dataclass_fields__}


def _remedy(config: PretrainConfig) -> str:
    precise = "" if config.precision == "float32" else " or precision='float32'"
    return f"go on from the last state with a lower rate than {config.rate:g}{precise}"
