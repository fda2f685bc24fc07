"""From PTB-XL to other databases: a saved classifier on CinC records, scored by their SNOMED CT codes."""

from collections.abc import Mapping
from dataclasses import dataclass as plain_dataclass
from dataclasses import field
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.device import torch_device
from beatssl.metrics.calibration import calibration_figures, chances
from beatssl.metrics.classification import ClassificationFigures, LabelFigures, report
from beatssl.results import FOR_FILES, Number, write_result
from beatssl.store.labels import Labels
from beatssl.store.outputs import asked_of, check_folder, open_folder
from beatssl.store.store import Store
from beatssl.store.vocabularies.snomed import translate
from beatssl.studies.config import TransferConfig
from beatssl.studies.site import PTBXL, ScoredRecords, label_set_of, open_classifier, score_records
from beatssl.training.diagnosis.question import METRICS, PREDICTIONS


@plain_dataclass(frozen=True)
class TransferCounts:
    """Records scored, refused for being PTB-XL's, and left out because their codes say nothing of the labels."""

    scored: int
    refused_ptbxl: int
    without_label: int


@plain_dataclass(frozen=True, kw_only=True)
class TransferLabelFigures(LabelFigures):
    """Figures of one label, and the number of records of which it is known."""

    known: int


@plain_dataclass(frozen=True, kw_only=True)
class ScoredFigures(ClassificationFigures):
    """Figures over some records: macro figures, those of each label, and the mean calibration error."""

    scored: int
    per_class: Mapping[str, TransferLabelFigures]
    macro_ece: Number


@plain_dataclass(frozen=True, kw_only=True)
class TransferFigures(ScoredFigures):
    """The contents of transfer's metrics.json: figures over all records, and over those of each source."""

    classifier: str
    labels: str
    seed: int
    records: TransferCounts
    by_source: Mapping[str, ScoredFigures]
    unmapped_codes: Mapping[str, int] = field(metadata=FOR_FILES)
    """SNOMED CT codes that say nothing of the labels, and how often each occurs."""
    trained: Mapping[str, Any] = field(metadata=FOR_FILES)
    """The classifier's provenance."""


def transfer(config: TransferConfig) -> TransferFigures:
    """Figures over all records and of each source, also written as `out`/metrics.json with predictions.parquet.

    Which label a code stands for is the table `store/vocabularies/snomed_to_ptbxl.csv`; `translate` says how a record's
    codes are read. Labels that a source does not annotate count in none of its figures.

    Raises ValueError where the store has no SNOMED CT codes, or only records of PTB-XL.
    """
    asked = asked_of("transfer", config)
    check_folder(config.out, asked, config.overwrite)
    store = Store(config.store)
    classifier = open_classifier(config.classifier, store)
    label_set = config.label_set or label_set_of(classifier)
    translation = translate(store, label_set, classifier.labels)
    own = (store.records["source"] == PTBXL).to_numpy(np.bool_)
    if own.all():
        raise ValueError(
            f"all {len(store)} rows of {store.path} are PTB-XL's own records, which the classifier may know; "
            "transfer to another source"
        )
    records = score_records(classifier, store, translation.labels, np.flatnonzero(~own), torch_device(config.device))
    if not len(records.row):
        raise ValueError(f"no record of {store.path} has a code that says one of {', '.join(classifier.labels)}")
    figures = TransferFigures(
        classifier=config.classifier,
        labels=label_set,
        seed=config.seed,
        records=_counts(store, translation.labels, records),
        **vars(_figures(classifier, records, np.ones(len(records.row), bool), config)),
        by_source={
            str(source): _figures(classifier, records, records.source == source, config)
            for source in np.unique(records.source)
        },
        unmapped_codes=translation.unmapped,
        trained=classifier.provenance,
    )
    open_folder(config.out, asked, config.overwrite)
    _predictions(store, classifier, records).to_parquet(config.out / PREDICTIONS, index=False)
    write_result(config.out / METRICS, figures)
    return figures


def _counts(store: Store, labels: Labels, scored: ScoredRecords) -> TransferCounts:
    records = store.records
    ids = records["source"].astype(str) + "/" + records["record_id"].astype(str)
    refused = (records["source"] == PTBXL).to_numpy(np.bool_)
    silent = ~labels.known.any(axis=1) & ~refused
    return TransferCounts(
        scored=len(scored.row),
        refused_ptbxl=int(ids[refused].nunique()),
        without_label=int(ids[silent].nunique()),
    )


def _figures(
    classifier: EcgClassifier, records: ScoredRecords, here: np.ndarray, config: TransferConfig
) -> ScoredFigures:
    """Macro figures, figures of each label and calibration over some of the records."""
    known, labels, log_odds = records.known[here], records.labels[here], records.log_odds[here]
    temperatures = classifier.temperatures.double().numpy()
    found = report(
        labels, chances(log_odds, temperatures), classifier.thresholds.double().numpy(), records.patient[here],
        classifier.labels, np.random.default_rng(config.seed), config.bootstrap_draws, known,
    )  # fmt: skip
    calibration = calibration_figures(labels, log_odds, known, temperatures, classifier.labels).calibration
    per_class = {
        name: TransferLabelFigures(**vars(found.per_class[name]), known=int(known[:, k].sum()))
        for k, name in enumerate(classifier.labels)
    }
    return ScoredFigures(
        scored=len(labels),
        macro_auroc=found.macro_auroc,
        macro_auprc=found.macro_auprc,
        macro_f1=found.macro_f1,
        ci95=found.ci95,
        per_class=per_class,
        macro_ece=calibration.macro_ece_after,
    )


def _predictions(store: Store, classifier: EcgClassifier, records: ScoredRecords) -> pd.DataFrame:
    """A line a record: calibrated probabilities, and the truth where it is known."""
    chance: Float64[np.ndarray, "record label"] = chances(records.log_odds, classifier.temperatures.double().numpy())
    table = pd.DataFrame(
        {
            "row": records.row, "record_id": store.records["record_id"].to_numpy()[records.row],
            "patient": records.patient, "source": records.source,
        }
    )  # fmt: skip
    for k, name in enumerate(classifier.labels):
        table[f"p_{name}"] = chance[:, k]
        table[f"true_{name}"] = pd.arrays.BooleanArray(records.labels[:, k], ~records.known[:, k])
    return table
