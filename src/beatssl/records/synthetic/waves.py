"""A heartbeat as a moving dipole: a sum of Gaussians on the axes X (left), Y (feet), Z (back)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

P, QRS, T, ST = range(4)
"""Which wave a Gaussian belongs to. ST carries the level between QRS and T and bears no marks of its own."""

WAVE_NAMES = ("P", "QRS", "T")

MARK_FRACTION = ((0.06, 0.14), (0.007, 0.015), (0.05, 0.05))
"""P, QRS, T: a wave begins, and ends, where its own dipole falls below this share of its largest magnitude.

So marked because LUDB's cardiologists mark so: the medians of that share over 100 of its records (inverse Dower VCG,
averaged at the marks) are P .06 and .14, QRS .007 and .027, T .07 and .04. The end of QRS and the onset of T are set
lower here, for in the recordings ST and the T wave add to the share and here a wave is measured alone.
"""

SUPPORT_SIGMAS = 4.5  # a Gaussian is drawn this far to either side; what is cut off is under 0.005 % of its height


@dataclass(frozen=True, slots=True)
class Shape:
    """One beat's Gaussians; times are relative to the R peak, the largest magnitude of the QRS dipole."""

    wave: Int64[np.ndarray, " part"]
    centre_s: Float64[np.ndarray, " part"]
    rise_s: Float64[np.ndarray, " part"]  # standard deviation before the centre
    fall_s: Float64[np.ndarray, " part"]  # and after it
    dipole_mv: Float64[np.ndarray, "part 3"]

    def only(self, wave: int) -> "Shape":
        """The Gaussians of one wave."""
        keep = self.wave == wave
        return Shape(self.wave[keep], self.centre_s[keep], self.rise_s[keep], self.fall_s[keep], self.dipole_mv[keep])

    def shifted(self, seconds: float) -> "Shape":
        return replace(self, centre_s=self.centre_s + seconds)

    def scaled(self, factor: float) -> "Shape":
        """Larger or smaller by `factor`, at the same times."""
        return replace(self, dipole_mv=self.dipole_mv * factor)


@dataclass(frozen=True, slots=True)
class DrawnBeats:
    """Beats to draw: each with its shape's number, R time, and how far its QT is stretched against the shape's."""

    shape: Int64[np.ndarray, " beat"]
    r_time_s: Float64[np.ndarray, " beat"]
    qrs_onset_s: Float64[np.ndarray, " beat"]  # from R
    stretch: Float64[np.ndarray, " beat"]
    turn: Float64[np.ndarray, "beat 3 3"]  # rotation and gain of the dipole (breathing moves the heart)


def parts(wave: int, rows: Sequence[tuple[float, float, tuple[float, float, float]]]) -> Shape:
    """Gaussians of one wave from rows of centre (ms), standard deviation (ms) and dipole (mV)."""
    centre_ms, sigma_ms, dipole_mv = zip(*rows, strict=True)
    sigma_s = np.array(sigma_ms) / 1000
    return Shape(np.full(len(rows), wave), np.array(centre_ms) / 1000, sigma_s, sigma_s, np.array(dipole_mv, float))


def join(*shapes: Shape) -> Shape:
    """All Gaussians of several shapes."""
    return Shape(
        wave=np.concatenate([s.wave for s in shapes]),
        centre_s=np.concatenate([s.centre_s for s in shapes]),
        rise_s=np.concatenate([s.rise_s for s in shapes]),
        fall_s=np.concatenate([s.fall_s for s in shapes]),
        dipole_mv=np.concatenate([s.dipole_mv for s in shapes]),
    )


