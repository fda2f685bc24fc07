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

from beatssl.beats.classes.classifier import CLASSES, FIBRILLATION_WEIGHTS, WEIGHTS, BeatClassifier
from beatssl.beats.classes.fibrillation import FIBRILLATION
from beatssl.beats.classes.networks import Networks, load_networks
from beatssl.metrics.beat_classes import class_counts, class_figures
from beatssl.records.mitdb import DS1, DS2
from beatssl.release.beat_classifier_card import write_model_card
from beatssl.release.beat_training_data import EXCLUDED, TRAINING, FeaturedBeats, Version, featured_beats, read_marked
from beatssl.release.fibrillation import auroc_of
from beatssl.release.network_fitting import NetworkConfig, fit_networks

_KEPT_NORMAL = 0.1  # share of N beats used in training: they resemble each other
_AS_GOOD = 0.005  # of macro F1: the optimum is flat, and a false ectopic target costs more than a missed one
_OFFSETS = tuple(np.arange(-4.0, 1.1, 0.5).tolist())
_RAISED = tuple(np.arange(0.0, 3.1, 0.25).tolist())
# DS1 cut into parts so that no part holds both records of a kind (208 and 223, 201 and 203, 118 and 207, …).
_FOLD_ORDER = (
    "208", "119", "207", "223", "201", "203", "101", "209", "106", "118", "215", "124", "114", "112", "115", "109",
    "108", "220", "122", "205", "230", "116",
)  # fmt: skip
SHORT, LONG = "ten-second records", "five minutes of a long record"
VIEWS = {SHORT: Version(), LONG: Version(whole=True)}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TrainBeatClassifierConfig(NetworkConfig):
    """Train the beat classifier on MIT-BIH DS1 and measure it on DS2."""

    mitdb: tyro.conf.Positional[Path]
    """Folder of the MIT-BIH Arrhythmia Database."""
    out: Path = WEIGHTS
    """File of the weights; MODEL_CARD.md in its folder."""
    fibrillation: Path = FIBRILLATION_WEIGHTS
    """File of the networks of atrial fibrillation (`python -m beatssl.release.fibrillation`)."""
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
    (of_fibrillation,) = load_networks(config.fibrillation, [FIBRILLATION])
    trained = train_two_passes(training, used, views, of_fibrillation, config)
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
    settings = asdict(config) | {
        "mitdb": "MIT-BIH Arrhythmia Database 1.0.0",
        "out": config.out.name,
        "fibrillation": config.fibrillation.name,
    }
    card, offsets = config.out.with_name("MODEL_CARD.md"), (trained.first_offset, trained.offset)
    write_model_card(card, settings, offsets, figures, auroc_of(config.fibrillation))
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
    return fit_networks(names, table, target, _weights(target, record), len(CLASSES), config)


def _weights(target: Int64[np.ndarray, " beat"], record: np.ndarray) -> Float32[np.ndarray, " beat"]:
    """Within a class every record counts the same; a class counts as the square root of its beats."""
    _, group = np.unique(np.char.add(record.astype(str), np.char.mod("-%d", target)), return_inverse=True)
    weight = 1 / np.bincount(group)[group]
    for n in range(len(CLASSES)):
        of_class = target == n
        if of_class.any():
            weight[of_class] *= np.sqrt(of_class.sum()) / weight[of_class].sum()
    return (weight / weight.mean()).astype(np.float32)


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
    training: Sequence[FeaturedBeats],
    used: Sequence[np.ndarray],
    views: Views,
    of_fibrillation: Networks,
    config: TrainBeatClassifierConfig,
) -> TrainedPasses:
    """Both passes, each with the class offsets that records left out of its training choose.

    The offset of S in the second pass, which knows where there is fibrillation, is the most sensitive one that is as
    good. What the second pass learns from are probabilities of first-pass networks that were not trained on the record:
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
    views = {view: [second(b).with_fibrillation(of_fibrillation) for b in records] for view, records in views.items()}
    of_fold = [fit(*_others(training, used, records), config) for records in _folds(config)]
    unshifted = _left_out(of_fold, views, config)
    offset = _sensitive_offset(unshifted, _chosen_offset(unshifted))
    of_fold = [nets.with_offset(offset) for nets in of_fold]
    every = [of_fold, *([nets.single(n) for nets in of_fold] for n in range(config.nets))]
    left_out = {
        view: [_left_out(nets, {view: records}, config)[view] for nets in every] for view, records in views.items()
    }
    classifier = BeatClassifier(first, fit(training, used, config).with_offset(offset), of_fibrillation)
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
    seen = [
        beats.second(beats.probabilities(classifier.first)).with_fibrillation(classifier.fibrillation)
        for beats in records
    ]
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


def _sensitive_offset(left_out: dict[str, Predicted], offset: Float64[np.ndarray, " 4"]) -> Float64[np.ndarray, " 4"]:
    """With the greatest offset of S whose mean macro F1 is within 0.005 of the best of them."""
    tried = [offset + np.array([0.0, by, 0.0, 0.0]) for by in _RAISED]
    score = np.array(
        [
            np.mean([class_figures(_counts(*one, with_it), CLASSES).macro_f1 for one in left_out.values()])
            for with_it in tried
        ]
    )
    return tried[int(np.flatnonzero(score > score.max() - _AS_GOOD)[-1])]


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
