"""A finished pretraining run as sections of a page: what counts as alike, the loss, what the encoder has learnt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beatssl.inference.source import open_encoder
from beatssl.reports.embedding_section import embedding_section
from beatssl.reports.page import Section, cards, figure
from beatssl.reports.pretrain_pictures import LossCurve, loss_curves
from beatssl.reports.target_section import target_section
from beatssl.store.store import Store
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.run import read_log

_PARTS = {
    "loss_rhythm": ("Record against record", "loss (nats)"),
    "loss_beat": ("Heartbeat against heartbeat", "loss (nats)"),
    "loss_regression": ("Record measurements told", "loss (SD²)"),
    "loss_beat_regression": ("Beat measurements told", "loss (SD²)"),
}
"""Parts of the loss as metrics.jsonl names them, with title and unit."""


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A finished run: its config, how long it took, and figures of the probes by name of the encoder."""

    config: PretrainConfig
    rows: int
    updates: int
    seconds: float
    probes: dict[str, dict[str, Any]]
    gain: dict[str, Any]
    """Macro AUROC of the pretrained encoder less that of the random one, with its interval."""


def show_pretraining(store: Store, run: FinishedRun) -> list[tuple[Section, dict[str, str]]]:
    """Targets, loss and embeddings of a finished run: three sections, each with its pictures as SVG text by name."""
    return [
        target_section(store, run.config),
        _loss_section(store, run),
        embedding_section(store, run.config, run.probes, run.gain),
    ]


def _loss_section(store: Store, run: FinishedRun) -> tuple[Section, dict[str, str]]:
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
    lead = (
        "A small network sees every record, two in five of them altered (leads left out, partly hidden, noisy), "
        "and learns what was measured on each and which are alike. This is a demo of a minute; real runs take hours "
        "and real records."
    )
    svg = loss_curves(curves)
    body = cards(facts) + figure(svg, _caption(lines[0], run), 48)
    return Section("pretraining", "The loss while pretraining", lead, body), {"loss": svg}


def _caption(first: Mapping[str, Any], run: FinishedRun) -> str:
    others = 2 * run.config.batch_size - 1
    text = (
        f"A panel for each part of what is asked of the encoder, over {run.config.epochs} epochs (an epoch shows every "
        "record once). Against: given one view of a record or heartbeat, find what is like it among all others of the "
        f"batch; among {others} views guessing costs the natural logarithm of {others}, {np.log(others):.1f} nats. "
    )
    if np.isfinite(_lowest("loss_rhythm", [first], run)[0]):
        text += "Dashed: the lowest loss that the targets allow, since a record may have several that are like it. "
    if "loss_regression" in first or "loss_beat_regression" in first:
        text += "Told: the measured features themselves, from the embedding, in standard deviations (SD). "
    return text.strip()


def _lowest(name: str, lines: Sequence[Mapping[str, Any]], run: FinishedRun) -> tuple[float, str]:
    """The lowest loss that targets of the contrast of records allow: the entropy of their normalised rows."""
    rhythm = run.config.recipe().objective.rhythm
    shares = [line["rhythm_target_entropy"] for line in lines if "rhythm_target_entropy" in line]
    if name != "loss_rhythm" or rhythm.form != "soft_2" or not shares:
        return float("nan"), ""
    return float(np.mean(shares) * np.log(2 * run.config.batch_size - 1)), "lowest possible"