def wave_bounds_s(shape: Shape, wave: int) -> Float64[np.ndarray, " 3"]:
    """Onset, peak and offset of one wave, s from R, to the millisecond; NaN where the beat has no such wave."""
    own = shape.only(wave)
    if own.wave.size == 0:
        return np.full(3, np.nan)
    first_ms = np.floor(1000 * (own.centre_s - SUPPORT_SIGMAS * own.rise_s).min())
    last_ms = np.ceil(1000 * (own.centre_s + SUPPORT_SIGMAS * own.fall_s).max())
    time_s = np.arange(first_ms, last_ms) / 1000
    after_s = time_s[:, None] - own.centre_s
    sigma_s = np.where(after_s < 0, own.rise_s, own.fall_s)
    dipole_mv = np.exp(-0.5 * (after_s / sigma_s) ** 2) @ own.dipole_mv
    power = np.einsum("ti,ti->t", dipole_mv, dipole_mv)
    share = np.sqrt(power / power.max())
    begins, ends = MARK_FRACTION[wave]
    return time_s[[np.argmax(share >= begins), power.argmax(), np.flatnonzero(share >= ends)[-1]]]


def bounds_s(shape: Shape) -> Float64[np.ndarray, "3 3"]:
    """Onset, peak and offset (columns, s from R) of P, QRS and T (rows)."""
    return np.stack([wave_bounds_s(shape, wave) for wave in (P, QRS, T)])


def centred_on_r(shape: Shape) -> Shape:
    """The same beat with its R peak at time 0."""
    return shape.shifted(-float(wave_bounds_s(shape, QRS)[1]))


def stretched_s(
    time_s: Float64[np.ndarray, "*#any"],
    qrs_onset_s: Float64[np.ndarray, "*#any"],
    stretch: Float64[np.ndarray, "*#any"],
) -> Float64[np.ndarray, "*#any"]:
    """Where a time of repolarisation (s from R) comes to lie when the QT interval is stretched."""
    return qrs_onset_s + (time_s - qrs_onset_s) * stretch


def draw(shapes: Sequence[Shape], beats: DrawnBeats, fs_hz: float, samples: int) -> Float64[np.ndarray, "3 time"]:
    """The dipole over time, mV: the sum over beats and Gaussians of d · exp(−(t − c)² / 2σ²), σ by the side of c."""
    everything = join(*shapes)
    counts = np.array([s.wave.size for s in shapes])
    first = np.cumsum(counts) - counts
    beat, part = _ragged(counts[beats.shape], first[beats.shape])
    repolarises = everything.wave[part] >= T
    stretch = np.where(repolarises, beats.stretch[beat], 1.0)
    centre_s = stretched_s(everything.centre_s[part], beats.qrs_onset_s[beat], stretch) + beats.r_time_s[beat]
    rise_s, fall_s = everything.rise_s[part] * stretch, everything.fall_s[part] * stretch
    dipole_mv = np.einsum("nij,nj->ni", beats.turn[beat], everything.dipole_mv[part])

    from_sample = np.ceil((centre_s - SUPPORT_SIGMAS * rise_s) * fs_hz).astype(np.int64)
    to_sample = np.floor((centre_s + SUPPORT_SIGMAS * fall_s) * fs_hz).astype(np.int64)
    from_sample, to_sample = np.maximum(from_sample, 0), np.minimum(to_sample, samples - 1)
    gaussian, sample = _ragged(np.maximum(to_sample - from_sample + 1, 0), from_sample)
    after_s = sample / fs_hz - centre_s[gaussian]
    height = np.exp(-0.5 * (after_s / np.where(after_s < 0, rise_s[gaussian], fall_s[gaussian])) ** 2)
    return np.stack([np.bincount(sample, height * axis[gaussian], samples) for axis in dipole_mv.T])


def _ragged(
    counts: Int64[np.ndarray, " row"], first: Int64[np.ndarray, " row"]
) -> tuple[Int64[np.ndarray, " entry"], Int64[np.ndarray, " entry"]]:
    """For rows of `counts` entries each: the row of every entry, and its number counted on from the row's `first`."""
    row = np.repeat(np.arange(counts.size), counts)
    within = np.arange(row.size) - np.repeat(np.cumsum(counts) - counts, counts)
    return row, first[row] + within
