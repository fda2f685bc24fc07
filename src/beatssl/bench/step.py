"""How long a training step takes, part by part, and how a full Beat-SSL step compares with a plain SimCLR step."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from beatssl.bench.contestant import WARM_UP, Contestant
from beatssl.bench.loop import update_s_by_task
from beatssl.bench.times import LossTimes, StepTimes
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.losses.contrast import contrast
from beatssl.models.config import EncoderConfig
from beatssl.progress import track
from beatssl.results import write_result
from beatssl.training.pretraining.batches import Batches
from beatssl.training.pretraining.columns import load_rows
from beatssl.training.pretraining.objectives import METHODS
from beatssl.training.pretraining.presets import preset

_ROWS = 2048


def bench_step(
    store: Path,
    out: Path | None = None,
    batch_size: int = 128,
    steps: int = 10,
    beats_per_record: int = 4,
    encoder: str = "xresnet1d",
    precision: Literal["float32", "bfloat16"] = "float32",
    device: Device = "auto",
) -> StepTimes:
    """Times of a Beat-SSL step (soft rhythm, soft beats) and of a SimCLR step: same network, batches and views.

    The two take turns on the same batches, so that whatever else the machine does meets both. Seconds are medians over
    `steps`: `loading` makes the batch (with a GPU a thread does it meanwhile), `views` both views, `encoder` the
    forward and backward pass of the network alone, `losses` what projectors, beats, targets and losses add to these,
    `optimizer` the update. `ratio` is the median over turns of whole step against whole step.

    `loss_only` compares the loss alone on 2 × `batch_size` embeddings with lightly's NTXentLoss, where lightly is
    installed. `loop_update_s` is of the training loop itself, as pretraining, fine-tuning and segmentation run it.

    Returns the figures, and writes them to `out` as JSON where one is given.
    """
    place = torch_device(device)
    rows = load_rows([store], row_limit=max(_ROWS, batch_size))
    # Two views of each record, as SimCLR has them; the preset's own single view would halve the work.
    full = preset("beatssl", ["objective.anchor=view", "objective.regression=0"])
    plain = replace(preset("simclr"), views=full.views)
    contestants: dict[str, Contestant] = {}
    for name, which in (("beatssl", full), ("simclr", plain)):
        columns = METHODS[which.method].columns(rows, which.objective)
        stream = Batches(rows, columns, batch_size, beats_per_record, seed=0)
        contestants[name] = Contestant(which, stream, EncoderConfig(name=encoder), place)
    for number in track(range(steps + WARM_UP), "Steps", unit="steps"):
        for step in contestants.values():
            step.time(number, precision)
    figures = {name: step.medians() for name, step in contestants.items()}
    whole = {name: step.steps_s() for name, step in contestants.items()}
    prepared = figures["beatssl"]["loading"] + figures["beatssl"]["views"]
    result = StepTimes(
        batch_size=batch_size,
        beats_per_record=beats_per_record,
        steps=steps,
        encoder=encoder,
        weights=sum(weight.numel() for weight in contestants["beatssl"].objective.encoder.parameters()),
        precision=precision,
        device=torch.cuda.get_device_name() if place.type == "cuda" else "cpu",
        threads=torch.get_num_threads(),
        load_before=os.getloadavg()[0],
        seconds=figures,
        ratio=float(np.median(whole["beatssl"] / whole["simclr"])),
        loading_and_views_share=prepared / (figures["beatssl"]["step"]),
        records_per_s=batch_size / figures["beatssl"]["step"],
        loss_only=_loss_only(batch_size, place),
        loop_update_s=update_s_by_task(store, steps + WARM_UP, WARM_UP, device),
    )
    if out is not None:
        write_result(out, result)
    return result


def _loss_only(batch_size: int, device: torch.device, repeats: int = 30) -> LossTimes:
    """Milliseconds of forward and backward: ours hard and soft, and lightly's NT-Xent (None: not installed)."""
    generator, cuda = torch.Generator().manual_seed(0), device.type == "cuda"
    z_a, z_b = (torch.randn(batch_size, 128, generator=generator).to(device).requires_grad_() for _ in range(2))
    targets = torch.rand(batch_size, batch_size, generator=generator).to(device)
    hard = _typical_ms(lambda: contrast(z_a, z_b, None, "hard", 0.1), repeats, cuda)
    soft = _typical_ms(lambda: contrast(z_a, z_b, targets, "soft_2", 0.1), repeats, cuda)
    try:
        theirs: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] = import_module("lightly.loss").NTXentLoss(0.1)
    except ImportError:
        return LossTimes(hard, soft, None)  # what is not installed is not compared; the figure says so
    return LossTimes(hard, soft, _typical_ms(lambda: theirs(z_a, z_b), repeats, cuda))


def _typical_ms(loss: Callable[[], torch.Tensor], repeats: int, cuda: bool) -> float:
    seconds: list[float] = []
    for _ in range(repeats):
        began = time.perf_counter()
        loss().backward()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return 1000 * float(np.median(seconds))
