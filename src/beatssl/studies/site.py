"""A saved classifier on the records of another site: its probabilities, and what is known of its labels there."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float64, Int64, Shaped

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.row_signals import RowSignals
from beatssl.progress import track
from beatssl.store.labels import Labels, labels_of_csv, labels_of_set
from beatssl.store.snomed import translate
from beatssl.store.splits import patients
from beatssl.store.store import Store

SNOMED, PTBXL = "snomed", "ptb-xl"
_AT_ONCE = 256


@dataclass(frozen=True)
class Judged:
    """Records of a site: truth, what of it is known, and log odds before the classifier's temperatures."""

    row: Int64[np.ndarray, " record"]  # the first, where a record has several
    patient: Shaped[np.ndarray, " record"]
    source: Shaped[np.ndarray, " record"]
    labels: Bool[np.ndarray, "record label"]
    known: Bool[np.ndarray, "record label"]
    scores: Float64[np.ndarray, "record label"]


def open_classifier(head: str, store: Store) -> EcgClassifier:
    """A folder that probe or finetune wrote, the head in it, a repository, or "default", to use on `store`.

    Raises CheckpointError where there is none, or where the store was prepared otherwise than it expects.
    """
    classifier = EcgClassifier.from_pretrained(head)
    classifier.check_store(store)
    return classifier


def label_set_of(classifier: EcgClassifier) -> str:
    """The label set that a classifier was trained on, as its provenance has it. Raises ValueError where it has none."""
    found = classifier.provenance.get("head", {}).get("labels")
    if not found:
        raise ValueError("the classifier does not say which label set it was trained on; pass label_set=")
    return str(found)


def site_labels(store: Store, labels: str, label_set: str, names: Sequence[str]) -> Labels:
    """What is known of the labels `names` in a store: by a CSV file, a label set of the store, or SNOMED CT codes.

    `label_set`, one of PTB-XL's, is what SNOMED CT codes are read as. A label that the file or the set does not have is
    not known. Raises ValueError where none of the names is there.
    """
    if labels == SNOMED:
        return translate(store, label_set, names).labels
    found = labels_of_csv(store, Path(labels)) if labels.endswith(".csv") else labels_of_set(store, labels)
    given, known = (np.zeros((len(store), len(names)), bool) for _ in range(2))
    for k, name in enumerate(names):
        if name in found.names:
            given[:, k], known[:, k] = (table[:, found.names.index(name)] for table in (found.given, found.known))
    if not known.any():
        raise ValueError(
            f"labels {labels!r} have {', '.join(found.names)}; the classifier knows {', '.join(names)}: none is both"
        )
    return Labels(given, known, tuple(names))


def judge(
    classifier: EcgClassifier, store: Store, labels: Labels, rows: Int64[np.ndarray, " row"] | None = None
) -> Judged:
    """Log odds of the records of which something is known, among `rows` (None: all).

    A record in several rows has the mean of their log odds. Rows in which no lead is measured are left out.
    """
    chosen = np.arange(len(store)) if rows is None else rows
    chosen = chosen[labels.known[chosen].any(axis=1)]
    scores, measured = _log_odds(classifier, store, chosen)
    chosen, scores = chosen[measured], scores[measured]
    records = store.records.iloc[chosen]
    ids = records["source"].astype(str) + "/" + records["record_id"].astype(str)
    number, _ = pd.factorize(ids)
    first = np.unique(number, return_index=True)[1]
    total = np.zeros((len(first), scores.shape[1]))
    np.add.at(total, number, scores)
    row = chosen[first]
    return Judged(
        row,
        patients(store.records).to_numpy(str)[row],
        store.records["source"].astype(str).to_numpy()[row],
        labels.given[row],
        labels.known[row],
        total / np.bincount(number, minlength=len(first))[:, None],
    )


@torch.inference_mode()
def _log_odds(
    classifier: EcgClassifier, store: Store, rows: Int64[np.ndarray, " row"]
) -> tuple[Float64[np.ndarray, "row label"], Bool[np.ndarray, " row"]]:
    """Log odds of some rows, and whether any lead of each was measured."""
    signals_of = RowSignals(store)
    scores = [np.zeros((0, len(classifier.labels)))]
    measured = [np.zeros(0, bool)]
    for start in track(range(0, len(rows), _AT_ONCE), "Applying", unit="batches"):
        signals = signals_of(rows[start : start + _AT_ONCE])
        found = classifier(signals.ecg_mv, signals.lead_mask, signals.valid)
        scores.append(found.double().numpy())
        measured.append(signals.lead_mask.any(dim=1).numpy())
    return np.concatenate(scores), np.concatenate(measured)
