"""Do probabilities mean what they say: temperatures that make them, and figures of how far off they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.optimize
from jaxtyping import Bool, Float64

from beatssl.results import FOR_FILES, Number

BINS = 15
"""Of equal width, over probabilities from 0 to 1."""
FEWEST = 10
"""Positives, and negatives, that a temperature is fitted to."""
_RANGE = 0.05, 20.0
_MOST_ODDS = 60.0


@dataclass(frozen=True)
class ReliabilityBins:
    """Bins of probability that hold a record, from low to high."""

    probability: tuple[float, ...]
    """Mean over the bin's records."""
    positive_share: tuple[float, ...]
    records: tuple[float, ...]


@dataclass(frozen=True)
class Reliability:
    """A label's bins before and after its temperature."""

    before: ReliabilityBins
    after: ReliabilityBins


@dataclass(frozen=True)
class LabelCalibration:
    """A label's temperature, and its expected calibration error before and after it."""

    temperature: Number
    ece_before: Number
    ece_after: Number


@dataclass(frozen=True)
class Calibration:
    """Expected calibration errors before and after the temperatures: means over the labels that have a record, and each
    label's by its name."""

    macro_ece_before: Number
    macro_ece_after: Number
    per_class: Mapping[str, LabelCalibration]


@dataclass(frozen=True)
class CalibrationFigures:
    """Calibration errors, and the bins that they come from by label."""

    calibration: Calibration
    reliability: Mapping[str, Reliability] = field(metadata=FOR_FILES)


def fit_temperatures(
    labels: Bool[np.ndarray, "record label"],
    scores: Float64[np.ndarray, "record label"],
    known: Bool[np.ndarray, "record label"],
) -> Float64[np.ndarray, " label"]:
    """One temperature a label, T = argmin −Σ log p(label) with p = 1 / (1 + exp(−score / T)), within 0.05 to 20.

    `scores` are log odds on the validation fold. Guo et al. (ICML 2017) fit one temperature to a softmax; here each
    label, a binary question of its own, has its own. Where a label has under ten positives or negatives it stays 1.
    """
    return np.array([_fit(labels[known[:, k], k], scores[known[:, k], k]) for k in range(labels.shape[1])])


def chances(
    scores: Float64[np.ndarray, "record label"], temperatures: Float64[np.ndarray, " label"]
) -> Float64[np.ndarray, "record label"]:
    """Log odds as probabilities, at the temperature of each label."""
    return 1 / (1 + np.exp(-np.clip(scores / temperatures, -_MOST_ODDS, _MOST_ODDS)))


def expected_calibration_error(
    labels: Bool[np.ndarray, " record"],
    chance: Float64[np.ndarray, " record"],
    weights: Float64[np.ndarray, " record"] | None = None,
) -> float:
    """Σ_b n_b/n · |mean probability − share of positives| over bins of probability (Naeini et al., AAAI 2015).

    `weights`: how many records each stands for (None: one). NaN where there is no record.
    """
    bins = reliability(labels, chance, weights)
    count = np.array(bins.records, np.float64)
    apart = np.abs(np.array(bins.probability) - np.array(bins.positive_share))
    return float((count * apart).sum() / count.sum()) if count.sum() else float("nan")


def reliability(
    labels: Bool[np.ndarray, " record"],
    chance: Float64[np.ndarray, " record"],
    weights: Float64[np.ndarray, " record"] | None = None,
) -> ReliabilityBins:
    """Mean probability, share of positives and number of records in `BINS` bins of equal width, empty ones left out;
    `weights`: how many records each stands for."""
    place = np.minimum((chance * BINS).astype(np.int64), BINS - 1)
    each = np.ones(len(chance)) if weights is None else weights
    count = np.bincount(place, weights=each, minlength=BINS)
    full = count > 0
    mean = np.bincount(place, weights=each * chance, minlength=BINS)[full] / count[full]
    share = np.bincount(place, weights=each * labels, minlength=BINS)[full] / count[full]
    return ReliabilityBins(tuple(mean.tolist()), tuple(share.tolist()), tuple(count[full].tolist()))


def calibration_figures(
    labels: Bool[np.ndarray, "record label"],
    scores: Float64[np.ndarray, "record label"],
    known: Bool[np.ndarray, "record label"],
    temperatures: Float64[np.ndarray, " label"],
    names: tuple[str, ...],
) -> CalibrationFigures:
    """Calibration on the test fold, before and after the temperatures."""
    before, after = chances(scores, np.ones(len(names))), chances(scores, temperatures)
    errors: dict[str, LabelCalibration] = {}
    bins: dict[str, Reliability] = {}
    for k, name in enumerate(names):
        of = known[:, k]
        truth = labels[of, k]
        errors[name] = LabelCalibration(
            float(temperatures[k]),
            expected_calibration_error(truth, before[of, k]),
            expected_calibration_error(truth, after[of, k]),
        )
        bins[name] = Reliability(reliability(truth, before[of, k]), reliability(truth, after[of, k]))
    return CalibrationFigures(calibration_over(errors), bins)


def calibration_over(errors: Mapping[str, LabelCalibration]) -> Calibration:
    """The labels' errors, and their means over the labels that have a record."""

    def mean(values: list[float]) -> float:
        finite = [value for value in values if np.isfinite(value)]
        return float(np.mean(finite)) if finite else float("nan")

    return Calibration(
        mean([error.ece_before for error in errors.values()]),
        mean([error.ece_after for error in errors.values()]),
        errors,
    )


def _fit(labels: Bool[np.ndarray, " record"], scores: Float64[np.ndarray, " record"]) -> float:
    if min(int(labels.sum()), int((~labels).sum())) < FEWEST:
        return 1.0
    signed = np.where(labels, scores, -scores)

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -signed / np.exp(log_temperature)).mean())

    low, high = np.log(_RANGE)
    found: Any = scipy.optimize.minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))
