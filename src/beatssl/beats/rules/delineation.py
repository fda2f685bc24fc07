"""Building blocks for finding wave boundaries in many beats at once: interpolation, lead combination, search.

Everything works on whole arrays (beat, time) or (beat, lead, time). The loop over leads, samples and beats is in the
matrix product: to interpolate, to differentiate and to compare a sample with the mean of its neighbours are all linear
along time, so each is a matrix that takes a window's samples to a finer grid.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from scipy.ndimage import maximum_filter1d

SINC_LOBES = 6
"""Half-width of the interpolation kernel in samples of the window."""

SLOPE_SPAN_S = 0.010
"""Slopes are differences over this time, so that noise weighs alike at every sampling rate."""

POWER_STEPS = 6
"""Steps of power iteration to the first principal axis; one wave dominates, so few are enough."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The times of a window: as it was sampled, and interpolated by a whole number."""

    time: int  # samples of the window
    fs_hz: float
    r_index: int
    up: int

    @property
    def fine_hz(self) -> float:
        return self.fs_hz * self.up

    @property
    def t_s(self) -> Float32[np.ndarray, " time"]:
        """Seconds from the R sample of each sample."""
        return ((np.arange(self.time) - self.r_index) / self.fs_hz).astype(np.float32)

    @property
    def fine_s(self) -> Float32[np.ndarray, " fine"]:
        """Seconds from the R sample of each point of the fine grid."""
        return ((np.arange(self.time * self.up) / self.up - self.r_index) / self.fs_hz).astype(np.float32)

    def columns(self, start_s: float, stop_s: float) -> slice:
        """The samples of the window between two times, cut to what there is."""
        first, last = (int(np.searchsorted(self.t_s, time, side="left")) for time in (start_s, stop_s))
        return slice(first, min(last + 1, self.time))

    def part(self, columns: slice) -> "Grid":
        """The grid of the window's samples `columns`."""
        start, stop, _ = columns.indices(self.time)
        return Grid(stop - start, self.fs_hz, self.r_index - start, self.up)


@dataclass(frozen=True, slots=True)
class Measured:
    """What of each window was recorded, by time and by lead."""

    begin_s: Float32[np.ndarray, " beat"]  # first sample at which any lead is measured; +inf where there is none
    end_s: Float32[np.ndarray, " beat"]  # last such sample; -inf where there is none
    leads: Int64[np.ndarray, " beat"]  # leads that hold any measured sample


@lru_cache(maxsize=16)
def to_fine(grid: Grid) -> Float32[np.ndarray, "time fine"]:
    """Matrix of interpolation to the fine grid."""
    return _as_product(_interpolation(grid))


@lru_cache(maxsize=16)
def to_slope(grid: Grid) -> Float32[np.ndarray, "time fine"]:
    """Matrix to the slope on the fine grid, per second, by differences over `SLOPE_SPAN_S`."""
    fine = _interpolation(grid)
    half = max(1, round(SLOPE_SPAN_S * grid.fine_hz / 2))
    later, earlier = (np.clip(np.arange(len(fine)) + step, 0, len(fine) - 1) for step in (half, -half))
    return _as_product((fine[later] - fine[earlier]) * grid.fine_hz / (later - earlier)[:, None])


@lru_cache(maxsize=64)
def to_rise(grid: Grid, span_s: float, after: bool) -> Float32[np.ndarray, "time fine"]:
    """Matrix to (mean over the `span_s` before, or after, each point of the fine grid) − (the point itself).

    This is the trapezium area of Zhang et al. (2006, "An algorithm for robust and efficient location of T-wave ends
    in electrocardiograms") over its width: for an upright wave it is largest where the wave ends, or begins.
    """
    count = max(1, round(span_s * grid.fine_hz))
    neighbours = np.arange(1, count + 1) * (1 if after else -1)
    fine = _interpolation(grid)
    return _as_product(_averaging(len(fine), neighbours) @ fine - fine)


@lru_cache(maxsize=16)
def to_bump(grid: Grid, core_s: float, sides_s: tuple[float, float]) -> Float32[np.ndarray, "time time"]:
    """Matrix to (mean within `core_s` of each sample) − (mean between the two distances `sides_s` on both sides).

    A wave stands out from it, a slope such as the tail of the wave before does not.
    """
    core, near, far = (max(1, round(distance * grid.fs_hz)) for distance in (core_s, *sides_s))
    side = np.arange(near, far + 1)
    middle = _averaging(grid.time, np.arange(-core, core + 1))
    return _as_product(middle - _averaging(grid.time, np.concatenate([-side, side])))


