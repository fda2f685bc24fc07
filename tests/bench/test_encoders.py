"""Costs of encoders and bundled models: what is counted can be counted by hand."""

from pathlib import Path

import pytest
import torch
from torch import nn

from beatssl.bench.bench import BenchConfig, bench
from beatssl.bench.encoders import bench_encoders, gflop_of
from beatssl.bench.times import EncoderCosts
from beatssl.results import read_result


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> tuple[EncoderCosts, EncoderCosts]:
    out = tmp_path_factory.mktemp("bench") / "bench-encoders.json"
    return bench_encoders(out, ("xresnet1d", "vit"), 4, 160, 1, ("ecgfounder",)), read_result(out, EncoderCosts)


def test_figures_are_written_as_they_are_returned(costs: tuple[EncoderCosts, EncoderCosts]) -> None:
    found, written = costs
    assert found == written
    assert (found.batch_size, found.samples, found.threads) == (4, 160, torch.get_num_threads())


def test_every_encoder_bundled_model_and_published_network_has_its_costs(
    costs: tuple[EncoderCosts, EncoderCosts],
) -> None:
    found, _ = costs
    assert list(found.encoders) == ["xresnet1d", "vit"]
    assert list(found.models) == ["encoder", "classifier", "segmenter"]
    for cost in found.encoders.values():
        assert min(cost.gflop, cost.alone.wall_ms, cost.alone.cpu_ms, cost.batched.wall_ms, cost.batched.cpu_ms) > 0
        assert 4 * cost.million_weights < cost.alone.memory_mb < cost.batched.memory_mb
        for speeds in (cost.training_views_per_s, cost.training_views_per_cpu_s):
            assert list(speeds) == ["float32", "bfloat16"]
            assert min(speeds.values()) > 0
    assert list(found.published) == ["ecgfounder"]
    for cost in (*found.models.values(), *found.published.values()):
        assert min(cost.gflop, cost.record.wall_ms, cost.record.cpu_ms) > 0
        assert cost.record.memory_mb > 4 * cost.million_weights
    assert found.models["encoder"].million_weights == pytest.approx(found.encoders["xresnet1d"].million_weights)
    assert found.models["segmenter"].gflop > found.models["encoder"].gflop


def test_operations_are_two_for_each_product_and_those_of_attention_count() -> None:
    linear = nn.Linear(30, 20)
    assert gflop_of(lambda: linear(torch.ones(7, 30))) == pytest.approx(2 * 7 * 30 * 20 / 1e9)
    query = torch.ones(1, 2, 5, 4)  # two heads, five steps, four channels
    with torch.no_grad():
        found = gflop_of(lambda: nn.functional.scaled_dot_product_attention(query, query, query))
    assert found == pytest.approx(2 * 2 * 2 * 5 * 5 * 4 / 1e9)


def test_an_unknown_encoder_is_refused() -> None:
    with pytest.raises(ValueError, match="no encoder 'resnet'"):
        bench_encoders(names=("resnet",))


def test_the_verb_measures_all_encoders_and_needs_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Path | None] = []
    monkeypatch.setattr("beatssl.bench.encoders.bench_encoders", asked.append)
    bench(BenchConfig("encoders", out=tmp_path / "bench-encoders.json"))
    assert asked == [tmp_path / "bench-encoders.json"]
