"""What was found in a store against what its source says is true: every boundary's error, every beat's class."""

from dataclasses import fields

import numpy as np
import pandas as pd
from jaxtyping import Float64

from beatssl.beats.fiducials import Fiducials
from beatssl.dataset.store import Store
from beatssl.metrics.boundaries import GlobalBeats, global_beats, match_times, matched_errors

MATCH_S = 0.15
"""A found boundary belongs to a true one within this time."""

BEAT_MATCH_S = 0.075
"""A found R peak belongs to a true one within this time."""

_CLASSES = "NSVF"

MARKS = tuple(field.name for field in fields(Fiducials))
"""Column names of the nine marks of a beat."""


def boundary_errors_s(store: Store) -> dict[str, Float64[np.ndarray, " match"]]:
    """Signed errors (found − true) of each mark over all records, in seconds, of one-to-one matches within 150 ms.

    The truth is the median over leads (`metrics.boundaries.global_beats`). Empty arrays where the store has no marks.
    """
    found = dict(iter(store.beats.groupby("record_id", sort=False)))
    errors: dict[str, list[Float64[np.ndarray, " match"]]] = {mark: [] for mark in MARKS}
    for record_id, waves in store.waves.groupby("record_id", sort=False):
        if record_id not in found:
            continue
        truth, beats = _truth(waves), found[record_id]
        r_s = beats["time_in_record_s"].to_numpy(np.float64)
        for mark in MARKS:
            at_s = r_s if mark == "r_peak_s" else r_s + beats[mark].to_numpy(np.float64)
            errors[mark].append(matched_errors(getattr(truth, mark), at_s, MATCH_S))
    return {mark: np.concatenate([np.zeros(0), *parts]) for mark, parts in errors.items()}


def class_counts(store: Store) -> pd.DataFrame:
    """Matched beats by true symbol (rows) and found class (columns N, S, V, F)."""
    found = dict(iter(store.beats.groupby("record_id", sort=False)))
    pairs: list[pd.DataFrame] = []
    for record_id, truth in store.reference_beats.groupby("record_id", sort=False):
        if record_id in found:
            beats = found[record_id]
            true_at, found_at = match_times(
                truth["time_s"].to_numpy(np.float64), beats["time_in_record_s"].to_numpy(np.float64), BEAT_MATCH_S
            )
            symbols, classes = truth["symbol"].to_numpy()[true_at], beats["class"].to_numpy()[found_at]
            pairs.append(pd.DataFrame({"true": symbols, "found": classes}))
    every = pd.concat(pairs) if pairs else pd.DataFrame({"true": [], "found": []})
    counts = pd.crosstab(every["true"], every["found"]).reindex(columns=list(_CLASSES), fill_value=0)
    others = [symbol for symbol in counts.index if symbol not in _CLASSES]
    return counts.reindex([*(c for c in _CLASSES if c in counts.index), *others])


def _truth(waves: pd.DataFrame) -> GlobalBeats:
    whole = waves[waves["peak_s"].notna()]
    onset_s, peak_s, offset_s = whole[["onset_s", "peak_s", "offset_s"]].to_numpy(np.float64).T
    return global_beats(whole["wave"].tolist(), onset_s, peak_s, offset_s)
