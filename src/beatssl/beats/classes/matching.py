"""Beats that were found matched to a reference's, with the class of each."""

import numpy as np
import pandas as pd

from beatssl.beats.classes.classifier import CLASSES
from beatssl.records.mitdb import aami_class
from beatssl.signals.matching import match_times

TOLERANCE_S = 0.150
NO_BEAT = len(CLASSES)
"""In place of a class: of a beat that the other side does not have."""
_LEFT_OUT = -1


def matched_classes(beats: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """One line for every beat of either table: record_id, `true` and `found` class, and the cluster where it is known.

    Classes are numbers into `CLASSES`; 4 stands for no beat. Beats whose reference is class Q or flutter are left out.
    """
    found = {str(record): group for record, group in beats.groupby("record_id", sort=False)}
    parts = [
        _matched(str(record), marks, found.get(str(record), beats.iloc[:0]))
        for record, marks in reference.groupby("record_id", sort=False)
    ]
    every = pd.concat(parts, ignore_index=True)
    return every[every["true"] != _LEFT_OUT].reset_index(drop=True)


def _matched(record: str, marks: pd.DataFrame, beats: pd.DataFrame) -> pd.DataFrame:
    groups = [aami_class(symbol) for symbol in marks["symbol"]]
    true = np.array([CLASSES.index(g) if g in CLASSES else _LEFT_OUT for g in groups], np.int64)
    # A beat that no lead measured has no class, and is taken for none.
    found = np.array([CLASSES.index(c) if c in CLASSES else NO_BEAT for c in beats["class"]], np.int64)
    cluster = beats["cluster"].to_numpy(np.int64) if "cluster" in beats else np.full(len(beats), -1)
    times = marks["time_s"].to_numpy(np.float64), beats["time_in_record_s"].to_numpy(np.float64)
    at_true, at_found = match_times(*times, TOLERANCE_S)
    missed = np.setdiff1d(np.arange(len(true)), at_true)
    false = np.setdiff1d(np.arange(len(found)), at_found)
    none = np.full(len(missed), NO_BEAT)
    return pd.DataFrame(
        {
            "record_id": record,
            "true": np.concatenate([true[at_true], true[missed], np.full(len(false), NO_BEAT)]),
            "found": np.concatenate([found[at_found], none, found[false]]),
            "cluster": np.concatenate([cluster[at_found], np.full(len(missed), -1), cluster[false]]),
        }
    )
