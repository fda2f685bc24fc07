"""The QRS complex of each lead: Q, R, S and R′ waves, their times, its area and how smooth its course is."""

import numpy as np
from jaxtyping import Bool, Float32

from beatssl.features.definition import Definition, lead_columns, of_each_lead
from beatssl.features.waves import FINE_HZ, Waves

_LEAST_MV = 0.03
"""A deflection below this is not called an R wave: it is within the noise of a median beat."""

_Q_EDGE_MV = 0.025

FAMILIES = {
    "q_amplitude_mv": Definition("mV", "Deepest point before the R wave, zero where there is no Q wave"),
    "q_duration_ms": Definition("ms", "Time before the R peak that the signal lies under −0.025 mV"),
    "r_amplitude_mv": Definition("mV", "Highest point of the QRS, zero where all of it is negative"),
    "s_amplitude_mv": Definition("mV", "Deepest point after the R peak, zero where there is no S wave"),
    "r2_amplitude_mv": Definition("mV", "Highest point after the S wave's nadir (R′), zero where there is none"),
    "r_peak_time_ms": Definition("ms", "Time from the QRS onset to the R peak (intrinsicoid deflection)"),
    "s_peak_time_ms": Definition("ms", "Time from the QRS onset to the deepest point of the QRS"),
    "rs_balance": Definition("1", "(R − |deepest negative wave|) / (R + |deepest negative wave|), a bounded R/S ratio"),
    "qrs_area_mvms": Definition("mV·ms", "Integral of the QRS from its onset to its offset"),
    "qrs_initial_mv": Definition("mV", "Mean of the first 30 ms of the QRS"),
    "qrs_terminal_mv": Definition("mV", "Mean of the last 40 ms of the QRS"),
    "qrs_path_ratio": Definition(
        "1", "Length of the QRS's up-and-down path over twice its height: 1 when smooth, more when notched"
    ),
    "qrs_steepest_mvps": Definition("mV/s", "Greatest absolute slope within the QRS"),
}
DEFINITIONS = of_each_lead(FAMILIES)


def measure(waves: Waves) -> dict[str, Float32[np.ndarray, " row"]]:
    """The QRS families of every lead, NaN where the lead is missing or the QRS has no boundaries."""
    families = amplitudes(waves) | _course(waves)
    return lead_columns(families, waves.present & waves.has_qrs[:, None])


def amplitudes(waves: Waves) -> dict[str, Float32[np.ndarray, "row lead"]]:
    """The families of Q, R and S of any leads; what `waves` says is not present counts for nothing."""
    low = np.where(waves.in_qrs[:, None], waves.qrs_mv, np.float32(np.inf))
    r, r_at = _highest(np.where(waves.in_qrs[:, None], waves.qrs_mv, np.float32(-np.inf)))
    nadir_at = low.argmin(axis=2)
    at = np.arange(waves.qrs_mv.shape[2])
    has_r = r >= _LEAST_MV
    before_r = at < np.where(has_r, r_at, len(at))[..., None]
    q = np.minimum(np.where(before_r, low, 0).min(axis=2), 0)
    after = np.where(before_r, np.float32(np.inf), low)
    s, s_at = after.min(axis=2), after.argmin(axis=2)
    has_s = has_r & (s < -_LEAST_MV)
    beyond = waves.in_qrs[:, None] & (at > s_at[..., None]) & has_s[..., None]
    r2 = np.where(beyond, waves.qrs_mv, 0).max(axis=2)
    under = (before_r & waves.in_qrs[:, None] & (waves.qrs_mv < -_Q_EDGE_MV)).sum(axis=2)
    onset = waves.marks.qrs_onset_s[:, None]
    r, s = np.where(has_r, r, 0), np.where(has_s, s, 0)
    depth = -np.minimum(q, s)
    return {
        "q_amplitude_mv": q,
        "q_duration_ms": (under * 1000 / FINE_HZ).astype(np.float32),
        "r_amplitude_mv": r,
        "s_amplitude_mv": s,
        "r2_amplitude_mv": r2,
        "r_peak_time_ms": np.where(has_r, 1000 * (waves.qrs_at_s[r_at] - onset), np.nan),
        "s_peak_time_ms": 1000 * (waves.qrs_at_s[nadir_at] - onset),
        "rs_balance": (r - depth) / np.maximum(r + depth, _LEAST_MV),
    }


def _course(waves: Waves) -> dict[str, Float32[np.ndarray, "row lead"]]:
    onset, offset = waves.marks.qrs_onset_s, waves.marks.qrs_offset_s
    early = waves.in_qrs & (waves.qrs_at_s <= onset[:, None] + np.float32(0.03))
    late = waves.in_qrs & (waves.qrs_at_s >= offset[:, None] - np.float32(0.04))
    step = np.diff(waves.qrs_mv, axis=2) * (waves.in_qrs[:, None, 1:] & waves.in_qrs[:, None, :-1])
    step = np.abs(step, out=step)
    height = _masked_span(waves.qrs_mv, waves.in_qrs)
    weights = np.stack([waves.in_qrs * (1000 / FINE_HZ), _mean_of(early), _mean_of(late)], axis=2).astype(np.float32)
    area, initial, terminal = np.moveaxis(np.matmul(waves.qrs_mv, weights), 2, 0)
    return {
        "qrs_area_mvms": area,
        "qrs_initial_mv": initial,
        "qrs_terminal_mv": terminal,
        "qrs_path_ratio": step.sum(axis=2) / np.maximum(2 * height, _LEAST_MV),
        "qrs_steepest_mvps": step.max(axis=2) * np.float32(FINE_HZ),
    }


def _highest(
    values: Float32[np.ndarray, "row lead time"],
) -> tuple[Float32[np.ndarray, "row lead"], np.ndarray]:
    at = values.argmax(axis=2)
    return np.take_along_axis(values, at[..., None], axis=2)[..., 0], at


def _mean_of(mask: Bool[np.ndarray, "row time"]) -> np.ndarray:
    """Weights that turn a sum over time into the mean over the mask."""
    return mask / np.maximum(mask.sum(axis=1, keepdims=True), 1)


def _masked_span(
    mv: Float32[np.ndarray, "row lead time"], mask: Bool[np.ndarray, "row time"]
) -> Float32[np.ndarray, "row lead"]:
    """Highest minus lowest point of the QRS, the level before it included."""
    inside = np.where(mask[:, None], mv, 0)
    return inside.max(axis=2) - inside.min(axis=2)
