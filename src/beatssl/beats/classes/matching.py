"""Beats that were found matched to a reference's, with the class of each."""

import numpy as np
import pandas as pd
from jaxtyping import Int64

from beatssl.beats.classes.classifier import CLASSES
from beatssl.records.mitdb import aami_class
from beatssl.signals.matching import match_times

TOLERANCE_S = 0.150
NO_BEAT = len(CLASSES)
"""In place of a class: of a beat that the other side does not have."""
_LEFT_OUT = -1


def matched_classes(beats: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """One line for every beat of either table: record_id, `true` and `found` class, and its `line` in `beats`.

    Classes are numbers into `CLASSES`; 4 stands for no beat. A beat that was not found is line −1. Beats whose
    reference is class Q or flutter are left out.
    """
    by_record = beats.groupby("record_id", sort=False).indices
    lines = {str(record): np.asarray(at, np.int64) for record, at in by_record.items()}
    parts = [
        _matched(str(record), marks, beats, lines.get(str(record), np.zeros(0, np.int64)))
        for record, marks in reference.groupby("record_id", sort=False)
    ]
    every = pd.concat(parts, ignore_index=True)
    return every[every["true"] != _LEFT_OUT].reset_index(drop=True)


def _matched(record: str, marks: pd.DataFrame, beats: pd.DataFrame, line: Int64[np.ndarray, " beat"]) -> pd.DataFrame:
    groups = [aami_class(symbol) for symbol in marks["symbol"]]
    true = np.array([CLASSES.index(g) if g in CLASSES else _LEFT_OUT for g in groups], np.int64)
    # A beat that no lead measured has no class, and is taken for none.
    found = np.array([CLASSES.index(c) if c in CLASSES else NO_BEAT for c in beats["class"].iloc[line]], np.int64)
    times = marks["time_s"].to_numpy(np.float64), beats["time_in_record_s"].to_numpy(np.float64)[line]
    at_true, at_found = match_times(*times, TOLERANCE_S)
    missed = np.setdiff1d(np.arange(len(true)), at_true)
    false = np.setdiff1d(np.arange(len(found)), at_found)
    none = np.full(len(missed), NO_BEAT)
    return pd.DataFrame(
        {
            "record_id": record,
            "true": np.concatenate([true[at_true], true[missed], np.full(len(false), NO_BEAT)]),
            "found": np.concatenate([found[at_found], none, found[false]]),
            "line": np.concatenate([line[at_found], np.full(len(missed), -1), line[false]]),
        }
    )
