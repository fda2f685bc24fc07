"""The beat classifier, trained and chosen on MIT-BIH's DS1, then measured on DS2.

python -m beatssl.release.beat_classifier data/mitdb
"""

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import tyro
from jaxtyping import Bool, Float32, Float64, Int64
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from torch import nn

from beatssl.beats.classes.classifier import CLASSES, WEIGHTS, BeatClassifier
from beatssl.beats.classes.networks import Networks
from beatssl.metrics.beat_classes import class_counts, class_figures
from beatssl.records.mitdb import DS1, DS2
from beatssl.release.beat_classifier_card import write_model_card
from beatssl.release.beat_training_data import EXCLUDED, TRAINING, FeaturedBeats, Version, featured_beats, read_marked

_KEPT_NORMAL = 0.1  # share of N beats used in training: they resemble each other
_BATCH = 512
_EVERY = 10
_SMOOTHING = 0.05
_AS_GOOD = 0.005  # of macro F1: the optimum is flat, and a false ectopic target costs more than a missed one
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
    nets: int = 3
    """Networks whose probabilities are averaged."""
    hidden: tuple[int, ...] = (64, 32)
    """Widths of the hidden layers."""
    epochs: int = 3
    """Passes over the training beats."""
    learning_rate: float = 2e-3
    """Peak of the one-cycle rate."""
    weight_decay: float = 1e-3
    """Of AdamW."""
    dropout: float = 0.3
    """Share of hidden units left out in training."""
    folds: int = 6
    """Parts into which DS1's records are cut to choose the class offsets, and for the second pass."""


def train_beat_classifier(config: TrainBeatClassifierConfig) -> dict[str, Any]:
    """Train, choose the class offsets on DS1, measure on DS2 once, write weights and model card; returns the figures.

    The offsets, added to the logarithm of each class's probability, are chosen for the macro F1 of records left out of
    training in `folds` parts, averaged over both views of a record (ten seconds alone; rows of a long record).
    """
    torch.set_num_threads(1)
    rng = np.random.default_rng(config.seed)
    marked = read_marked(config.mitdb, DS1)
    training = [featured_beats(record, version, rng) for record in marked for version in TRAINING]
    used = [_used(beats.beat_class, rng) for beats in training]
    views = {view: [featured_beats(record, version, rng) for record in marked] for view, version in VIEWS.items()}
    trained = train_two_passes(training, used, views, config)
    figures: dict[str, Any] = {
        "DS1, records left out, first pass alone": {v: _figures([p]) for v, p in trained.by_first.items()},
        "DS1, records left out": {v: _figures(p) for v, p in trained.left_out.items()},
    }
    test = read_marked(config.mitdb, DS2)
    figures["DS2"] = {
        view: _figures(_predicted(trained.classifier, [featured_beats(record, version, rng) for record in test]))
        for view, version in VIEWS.items()
    }
    config.out.parent.mkdir(parents=True, exist_ok=True)
    trained.classifier.save(config.out)
    settings = asdict(config) | {"mitdb": "MIT-BIH Arrhythmia Database 1.0.0", "out": config.out.name}
    write_model_card(config.out.with_name("MODEL_CARD.md"), settings, (trained.first_offset, trained.offset), figures)
    return figures


def fit(training: Sequence[FeaturedBeats], used: Sequence[np.ndarray], config: TrainBeatClassifierConfig) -> Networks:
    """Networks trained with AdamW and a one-cycle rate on weighted cross-entropy, and the standardiser before them.

    Of each record's beats those marked in `used` are trained on.
    """
    names = tuple(training[0].features)
    table = np.concatenate(
        [np.stack([b.features[n][some] for n in names], axis=1) for b, some in zip(training, used, strict=True)]
    ).astype(np.float32)
    target = np.concatenate([b.beat_class[some] for b, some in zip(training, used, strict=True)])
    record = np.concatenate([np.full(int(some.sum()), b.record) for b, some in zip(training, used, strict=True)])
    some_beats = table[::_EVERY].copy()  # enough for a median and a spread
    some_beats[:, ~np.isfinite(some_beats).any(axis=0)] = 0  # a feature that no beat here has
    low, high = np.nanpercentile(some_beats, [0.5, 99.5], axis=0)
    centre = np.nanmedian(some_beats, axis=0).astype(np.float32)
    scale = (np.nanstd(np.clip(some_beats, low, high), axis=0) + 1e-3).astype(np.float32)
    blank = Networks(names, centre, scale, (), ())
    x = blank.standardised({name: table[:, n] for n, name in enumerate(names)})
    weight = _weights(target, record)
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


def _used(beat_class: Int64[np.ndarray, " beat"], rng: np.random.Generator) -> Bool[np.ndarray, " beat"]:
    """All ectopic beats, and a random share of the normal ones."""
    return (beat_class > 0) | ((beat_class == 0) & (rng.random(len(beat_class)) < _KEPT_NORMAL))


Predicted = tuple[Int64[np.ndarray, " _beat"], Float64[np.ndarray, "_beat 4"]]
"""True classes, and the logarithms of the probabilities."""

Views = dict[str, list[FeaturedBeats]]
"""Records by the way they are seen."""


class TrainedPasses(NamedTuple):
    """A classifier, and how it was chosen."""

    classifier: BeatClassifier
    first_offset: Float64[np.ndarray, " 4"]
    """Added to the logits of the first pass."""
    offset: Float64[np.ndarray, " 4"]
    """Added to the logits of the second pass."""
    left_out: dict[str, list[Predicted]]
    """By view: every record by networks of both passes that were not trained on it; all of them together, and then each
    network of the second pass alone, which differ by their seed."""
    by_first: dict[str, Predicted]
    """By view: the same by one network of the first pass alone."""


