"""Rate, variability and irregularity of the RR intervals of a row, and how many of its beats are ectopic."""

import numpy as np
from jaxtyping import Float32

from beatssl.beats.windows import Beats
from beatssl.features.definition import Definition, columns
from beatssl.features.ragged import padded, row_count, row_mean, row_median, row_sd

_EARLY = 0.85
_LATE = 1.2
_SAME_S = 0.05
_CLASSES = ("n", "s", "v", "f")

DEFINITIONS = {
    "beat_count": Definition("1", "Beats found in the row."),
    "rate_bpm": Definition("1/min", "60 over the median RR interval."),
    "rr_mean_ms": Definition("ms", "Mean RR interval."),
    "rr_median_ms": Definition("ms", "Median RR interval."),
    "rr_sd_ms": Definition("ms", "Standard deviation of the RR intervals."),
    "rr_rmssd_ms": Definition("ms", "Root mean square of successive RR differences."),
    "rr_pnn50": Definition("1", "Share of successive RR differences over 50 ms."),
    "rr_cv": Definition("1", "Standard deviation of RR over its mean."),
    "rr_irregularity": Definition("1", "Median absolute successive RR difference over the median RR."),
    "rr_turning_share": Definition("1", "Share of inner RR intervals that are a local extreme by more than 50 ms."),
    "rr_entropy": Definition("1", "−ln of the share of pairs of RR intervals that lie within 50 ms of each other."),
    "rr_shortest_ratio": Definition("1", "Shortest RR over the median RR."),
    "rr_longest_ratio": Definition("1", "Longest RR over the median RR."),
    "rr_alternation": Definition("1", "Correlation of neighbouring RR deviations: −1 long-short, near 0 irregular."),
    "early_beat_share": Definition("1", "Share of beats that come before 85 % of the row's median RR."),
    "pause_share": Definition("1", "Share of RR intervals over 120 % of the row's median RR."),
    **{f"class_{c}_share": Definition("1", f"Mean probability of class {c.upper()} over the beats.") for c in _CLASSES},
}


def measure(
    beats: Beats, rows: int, class_probability: Float32[np.ndarray, "beat 4"] | None
) -> dict[str, Float32[np.ndarray, " row"]]:
    """Rhythm of each row, from the intervals that end within it; NaN where there are too few, or no classes."""
    row, rr = beats.row, beats.rr_prev_s
    median = row_median(rr, row, rows)
    table = padded(rr, row, rows)
    step = np.diff(table, axis=1)
    relative = (rr / median[row]).astype(np.float32)
    measured = np.where(np.isfinite(relative), np.float32(1), np.float32(np.nan))
    sd, mean = row_sd(rr, row, rows), row_mean(rr, row, rows)
    out = {
        "beat_count": np.bincount(row, minlength=rows).astype(np.float64),
        "rate_bpm": 60 / median,
        "rr_mean_ms": 1000 * mean,
        "rr_median_ms": 1000 * median,
        "rr_sd_ms": 1000 * sd,
        "rr_rmssd_ms": 1000 * np.sqrt(_mean(step**2)),
        "rr_pnn50": _mean(np.where(np.isfinite(step), np.abs(step) > _SAME_S, np.nan)),
        "rr_cv": sd / mean,
        "rr_irregularity": _median(np.abs(step)) / median,
        "rr_turning_share": _turning(step),
        "rr_entropy": _entropy(table),
        "rr_shortest_ratio": np.fmin.reduce(table, axis=1) / median,
        "rr_longest_ratio": np.fmax.reduce(table, axis=1) / median,
        "rr_alternation": _alternation((table - mean[:, None]).astype(np.float32)),
        "early_beat_share": row_mean((relative < _EARLY) * measured, row, rows),
        "pause_share": row_mean((relative > _LATE) * measured, row, rows),
    }
    none = np.full(rows, np.nan)
    for at, name in enumerate(_CLASSES):
        share = none if class_probability is None else row_mean(class_probability[:, at], row, rows)
        out[f"class_{name}_share"] = share
    few = row_count(rr, row, rows) < 1
    return columns({name: np.where(few & (name != "beat_count"), np.nan, v) for name, v in out.items()})


def _mean(values: np.ndarray) -> np.ndarray:
    count = np.isfinite(values).sum(axis=1)
    return np.nansum(values, axis=1) / np.where(count > 0, count, np.nan)


def _median(values: np.ndarray) -> np.ndarray:
    ordered = np.sort(np.concatenate([values, np.full((len(values), 1), np.nan)], axis=1), axis=1)
    count = np.isfinite(ordered).sum(axis=1)
    row = np.arange(len(values))
    return (ordered[row, np.maximum((count - 1) // 2, 0)] + ordered[row, count // 2 * (count > 0)]) / 2


def _turning(step: np.ndarray) -> np.ndarray:
    a, b = step[:, :-1], step[:, 1:]
    turns = (a * b < 0) & (np.minimum(np.abs(a), np.abs(b)) > _SAME_S)
    return _mean(np.where(np.isfinite(a) & np.isfinite(b), turns, np.nan))


def _entropy(table: np.ndarray) -> np.ndarray:
    """Zero for a steady rhythm; one half is added to the count of pairs so that no pair within reach stays finite."""
    # Forty intervals bound the table of pairs: a ten-second row has fewer.
    table = table[:, :40]
    apart = np.abs(table[:, :, None] - table[:, None, :])
    upper = np.triu(np.ones(apart.shape[1:], bool), 1)
    pairs = (np.isfinite(apart) & upper).sum(axis=(1, 2))
    same = ((apart <= _SAME_S) & upper).sum(axis=(1, 2))
    return np.where(pairs > 0, -np.log((same + 0.5) / (pairs + 0.5)), np.nan)


def _alternation(deviation: np.ndarray) -> np.ndarray:
    spread = _mean(deviation**2)
    return _mean(deviation[:, :-1] * deviation[:, 1:]) / np.where(spread > 1e-6, spread, np.nan)
