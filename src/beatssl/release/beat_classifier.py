"""The beat classifier, trained and chosen on MIT-BIH's DS1, then measured on DS2.

python -m beatssl.release.beat_classifier data/mitdb
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from jaxtyping import Float32, Float64, Int64
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import nn

from beatssl.beats.classes.classifier import CLASSES, WEIGHTS, BeatClassifier
from beatssl.metrics.beat_classes import class_counts, class_figures
from beatssl.records.mitdb import DS1, DS2
from beatssl.release.beat_classifier_card import write_model_card
from beatssl.release.beat_training_data import EXCLUDED, TRAINING, FeaturedBeats, Version, featured_beats, read_marked

_KEPT_NORMAL = 0.12  # share of N beats used in training: they resemble each other
_BATCH = 512
_SMOOTHING = 0.05
_AS_GOOD = 0.01  # of macro F1: the optimum is flat, and a false ectopic target costs more than a missed one
_OFFSETS = tuple(np.arange(-4.0, 1.1, 0.5).tolist())
# DS1 cut into parts so that no part holds both records of a kind (208 and 223, 201 and 203, 118 and 207, …).
_FOLD_ORDER = (
    "208", "119", "207", "223", "201", "203", "101", "209", "106", "118", "215", "124", "114", "112", "115", "109",
    "108", "220", "122", "205", "230", "116",
)  # fmt: skip
SHORT, LONG = "ten-second records", "five minutes of a long record"
VIEWS = {SHORT: Version(), LONG: Version(whole=True)}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TrainBeatClassifierConfig:
    """Train the beat classifier on MIT-BIH DS1 and measure it on DS2."""

    mitdb: tyro.conf.Positional[Path]
    """Folder of the MIT-BIH Arrhythmia Database."""
    out: Path = WEIGHTS
    """File of the weights; MODEL_CARD.md in its folder."""
    seed: int = 20
    """Seed of the versions of the records, of the weights and of the order of batches."""
    nets: int = 5
    """Networks whose probabilities are averaged."""
    hidden: tuple[int, ...] = (64, 32)
    """Widths of the hidden layers."""
    epochs: int = 4
    """Passes over the training beats."""
    learning_rate: float = 2e-3
    """Peak of the one-cycle rate."""
    weight_decay: float = 1e-3
    """Of AdamW."""
    dropout: float = 0.3
    """Share of hidden units left out in training."""
    folds: int = 6
    """Parts into which DS1's records are cut to choose the class offsets."""


def train_beat_classifier(config: TrainBeatClassifierConfig) -> dict[str, Any]:
    """Train, choose the class offsets on DS1, measure on DS2 once, write weights and model card; returns the figures.

    The offsets, added to the logarithm of each class's probability, are chosen for the macro F1 of records left out of
    training in `folds` parts, averaged over both views of a record (ten seconds alone; rows of a long record).
    """
    torch.set_num_threads(1)
    rng = np.random.default_rng(config.seed)
    marked = read_marked(config.mitdb, DS1)
    training = [_fewer_normal(featured_beats(record, version, rng), rng) for record in marked for version in TRAINING]
    whole = {view: [featured_beats(record, version, rng) for record in marked] for view, version in VIEWS.items()}
    left_out = _left_out(training, whole, config)
    offset = _chosen_offset(left_out)
    classifier = _with_offset(fit(training, config), offset)
    figures: dict[str, Any] = {"DS1, records left out in turn": {v: _figures(*p, offset) for v, p in left_out.items()}}
    test = read_marked(config.mitdb, DS2)
    figures["DS2"] = {
        view: _figures(*_predicted(classifier, [featured_beats(record, version, rng) for record in test]), np.zeros(4))
        for view, version in VIEWS.items()
    }
    config.out.parent.mkdir(parents=True, exist_ok=True)
    classifier.save(config.out)
    settings = asdict(config) | {"mitdb": "MIT-BIH Arrhythmia Database 1.0.0", "out": config.out.name}
    write_model_card(config.out.with_name("MODEL_CARD.md"), settings, offset.tolist(), figures)
    return figures


def fit(training: Sequence[FeaturedBeats], config: TrainBeatClassifierConfig) -> BeatClassifier:
    """Networks trained with AdamW and a one-cycle rate on weighted cross-entropy, and the standardiser before them."""
    names = tuple(training[0].features)
    table = np.concatenate([np.stack([b.features[n] for n in names], axis=1) for b in training]).astype(np.float32)
    target = np.concatenate([b.beat_class for b in training])
    low, high = np.nanpercentile(table, [0.5, 99.5], axis=0)
    centre = np.nanmedian(table, axis=0).astype(np.float32)
    scale = (np.nanstd(np.clip(table, low, high), axis=0) + 1e-3).astype(np.float32)
    blank = BeatClassifier(names, centre, scale, (), ())
    x = blank.standardised({name: table[:, n] for n, name in enumerate(names)})
    weight = _weights(target, np.concatenate([np.full(len(b.beat_class), b.record) for b in training]))
    nets = [_trained(x, target, weight, config, config.seed + n) for n in range(config.nets)]
    return replace(
        blank,
        weights=tuple(np.stack([net[n][0] for net in nets]) for n in range(len(nets[0]))),
        biases=tuple(np.stack([net[n][1][None] for net in nets]) for n in range(len(nets[0]))),
    )


