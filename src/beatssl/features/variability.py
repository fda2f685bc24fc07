"""How much the beats of a row differ from its median beat, and how noisy the row is."""

import numpy as np
from jaxtyping import Float32

from beatssl.beats.windows import Beats
from beatssl.features.definition import Definition, columns
from beatssl.features.ragged import row_mean, row_median
from beatssl.features.waves import Waves
from beatssl.signals.leads import INDEPENDENT

_PARTS = ("p", "qrs", "t")

DEFINITIONS = {
    **{
        f"shape_sd_{part}_uv": Definition(
            "µV", f"Median over beats of the RMS distance from the median beat within the {part.upper()} region."
        )
        for part in _PARTS
    },
    "shape_sd_qrs_share": Definition("1", "That distance in the QRS over the RMS of the median QRS."),
    "beat_correlation": Definition("1", "Median over beats of the QRS-T correlation with the median beat."),
    "beat_correlation_min": Definition("1", "Lowest such correlation in the row."),
    "unlike_beat_share": Definition("1", "Share of beats whose correlation with the median beat is under 0.8."),
    "noise_uv": Definition("µV", "RMS of second differences over √6, outside the QRS: noise above about 15 Hz."),
    "t_alternans_uv": Definition(
        "µV", "RMS over leads of the difference of the T waves of even and odd beats, halved."
    ),
}


def measure(
    beats: Beats, correlation: Float32[np.ndarray, " beat"], median: Waves, rows: int
) -> dict[str, Float32[np.ndarray, " row"]]:
    """Beat-to-beat variability over the independent leads; NaN where a row has under three beats."""
    leads = list(INDEPENDENT)
    row = beats.row
    step = median.at_s[1] - median.at_s[0]
    level = beats.window_mv[:, leads] - median.mv[row][:, leads]
    finite = np.isfinite(level)
    level = np.where(finite, level, 0)
    onset, j_s, end = median.marks.qrs_onset_s, median.marks.qrs_offset_s, median.marks.t_offset_s
    spans = {
        "p": (onset - np.float32(0.18), onset - np.float32(0.02)),
        "qrs": (onset, j_s),
        "t": (j_s + np.float32(0.06), end),
    }
    slope = np.gradient(median.mv[:, leads], axis=2)
    out: dict[str, np.ndarray] = {}
    for part, (start, stop) in spans.items():
        mask = median.between(start - step / 2, stop + step / 2)[row]
        apart = _without_shift(level, slope[row], mask) if part == "qrs" else level
        out[f"shape_sd_{part}_uv"] = row_median(1000 * _rms_about_mean(apart, mask), row, rows)
    mask = median.between(*spans["qrs"])
    size = 1000 * _rms_about_mean(median.mv[:, leads], mask)
    out["shape_sd_qrs_share"] = out["shape_sd_qrs_uv"] / np.where(size > 0, size, np.nan)
    out["beat_correlation"] = row_median(correlation, row, rows)
    lowest = np.full(rows, np.inf)
    np.minimum.at(lowest, row, np.where(np.isfinite(correlation), correlation, np.inf))
    out["beat_correlation_min"] = np.where(np.isfinite(lowest), lowest, np.nan)
    unlike = np.where(np.isfinite(correlation), correlation < 0.8, np.nan).astype(np.float32)
    out["unlike_beat_share"] = row_mean(unlike, row, rows)
    out["noise_uv"] = row_median(_noise_uv(level, median, row), row, rows)
    out["t_alternans_uv"] = _alternans_uv(level, median.between(*spans["t"]), row, rows)
    enough = np.bincount(row, minlength=rows) >= 3
    return columns({name: out[name] for name in DEFINITIONS}, enough)


def _without_shift(apart: np.ndarray, slope: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The distance less its part along the median beat's slope: where R lies between samples is no change of shape."""
    slope = slope * mask[:, None]
    size = np.einsum("blt,blt->b", slope, slope)
    shift = np.einsum("blt,blt->b", apart, slope) / np.where(size > 0, size, 1)
    return apart - shift[:, None, None] * slope


def _rms_about_mean(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """RMS over leads and masked samples less each lead's own mean there (the level wanders); NaN for no sample."""
    weight = mask.astype(np.float32)
    count = weight.sum(axis=1)
    total = np.einsum("blt,bt->bl", values, weight)
    squares = np.einsum("blt,blt,bt->b", values, values, weight, optimize=False)
    count = np.where(count > 0, count, np.nan)
    mean_square = (squares - (total**2).sum(axis=1) / count) / (count * values.shape[1])
    return np.sqrt(np.maximum(mean_square, 0)).astype(np.float32)


def _noise_uv(level: np.ndarray, median: Waves, row: np.ndarray) -> np.ndarray:
    second = np.diff(level, n=2, axis=2)
    onset, j_s = median.marks.qrs_onset_s, median.marks.qrs_offset_s
    quiet = ~median.between(onset - np.float32(0.03), j_s + np.float32(0.03))[row][:, 1:-1]
    energy = np.einsum("blt,blt,bt->b", second, second, quiet.astype(np.float32), optimize=False)
    return (1000 * np.sqrt(energy / np.maximum(quiet.sum(axis=1) * level.shape[1], 1) / 6)).astype(np.float32)


def _alternans_uv(level: np.ndarray, mask: np.ndarray, row: np.ndarray, rows: int) -> np.ndarray:
    weight = mask[row].astype(np.float32)
    size = weight.sum(axis=1, keepdims=True)
    height = np.einsum("blt,bt->bl", level, weight) / np.where(size > 0, size, np.nan)
    counts = np.bincount(row, minlength=rows)
    slot = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    sides = [
        np.stack([row_mean(np.where(slot % 2 == side, h, np.nan).astype(np.float32), row, rows) for h in height.T])
        for side in (0, 1)
    ]
    return 500 * np.sqrt(((sides[0] - sides[1]) ** 2).mean(axis=0))
