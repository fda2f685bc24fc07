"""What a record costs encoders, bundled models and published networks, and how fast encoders train, on a CPU."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from beatssl.bench.live_memory import LiveMemory, bytes_of
from beatssl.bench.times import EncoderCost, EncoderCosts, ModelCost, PassCost
from beatssl.inference.adapters.adapter import Adapter
from beatssl.inference.adapters.foreign_encoder import ForeignEncoder
from beatssl.inference.adapters.registry import ADAPTERS
from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_folder import SavedModel
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import ENCODERS, Encoder, build_encoder
from beatssl.progress import track
from beatssl.records.synthetic import synthetic_record
from beatssl.results import write_result

_ALONE = 7
"""Of one record so many times more passes are measured than of a batch."""
_FS_HZ = 100.0
_PRECISIONS = {"float32": False, "bfloat16": True}
_MODELS: tuple[type[BeatEncoder | EcgClassifier | EcgSegmenter], ...] = (BeatEncoder, EcgClassifier, EcgSegmenter)


def bench_encoders(
    out: Path | None = None,
    names: Sequence[str] = (),
    batch_size: int = 64,
    samples: int = 1000,
    repeats: int = 3,
    published: Sequence[str] = tuple(ADAPTERS),
) -> EncoderCosts:
    """Costs of the encoders (none named: all) at width 1 for twelve leads of noise, `samples` at 100 Hz, of the bundled
    models, and of `published` networks, with random weights, for they cost the same.

    Embedding is measured in evaluation mode, without gradients, in float32: a record alone, and `batch_size` together.
    Training is forward and backward through the encoder alone. A bundled model answers `predict` of one synthetic
    record, 10 s at 500 Hz as recorded, filter and checks included. A published network embeds a record alone, at the
    rate it takes.

    Of `repeats` passes, after one to warm up, the fastest counts, by the clock and by processor time apart; of a record
    alone seven times as many are measured, except of published networks. Where others use the machine too, compare
    processor times: wall time depends on what they do.

    Returns the figures, and writes them to `out` as JSON where one is given. Raises ValueError for an unknown encoder.
    """
    load = os.getloadavg()[0]
    costs = EncoderCosts(
        batch_size=batch_size,
        samples=samples,
        threads=torch.get_num_threads(),
        load_before=load,
        encoders={
            name: _encoder_cost(name, batch_size, samples, repeats)
            for name in track(names or tuple(ENCODERS), "Encoders", unit="encoders")
        },
        models={kind.kind.name: _model_cost(kind, repeats) for kind in _MODELS},
        published={name: _published_cost(ADAPTERS[name], samples, repeats) for name in published},
    )
    if out is not None:
        write_result(out, costs)
    return costs


def _encoder_cost(name: str, batch_size: int, samples: int, repeats: int) -> EncoderCost:
    encoder = build_encoder(EncoderConfig(name)).eval()
    one, batch = (_noise(records, encoder.config.leads, samples) for records in (1, batch_size))
    with torch.no_grad():
        gflop = gflop_of(lambda: _embed(encoder, one))
        alone = _pass_cost(lambda: _embed(encoder, one), _ALONE * repeats, 1, (*_held(encoder), *one))
        batched = _pass_cost(lambda: _embed(encoder, batch), repeats, batch_size, (*_held(encoder), *batch))
    encoder.train()
    seconds = {
        precision: _fastest(lambda low=low: _learn(encoder, batch, low), repeats)
        for precision, low in _PRECISIONS.items()
    }
    return EncoderCost(
        million_weights=_million_weights(encoder),
        gflop=gflop,
        alone=alone,
        batched=batched,
        training_views_per_s={precision: batch_size / wall for precision, (wall, _) in seconds.items()},
        training_views_per_cpu_s={precision: batch_size / cpu for precision, (_, cpu) in seconds.items()},
    )


def _model_cost(kind: type[BeatEncoder | EcgClassifier | EcgSegmenter], repeats: int) -> ModelCost:
    model = kind.from_pretrained("default")
    record = synthetic_record(0, duration_s=10.0, fs_hz=500.0)

    def predict() -> None:
        model.predict(record.ecg_mv, record.leads, record.fs_hz)

    gflop = gflop_of(predict)
    return ModelCost(_million_weights(model), gflop, _pass_cost(predict, _ALONE * repeats, 1, _held(model)))


def _published_cost(adapter: Adapter, samples: int, repeats: int) -> ModelCost:
    network = ForeignEncoder(adapter, adapter.network(adapter.layout), _FS_HZ).eval()
    given = _noise(1, network.config.leads, samples)
    with torch.no_grad():
        gflop = gflop_of(lambda: _embed(network, given))
        cost = _pass_cost(lambda: _embed(network, given), repeats, 1, (*_held(network), *given))
    return ModelCost(_million_weights(network), gflop, cost)


def _noise(records: int, leads: int, samples: int) -> tuple[Tensor, Tensor]:
    ecg_mv = 0.2 * torch.randn(records, leads, samples, generator=torch.Generator().manual_seed(0))
    return ecg_mv, torch.ones(records, leads, dtype=torch.bool)


def _embed(encoder: Encoder, given: tuple[Tensor, Tensor]) -> None:
    encoder.embed(encoder(*given))


def _learn(encoder: Encoder, given: tuple[Tensor, Tensor], bfloat16: bool) -> None:
    encoder.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        feature_map = encoder(*given).feature_map
    feature_map.float().square().mean().backward()


def gflop_of(call: Callable[[], object]) -> float:
    """10⁹ operations of matrix products and convolutions, as PyTorch counts them; attention as the products it is, for
    of its fused form on a CPU PyTorch counts nothing."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        call()
    return counter.get_total_flops() / 1e9


def _pass_cost(call: Callable[[], object], repeats: int, records: int, held: Iterable[Tensor]) -> PassCost:
    wall_s, cpu_s = _fastest(call, repeats)
    with LiveMemory() as memory:
        call()
    return PassCost(1000 * wall_s / records, 1000 * cpu_s / records, (bytes_of(held) + memory.peak) / 1e6)


def _fastest(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Shortest wall time and shortest processor time of some passes, in seconds."""
    call()
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        times.append((time.perf_counter() - wall, time.process_time() - cpu))
    return min(wall for wall, _ in times), min(cpu for _, cpu in times)


def _held(model: nn.Module) -> list[Tensor]:
    return [*model.parameters(), *model.buffers()]


def _million_weights(model: SavedModel | Encoder) -> float:
    return sum(weight.numel() for weight in model.parameters()) / 1e6
