"""Costs of methods: what is counted can be counted by hand, and every preset can be measured."""

from dataclasses import replace

import pytest
import torch

from beatssl.bench.bench import BenchConfig, bench
from beatssl.bench.contestant import Contestant
from beatssl.bench.energy import EnergyCounter
from beatssl.bench.live_memory import LiveMemory
from beatssl.bench.methods import USUAL, bench_methods
from beatssl.files import read_json
from beatssl.models.config import EncoderConfig
from beatssl.training.pretraining.batches import Batches
from beatssl.training.pretraining.columns import load_rows
from beatssl.training.pretraining.objectives import METHODS, PRESETS
from beatssl.training.pretraining.presets import preset

TINY = EncoderConfig(width=0.25, depth=0.5)
PARTS = {"loading", "views", "encoder", "losses", "optimizer", "step"}


@pytest.fixture(scope="module")
def costs(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "bench-methods.json"
    found = bench_methods(store.path, out, ("masked-reconstruction",), 8, 1, 4, TINY, device="cpu")
    return found, read_json(out)


def test_methods_are_measured_against_simclr_in_the_same_run(costs):
    found, written = costs
    assert list(found.methods) == list(written["methods"]) == ["simclr", "masked-reconstruction"]
    reference = found.methods["simclr"]
    assert reference.ratio == reference.memory_ratio == reference.flops_ratio == 1
    for cost in found.methods.values():
        assert set(cost.seconds) == PARTS
        apart = sum(cost.seconds.values()) - cost.seconds["step"]
        assert apart == pytest.approx(cost.seconds["step"])
        assert cost.memory_mb > 0
    masked = found.methods["masked-reconstruction"]  # one record is encoded, not two views of it
    assert 0.4 < masked.flops_ratio < 0.8
    assert masked.memory_ratio < 1


def test_growth_with_batch_beats_and_leads(costs):
    found, _ = costs
    assert {name: list(values) for name, values in found.growth.items()} == {
        "batch_size": ["2", "4"], "beats_per_record": ["1", "12"], "leads": ["1", "3"]
    }  # fmt: skip
    quarter, half = (found.growth["batch_size"][size]["simclr"].gflops for size in ("2", "4"))
    assert 4 * quarter == pytest.approx(found.methods["simclr"].gflops, rel=0.05)
    assert quarter < half < found.methods["simclr"].gflops
    one, three = (found.growth["leads"][leads]["simclr"].gflops for leads in ("1", "3"))
    assert one < three < found.methods["simclr"].gflops


def test_what_is_measured_where_nothing_is_named_is_all_but_the_maps():
    assert {"simclr", *USUAL} == {name for name in PRESETS if not name.endswith("-map")}


@pytest.mark.parametrize("name", ["simclr", "masked-reconstruction", "ts2vec"])
def test_all_kinds_of_views_are_measured_with_fewer_leads(rows, name):
    sizes = [_contestant(rows, name, leads).size("bfloat16") for leads in (2, 12)]
    assert 0 < sizes[0].gflops < sizes[1].gflops
    assert sizes[0].memory_mb < sizes[1].memory_mb


def test_encoder_time_is_that_of_every_pass_an_encoder_made(rows):
    """Of latent prediction those of the encoder and of its slower copy, of SimCLR the one of both views."""
    for name, expected in (("simclr", [(8, True)]), ("latent-prediction", [(4, True), (4, False)])):
        one = _contestant(rows, name, 12)
        one.step(0, "float32")
        assert [(len(given[0]), learns) for _, given, learns in one.passes] == expected
        one.time(0, "float32")
        assert one.passes == []
        assert all(weight.grad is None for weight in one.objective.parameters())


@pytest.fixture(scope="module")
def rows(store):
    return load_rows([store.path])


def _contestant(rows, name, leads):
    values = preset(name)
    stream = Batches(rows, METHODS[values.method].columns(rows, values.objective), 4, 2, 0)
    return Contestant(values, stream, replace(TINY, leads=leads), torch.device("cpu"))


def test_memory_is_that_of_tensors_that_are_alive_at_once():
    x = torch.randn(1000, requires_grad=True)
    with LiveMemory() as memory:
        sine = x.exp().sin()  # its backward pass needs x.exp()
        for _ in range(3):
            passing = torch.zeros(500)
            del passing
        view = x.detach().view(10, 100)
    assert memory.peak == 8000 + 2000
    del view, sine
    with LiveMemory() as memory:
        loss = x.exp().sin().sum()  # both are needed
        loss.backward()
    assert 8000 < memory.peak <= 4 * 4000 + 8


def test_energy_is_counted_where_the_machine_counts_it(tmp_path):
    assert not EnergyCounter(tmp_path)
    assert str(tmp_path) in EnergyCounter(tmp_path).about
    for number, name in enumerate(("package-0", "package-1", "dram")):
        folder = tmp_path / f"intel-rapl:{number}"
        folder.mkdir()
        for file, text in (("name", name), ("energy_uj", "9000000"), ("max_energy_range_uj", "10000000")):
            (folder / file).write_text(f"{text}\n")
    (tmp_path / "intel-rapl").mkdir()
    counter = EnergyCounter(tmp_path)
    assert counter
    assert "2 processor packages" in counter.about
    before = counter.read()
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("9500000\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("500000\n")  # it began again
    assert counter.used_j(before, counter.read()) == pytest.approx(0.5 + 1.5)


def test_an_unknown_preset_and_a_missing_store_are_refused(store):
    with pytest.raises(ValueError, match="there is no preset 'simclt'"):
        bench(BenchConfig("methods", store.path, presets=("simclt",)))
    with pytest.raises(ValueError, match="bench methods needs a folder"):
        bench(BenchConfig("methods"))
