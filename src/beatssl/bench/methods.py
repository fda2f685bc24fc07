"""What a training step of every pretraining method costs, against SimCLR on the same network in the same run."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from beatssl.bench.contestant import WARM_UP, Contestant
from beatssl.bench.energy import EnergyCounter
from beatssl.bench.times import MethodCosts, StepCost
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.models.config import EncoderConfig
from beatssl.progress import track
from beatssl.results import write_result
from beatssl.training.pretraining.batches import Batches
from beatssl.training.pretraining.columns import Columns, Rows, load_rows
from beatssl.training.pretraining.objectives import METHODS
from beatssl.training.pretraining.presets import preset

REFERENCE = "simclr"
USUAL = ("beatssl", "paper", "physioclr", "regression", "domain-ssl", "masked-reconstruction", "cmsc", "vicreg",
         "ts2vec", "latent-prediction")  # fmt: skip
"""Presets that are measured where none are named; those of the map cost what theirs do, less a layer."""

_ROWS = 2048
_GROWTH = {"batch_size": (4, 2), "beats_per_record": (4, 1 / 3), "leads": (12, 4)}
"""What is varied, and by what the usual value is divided."""
_GROWTH_STEPS = 3


@dataclass(frozen=True)
class _Setting:
    batch_size: int
    beats_per_record: int
    leads: int


def bench_methods(
    store: Path,
    out: Path | None = None,
    presets: Sequence[str] = (),
    batch_size: int = 128,
    steps: int = 10,
    beats_per_record: int = 4,
    encoder: EncoderConfig | None = None,
    precision: Literal["float32", "bfloat16"] = "float32",
    device: Device = "auto",
) -> MethodCosts:
    """Times, memory, arithmetic and energy of a step of each preset (empty: `USUAL`), and how they grow.

    All take turns on the same rows with SimCLR, so that whatever else the machine does meets all of them. Rows are
    whole; a preset that trains on windows has another line for these. Growth: a quarter and half of the batch, one and
    twelve beats a record instead of four, one and three leads instead of twelve, each with a few steps.

    Returns the figures, and writes them to `out` as JSON where one is given. Raises ValueError for an unknown preset.
    """
    place = torch_device(device)
    names = list(dict.fromkeys([REFERENCE, *(presets or USUAL)]))
    rows = load_rows([store], row_limit=max(_ROWS, batch_size))
    columns = _columns(names, rows)
    network = encoder or EncoderConfig()
    bench = _Bench(rows, columns, network, precision, place)
    usual = _Setting(batch_size, beats_per_record, network.leads)
    counter = EnergyCounter() if place.type == "cpu" else None
    load = os.getloadavg()[0]
    methods, weights = bench.costs(usual, steps, counter)
    growth = {
        name: {
            f"{getattr(setting, name)}": bench.costs(setting, min(steps, _GROWTH_STEPS), None)[0]
            for setting in _varied(usual, name)
        }
        for name in _GROWTH
    }
    result = MethodCosts(
        **vars(usual),
        steps=steps,
        encoder=network.name,
        weights=weights,
        precision=precision,
        device=torch.cuda.get_device_name() if place.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        load_before=load,
        energy_from=counter.about if counter is not None else "not known: the processors' counters count no GPU",
        methods=methods,
        growth=growth,
    )
    if out is not None:
        write_result(out, result)
    return result


@dataclass(frozen=True)
class _Bench:
    rows: Rows
    columns: Mapping[str, Columns]
    network: EncoderConfig
    precision: str
    device: torch.device

    def costs(self, setting: _Setting, steps: int, counter: EnergyCounter | None) -> tuple[dict[str, StepCost], int]:
        """Costs of each preset at one setting, and the encoder's number of weights."""
        contestants = self._contestants(setting)
        title = f"Batches of {setting.batch_size}"
        for number in track(range(steps + WARM_UP), title, unit="steps"):
            for one in contestants.values():
                one.time(number, self.precision)
        joules = self._joules(contestants, steps, counter) if counter else {}
        sizes = {name: one.size(self.precision) for name, one in contestants.items()}
        reference, least = contestants[REFERENCE].steps_s(), sizes[REFERENCE]
        found = {
            name: StepCost(
                seconds=one.medians(),
                ratio=float(np.median(one.steps_s() / reference)),
                memory_mb=sizes[name].memory_mb,
                memory_ratio=sizes[name].memory_mb / least.memory_mb,
                gflops=sizes[name].gflops,
                flops_ratio=sizes[name].gflops / least.gflops,
                energy_j=joules.get(name),
            )
            for name, one in contestants.items()
        }
        encoder = contestants[REFERENCE].objective.encoder
        return found, sum(weight.numel() for weight in encoder.parameters())

    def _joules(self, contestants: Mapping[str, Contestant], steps: int, counter: EnergyCounter) -> dict[str, float]:
        """Mean energy of a step, in turns, apart from the timed ones, which run the encoder once more."""
        used: dict[str, list[float]] = {name: [] for name in contestants}
        for number in range(steps):
            for name, one in contestants.items():
                before = counter.read()
                one.step(number, self.precision)
                used[name].append(counter.used_j(before, counter.read()))
        return {name: float(np.mean(joules)) for name, joules in used.items()}

    def _contestants(self, setting: _Setting) -> dict[str, Contestant]:
        network = replace(self.network, leads=setting.leads)
        made: dict[str, Contestant] = {}
        for name, columns in self.columns.items():
            values = preset(name)
            stream = Batches(self.rows, columns, setting.batch_size, setting.beats_per_record, seed=0)
            made[name] = Contestant(values, stream, network, self.device)
            if values.window_s:
                windowed = f"{name} in windows of {values.window_s:g} s"
                made[windowed] = Contestant(values, stream, network, self.device, values.window_s)
        return made


def _columns(names: Sequence[str], rows: Rows) -> dict[str, Columns]:
    presets = {name: preset(name) for name in names}  # an unknown name fails before anything is computed
    return {name: METHODS[one.method].columns(rows, one.objective) for name, one in presets.items()}


def _varied(usual: _Setting, name: str) -> list[_Setting]:
    """The settings at which one value is another; a batch has two records at least."""
    least = 2 if name == "batch_size" else 1
    value = getattr(usual, name)
    values = {max(least, round(value / by)) for by in _GROWTH[name]} - {value}
    return [replace(usual, **{name: one}) for one in sorted(values)]
