"""A saved classifier made to fit a new site: its temperatures and thresholds, and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import tyro
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.files import write_json
from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.model_folder import save_model
from beatssl.metrics.calibration import FEWEST, chances, expected_calibration_error, fit_temperatures
from beatssl.metrics.classification import best_f1_thresholds, f1
from beatssl.store.labels import parse_folds
from beatssl.store.store import Store
from beatssl.studies.site import PTBXL, SNOMED, Judged, judge, label_set_of, open_classifier, site_labels
from beatssl.training.diagnosis.figures import plain

RECALIBRATION = "recalibration.json"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class RecalibrateConfig:
    """Fit a saved classifier's temperatures and thresholds to the labels of a new site; its weights stay as they are.

    A label with under ten positives or ten negatives there keeps what it had.
    """

    head: tyro.conf.Positional[str]
    """Folder that probe or finetune wrote, a saved classifier, or "default"."""
    store: tyro.conf.Positional[Path]
    """Folder of a store with records of the site."""
    labels: str
    """A CSV file (record_id, and a column of 1, 0 and empty for each label), a label set of the store, or snomed."""
    out: Path
    """Folder for the classifier, with recalibration.json beside it."""
    folds: str = ""
    """Folds of the store to fit on, such as 1-8; empty: all of its rows."""


def recalibrate(config: RecalibrateConfig) -> dict[str, Any]:
    """What was fitted for each label, also written as `out`/recalibration.json beside the classifier.

    Calibration errors and F1 before and after are of the records that were fitted on: better on these by necessity.

    Raises ValueError where no label has enough records of both kinds, or where `out` holds the classifier itself.
    """
    store = Store(config.store)
    classifier = open_classifier(config.head, store)
    label_set = label_set_of(classifier) if config.labels == SNOMED else config.labels
    labels = site_labels(store, config.labels, label_set, classifier.labels)
    judged = judge(classifier, store, labels, _rows(store, config.folds))
    enough = _enough(judged)
    if not enough.any():
        raise ValueError(
            f"no label of {', '.join(classifier.labels)} has {FEWEST} positives and {FEWEST} negatives among "
            f"{len(judged.row)} records of {store.path}; label more of them"
        )
    if (config.out / "model.safetensors").exists():
        raise ValueError(f"{config.out} holds a model already; write the recalibrated one to another folder")
    lines = _fit(classifier, judged, enough)
    classifier.provenance = classifier.provenance | {
        "recalibrated": {
            "store": store.kind, "inputs": store.manifest["inputs"], "labels": config.labels,
            "folds": config.folds or "all", "records": len(judged.row),
            "kept": [name for name, fitted in zip(classifier.labels, enough, strict=True) if not fitted],
        }
    }  # fmt: skip
    save_model(config.out, classifier)
    result = plain({"head": config.head, "labels": config.labels, "records": len(judged.row), "per_class": lines})
    write_json(config.out / RECALIBRATION, result)
    return result


def _rows(store: Store, folds: str) -> np.ndarray:
    """Rows of the folds asked for, without PTB-XL's own in a collection of other sources."""
    records = store.records
    fold = records["fold"].to_numpy(np.float64, na_value=np.nan)
    chosen = np.isin(fold, parse_folds(folds)) if folds else np.ones(len(store), bool)
    if store.kind == "cinc":
        chosen &= (records["source"] != PTBXL).to_numpy(np.bool_)
    if not chosen.any():
        raise ValueError(f"no row of {store.path} is in folds {folds!r}; pass others, or none for all rows")
    return np.flatnonzero(chosen)


def _enough(judged: Judged) -> np.ndarray:
    """Which labels have positives and negatives enough to be fitted to."""
    positives = (judged.labels & judged.known).sum(axis=0)
    negatives = (~judged.labels & judged.known).sum(axis=0)
    return np.minimum(positives, negatives) >= FEWEST


def _fit(classifier: EcgClassifier, judged: Judged, enough: np.ndarray) -> dict[str, dict[str, Any]]:
    """Decide temperatures and thresholds anew where there is enough; a line a label of before and after."""
    before = classifier.temperatures.double().numpy().copy(), classifier.thresholds.double().numpy().copy()
    fitted = fit_temperatures(judged.labels, judged.scores, judged.known)
    temperatures = np.where(enough, fitted, before[0])
    chance = chances(judged.scores, temperatures)
    thresholds = np.where(enough, best_f1_thresholds(judged.labels, chance, judged.known), before[1])
    classifier.decide(temperatures, thresholds)
    lines: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(classifier.labels):
        of = judged.known[:, k]
        truth = judged.labels[of, k]
        line: dict[str, Any] = {"known": int(of.sum()), "positives": int(truth.sum()), "fitted": bool(enough[k])}
        for side, heat, threshold in (("before", *before), ("after", temperatures, thresholds)):
            own = chances(judged.scores[of, k : k + 1], heat[k : k + 1])[:, 0]
            line |= {f"temperature_{side}": float(heat[k]), f"threshold_{side}": float(threshold[k])}
            line |= {
                f"ece_{side}": expected_calibration_error(truth, own),
                f"f1_{side}": f1(truth, own >= threshold[k]),
            }
        lines[name] = line
    return lines