def _averaging(points: int, neighbours: Int64[np.ndarray, " neighbour"]) -> Float64[np.ndarray, "points points"]:
    """Matrix to the mean over the neighbours at these distances, the ends held constant."""
    at = np.clip(np.arange(points)[:, None] + neighbours, 0, points - 1)
    out = np.zeros((points, points))
    np.add.at(out, (np.arange(points)[:, None], at), 1.0 / len(neighbours))
    return out


def _as_product(matrix: Float64[np.ndarray, "out time"]) -> Float32[np.ndarray, "time out"]:
    """The matrix as `samples @ matrix` takes it. Shared between calls, so not to be written to."""
    product = np.ascontiguousarray(matrix.T, dtype=np.float32)
    product.setflags(write=False)
    return product


@lru_cache(maxsize=16)
def _interpolation(grid: Grid) -> Float64[np.ndarray, "fine time"]:
    """Matrix of windowed-sinc interpolation to the fine grid; beyond its ends the window is held constant."""
    position = np.arange(grid.time * grid.up)[:, None] / grid.up
    sample = np.arange(-SINC_LOBES, grid.time + SINC_LOBES)
    distance = position - sample
    window = np.where(np.abs(distance) < SINC_LOBES, np.cos(np.pi * distance / 2 / SINC_LOBES) ** 2, 0.0)
    kernel = np.sinc(distance) * window
    kernel /= kernel.sum(axis=1, keepdims=True)
    out = np.zeros((len(position), grid.time))
    np.add.at(out.T, np.clip(sample, 0, grid.time - 1), kernel.T)
    return out


def measured_part(window_mv: Float32[np.ndarray, "beat lead time"], grid: Grid) -> Measured:
    """What of each window was recorded."""
    finite = np.isfinite(window_mv)
    some = np.any(finite, axis=1)
    t = grid.t_s
    begin = np.where(some.any(axis=1), t[some.argmax(axis=1)], np.float32(np.inf))
    end = np.where(some.any(axis=1), t[grid.time - 1 - some[:, ::-1].argmax(axis=1)], np.float32(-np.inf))
    return Measured(begin, end, np.any(finite, axis=2).sum(axis=1))


def without_gaps(window_mv: Float32[np.ndarray, "beat lead time"]) -> Float32[np.ndarray, "beat some time"]:
    """Windows with the record's ends held constant, missing leads and other gaps 0.

    Leads that no beat has are left out, so that two leads cost what two leads cost.
    """
    gaps = ~np.isfinite(window_mv.sum(axis=(1, 2)))
    if not gaps.any():
        return window_mv
    present = np.isfinite(window_mv).any(axis=(0, 2))
    out = window_mv[:, present if present.any() else slice(1)]
    gaps = ~np.isfinite(out.sum(axis=(1, 2)))
    some = np.any(np.isfinite(out[gaps]), axis=1)
    last = some.shape[1] - 1 - some[:, ::-1].argmax(axis=1)
    at = np.clip(np.arange(some.shape[1]), some.argmax(axis=1)[:, None], last[:, None])
    out = out.copy()
    out[gaps] = np.nan_to_num(np.take_along_axis(out[gaps], at[:, None], axis=2), nan=0.0)
    return out


def held(
    x: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    start_s: Float32[np.ndarray, " beat"],
    end_s: Float32[np.ndarray, " beat"],
) -> Float32[np.ndarray, "beat lead time"]:
    """The signal between each beat's two times, held constant before and after; a NaN time counts as R."""
    first, last = (
        np.clip(np.round(np.nan_to_num(time) * grid.fs_hz).astype(np.int64) + grid.r_index, 0, grid.time - 1)
        for time in (start_s, end_s)
    )
    at = np.clip(np.arange(grid.time), first[:, None], np.maximum(first, last)[:, None])
    return np.take_along_axis(x, at[:, None], axis=2)


