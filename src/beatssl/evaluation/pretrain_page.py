"""Pretraining as sections of a page: who counts as alike, the loss, and what the encoder then knows of diagnoses."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Shaped
from sklearn.manifold import TSNE

from beatssl.dataset.store import Store
from beatssl.evaluation.demo_training import DemoRun
from beatssl.evaluation.page import Section, cards, figure
from beatssl.evaluation.pretrain_pictures import (
    GROUP_NAMES,
    EmbeddingMap,
    Interval,
    LossCurve,
    TargetMap,
    embedding_maps,
    interval_rows,
    loss_curves,
    target_maps,
)
from beatssl.targets.diagnostics import target_figures
from beatssl.training.data import Spaces, load
from beatssl.training.embedding import embed
from beatssl.training.labels import SUPERCLASSES, parse_folds
from beatssl.training.objectives import Contrast
from beatssl.training.probe import scaled
from beatssl.training.run import read_log
from beatssl.training.source import open_encoder

EXPONENTS = (1.0, 50.0)
_NEIGHBOURS = 5
_PARTS = {
    "loss_rhythm": ("Record against record", "loss (nats)"),
    "loss_beat": ("Heartbeat against heartbeat", "loss (nats)"),
    "loss_regression": ("Record measurements told", "loss (Huber, SD²)"),
    "loss_beat_regression": ("Beat measurements told", "loss (Huber, SD²)"),
}
"""Parts of the loss as metrics.jsonl names them, with title and unit."""


@dataclass(frozen=True, slots=True)
class ShownPretraining:
    """Sections of the page, and every picture of theirs as SVG text by name."""

    sections: list[Section] = field(default_factory=list)
    pictures: dict[str, str] = field(default_factory=dict)


def show_pretraining(store: Store, run: DemoRun) -> ShownPretraining:
    """Three sections on a finished run: targets, loss, embeddings."""
    shown = ShownPretraining()
    for make in (_targets, _losses, _embeddings):
        section, pictures = make(store, run)
        shown.sections.append(section)
        shown.pictures.update(pictures)
    return shown


def _targets(store: Store, run: DemoRun) -> tuple[Section, dict[str, str]]:
    rhythm = run.config.recipe().objective.rhythm
    values, certain, groups = _batch(store, run, rhythm)
    size = len(groups)
    hard = TargetMap("Hard", np.eye(size), _positives(torch.eye(size)))
    maps, on_same = [hard], []
    for exponent in EXPONENTS:
        soft = replace(rhythm.soft, exponent=exponent, own_weight=None)(values, certain).fill_diagonal_(1)
        maps.append(TargetMap(f"Soft, exponent {exponent:g}", soft.double().numpy(), _positives(soft)))
        on_same.append(_share_on_same(soft.double().numpy(), groups))
    svg = target_maps(maps, groups.tolist())
    chance = _share_on_same(np.ones((size, size)), groups)
    used = f"exponent {rhythm.soft.exponent:g}" if rhythm.targets == "features" else "hard targets"
    caption = (
        f"The same {size} records three times, sorted by diagnosis (" + ", ".join(f"{g}: {GROUP_NAMES[g]}"
        for g in dict.fromkeys(groups.tolist())) + "). Each line and each column is a record; the darker, the more "
        "the two are to be drawn together. Hard: every record is like itself alone, and even two alike infarcts are "
        "pushed apart. Exponent 1: similarities as measured; nearly all pairs count about half, so there is little to "
        f"learn from them: {on_same[0]:.0%} of the weight on other records goes to the same diagnosis, by chance it "
        f"would be {chance:.0%}. Exponent 50: the same similarities to the power of 50, which leaves the closest pairs "
        f"alone: {on_same[1]:.0%} of the weight goes to the same diagnosis. The effective number of positives says "
        f"among how many of the {2 * size - 1} other views in the batch (there are two views of each record) the "
        f"weight of one is shared. The run below used {used}."
    )  # fmt: skip
    lead = (
        "Before training, the measurements in the store say how alike every two records are, from 0 to 1. The encoder "
        "then learns to put alike records near each other. No diagnosis is used for this; here they sort the picture."
    )
    return Section("targets", "What counts as alike", lead, figure(svg, caption, 52)), {"targets": svg}


def _batch(
    store: Store, run: DemoRun, rhythm: Contrast
) -> tuple[Float32[torch.Tensor, "n c"], Float32[torch.Tensor, "n c"], Shaped[np.ndarray, " n"]]:
    """What similarity compares of as many training records as a batch has, those of one superclass, sorted by it."""
    config = run.config
    spaces = Spaces(rhythm.components, rhythm.evenness)
    data = load(config.stores, parse_folds(config.folds), beat_shape=config.beat_shape, spaces=spaces)
    table, _ = _superclasses(store)
    single = np.flatnonzero(table[data.store_row].sum(axis=1) == 1)
    drawn = np.random.default_rng(config.seed).permutation(single)[: config.batch_size]
    statements = store.labels.groupby("row")["label"].agg(lambda names: " ".join(sorted(names)))
    kind = table[data.store_row[drawn]].argmax(axis=1)
    order = np.lexsort((statements.loc[data.store_row[drawn]].to_numpy(str), kind))
    target, rows = data.record_target, drawn[order]
    certain = torch.from_numpy(target.certain[rows].astype(np.float32))
    return torch.from_numpy(target.values[rows]), certain, np.array(SUPERCLASSES)[kind[order]]


def _positives(targets: torch.Tensor) -> str:
    count = target_figures(targets).effective_positives
    return f"effective number of positives: {count:.1f} of {2 * len(targets) - 1}"


def _share_on_same(targets: Float[np.ndarray, "n n"], groups: Shaped[np.ndarray, " n"]) -> float:
    """Mean over the records of the share of their weight on others that goes to records of the same class."""
    weights = np.where(np.eye(len(groups), dtype=bool), 0, targets)
    same = (weights * (groups[:, None] == groups)).sum(axis=1)
    return float((same / weights.sum(axis=1)).mean())


def _losses(store: Store, run: DemoRun) -> tuple[Section, dict[str, str]]:
    lines = [line for line in read_log(run.config.out) if "loss" in line]
    epoch = np.array([line["epoch"] for line in lines])
    curves = [
        LossCurve(title, unit, epoch, np.array([line[name] for line in lines]), *_least(name, lines, run))
        for name, (title, unit) in _PARTS.items()
        if name in lines[0]
    ]
    svg = loss_curves(curves)
    network = run.config.encoder
    weights = sum(w.numel() for w in open_encoder(str(run.config.out), network, 0, store).encoder.parameters())
    facts = [
        (f"{run.rows:,}", "records, waveforms alone"),
        (f"{run.updates:,}", "weight updates"),
        (f"{weights / 1e6:.2f} M", f"weights of the encoder ({network.name})"),
        (f"{run.seconds:.0f} s", "of training"),
    ]
    caption = (
        f"Every panel is a part of what is asked of the encoder, over {run.config.epochs} epochs (an epoch shows every "
        "record once). The first parts are contrasts: given one altered view of a record or heartbeat, find its "
        "like among all others of the batch. The dashed line is the lowest value that the targets allow, since one "
        "record has several that are like it."
    )
    if any(name in lines[0] for name in ("loss_regression", "loss_beat_regression")):
        caption += " The others ask for the measured features themselves, each in standard deviations (SD)."
    lead = (
        "A small network sees two altered views of every record (turned in space, stretched, noisy, partly hidden) and "
        "learns which belong together. This is a demo of a minute; real runs take hours and real records."
    )
    body = cards(facts) + figure(svg, caption, 48)
    return Section("pretraining", "The loss while pretraining", lead, body), {"loss": svg}


def _least(name: str, lines: Sequence[dict[str, Any]], run: DemoRun) -> tuple[float, str]:
    """The lowest loss that the targets of the contrast of records allow: the entropy of their normalised rows."""
    if name != "loss_rhythm" or run.config.recipe().objective.rhythm.form != "soft_2":
        return float("nan"), ""
    shares = [line["rhythm_target_entropy"] for line in lines if "rhythm_target_entropy" in line]
    return float(np.mean(shares) * np.log(2 * run.config.batch_size - 1)) if shares else float("nan"), "lowest possible"


def _embeddings(store: Store, run: DemoRun) -> tuple[Section, dict[str, str]]:
    config = run.config
    table, groups = _superclasses(store)
    rows = np.flatnonzero(~store.records["fold"].isin(parse_folds(config.folds)).to_numpy(np.bool_))
    maps: list[EmbeddingMap] = []
    for name, source in (("Random: before training", "random"), ("Pretrained", str(config.out))):
        encoder = open_encoder(source, config.encoder, 0, store).encoder
        values = embed(encoder, store, rows)
        standard = scaled(values, np.ones(len(values), bool))
        agree = _neighbours_sharing(standard, table[rows])
        note = f"of a record's {_NEIGHBOURS} nearest, {agree:.0%} share a diagnosis"
        maps.append(EmbeddingMap(name, _in_two_dimensions(standard), note))
    map_svg, probe_svg = embedding_maps(maps, groups[rows]), interval_rows(_aurocs(run), "AUROC on unseen patients")
    chance = _chance_of_sharing(table[rows])
    map_caption = (
        f"{len(rows)} records of patients whom pretraining never saw, coloured by diagnosis. They are close "
        "where the encoder finds records alike (t-SNE of the embeddings: near neighbours are kept, the axes "
        f"have no unit). Two records drawn at random share a diagnosis in {chance:.0%} of cases."
    )
    body = figure(map_svg, map_caption, 50) + figure(probe_svg, _probe_caption(run), 30)
    lead = (
        "The encoder turns a record into a list of numbers, its embedding. Do records of one diagnosis lie together, "
        "and can a straight line tell diagnoses from it? The same network before training is the measure."
    )
    pictures = {"embedding-map": map_svg, "probe": probe_svg}
    return Section("embeddings", "What the encoder has learnt", lead, body), pictures


def _superclasses(store: Store) -> tuple[Bool[np.ndarray, "row superclass"], Shaped[np.ndarray, " row"]]:
    """Which superclasses every row has, and its one superclass, or "several", or "none"."""
    full = store.targets("superclass").reindex(columns=list(SUPERCLASSES), fill_value=False).to_numpy(np.bool_)
    count = full.sum(axis=1)
    one = np.array(SUPERCLASSES)[full.argmax(axis=1)]
    return full, np.where(count == 1, one, np.where(count == 0, "none", "several"))


def _in_two_dimensions(values: Float32[np.ndarray, "row feature"]) -> Float[np.ndarray, "row 2"]:
    perplexity = min(30.0, (len(values) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(values).astype(np.float64)


def _neighbours_sharing(values: Float32[np.ndarray, "row feature"], table: Bool[np.ndarray, "row label"]) -> float:
    """Of the nearest rows by cosine, the share with a label in common; over the rows that have a label."""
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    nearest = np.argsort(-cosine, axis=1)[:, :_NEIGHBOURS]
    sharing = np.take_along_axis(_sharing(table), nearest, axis=1)
    return float(sharing[table.any(axis=1)].mean())


def _chance_of_sharing(table: Bool[np.ndarray, "row label"]) -> float:
    """The share of `_neighbours_sharing` were neighbours drawn at random."""
    sharing = _sharing(table)
    labelled = table.any(axis=1)
    return float((sharing[labelled].sum(axis=1) - 1).mean() / (len(table) - 1))


def _sharing(table: Bool[np.ndarray, "row label"]) -> Bool[np.ndarray, "row row"]:
    """Which two rows have a label in common."""
    return table.astype(np.int64) @ table.T > 0


def _aurocs(run: DemoRun) -> dict[str, dict[str, Interval]]:
    found: dict[str, dict[str, Interval]] = {}
    for name, figures in run.probes.items():
        rows = {"mean of all": Interval(figures["macro_auroc"], *figures["ci95"]["macro_auroc"])}
        for label, of_label in figures["per_class"].items():
            if of_label["auroc"] is not None:
                rows[f"{label}: {GROUP_NAMES[label]}"] = Interval(of_label["auroc"], *of_label["auroc_ci95"])
        found[name] = rows
    return found


def _probe_caption(run: DemoRun) -> str:
    random, pretrained = (run.probes[name] for name in ("random", "pretrained"))
    low, high = run.gain["ci95"]
    records = pretrained["records"]
    return (
        f"A linear probe: a straight line through the frozen embeddings, fitted to diagnoses of {records['train']} "
        f"records, tried on {records['test']} records of other patients (fold 9). AUROC is the chance that a record "
        "with the diagnosis scores higher than one without it: 0.5 is guessing, 1 is perfect. Lines: 95 % intervals. "
        f"Mean of all: {random['macro_auroc']:.3f} random, {pretrained['macro_auroc']:.3f} pretrained; difference "
        f"{run.gain['difference']:+.3f} ({low:+.3f} to {high:+.3f})."
    ).replace("-0.", "−0.")
