"""A classifier's temperatures and thresholds fitted to a new site; its weights stay as they are."""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from pathlib import Path

import numpy as np

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.device import torch_device
from beatssl.inference.model_folder import save_model
from beatssl.metrics.calibration import FEWEST, chances, expected_calibration_error, fit_temperatures
from beatssl.metrics.classification import best_f1_thresholds, f1
from beatssl.results import Number, write_result
from beatssl.store.labels import parse_folds
from beatssl.store.outputs import ASKED, asked_of, check_folder, open_folder
from beatssl.store.own_data.sides import FOLDS, NO_FOLD, sided
from beatssl.store.store import Store
from beatssl.studies.config import RecalibrateConfig
from beatssl.studies.site import PTBXL, SNOMED, ScoredRecords, label_set_of, open_classifier, score_records, site_labels

RECALIBRATION = "recalibration.json"


@plain_dataclass(frozen=True)
class LabelRecalibration:
    """A label's records of which it is known, whether it was fitted, and its figures on them before and after."""

    known: int
    positives: int
    fitted: bool
    temperature_before: Number
    threshold_before: Number
    ece_before: Number
    f1_before: Number
    temperature_after: Number
    threshold_after: Number
    ece_after: Number
    f1_after: Number


@plain_dataclass(frozen=True)
class Recalibration:
    """The contents of recalibration.json."""

    classifier: str
    labels: str
    records: int
    per_class: Mapping[str, LabelRecalibration]


def recalibrate(config: RecalibrateConfig) -> Recalibration:
    """Temperature and threshold of each label, also written as `out`/recalibration.json in the classifier's folder.

    Calibration errors and F1 before and after are of the records that were fitted on, so they are optimistic.

    Raises ValueError where no label has enough records of both kinds, or where `out` holds the classifier itself.
    """
    asked = asked_of("recalibrate", config)
    check_folder(config.out, asked, config.overwrite, ASKED)
    if config.out.resolve() == Path(config.classifier).resolve():
        raise ValueError(f"{config.out} is the classifier itself; write the recalibrated one to another folder as out=")
    store = Store(config.store)
    classifier = open_classifier(config.classifier, store)
    label_set = label_set_of(classifier) if config.labels == SNOMED else config.labels
    labels = site_labels(store, config.labels, label_set, classifier.labels)
    records = score_records(classifier, store, labels, _rows(store, config), torch_device(config.device))
    enough = _enough(records)
    if not enough.any():
        raise ValueError(
            f"no label of {', '.join(classifier.labels)} has {FEWEST} positives and {FEWEST} negatives among "
            f"{len(records.row)} records of {store.path}; label more of them"
        )
    lines = _fit(classifier, records, enough)
    classifier.provenance = classifier.provenance | {
        "recalibrated": {
            "store": store.kind, "inputs": store.manifest["inputs"], "labels": config.labels,
            "folds": config.folds or "all", "records": len(records.row),
            "kept": [name for name, fitted in zip(classifier.labels, enough, strict=True) if not fitted],
        }
    }  # fmt: skip
    open_folder(config.out, asked, config.overwrite, ASKED)
    save_model(config.out, classifier)
    result = Recalibration(config.classifier, config.labels, len(records.row), lines)
    write_result(config.out / RECALIBRATION, result)
    return result


def _rows(store: Store, config: RecalibrateConfig) -> np.ndarray:
    """Rows of the folds or sides asked for, without PTB-XL's own in a collection of other sources."""
    records, folds = store.records, config.folds
    fold = records["fold"].to_numpy(np.float64, na_value=np.nan)
    chosen = np.isin(fold, parse_folds(folds)) if folds else np.ones(len(store), bool)
    if config.split != FOLDS:
        if folds or config.split.startswith(("random", "kfold")):
            raise ValueError(
                f"split={config.split!r}, folds={folds!r}: pass folds=, or split= as column:NAME or a file"
            )
        sides = sided(store, config.split, ((), NO_FOLD, NO_FOLD), None, 0)
        if sides.valid == NO_FOLD:
            raise ValueError(f"split={config.split!r} holds numbers; recalibrate takes train, valid and test")
        chosen = sides.store.records["fold"].isin([*sides.train, sides.valid]).to_numpy(np.bool_)
    if store.kind == "cinc":
        chosen &= (records["source"] != PTBXL).to_numpy(np.bool_)
    if not chosen.any():
        raise ValueError(f"no row of {store.path} is in folds {folds!r}; pass others, or none for all rows")
    return np.flatnonzero(chosen)


def _enough(records: ScoredRecords) -> np.ndarray:
    """Which labels have enough positives and negatives to fit."""
    positives = (records.labels & records.known).sum(axis=0)
    negatives = (~records.labels & records.known).sum(axis=0)
    return np.minimum(positives, negatives) >= FEWEST


def _fit(classifier: EcgClassifier, records: ScoredRecords, enough: np.ndarray) -> dict[str, LabelRecalibration]:
    """Set temperatures and thresholds of the labels with enough records; each label's figures before and after."""
    before = classifier.temperatures.double().numpy().copy(), classifier.thresholds.double().numpy().copy()
    fitted = fit_temperatures(records.labels, records.log_odds, records.known)
    temperatures = np.where(enough, fitted, before[0])
    chance = chances(records.log_odds, temperatures)
    thresholds = np.where(enough, best_f1_thresholds(records.labels, chance, records.known, 0.5), before[1])
    classifier.decide(temperatures, thresholds)
    lines: dict[str, LabelRecalibration] = {}
    for k, name in enumerate(classifier.labels):
        of = records.known[:, k]
        truth = records.labels[of, k]
        sides: dict[str, float] = {}
        for side, heat, threshold in (("before", *before), ("after", temperatures, thresholds)):
            own = chances(records.log_odds[of, k : k + 1], heat[k : k + 1])[:, 0]
            sides |= {
                f"temperature_{side}": float(heat[k]),
                f"threshold_{side}": float(threshold[k]),
                f"ece_{side}": expected_calibration_error(truth, own),
                f"f1_{side}": f1(truth, own >= threshold[k]),
            }
        lines[name] = LabelRecalibration(
            known=int(of.sum()), positives=int(truth.sum()), fitted=bool(enough[k]), **sides
        )
    return lines
