"""How weights are moved: AdamW, its rate through a run, and their running average."""

import math

import torch
from torch import nn


def make_optimizer(model: nn.Module, rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW (β 0.9, 0.98) that decays matrices and kernels, but no bias and no scale or shift of a norm."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    groups = [
        {"params": [w for w in weights if w.ndim >= 2], "weight_decay": weight_decay},
        {"params": [w for w in weights if w.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


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
    for group in optimizer.param_groups:
        group["lr"] = rate


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float, update: int) -> None:
    """Move the running average of the weights a step: a ← d·a + (1 − d)·w; buffers are copied.

    d = min(decay, (1 + u)/(10 + u)), so that the first weights, which mean nothing, are soon forgotten.
    """
    own = min(decay, (1 + update) / (10 + update))
    for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(weight.detach(), 1 - own)
    for mean, value in zip(average.buffers(), model.buffers(), strict=True):
        mean.copy_(value)
