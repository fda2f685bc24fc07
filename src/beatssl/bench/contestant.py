"""One method's network and optimizer, whose steps are timed part by part."""

import time
from collections import defaultdict
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from beatssl.bench.live_memory import LiveMemory, bytes_of
from beatssl.inference.device import to_device
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import Encoder, build_encoder
from beatssl.training.optim import make_optimizer
from beatssl.training.pretraining.batches import Batch, Batches
from beatssl.training.pretraining.objective import Preset, ViewMaker
from beatssl.training.pretraining.objectives import METHODS
from beatssl.views.registry import build_views
from beatssl.views.view import Signals

WARM_UP = 2
"""First steps of a contestant that do not count."""

Times = dict[str, list[float]]


@dataclass(frozen=True)
class StepSize:
    """What one step needs, whatever the machine."""

    memory_mb: float
    gflops: float


class Contestant:
    """A preset's objective on a fresh encoder, and the batches it sees, whole rows or windows of `window_s` seconds.

    An encoder of fewer leads sees the first ones of views that were made of all.
    """

    def __init__(
        self, which: Preset, stream: Batches, encoder: EncoderConfig, device: torch.device, window_s: float = 0.0
    ) -> None:
        self.augment, self.window_s = build_views(which.views), window_s
        self.stream, self.device, self.leads = stream, device, encoder.leads
        build = METHODS[which.method].build
        self.objective = build(build_encoder(encoder), which.objective, stream.columns).to(device)
        self.optimizer = make_optimizer(((self.objective, 1.0),), rate=1e-3, weight_decay=0.05)
        self.times: Times = defaultdict(list)
        self.passes: list[tuple[Encoder, tuple[Tensor, Tensor], bool]] = []
        """What encoders were given in the last step, and whether a backward pass followed."""
        for part in self.objective.modules():
            if isinstance(part, Encoder):
                part.register_forward_pre_hook(self._note)

    def time(self, number: int, precision: str) -> None:
        """Note the seconds of each part of step `number`.

        `loading` makes the batch, `views` what is compared, `encoder` the forward and backward passes of the encoder
        (and of a copy that gives targets) alone on what they were given, `losses` what the rest of the objective adds
        to these, `optimizer` the update; `step` is the whole.
        """
        self.passes.clear()
        began = self._now()
        batch = to_device(self.stream.batch(number), self.device)
        loaded = self._now()
        views = self._views(batch, number)
        viewed = self._now()
        self._learn(batch, views, precision)
        learnt = self._now()
        self._update()
        done = self._now()
        alone = self._encoder_alone(precision)
        parts = {
            "loading": loaded - began, "views": viewed - loaded, "encoder": alone, "losses": learnt - viewed - alone,
            "optimizer": done - learnt, "step": done - began,
        }  # fmt: skip
        for name, seconds in parts.items():
            self.times[name].append(seconds)

    def step(self, number: int, precision: str) -> None:
        """Step `number`, untimed."""
        self.passes.clear()
        batch = to_device(self.stream.batch(number), self.device)
        self._learn(batch, self._views(batch, number), precision)
        self._update()

    def size(self, precision: str) -> StepSize:
        """Memory and arithmetic of one step. Memory is that of all tensors that are alive at once at the most: weights,
        moments, gradients, batch, views and activations, without what kernels need for themselves. Arithmetic is that
        of matrix products and convolutions, forward and backward, counted by PyTorch."""
        held = [*self.objective.parameters(), *self.objective.buffers()]
        for moments in self.optimizer.state.values():
            held += [value for value in moments.values() if isinstance(value, Tensor)]
        with ExitStack() as watching:
            arithmetic = watching.enter_context(FlopCounterMode(display=False))
            memory = watching.enter_context(LiveMemory())
            self.step(0, precision)
        return StepSize((bytes_of(held) + memory.peak) / 1e6, arithmetic.get_total_flops() / 1e9)

    def medians(self) -> dict[str, float]:
        """Median seconds of each part, warm-up left out."""
        return {name: float(np.median(seconds[WARM_UP:])) for name, seconds in self.times.items()}

    def steps_s(self) -> np.ndarray:
        """Seconds of whole steps, warm-up left out."""
        return np.array(self.times["step"][WARM_UP:])

    def _views(self, batch: Batch, number: int) -> Any:
        generator = torch.Generator(self.device).manual_seed(number)
        make = ViewMaker(batch.signals(), self.augment, self.window_s, generator)
        return _cut_leads(self.objective.views(make), self.leads)

    def _learn(self, batch: Batch, views: Any, precision: str) -> None:
        with self._autocast(precision):
            losses = self.objective(batch, views)
        losses.total.backward()

    def _update(self) -> None:
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _note(self, encoder: torch.nn.Module, given: tuple[Tensor, Tensor]) -> None:
        assert isinstance(encoder, Encoder)
        self.passes.append((encoder, given, torch.is_grad_enabled()))

    def _encoder_alone(self, precision: str) -> float:
        passes = [*self.passes]
        began = self._now()
        for encoder, given, learns in passes:
            with self._autocast(precision), torch.set_grad_enabled(learns):
                encoded = encoder(*given)
            if learns:
                encoded.feature_map.float().mean().backward()
        seconds = self._now() - began
        self.optimizer.zero_grad()
        self.passes.clear()
        return seconds

    def _autocast(self, precision: str) -> AbstractContextManager[Any]:
        return torch.autocast(self.device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()


def _cut_leads(views: Any, leads: int) -> Any:
    """What an objective compares, of the first leads alone."""
    if isinstance(views, Signals):
        if leads >= views.ecg_mv.shape[1]:
            return views
        return replace(views, ecg_mv=views.ecg_mv[:, :leads], lead_mask=views.lead_mask[:, :leads])
    if isinstance(views, Tensor):
        return views[:, :leads] if views.ndim == 3 else views  # which samples, by record and lead
    parts = [_cut_leads(part, leads) for part in views]
    return tuple(parts) if type(views) is tuple else type(views)(*parts)
