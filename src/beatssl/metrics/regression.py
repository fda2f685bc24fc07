"""Figures of numbers predicted: errors in the number's own unit, and the share of its variance that is explained."""

import numpy as np
from jaxtyping import Bool, Float64

Drawn = dict[str, Float64[np.ndarray, "draw label"]]


def figures_of_numbers(
    truth: Float64[np.ndarray, "record label"],
    predicted: Float64[np.ndarray, "record label"],
    known: Bool[np.ndarray, "record label"],
    weights: Float64[np.ndarray, "draw record"],
) -> Drawn:
    """For every set of weights, over the records of which a number is known.

    mae: mean absolute error; rmse: root of the mean squared error; bias: mean of predicted − true; r2: 1 − squared
    error / variance, which is 0 for whoever predicts the mean, and may be below; correlation: Pearson's. NaN where the
    weights leave no record, r2 and correlation where the numbers do not differ.
    """
    here = known.astype(np.float64)
    error = np.where(known, predicted - truth, 0.0)
    middle = np.nanmean(
        np.where(known, truth, np.nan), axis=0
    )  # variances as differences of squares need small numbers
    true, said = np.where(known, truth - middle, 0.0), np.where(known, predicted - middle, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        count = weights @ here
        mean_true, mean_said = weights @ true / count, weights @ said / count
        squared = weights @ error**2 / count
        variance, of_said = weights @ true**2 / count - mean_true**2, weights @ said**2 / count - mean_said**2
        together = weights @ (true * said) / count - mean_true * mean_said
        return {
            "mae": weights @ np.abs(error) / count,
            "rmse": np.sqrt(squared),
            "bias": weights @ error / count,
            "r2": np.where(variance > 0, 1 - squared / variance, np.nan),
            "correlation": np.where((variance > 0) & (of_said > 0), together / np.sqrt(variance * of_said), np.nan),
        }
