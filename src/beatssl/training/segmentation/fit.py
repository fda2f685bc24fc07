"""A segmenter from an encoder and rows with waves: network, task and loop put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator

from beatssl.inference.decimation import Decimation, decimation_factor
from beatssl.inference.model_config import Provenance
from beatssl.inference.segmenter import EcgSegmenter, build_decoder
from beatssl.models.encoder import Encoder
from beatssl.signals.preparation import Preparation
from beatssl.training.config import RunConfig
from beatssl.training.loop import Trained, train
from beatssl.training.segmentation.config import FitConfig
from beatssl.training.segmentation.task import WaveRows, WaveTask


@dataclass(frozen=True)
class CoTraining:
    """Rows with pseudo-labels, and a segmenter that was trained on them alone.

    What is trained is initialised from that segmenter. In each update it sees half as many of these rows as of the
    marked ones, and learns from them what lies away from the boundaries.
    """

    rows: WaveRows
    start: EcgSegmenter


@dataclass(frozen=True)
class Fitted:
    """A segmenter with the weights that were chosen, and how training went."""

    segmenter: EcgSegmenter
    trained: Trained


def fit_segmenter(
    config: FitConfig,
    run: RunConfig,
    encoder: Encoder,
    data: WaveRows,
    preparation: Preparation,
    provenance: Provenance,
    seed: int,
    out: Path,
    accelerator: Accelerator,
    evaluation: Callable[[EcgSegmenter], dict[str, float]] | None = None,
    encoder_takes: Preparation | None = None,
    cotraining: CoTraining | None = None,
    title: str = "Training a segmenter",
) -> Fitted:
    """Train a decoder on `encoder` (and the encoder with it) on rows with waves; the encoder given is not changed.

    Where the rows (prepared as `preparation`) have twice or four times the rate of what `encoder_takes`, the
    segmenter decimates them for it. Without `encoder_takes` the rows are what it takes. `evaluation` and the choice of
    weights: see `WaveTask`; log and state in `out`: see `training.loop.train`.

    Raises NotFinite where the loss is not finite, ValueError where the encoder takes what the rows cannot give.
    """
    encoder = encoder.maps_only()
    encoder_takes = encoder_takes or preparation
    factor = decimation_factor(preparation, encoder_takes)
    if factor is None:
        raise ValueError(f"rows prepared as {preparation} give no signals as {encoder_takes}, which the encoder takes")
    decoder = build_decoder(replace(config.decoder, rate=factor), encoder, seed)
    decimation = Decimation(factor).design(preparation, encoder_takes) if factor != 1 else None
    segmenter = EcgSegmenter(encoder, decoder, preparation, provenance, decimation).to(accelerator.device)
    if cotraining is not None:
        segmenter.load_state_dict(cotraining.start.state_dict())
    task = WaveTask(
        segmenter=segmenter,
        data=data,
        config=config,
        seed=seed,
        device=accelerator.device,
        share=(accelerator.process_index, accelerator.num_processes),
        evaluation=evaluation,
        pseudo=None if cotraining is None else cotraining.rows,
        title=title,
    )
    trained = train(task, config.optim, run, seed, out, accelerator)
    if cotraining is not None:
        mean_with(segmenter, cotraining.start, config.kept_before)
    return Fitted(segmenter.cpu(), trained)


@torch.no_grad()
def mean_with(segmenter: EcgSegmenter, before: EcgSegmenter, share: float) -> None:
    """Replace the weights by their mean with those they were initialised from, which have this share (Wortsman et al.
    2022, "Robust fine-tuning of zero-shot models")."""
    old = before.state_dict()
    for name, value in segmenter.state_dict().items():
        if value.is_floating_point():
            value.lerp_(old[name].to(value), share)


@torch.no_grad()
def mean_of(segmenters: Sequence[EcgSegmenter]) -> EcgSegmenter:
    """The first, with the mean of the weights of all (Wortsman et al. 2022, "Model soups: averaging weights of multiple
    fine-tuned models improves accuracy without increasing inference time").

    Raises ValueError where one was trained without co-training: the networks have to be initialised alike.
    """
    if alone := [one.provenance["data"] for one in segmenters if not one.provenance.get("cotraining")]:
        raise ValueError(f"a network of {alone[0]} was trained without co-training; pass a run with --cotrain")
    mean, *others = segmenters
    weights = [one.state_dict() for one in others]
    for name, value in mean.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.stack([value, *(of[name] for of in weights)]).mean(dim=0))
    return mean