def _weights(target: Int64[np.ndarray, " beat"], record: np.ndarray) -> Float32[np.ndarray, " beat"]:
    """Within a class every record counts the same; a class counts as the square root of its beats."""
    _, group = np.unique(np.char.add(record.astype(str), np.char.mod("-%d", target)), return_inverse=True)
    weight = 1 / np.bincount(group)[group]
    for n in range(len(CLASSES)):
        of_class = target == n
        if of_class.any():
            weight[of_class] *= np.sqrt(of_class.sum()) / weight[of_class].sum()
    return (weight / weight.mean()).astype(np.float32)


def _trained(
    x: Float32[np.ndarray, "beat feature"],
    target: Int64[np.ndarray, " beat"],
    weight: Float32[np.ndarray, " beat"],
    config: TrainBeatClassifierConfig,
    seed: int,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weight (from, to) and bias of each layer of one network."""
    # PyTorch initialises weights and drops units from its global generator: it is forked here, and so left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        widths = [x.shape[1], *config.hidden]
        hidden = [(nn.Linear(a, b), nn.ReLU(), nn.Dropout(config.dropout)) for a, b in itertools.pairwise(widths)]
        net = nn.Sequential(*itertools.chain(*hidden), nn.Linear(widths[-1], len(CLASSES)))
        steps = config.epochs * max(1, len(x) // _BATCH)
        optimiser = torch.optim.AdamW(net.parameters(), config.learning_rate, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=steps + 1)
        order = torch.randperm(len(x)).repeat(config.epochs)
        tensors = [torch.from_numpy(a) for a in (x, target, weight)]
        for step in range(steps):
            some = order[step * _BATCH : (step + 1) * _BATCH]
            at, true, part = (tensor[some] for tensor in tensors)
            loss = nn.functional.cross_entropy(net(at), true, reduction="none", label_smoothing=_SMOOTHING)
            optimiser.zero_grad()
            ((loss * part).sum() / part.sum()).backward()
            optimiser.step()
            schedule.step()
    layers = [layer for layer in net if isinstance(layer, nn.Linear)]
    return [(layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()) for layer in layers]


def _fewer_normal(beats: FeaturedBeats, rng: np.random.Generator) -> FeaturedBeats:
    """All ectopic beats, and a random share of the normal ones."""
    rare = beats.beat_class > 0
    some = (beats.beat_class == 0) & (rng.random(len(rare)) < _KEPT_NORMAL)
    return beats.take(rare | some)


Predicted = tuple[Int64[np.ndarray, " beat"], Float64[np.ndarray, "beat 4"]]
"""True classes, and the logarithms of the probabilities."""


def _predicted(classifier: BeatClassifier, records: Sequence[FeaturedBeats]) -> Predicted:
    probability = np.concatenate([classifier.probabilities(record.features) for record in records])
    target = np.concatenate([record.beat_class for record in records])
    use = target != EXCLUDED
    return target[use], np.log(probability[use].astype(np.float64) + 1e-9)


def _left_out(
    training: Sequence[FeaturedBeats], whole: dict[str, list[FeaturedBeats]], config: TrainBeatClassifierConfig
) -> dict[str, Predicted]:
    """Each record's classes by a classifier that was trained on the other parts' records, for each view."""
    parts: dict[str, list[Predicted]] = {view: [] for view in whole}
    one_net = replace(config, nets=1)
    for fold in range(config.folds):
        out = set(_FOLD_ORDER[fold :: config.folds])
        classifier = fit([beats for beats in training if beats.record not in out], one_net)
        for view, records in whole.items():
            parts[view].append(_predicted(classifier, [beats for beats in records if beats.record in out]))
    return {
        view: (np.concatenate([t for t, _ in some]), np.concatenate([p for _, p in some]))
        for view, some in parts.items()
    }


def _chosen_offset(left_out: dict[str, Predicted]) -> Float64[np.ndarray, " 4"]:
    """Of the offsets whose mean macro F1 is within 0.01 of the best, those that call the fewest beats ectopic."""
    tried = np.array([(0.0, *offset) for offset in itertools.product(_OFFSETS, repeat=len(CLASSES) - 1)])
    counts = np.array([[_counts(*predicted, offset) for predicted in left_out.values()] for offset in tried])
    f1 = 2 * counts.diagonal(axis1=2, axis2=3) / np.maximum(counts.sum(axis=2) + counts.sum(axis=3), 1)
    score = f1.mean(axis=(1, 2))
    ectopic = counts[..., 1:].sum(axis=(1, 2, 3))
    return tried[np.where(score > score.max() - _AS_GOOD, ectopic, np.inf).argmin()]


def _counts(
    target: Int64[np.ndarray, " beat"],
    log_probability: Float64[np.ndarray, "beat 4"],
    offset: Float64[np.ndarray, " 4"],
) -> Int64[np.ndarray, "4 4"]:
    return class_counts(target, (log_probability + offset).argmax(axis=1), len(CLASSES))


def _figures(
    target: Int64[np.ndarray, " beat"],
    log_probability: Float64[np.ndarray, "beat 4"],
    offset: Float64[np.ndarray, " 4"],
) -> dict[str, Any]:
    return asdict(class_figures(_counts(target, log_probability, offset), CLASSES))


def _with_offset(classifier: BeatClassifier, offset: Float64[np.ndarray, " 4"]) -> BeatClassifier:
    *others, last = classifier.biases
    return replace(classifier, biases=(*others, (last + offset).astype(np.float32)))


if __name__ == "__main__":
    print(json.dumps(train_beat_classifier(tyro.cli(TrainBeatClassifierConfig)), indent=1))
