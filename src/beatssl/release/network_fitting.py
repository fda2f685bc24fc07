"""Small networks on tables of features, trained with PyTorch."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float32, Int64
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import nn

from beatssl.beats.classes.networks import Networks

_BATCH = 512
_EVERY = 10


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class NetworkConfig:
    """Networks and their training."""

    seed: int = 20
    """Seed of what is drawn for training, of the weights and of the order of batches."""
    nets: int = 3
    """Networks whose probabilities are averaged."""
    hidden: tuple[int, ...] = (64, 32)
    """Widths of the hidden layers."""
    epochs: int = 3
    """Passes over the training beats."""
    learning_rate: float = 2e-3
    """Peak of the one-cycle rate."""
    weight_decay: float = 1e-3
    """Of AdamW."""
    dropout: float = 0.3
    """Share of hidden units left out in training."""
    smoothing: float = 0.05
    """Of the targets, shared out over all classes."""


def fit_networks(
    names: Sequence[str],
    table: Float32[np.ndarray, "example feature"],
    target: Int64[np.ndarray, " example"],
    weight: Float32[np.ndarray, " example"],
    classes: int,
    config: NetworkConfig,
) -> Networks:
    """Networks trained with AdamW and a one-cycle rate on weighted cross-entropy, and the standardiser before them."""
    some = table[::_EVERY].copy()  # enough for a median and a spread
    some[:, ~np.isfinite(some).any(axis=0)] = 0  # a feature that no example here has
    low, high = np.nanpercentile(some, [0.5, 99.5], axis=0)
    centre = np.nanmedian(some, axis=0).astype(np.float32)
    scale = (np.nanstd(np.clip(some, low, high), axis=0) + 1e-3).astype(np.float32)
    blank = Networks(tuple(names), centre, scale, (), ())
    x = blank.standardised({name: table[:, n] for n, name in enumerate(names)})
    nets = [_trained(x, target, weight, classes, config, config.seed + n) for n in range(config.nets)]
    return replace(
        blank,
        weights=tuple(np.stack([net[n][0] for net in nets]) for n in range(len(nets[0]))),
        biases=tuple(np.stack([net[n][1][None] for net in nets]) for n in range(len(nets[0]))),
    )


def _trained(
    x: Float32[np.ndarray, "example feature"],
    target: Int64[np.ndarray, " example"],
    weight: Float32[np.ndarray, " example"],
    classes: int,
    config: NetworkConfig,
    seed: int,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight (from, to) and bias of each layer of one network."""
    # PyTorch initialises weights and drops units from its global generator: it is forked here, and so left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = [x.shape[1], *config.hidden]
        hidden = [(nn.Linear(a, b), nn.ReLU(), nn.Dropout(config.dropout)) for a, b in itertools.pairwise(widths)]
        net = nn.Sequential(*itertools.chain(*hidden), nn.Linear(widths[-1], classes))
        steps = config.epochs * max(1, len(x) // _BATCH)
        optimiser = torch.optim.AdamW(net.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps + 1)
        order = torch.randperm(len(x)).repeat(config.epochs)
        tensors = [torch.from_numpy(a) for a in (x, target, weight)]
        for step in range(steps):
            some = order[step * _BATCH : (step + 1) * _BATCH]
            at, true, part = (tensor[some] for tensor in tensors)
            loss = nn.functional.cross_entropy(net(at), true, reduction="none", label_smoothing=config.smoothing)
            optimiser.zero_grad()
            ((loss * part).sum() / part.sum()).backward()
            optimiser.step()
            schedule.step()
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    return [(layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()) for layer in layers]
