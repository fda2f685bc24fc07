"""Rows of a store to learn from without labels."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from beatssl.signals.leads import LEADS
from beatssl.store.splits import Split, check_split
from beatssl.store.store import Store


def kept_rows(store: Store, folds: Sequence[int]) -> Int64[np.ndarray, " row"]:
    """Rows of these folds (empty: all) to learn from without labels.

    Raises ValueError where the store has not the twelve leads, SplitError where a patient or waveform is in another
    fold too.
    """
    if store.leads != LEADS:
        raise ValueError(f"store {store.path} has leads as recorded; prepare it again with leads='twelve'")
    if not folds:
        return np.arange(len(store))
    fold = store.records["fold"].to_numpy(np.float64, na_value=np.nan)
    rows = np.flatnonzero(np.isin(fold, list(folds)))
    others = np.flatnonzero(~np.isin(fold, list(folds)))
    # What is left out may be tested on later: no patient or waveform of it may be trained on.
    check_split(store.records, Split(train=rows, valid=np.zeros(0, np.int64), test=others))
    return rows
