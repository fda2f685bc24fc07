"""Samples as whole numbers: the step that a record was digitised with, found again, so that nothing is rounded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64, Int64

Lead = Float32[np.ndarray, " time"]
Values = Float64[np.ndarray, " time"]

_PARTS = range(1, 65)  # of the smallest difference, tried as the step
_ANCHORS = (1, 2, 3, 4, 5, 10)  # steps may stand off zero by such a part of a step
_USUAL_MV = (1 / 200, 1 / 1000)  # for a lead of too few values to show its step
_SLACK = 0.25  # of a step, between a value and its whole number while the step is measured


@dataclass(frozen=True, slots=True)
class Counts:
    """A lead in whole steps: with any step from `least_mv` to `most_mv`, count · step, as float32, is its value."""

    counts: Int64[np.ndarray, " measured"]
    least_mv: float
    most_mv: float

    @property
    def offset(self) -> int:
        """The middle count."""
        return (int(self.counts.min()) + int(self.counts.max())) // 2

    def fits(self, limit: int) -> int | None:
        """The count to call 0 so that all samples stay within ±limit: 0 where that will do; None where nothing will."""
        if int(np.abs(self.counts).max()) <= limit:
            return 0
        return self.offset if int(np.abs(self.counts - self.offset).max()) <= limit else None


@dataclass(frozen=True, slots=True)
class Digital:
    """One lead as stored: mV = (sample + `offset`) steps, the step being what the format calls `scale`."""

    samples: Int64[np.ndarray, " time"]
    offset: int
    scale: float


Scales = Callable[[float, float], Iterator[float]]
"""A format's numbers for the steps from a least to a most mV, the simplest first."""
Decoded = Callable[[Values, int, float], Values]
"""mV of samples, by offset and scale, in the order of operations of the format's readers."""


def digitised(lead_mv: Lead, bits: int, scales: Scales, decoded: Decoded) -> Digital:
    """The lead in whole numbers of `bits` bits, the lowest of which means not measured.

    The step is the one that the values are whole multiples of, where there is one that fits the bits. Else it is the
    finest that they allow, (highest − lowest value) / (2^bits − 3), and the error at most half of it.
    """
    limit = 2 ** (bits - 1) - 1
    samples = np.full(len(lead_mv), -limit - 1, np.int64)
    measured = np.isfinite(lead_mv)
    values = lead_mv[measured]
    if not len(values):
        return Digital(samples, 0, next(scales(1e-3, 1e-3)))
    found = counted(values)
    if found is not None and (offset := found.fits(limit)) is not None:
        samples[measured] = found.counts - offset
        for scale in scales(found.least_mv, found.most_mv):
            if np.array_equal(decoded(samples[measured].astype(np.float64), offset, scale).astype(np.float32), values):
                return Digital(samples, offset, scale)
    low, high = float(values.min()), float(values.max())
    finest = max((high - low) / (2 * limit - 1), max(abs(low), abs(high)) / 2**30)  # the offset needs bits too
    scale = next(scales(finest, finest * (1 + 2**-20)))
    step = float(decoded(np.ones(1), 0, scale)[0])
    offset = round((low + high) / 2 / step)
    samples[measured] = np.round(values.astype(np.float64) / step).astype(np.int64) - offset
    return Digital(samples, offset, scale)


def simplest(least: float, most: float) -> float:
    """The number of fewest digits from `least` to `most`; their mean where no float is between."""
    middle = (least + most) / 2
    for digits in range(1, 18):
        if least <= (value := float(f"{middle:.{digits}g}")) <= most:
            return value
    return middle


def counted(values: Lead) -> Counts | None:
    """The measured samples of a lead in whole steps, or None where they are multiples of no step."""
    unlike, places = np.unique(values, return_inverse=True)
    if not unlike.any():
        return Counts(np.zeros(len(values), np.int64), 1e-3, 1e-3)
    for step in _steps(unlike.astype(np.float64)):
        counts = np.round(unlike.astype(np.float64) / step)
        if np.abs(counts).max() < 2**31 and (bounds := _step_bounds(unlike, counts)) is not None:
            return Counts(counts.astype(np.int64)[places], *bounds)
    return None


def _step_bounds(unlike: Lead, counts: Values) -> tuple[float, float] | None:
    """The steps of which every count gives its value back: each value is a float32 and so stands for an interval."""
    size, count = np.abs(unlike), np.abs(counts)
    if (count[size > 0] == 0).any():
        return None
    size, count = size[size > 0], count[size > 0]
    exact = size.astype(np.float64)
    below = (exact + np.nextafter(size, np.float32(0)).astype(np.float64)) / 2
    above = (exact + np.nextafter(size, np.float32(np.inf)).astype(np.float64)) / 2
    least, most = float((below / count).max()), float((above / count).min())
    return (least, most) if least <= most else None


def _steps(unlike: Values) -> Iterator[float]:
    """Steps that may be right, the best supported first; of sorted values no two alike."""
    largest = float(np.abs(unlike[[0, -1]]).max())
    if len(unlike) == 1:
        yield largest
    elif (apart := _step_between(unlike)) is not None:
        for anchor in _ANCHORS:
            count = round(largest * anchor / apart)
            yield from (largest / (count + more) for more in (0, 1, -1, 2, -2) if count + more > 0)
    yield from _USUAL_MV


def _step_between(unlike: Values) -> float | None:
    """The step that all differences are multiples of: the smallest difference or a part of it, measured over ever
    longer spans, as a single difference is known to few digits."""
    gaps = np.diff(unlike)
    alike = np.flatnonzero(gaps <= 1.25 * gaps.min())
    smallest = float(np.median(gaps[alike]))
    away = unlike - unlike[alike[len(alike) // 2]]
    ulp = float(np.spacing(np.abs(unlike[[0, -1]]).max().astype(np.float32)))
    for part in _PARTS:
        if (step := _measured_step(away, smallest / part, ulp)) is not None:
            return step
    return None


def _measured_step(away: Values, step: float, ulp: float) -> float | None:
    """The step, from its first estimate: None where a value is further from a whole number of steps than a float32 and
    what is not yet known of the step make it."""
    reach, widest, known = 16.0 * step, float(max(-away[0], away[-1])), 1.0
    while True:
        first, last = np.searchsorted(away, (-reach, reach))
        near = away[first:last]
        counts = np.round(near / step)
        farthest = float(np.abs(counts).max())
        if (np.abs(near - counts * step) > min(_SLACK * step, 2 * ulp * (1 + farthest / known))).any():
            return None
        if farthest:
            step, known = float(near @ counts / (counts @ counts)), farthest
        if reach > widest:
            return step
        reach *= 8
