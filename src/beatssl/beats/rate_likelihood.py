"""How well RR interval, QRS and QT fit a sampling rate: Student t distributions of their logarithms.

Of a true rate one distribution of the three widths. Of twice and of half the true rate one each of five numbers: the
widths at the true rate, and QRS and QT as they are measured at the other, which are not simply half or twice, since
filters and limits of the delineation stay where they are.

That of the three widths was fitted to every other record of PTB-XL (1,000), LUDB, MIT-BIH (8 × 10 s of each) and CinC
2021; those of five numbers to PTB-XL folds 1-8 (1,500), LUDB, MIT-BIH (16 × 10 s of each) and CinC 2021, 4 degrees of
freedom, each set with the same weight.
"""

from dataclasses import dataclass
from math import lgamma, log, log1p, pi

import numpy as np
from jaxtyping import Float64

FREEDOM = 4.0
_NO_QT = 2.0  # log likelihood that a T wave without an end costs
_LEAST_MISSING = 0.01


@dataclass(frozen=True, slots=True)
class Widths:
    """Median RR interval of a record, and QRS and QT of its median beat; NaN where not measurable."""

    rr_s: float
    qrs_s: float
    qt_s: float

    def __str__(self) -> str:
        qt = f" and QT {1000 * self.qt_s:.0f} ms" if np.isfinite(self.qt_s) else ""
        return f"QRS {1000 * self.qrs_s:.0f} ms{qt} at {60 / self.rr_s:.0f}/min"

    def logarithms(self) -> Float64[np.ndarray, "3"]:
        """Of seconds; NaN where not measurable."""
        values = np.array([self.rr_s, self.qrs_s, self.qt_s])
        return np.log(np.where(values > 0, values, np.nan))

    def times(self, factor: float) -> "Widths":
        """What they would be if time went slower by a factor."""
        return Widths(self.rr_s * factor, self.qrs_s * factor, self.qt_s * factor)


@dataclass(frozen=True)
class StudentT:
    """A multivariate t distribution; values that are not known (NaN) are integrated out."""

    mean: Float64[np.ndarray, " value"]
    scale: Float64[np.ndarray, "value value"]

    def log_density(self, values: Float64[np.ndarray, " value"]) -> float:
        """The logarithm of the density of those values that are known."""
        known = np.isfinite(values)
        count = int(known.sum())
        scale = self.scale[np.ix_(known, known)]
        constant = lgamma((FREEDOM + count) / 2) - lgamma(FREEDOM / 2) - count / 2 * log(FREEDOM * pi)
        return constant - float(np.linalg.slogdet(scale)[1]) / 2 + self.below_mode(values)

    def below_mode(self, values: Float64[np.ndarray, " value"]) -> float:
        """The same less that of the mode: 0 there, negative elsewhere."""
        known = np.isfinite(values)
        off = (values - self.mean)[known]
        distance = float(off @ np.linalg.solve(self.scale[np.ix_(known, known)], off))
        return -(FREEDOM + len(off)) / 2 * log1p(distance / FREEDOM)


_TRUE = StudentT(
    np.array([-0.180594, -2.420867, -0.96215]),
    np.array([[0.045214, 0.00185, 0.014158], [0.00185, 0.03171, 0.005434], [0.014158, 0.005434, 0.010109]]),
)
"""RR, QRS and QT."""

_BOTH = {
    0.5: StudentT(
        np.array([-0.18572, -2.42768, -0.96601, -1.78473, -0.45829]),
        np.array(
            [
                [0.060563, 0.001482, 0.018384, 0.002306, 0.005368],
                [0.001482, 0.038107, 0.005695, 0.030994, 0.002038],
                [0.018384, 0.005695, 0.01627, 0.004845, 0.001042],
                [0.002306, 0.030994, 0.004845, 0.035435, 0.003252],
                [0.005368, 0.002038, 0.001042, 0.003252, 0.01068],
            ]
        ),
    ),
    2.0: StudentT(
        np.array([-0.15381, -2.41996, -0.95245, -2.72151, -1.46956]),
        np.array(
            [
                [0.04738, 0.00101, 0.013841, -0.006101, 0.008117],
                [0.00101, 0.040606, 0.006367, 0.018748, 0.006721],
                [0.013841, 0.006367, 0.014135, 0.002095, 0.008631],
                [-0.006101, 0.018748, 0.002095, 0.060014, 0.017915],
                [0.008117, 0.006721, 0.008631, 0.017915, 0.021724],
            ]
        ),
    ),
}
"""RR, QRS and QT at the true rate, QRS and QT at this many times it."""

_MISSING = {0.5: np.full(5, _LEAST_MISSING), 2.0: np.array([*[_LEAST_MISSING] * 4, 0.063])}
"""How often each of them is not measurable."""

PAIRED = tuple(_BOTH)
"""Factors between two rates for which widths at both are known together."""


def log_likelihood(of: Widths) -> float:
    """How likely a true rate gives such widths: 0 at the mode, −∞ where QRS or RR is not measurable."""
    values = of.logarithms()
    if not np.isfinite(values[:2]).all():
        return -np.inf
    return _TRUE.below_mode(values) - (0.0 if np.isfinite(values[2]) else _NO_QT)


def log_likelihood_ratio(stated: Widths, other: Widths, factor: float) -> float:
    """How much likelier (natural logarithm) the other rate is the true one than the stated rate, from widths at both.

    `factor`: the other rate through the stated, one of `PAIRED`. −∞ where QRS or RR is not measurable at either.
    """
    at_stated, at_other = stated.logarithms(), other.logarithms()
    if not np.isfinite([at_stated[:2], at_other[:2]]).all():
        return -np.inf
    return _log_both(at_other, at_stated[1:], 1 / factor) - _log_both(at_stated, at_other[1:], factor)


def log_likelihood_ratio_of_stated(stated: Widths, factor: float) -> float:
    """The same from the widths at the stated rate alone, before the other rate is looked at."""
    values = stated.logarithms()
    if not np.isfinite(values[:2]).all():
        return -np.inf
    nothing = np.full(2, np.nan)
    if_other = np.concatenate([[values[0] - np.log(factor)], nothing, values[1:]])
    return _BOTH[1 / factor].log_density(if_other) - _BOTH[factor].log_density(np.concatenate([values, nothing]))


def _log_both(true: Float64[np.ndarray, "3"], at_factor: Float64[np.ndarray, "2"], factor: float) -> float:
    values = np.concatenate([true, at_factor])
    missing = _MISSING[factor]
    there = np.where(np.isfinite(values), 1 - missing, missing)
    return _BOTH[factor].log_density(values) + float(np.log(there).sum())