def first_axis(
    x: Float32[np.ndarray, "beat lead time"], inside: Bool[np.ndarray, "beat time"], centred: bool
) -> Float32[np.ndarray, "beat lead"]:
    """First principal axis over leads of each beat's samples `inside`, by power iteration; 0 where nothing varies.

    `centred`: about the mean of those samples, else about zero.
    """
    part = x * inside[:, None]
    covariance = part @ part.transpose(0, 2, 1)
    if centred:
        total = part.sum(axis=2)
        count = np.maximum(inside.sum(axis=1), 1).astype(np.float32)[:, None, None]
        covariance -= total[:, :, None] * (total[:, None] / count)
    strongest = covariance.diagonal(axis1=1, axis2=2).argmax(axis=1)
    axis = np.take_along_axis(covariance, strongest[:, None, None], axis=2)
    for _ in range(POWER_STEPS):
        axis = covariance @ _unit(axis)
    return _unit(axis)[:, :, 0]


def _unit(axis: Float32[np.ndarray, "beat lead 1"]) -> Float32[np.ndarray, "beat lead 1"]:
    return axis / np.maximum(np.sqrt((axis * axis).sum(axis=1, keepdims=True)), np.float32(1e-20))


def value_at(y: Float32[np.ndarray, "beat time"], index: Int64[np.ndarray, " beat"]) -> Float32[np.ndarray, " beat"]:
    """Each beat's value at its own index."""
    return y[np.arange(len(y)), index]


def value_near(
    y: Float32[np.ndarray, "beat time"], t_s: Float32[np.ndarray, " time"], time_s: Float32[np.ndarray, " beat"]
) -> Float32[np.ndarray, " beat"]:
    """Each beat's value at its own time, to the next sample; a NaN time counts as the first."""
    return value_at(y, np.clip(np.searchsorted(t_s, np.nan_to_num(time_s, nan=-np.inf)), 0, len(t_s) - 1))


def mean_inside(
    y: Float32[np.ndarray, "beat time"], inside: Bool[np.ndarray, "beat time"]
) -> Float32[np.ndarray, " beat"]:
    """Mean over each beat's samples `inside`; NaN where there are none."""
    count = inside.sum(axis=1)
    mean = np.einsum("bt,bt->b", y, inside.astype(np.float32)) / np.maximum(count, 1)
    return np.where(count > 0, mean, np.nan).astype(np.float32)


def time_of_largest(
    y: Float32[np.ndarray, "beat time"], inside: Bool[np.ndarray, "beat time"], t_s: Float32[np.ndarray, " time"]
) -> Float32[np.ndarray, " beat"]:
    """Time of each beat's largest value `inside`, by a parabola through its neighbours; NaN if none is inside."""
    top = np.where(inside, y, np.float32(-np.inf)).argmax(axis=1)
    middle = np.clip(top, 1, y.shape[1] - 2)
    before, peak, after = (value_at(y, middle + step) for step in (-1, 0, 1))
    bend = before - 2 * peak + after
    # A parabola only where the largest value is a maximum of the curve and not the edge of the search.
    curved = (bend < 0) & (middle == top)
    shift = np.where(curved, 0.5 * (before - after) / np.where(curved, bend, 1), 0)
    found = t_s[top] + np.clip(shift, -0.5, 0.5) * (t_s[1] - t_s[0])
    return np.where(inside.any(axis=1), found, np.nan).astype(np.float32)


def quiet_before(
    y: Float32[np.ndarray, "beat time"],
    level: Float32[np.ndarray, " beat"],
    start: Int64[np.ndarray, " beat"],
    earliest: int,
    quiet: int,
) -> Float32[np.ndarray, " beat"]:
    """Index, interpolated, at which `y` last rises through `level` before `start`, after `quiet` samples below it.

    Where `y` is never that quiet between `earliest` and `start`, the place where it is quietest in the half of that
    stretch next to `start`: farther off other waves have quiet places too.
    """
    index = np.arange(y.shape[1])
    # The maximum over a sample and those before it, so that a notch is no quiet stretch.
    recent = maximum_filter1d(y, quiet, axis=1, origin=(quiet - 1) // 2, mode="nearest")
    inside = (index >= earliest) & (index < start[:, None])
    below = inside & (recent < level[:, None])
    close = inside & (2 * index >= start[:, None] + earliest)
    quietest = np.where(close, recent, np.float32(np.inf)).argmin(axis=1)
    at = np.where(below.any(axis=1), np.where(below, index, -1).max(axis=1), quietest)
    low, high = value_at(y, at), value_at(y, np.minimum(at + 1, y.shape[1] - 1))
    rise = np.clip((level - low) / np.maximum(high - low, np.float32(1e-12)), 0, 1)
    return (at + rise).astype(np.float32)
