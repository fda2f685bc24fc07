"""QRS: the spatial speed rises out of the quiet stretch before it and falls back at J."""

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import uniform_filter1d

from beatssl.beats.rules.delineation import Grid, quiet_before, time_of_largest, to_slope

REACH_S = 0.10
"""The steepest slope lies within this time of the R sample."""
EARLIEST_S, LATEST_S = -0.16, 0.20
"""Limits of onset and offset."""
MIN_SPEED_MV_PER_S = 1.0
"""Where the steepest slope is no more there is no QRS, only a line; a QRS of 0.1 mV reaches ten times that."""
CORE_FRACTION = 0.25
"""From the first to the last slope of at least this share of the steepest, the QRS is certain."""
ONSET_FRACTION, OFFSET_FRACTION = 0.065, 0.09
"""Shares of the steepest slope at which the QRS begins and ends."""
QUIET_S = 0.020
"""The slope must stay below for so long: a notch is no end."""
NOISE_FROM_S, NOISE_TO_S, NOISE_SPAN_S = -0.30, -0.03, 0.030
"""Noise is the mean speed of the quietest stretch of this length before the QRS."""
NOISE_FACTOR = 2.0
"""The QRS stands out by at least this factor."""


def find_qrs(
    x_mv: Float32[np.ndarray, "beat lead time"], grid: Grid
) -> tuple[Float32[np.ndarray, " beat"], Float32[np.ndarray, " beat"]]:
    """Onset and offset of QRS in seconds from R, NaN where the signal is a line.

    The spatial speed is the root of the squared slopes summed over leads. Onset is where it last rises through a
    share of its maximum, or through the noise; offset where it first falls back.
    """
    columns = grid.columns(NOISE_FROM_S - NOISE_SPAN_S, LATEST_S)
    part = grid.part(columns)
    t = part.fine_s
    slope = (x_mv[:, :, columns].reshape(-1, part.time) @ to_slope(part)).reshape(*x_mv.shape[:2], -1)
    speed = np.sqrt(np.einsum("blu,blu->bu", slope, slope))
    near = np.abs(t) <= REACH_S
    top = speed[:, near].max(axis=1)
    quiet = uniform_filter1d(speed, max(1, round(NOISE_SPAN_S * part.fine_hz)), axis=1)
    noise = quiet[:, (t > NOISE_FROM_S) & (t < NOISE_TO_S)].min(axis=1)
    core = near & (speed >= CORE_FRACTION * top[:, None])
    stay = max(1, round(QUIET_S * part.fine_hz))
    level = [np.maximum(share * top, NOISE_FACTOR * noise) for share in (ONSET_FRACTION, OFFSET_FRACTION)]
    onset = quiet_before(speed, level[0], core.argmax(axis=1), int(np.searchsorted(t, EARLIEST_S)), stay)
    # The offset is an onset in reversed time.
    offset = quiet_before(speed[:, ::-1], level[1], core[:, ::-1].argmax(axis=1), 0, stay)
    blank = np.where(top > MIN_SPEED_MV_PER_S, 0, np.nan)
    onset_s, offset_s = t[0] + onset / part.fine_hz + blank, t[-1] - offset / part.fine_hz + blank
    return onset_s.astype(np.float32), offset_s.astype(np.float32)


def find_r_peak(
    x_mv: Float32[np.ndarray, "beat lead time"],
    grid: Grid,
    onset_s: Float32[np.ndarray, " beat"],
    offset_s: Float32[np.ndarray, " beat"],
) -> Float32[np.ndarray, " beat"]:
    """Where within QRS all leads together are farthest from their level at its onset."""
    columns = grid.columns(EARLIEST_S, LATEST_S)
    t = grid.t_s[columns]
    before = np.round(np.nan_to_num(onset_s) * grid.fs_hz).astype(np.int64) + grid.r_index
    rise = x_mv[:, :, columns] - x_mv[np.arange(len(x_mv)), :, np.clip(before, 0, grid.time - 1)][:, :, None]
    inside = (t >= onset_s[:, None]) & (t <= offset_s[:, None])
    return time_of_largest(np.sqrt(np.einsum("blt,blt->bt", rise, rise)), inside, t)
