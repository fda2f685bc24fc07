"""How fast the encoders train on this machine's CPU: `python -m beatssl.bench.encoders`."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Annotated, Any

import pandas as pd
import torch
import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import ENCODERS, Encoder, build_encoder

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BenchEncodersConfig:
    """Views a second of training: forward and backward through the encoder alone, noise as input."""

    names: tuple[str, ...] = tuple(ENCODERS)
    """Encoders to measure."""
    widths: tuple[float, ...] = (1.0,)
    """Factors on their channels."""
    norms: tuple[str, ...] = ("batch",)
    """Norms of their convolutions."""
    batch_size: Count = 64
    """Views at once."""
    samples: Count = 1000
    """Length of a view; 1000 samples are 10 s at 100 Hz."""
    repeats: Count = 3
    """The fastest of so many passes counts, after one to warm up."""
    threads: Count = 2
    """Threads of torch."""


@plain_dataclass(frozen=True)
class EncoderSpeed:
    """Weights of an encoder, and views a second of wall time and of processor time."""

    encoder: str
    width: float
    norm: str
    million_weights: float
    bfloat16_views_per_s: float
    bfloat16_views_per_cpu_s: float
    float32_views_per_s: float
    float32_views_per_cpu_s: float
    load: float
    """Of the machine, over the last minute."""


def bench_encoders(config: BenchEncodersConfig) -> tuple[EncoderSpeed, ...]:
    """The speed of every encoder, width and norm.

    Compare processor times on a machine that others use too: there wall time depends on what they do.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(config.threads)
    try:
        return tuple(_speed(config, name, width, norm) for name, width, norm in _sizes(config))
    finally:
        torch.set_num_threads(threads)


def _sizes(config: BenchEncodersConfig) -> list[tuple[str, float, Any]]:
    return [(name, width, norm) for name in config.names for width in config.widths for norm in config.norms]


def _speed(config: BenchEncodersConfig, name: str, width: float, norm: Any) -> EncoderSpeed:
    encoder = build_encoder(replace(EncoderConfig(name), width=width, norm=norm))
    weights = sum(weight.numel() for weight in encoder.parameters())
    (low_s, low_cpu_s), (full_s, full_cpu_s) = (
        _fastest(_step(encoder, config.batch_size, config.samples, bfloat16), config.repeats)
        for bfloat16 in (True, False)
    )
    return EncoderSpeed(
        encoder=name,
        width=width,
        norm=norm,
        million_weights=weights / 1e6,
        bfloat16_views_per_s=config.batch_size / low_s,
        bfloat16_views_per_cpu_s=config.batch_size / low_cpu_s,
        float32_views_per_s=config.batch_size / full_s,
        float32_views_per_cpu_s=config.batch_size / full_cpu_s,
        load=os.getloadavg()[0],
    )


def _step(encoder: Encoder, batch_size: int, samples: int, bfloat16: bool) -> Callable[[], None]:
    generator = torch.Generator().manual_seed(0)
    ecg_mv = 0.2 * torch.randn(batch_size, encoder.config.leads, samples, generator=generator)
    lead_mask = torch.ones(batch_size, encoder.config.leads, dtype=torch.bool)

    def step() -> None:
        encoder.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            feature_map = encoder(ecg_mv, lead_mask).feature_map
        feature_map.float().square().mean().backward()

    return step


def _fastest(step: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Shortest wall time and shortest processor time of some passes, in seconds."""
    step()
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


if __name__ == "__main__":
    print(pd.DataFrame(bench_encoders(tyro.cli(BenchEncodersConfig))).round(2).to_string(index=False))
