"""Records of any length through a network that takes some seconds: overlapping windows, blended where they meet."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32

WINDOW_S, OVERLAP_S, EDGE_S = 10.0, 4.0, 1.0
"""Length of a window, how far two reach over each other at least, and how much of a window's end does not count."""

Join = Callable[[Float32[np.ndarray, "window lead class part"]], Float32[np.ndarray, "lead class time"]]


def blended(samples: int, fs_hz: float, coarsest: int = 32, window_s: float = WINDOW_S) -> tuple[list[slice], Join]:
    """Windows that cover a record, all of `window_s`, and how their results become one.

    A record of up to a window and a half is one window. In a longer one each sample is the mean of its windows,
    weighted by how far inside each it lies: 0 in the outer `EDGE_S`, then rising evenly to 1 over the rest of the
    overlap. So the result is continuous, and at no place does a window's end count where another's middle does.
    Windows begin at multiples of `coarsest` samples, the network's coarsest step: all cut time into the same steps.
    """
    length = round(window_s * fs_hz)
    step = max(1, int((window_s - OVERLAP_S) * fs_hz) // coarsest) * coarsest
    if samples <= 1.5 * length:
        return [slice(0, samples)], lambda parts: parts[0]
    starts = [*range(0, samples - length, step), samples - length]
    windows = [slice(start, start + length) for start in starts]
    edge, rise = EDGE_S * fs_hz, (OVERLAP_S - 2 * EDGE_S) * fs_hz
    inside = np.arange(length) + 0.5
    up = np.clip((inside - edge) / rise, 0, 1)

    def join(parts: Float32[np.ndarray, "window lead class part"]) -> Float32[np.ndarray, "lead class time"]:
        total = np.zeros((*parts.shape[1:3], samples), np.float64)
        weight = np.zeros(samples)
        for number, (part, window) in enumerate(zip(parts, windows, strict=True)):
            own = np.ones(length)
            own = np.minimum(own, up) if number > 0 else own
            own = np.minimum(own, up[::-1]) if number < len(windows) - 1 else own
            total[:, :, window] += own * part
            weight[window] += own
        return (total / weight).astype(np.float32)

    return windows, join
