"""Records of another site: a classifier's log odds, and what is known of its labels there."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64, Shaped

from beatssl.analysis.stores.records import record_log_odds
from beatssl.inference.classifier import EcgClassifier
from beatssl.store.labels import Labels, labels_of
from beatssl.store.splits import patients
from beatssl.store.store import Store
from beatssl.store.vocabularies.snomed import translate

SNOMED, PTBXL = "snomed", "ptb-xl"


@dataclass(frozen=True)
class ScoredRecords:
    """Records of a site: labels, which of them are known, and log odds before the classifier's temperatures."""

    row: Int64[np.ndarray, " record"]  # the first, where a record has several
    patient: Shaped[np.ndarray, " record"]
    source: Shaped[np.ndarray, " record"]
    labels: Bool[np.ndarray, "record label"]
    known: Bool[np.ndarray, "record label"]
    log_odds: Float64[np.ndarray, "record label"]


def open_classifier(source: str, store: Store) -> EcgClassifier:
    """The classifier of a folder that probe or finetune wrote, of its head, a repository, or "default", for `store`.

    Raises CheckpointError where there is none, or where the store was prepared otherwise than it expects.
    """
    classifier = EcgClassifier.from_pretrained(source)
    classifier.check_store(store)
    return classifier


def label_set_of(classifier: EcgClassifier) -> str:
    """The label set that a classifier was trained on, the first of several, as its provenance has it.

    Raises ValueError where it has none.
    """
    found = classifier.provenance.get("head", {}).get("labels")
    if not found:
        raise ValueError("the classifier's provenance names no label set; pass label_set=")
    return str(found).split("+")[0]


def site_labels(store: Store, labels: str, label_set: str, names: Sequence[str]) -> Labels:
    """What is known of the labels `names` in a store: by a CSV file, a label set of the store, or SNOMED CT codes.

    `label_set`, one of PTB-XL's, is what SNOMED CT codes are read as. A label that the file or the set does not have is
    not known. Raises ValueError where none of the names is there.
    """
    if labels == SNOMED:
        return translate(store, label_set, names).labels
    found = labels_of(store, labels)
    given, known = (np.zeros((len(store), len(names)), bool) for _ in range(2))
    for k, name in enumerate(names):
        if name in found.names:
            given[:, k], known[:, k] = (table[:, found.names.index(name)] for table in (found.given, found.known))
    if not known.any():
        raise ValueError(
            f"labels {labels!r} have {', '.join(found.names)}; the classifier knows {', '.join(names)}: none is both"
        )
    return Labels(given, known, tuple(names))


def score_records(
    classifier: EcgClassifier,
    store: Store,
    labels: Labels,
    rows: Int64[np.ndarray, " row"] | None = None,
    device: torch.device | str = "cpu",
) -> ScoredRecords:
    """Log odds and labels of the records with a known label, among `rows` (None: all); see `record_log_odds`."""
    chosen = np.arange(len(store)) if rows is None else rows
    found = record_log_odds(classifier, store, chosen[labels.known[chosen].any(axis=1)], device)
    return ScoredRecords(
        found.row,
        patients(store.records).to_numpy(str)[found.row],
        store.records["source"].astype(str).to_numpy()[found.row],
        labels.given[found.row],
        labels.known[found.row],
        found.log_odds,
    )
