"""A finished pretraining run as sections of a page: its targets, its loss, and its encoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beatssl.inference.source import open_encoder
from beatssl.metrics.classification import PairedDifference
from beatssl.reports.embedding_section import embedding_section
from beatssl.reports.page import Section, cards, figure
from beatssl.reports.pretrain_pictures import LossCurve, loss_curves
from beatssl.reports.target_section import target_section
from beatssl.store.store import Store
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.run import read_log

_PARTS = {
    "loss_rhythm": ("Record against record", "loss (nats)"),
    "loss_beat": ("Heartbeat against heartbeat", "loss (nats)"),
    "loss_regression": ("Record features predicted", "loss (SD²)"),
    "loss_beat_regression": ("Beat features predicted", "loss (SD²)"),
}
"""Parts of the loss as metrics.jsonl names them, with title and unit."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A finished pretraining run, and linear probes of its encoder and of the same network untrained."""

    config: PretrainConfig
    """Its `out` holds the run's log and checkpoint."""
    rows: int
    """Rows of the stores that it was trained on."""
    updates: int
    seconds: float
    """Of training."""
    probes: Mapping[str, DiagnosisFigures]
    """By name of the encoder: "random" and "pretrained"."""
    gain: PairedDifference
    """Macro AUROC of the pretrained encoder less that of the random one."""


def pretraining_sections(store: Store, run: FinishedRun, note: str = "") -> list[tuple[Section, dict[str, str]]]:
    """Targets, loss and embeddings of a finished run: three sections, each with its pictures as SVG text by name.

    Args:
        store: one that the run was trained on.
        run: the finished run.
        note: a sentence on the run for readers of the page, after the introduction of the loss.
    """
    return [
        target_section(store, run.config),
        _loss_section(store, run, note),
        embedding_section(store, run.config, run.probes, run.gain),
    ]


def _loss_section(store: Store, run: FinishedRun, note: str) -> tuple[Section, dict[str, str]]:
    lines = [line for line in read_log(run.config.out) if "loss" in line]
    epoch = np.array([float(line["epoch"]) for line in lines])
    curves = [
        LossCurve(title, unit, epoch, np.array([line[name] for line in lines]), *_lowest(name, lines, run))
        for name, (title, unit) in _PARTS.items()
        if name in lines[0]
    ]
    network = run.config.encoder
    encoder = open_encoder(str(run.config.out), network, run.config.seed, store).encoder
    facts = [
        (f"{run.rows:,}", "records, without their diagnoses"),
        (f"{run.updates:,}", "weight updates"),
        (f"{sum(w.numel() for w in encoder.parameters()) / 1e6:.2f} M", f"weights of the encoder ({network.name})"),
        (f"{run.seconds:.0f} s", "of training"),
    ]
    lead = f"The encoder is trained on altered views of the records, without their diagnoses. {note}"
    svg = loss_curves(curves)
    body = cards(facts) + figure(svg, _caption(lines[0], run), 48)
    return Section("pretraining", "Pretraining loss", lead.strip(), body), {"loss": svg}


def _caption(first: Mapping[str, Any], run: FinishedRun) -> str:
    others = 2 * run.config.optim.batch_size - 1
    text = (
        f"A panel for each term of the loss, over {run.config.epochs} epochs (an epoch shows every "
        "record once). Against: given one view of a record or heartbeat, find those similar to it among all others of "
        f"the batch; among {others} views guessing costs the natural logarithm of {others}, {np.log(others):.1f} nats. "
    )
    if np.isfinite(_lowest("loss_rhythm", [first], run)[0]):
        text += "Dashed: the lower bound of the loss, above zero because a record may have several similar ones. "
    if "loss_regression" in first or "loss_beat_regression" in first:
        text += "Predicted: the measured features, from the embedding, in standard deviations (SD). "
    return text.strip()


def _lowest(name: str, lines: Sequence[Mapping[str, Any]], run: FinishedRun) -> tuple[float, str]:
    """The lower bound of the contrastive loss of records: the entropy of the targets' normalised rows."""
    rhythm = run.config.values().objective.rhythm
    shares = [line["rhythm_target_entropy"] for line in lines if "rhythm_target_entropy" in line]
    if name != "loss_rhythm" or rhythm.form != "soft_2" or not shares:
        return float("nan"), ""
    return float(np.mean(shares) * np.log(2 * run.config.optim.batch_size - 1)), "lowest possible"
