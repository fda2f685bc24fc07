"""Do probabilities mean what they say: temperatures that make them, and figures of how far off they are."""

from typing import Any

import numpy as np
import scipy.optimize
from jaxtyping import Bool, Float64

BINS = 15
"""Of equal width, over probabilities from 0 to 1."""
FEWEST = 10
"""Positives, and negatives, that a temperature is fitted to."""
_RANGE = 0.05, 20.0
_MOST_ODDS = 60.0


def fit_temperatures(
    labels: Bool[np.ndarray, "record label"],
    scores: Float64[np.ndarray, "record label"],
    known: Bool[np.ndarray, "record label"],
) -> Float64[np.ndarray, " label"]:
    """One temperature a label, T = argmin −Σ log p(label) with p = 1 / (1 + exp(−score / T)), within 0.05 to 20.

    `scores` are log odds on the choosing fold. Guo et al. (ICML 2017) fit one temperature to a softmax; here every
    label is a question of its own, and has its own. Where a label has under ten positives or negatives it stays 1.
    """
    return np.array([_fit(labels[known[:, k], k], scores[known[:, k], k]) for k in range(labels.shape[1])])


def chances(
    scores: Float64[np.ndarray, "record label"], temperatures: Float64[np.ndarray, " label"]
) -> Float64[np.ndarray, "record label"]:
    """Log odds as probabilities, at the temperature of each label."""
    return 1 / (1 + np.exp(-np.clip(scores / temperatures, -_MOST_ODDS, _MOST_ODDS)))


def expected_calibration_error(labels: Bool[np.ndarray, " record"], chance: Float64[np.ndarray, " record"]) -> float:
    """Σ_b n_b/n · |mean probability − share of positives| over bins of probability (Naeini et al., AAAI 2015).

    NaN where there is no record.
    """
    bins = reliability(labels, chance)
    count = np.array(bins["records"], np.float64)
    apart = np.abs(np.array(bins["probability"]) - np.array(bins["positive_share"]))
    return float((count * apart).sum() / count.sum()) if count.sum() else float("nan")


def reliability(labels: Bool[np.ndarray, " record"], chance: Float64[np.ndarray, " record"]) -> dict[str, list[float]]:
    """The bins that hold a record, from low to high: mean probability, share of positives, number of records."""
    place = np.minimum((chance * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(place, minlength=BINS).astype(np.float64)
    full = count > 0
    mean = np.bincount(place, weights=chance, minlength=BINS)[full] / count[full]
    share = np.bincount(place, weights=labels.astype(np.float64), minlength=BINS)[full] / count[full]
    return {"probability": mean.tolist(), "positive_share": share.tolist(), "records": count[full].tolist()}


def calibration_figures(
    labels: Bool[np.ndarray, "record label"],
    scores: Float64[np.ndarray, "record label"],
    known: Bool[np.ndarray, "record label"],
    temperatures: Float64[np.ndarray, " label"],
    names: tuple[str, ...],
) -> dict[str, Any]:
    """Calibration on the reported fold, before and after the temperatures.

    `calibration`: mean error over labels and each label's, with its temperature; `reliability`: each label's bins.
    """
    sides = {"before": chances(scores, np.ones(len(names))), "after": chances(scores, temperatures)}
    errors: dict[str, dict[str, float]] = {}
    bins: dict[str, dict[str, Any]] = {}
    for k, name in enumerate(names):
        of = known[:, k]
        own = {side: expected_calibration_error(labels[of, k], chance[of, k]) for side, chance in sides.items()}
        errors[name] = {"temperature": float(temperatures[k])} | {f"ece_{side}": own[side] for side in sides}
        bins[name] = {side: reliability(labels[of, k], chance[of, k]) for side, chance in sides.items()}
    return {"calibration": macro_of(errors) | {"per_class": errors}, "reliability": bins}


def macro_of(errors: dict[str, dict[str, float]]) -> dict[str, float]:
    """Means over the labels that have a record."""
    out: dict[str, float] = {}
    for side in ("before", "after"):
        values = np.array([error[f"ece_{side}"] for error in errors.values()])
        known = values[np.isfinite(values)]
        out[f"macro_ece_{side}"] = float(known.mean()) if known.size else float("nan")
    return out


def _fit(labels: Bool[np.ndarray, " record"], scores: Float64[np.ndarray, " record"]) -> float:
    if min(int(labels.sum()), int((~labels).sum())) < FEWEST:
        return 1.0
    signed = np.where(labels, scores, -scores)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signed / np.exp(log_temperature)).mean())

    low, high = np.log(_RANGE)
    found: Any = scipy.optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
