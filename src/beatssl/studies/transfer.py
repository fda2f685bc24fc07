"""From PTB-XL to other databases: a saved classifier on CinC records, scored by their SNOMED CT codes."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro
from jaxtyping import Float64
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.files import write_json
from beatssl.inference.classifier import EcgClassifier
from beatssl.metrics.calibration import calibration_figures, chances
from beatssl.metrics.classification import report
from beatssl.store.labels import Labels
from beatssl.store.snomed import translate
from beatssl.store.store import Store
from beatssl.studies.site import PTBXL, Judged, judge, label_set_of, open_classifier
from beatssl.training.diagnosis.figures import plain
from beatssl.training.diagnosis.question import METRICS, PREDICTIONS


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TransferConfig:
    """Apply a classifier that was trained on PTB-XL to a store of CinC records, and score it.

    Temperatures and thresholds stay as they were chosen on PTB-XL. Records named HR* are PTB-XL's own: they are refused
    and counted, never scored.
    """

    store: tyro.conf.Positional[Path]
    """Folder of a store prepared with kind cinc."""
    head: str
    """Folder that probe or finetune wrote, a saved classifier, or "default"."""
    out: Path
    """Folder for metrics.json and predictions.parquet."""
    label_set: str | None = None
    """superclass, subclass, all, form or rhythm; None: what the classifier was trained on."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the bootstrap."""
    bootstrap_draws: Annotated[int, Field(ge=1)] = 1000
    """Draws of patients behind each interval."""


def transfer(config: TransferConfig) -> dict[str, Any]:
    """Figures over all records and of each source, also written as `out`/metrics.json beside every record's scores.

    Which label a code stands for is the table `store/snomed_to_ptbxl.csv`; `store.snomed.translate` says how
    a record's codes are read. Labels that a source does not annotate count in none of its figures.

    Raises ValueError where the store has no SNOMED CT codes, or only records of PTB-XL.
    """
    store = Store(config.store)
    classifier = open_classifier(config.head, store)
    label_set = config.label_set or label_set_of(classifier)
    translation = translate(store, label_set, classifier.labels)
    own = (store.records["source"] == PTBXL).to_numpy(np.bool_)
    if own.all():
        raise ValueError(
            f"all {len(store)} rows of {store.path} are PTB-XL's own records (HR*), which the classifier may know; "
            "transfer to another source"
        )
    judged = judge(classifier, store, translation.labels, np.flatnonzero(~own))
    if not len(judged.row):
        raise ValueError(f"no record of {store.path} has a code that says one of {', '.join(classifier.labels)}")
    figures = {
        "head": config.head,
        "labels": label_set,
        "seed": config.seed,
        "records": _counts(store, translation.labels, judged),
        **_figures(classifier, judged, np.ones(len(judged.row), bool), config),
        "by_source": {
            str(source): _figures(classifier, judged, judged.source == source, config)
            for source in np.unique(judged.source)
        },
        "unmapped_codes": translation.unmapped,
        "trained": classifier.provenance,
    }
    config.out.mkdir(parents=True, exist_ok=True)
    _predictions(store, classifier, judged).to_parquet(config.out / PREDICTIONS, index=False)
    write_json(config.out / METRICS, plain(figures))
    return plain(figures)


def _counts(store: Store, labels: Labels, judged: Judged) -> dict[str, int]:
    """Records scored, refused for being PTB-XL's, and left out because their codes say nothing of the labels."""
    records = store.records
    ids = records["source"].astype(str) + "/" + records["record_id"].astype(str)
    refused = (records["source"] == PTBXL).to_numpy(np.bool_)
    silent = ~labels.known.any(axis=1) & ~refused
    return {
        "scored": len(judged.row),
        "refused_ptbxl": int(ids[refused].nunique()),
        "without_label": int(ids[silent].nunique()),
    }


def _figures(classifier: EcgClassifier, judged: Judged, here: np.ndarray, config: TransferConfig) -> dict[str, Any]:
    """Macro figures, rows per label and calibration over some of the records."""
    known, labels, scores = judged.known[here], judged.labels[here], judged.scores[here]
    temperatures = classifier.temperatures.double().numpy()
    found = report(
        labels, chances(scores, temperatures), classifier.thresholds.double().numpy(), judged.patient[here],
        classifier.labels, np.random.default_rng(config.seed), config.bootstrap_draws, known,
    )  # fmt: skip
    for k, name in enumerate(classifier.labels):
        found["per_class"][name]["known"] = int(known[:, k].sum())
    calibration = calibration_figures(labels, scores, known, temperatures, classifier.labels)["calibration"]
    return {"scored": len(labels)} | found | {"macro_ece": calibration["macro_ece_after"]}


def _predictions(store: Store, classifier: EcgClassifier, judged: Judged) -> pd.DataFrame:
    """A line a record: calibrated probabilities, and the truth where it is known."""
    chance: Float64[np.ndarray, "record label"] = chances(judged.scores, classifier.temperatures.double().numpy())
    table = pd.DataFrame(
        {
            "row": judged.row, "record_id": store.records["record_id"].to_numpy()[judged.row],
            "patient": judged.patient, "source": judged.source,
        }
    )  # fmt: skip
    for k, name in enumerate(classifier.labels):
        table[f"p_{name}"] = chance[:, k]
        table[f"true_{name}"] = pd.arrays.BooleanArray(judged.labels[:, k], ~judged.known[:, k])
    return table
