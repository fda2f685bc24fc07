"""How weights are updated: AdamW, the learning rate through a run, and a running average of the weights."""

import math
from collections.abc import Sequence

import torch
from torch import nn

Groups = Sequence[tuple[nn.Module, float]]
"""Parts of a model whose weights are trained, each with a factor on the learning rate."""


def make_optimizer(groups: Groups, rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (β 0.9, 0.98) that decays matrices and kernels, but no bias and no scale or shift of a norm."""
    made: list[dict[str, object]] = []
    for part, factor in groups:
        weights = [weight for weight in part.parameters() if weight.requires_grad]
        matrices, others = [w for w in weights if w.ndim >= 2], [w for w in weights if w.ndim < 2]
        made.append({"params": matrices, "weight_decay": weight_decay, "factor": factor})
        made.append({"params": others, "weight_decay": 0.0, "factor": factor})
    optimizer = torch.optim.AdamW(made, lr=rate, betas=(0.9, 0.98))
    set_rate(optimizer, rate)
    return optimizer


def rate_at(update: int, updates: int, warmup: int, peak: float, end_share: float = 0.01) -> float:
    """The learning rate of an update: straight up to `peak` over `warmup` updates, then half a cosine down.

    η(u) = peak · (u + 1)/warmup, then peak · (e + (1 − e) · (1 + cos π·(u − warmup)/(updates − warmup))/2) with
    e = `end_share`. Source: Loshchilov and Hutter, SGDR, ICLR 2017.
    """
    if update < warmup:
        return peak * (update + 1) / warmup
    done = (update - warmup) / max(1, updates - warmup)
    return peak * (end_share + (1 - end_share) * (1 + math.cos(math.pi * min(1.0, done))) / 2)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate, times the factor of each group of weights."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float, update: int) -> None:
    """`move_average` with d = min(decay, (1 + u)/(10 + u)), so that the first weights, which mean nothing, are soon
    forgotten."""
    move_average(average, model, min(decay, (1 + update) / (10 + update)))


@torch.no_grad()
def move_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """One step of the running average of the weights: a ← d·a + (1 − d)·w; buffers are copied."""
    for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(weight.detach(), 1 - decay)
    for mean, value in zip(average.buffers(), model.buffers(), strict=True):
        mean.copy_(value)