def train_two_passes(
    training: Sequence[FeaturedBeats], used: Sequence[np.ndarray], views: Views, config: TrainBeatClassifierConfig
) -> TrainedPasses:
    """Both passes, each with the class offsets that records left out of its training choose.

    What the second pass learns from are probabilities of first-pass networks that were not trained on the record:
    those of a network that was would be too sure.
    """
    of_fold = [fit(*_others(training, used, records), replace(config, nets=1)) for records in _folds(config)]
    first_offset = _chosen_offset(_left_out(of_fold, views, config))
    of_fold = [nets.with_offset(first_offset) for nets in of_fold]
    by_first = _left_out(of_fold, views, config)
    first = fit(training, used, config).with_offset(first_offset)
    fold = {record: number for number, records in enumerate(_folds(config)) for record in records}

    def second(beats: FeaturedBeats) -> FeaturedBeats:
        return beats.second(beats.probabilities(of_fold[fold[beats.record]]))

    # Beats that are not trained on are left behind here: the second pass's features of all of them are many.
    training = [second(beats).take(some) for beats, some in zip(training, used, strict=True)]
    used = [np.ones(len(beats.beat_class), np.bool_) for beats in training]
    views = {view: [second(beats) for beats in records] for view, records in views.items()}
    of_fold = [fit(*_others(training, used, records), config) for records in _folds(config)]
    offset = _chosen_offset(_left_out(of_fold, views, config))
    of_fold = [nets.with_offset(offset) for nets in of_fold]
    every = [of_fold, *([nets.single(n) for nets in of_fold] for n in range(config.nets))]
    left_out = {
        view: [_left_out(nets, {view: records}, config)[view] for nets in every] for view, records in views.items()
    }
    classifier = BeatClassifier(first, fit(training, used, config).with_offset(offset))
    return TrainedPasses(classifier, first_offset, offset, left_out, by_first)


def _folds(config: TrainBeatClassifierConfig) -> list[tuple[str, ...]]:
    return [_FOLD_ORDER[fold :: config.folds] for fold in range(config.folds)]


def _others(
    training: Sequence[FeaturedBeats], used: Sequence[np.ndarray], left_out: tuple[str, ...]
) -> tuple[list[FeaturedBeats], list[np.ndarray]]:
    kept = [(beats, some) for beats, some in zip(training, used, strict=True) if beats.record not in left_out]
    return [beats for beats, _ in kept], [some for _, some in kept]


def _left_out(of_fold: Sequence[Networks], views: Views, config: TrainBeatClassifierConfig) -> dict[str, Predicted]:
    """Each record's classes by networks that were not trained on it, for each view."""
    return {
        view: _joined(
            [
                _known(beats.beat_class, beats.probabilities(nets))
                for nets, records in zip(of_fold, _folds(config), strict=True)
                for beats in seen
                if beats.record in records
            ]
        )
        for view, seen in views.items()
    }


def _predicted(classifier: BeatClassifier, records: Sequence[FeaturedBeats]) -> list[Predicted]:
    """By the classifier, and then by each network of its second pass alone."""
    seen = [beats.second(beats.probabilities(classifier.first)) for beats in records]
    second = classifier.second
    return [
        _joined([_known(beats.beat_class, beats.probabilities(nets)) for beats in seen])
        for nets in (second, *(second.single(n) for n in range(len(second.biases[0]))))
    ]


def _known(beat_class: Int64[np.ndarray, " beat"], probability: Float32[np.ndarray, "beat 4"]) -> Predicted:
    use = beat_class != EXCLUDED
    return beat_class[use], np.log(probability[use].astype(np.float64) + 1e-9)


def _joined(parts: Sequence[Predicted]) -> Predicted:
    return np.concatenate([true for true, _ in parts]), np.concatenate([log_p for _, log_p in parts])


def _chosen_offset(left_out: dict[str, Predicted]) -> Float64[np.ndarray, " 4"]:
    """Of the offsets whose mean macro F1 is within 0.005 of the best, those that call the fewest beats ectopic."""
    tried = np.array([(0.0, *offset) for offset in itertools.product(_OFFSETS, repeat=len(CLASSES) - 1)])
    counts = np.zeros((len(tried), len(left_out), len(CLASSES), len(CLASSES)), np.int64)
    for view, (true, log_p) in enumerate(left_out.values()):
        # Most beats are N whatever the offsets: they are counted once.
        open_to_doubt = log_p[:, 1:].max(axis=1) + _OFFSETS[-1] >= log_p[:, 0]
        counts[:, view, :, 0] = np.bincount(true[~open_to_doubt], minlength=len(CLASSES))
        for number, offset in enumerate(tried):
            counts[number, view] += _counts(true[open_to_doubt], log_p[open_to_doubt], offset)
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


def _figures(predicted: Sequence[Predicted]) -> dict[str, Any]:
    """Figures of the first, and how the others, which are of single seeds, spread."""
    together, *alone = [class_figures(_counts(*one, np.zeros(len(CLASSES))), CLASSES) for one in predicted]
    found = {"macro F1": [one.macro_f1 for one in alone]}
    found |= {f"sensitivity of {name}": [one.per_class[name].sensitivity for one in alone] for name in ("S", "V")}
    spread = {name: {"mean": float(np.mean(of)), "sd": float(np.std(of))} for name, of in found.items() if of}
    return asdict(together) | {"seeds": spread}


if __name__ == "__main__":
    print(json.dumps(train_beat_classifier(tyro.cli(TrainBeatClassifierConfig)), indent=1))
