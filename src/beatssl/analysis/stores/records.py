"""A classifier's log odds for the records of a store."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float64, Int64

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.device import to_device
from beatssl.inference.row_signals import RowSignals
from beatssl.progress import track
from beatssl.store.store import Store

_BATCH = 256


@dataclass(frozen=True)
class RecordLogOdds:
    """Log odds of records, before the classifier's temperatures."""

    row: Int64[np.ndarray, " record"]  # the first, where a record has several
    log_odds: Float64[np.ndarray, "record label"]


def record_log_odds(
    classifier: EcgClassifier, store: Store, rows: Int64[np.ndarray, " row"], device: torch.device | str = "cpu"
) -> RecordLogOdds:
    """Log odds of the records in some rows of a store, in the order of their first rows.

    A record in several rows has the mean of their log odds. Rows in which no lead is measured are left out. The
    classifier is on the CPU afterwards.
    """
    log_odds, measured = _row_log_odds(classifier.to(device), store, rows, torch.device(device))
    classifier.cpu()
    rows, log_odds = rows[measured], log_odds[measured]
    records = store.records.iloc[rows]
    number, _ = pd.factorize(records["source"].astype(str) + "/" + records["record_id"].astype(str))
    first = np.unique(number, return_index=True)[1]
    total = np.zeros((len(first), log_odds.shape[1]))
    np.add.at(total, number, log_odds)
    return RecordLogOdds(rows[first], total / np.bincount(number, minlength=len(first))[:, None])


@torch.inference_mode()
def _row_log_odds(
    classifier: EcgClassifier, store: Store, rows: Int64[np.ndarray, " row"], device: torch.device
) -> tuple[Float64[np.ndarray, "row label"], Bool[np.ndarray, " row"]]:
    """Log odds of some rows, and whether any lead of each was measured."""
    signals_of = RowSignals(store)
    log_odds = [np.zeros((0, len(classifier.labels)))]
    measured = [np.zeros(0, bool)]
    for start in track(range(0, len(rows), _BATCH), "Applying", unit="batches"):
        signals = to_device(signals_of(rows[start : start + _BATCH]), device)
        found = classifier(signals.ecg_mv, signals.lead_mask, signals.valid)
        log_odds.append(found.double().cpu().numpy())
        measured.append(signals.lead_mask.any(dim=1).cpu().numpy())
    return np.concatenate(log_odds), np.concatenate(measured)
