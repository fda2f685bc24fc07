"""ST segment and T wave of each lead."""

import numpy as np
from jaxtyping import Float32

from beatssl.features.definition import Definition, lead_columns, of_each_lead
from beatssl.features.waves import Waves

_ST_MS = (0, 20, 40, 60, 80)
_T_START_S = np.float32(0.05)
_LEAST_AREA_MVMS = 0.5

FAMILIES = {
    **{f"st_j{ms}_mv": Definition("mV", f"Level {ms} ms after the QRS offset (J point)") for ms in _ST_MS},
    "st_slope_mvps": Definition("mV/s", "Rise of the signal from J to J + 80 ms, per second"),
    "t_amplitude_mv": Definition("mV", "Value of the T wave's largest deflection of either sign"),
    "t_max_mv": Definition("mV", "Highest point of the T wave, zero where all of it is negative"),
    "t_min_mv": Definition("mV", "Lowest point of the T wave, zero where all of it is positive"),
    "t_area_mvms": Definition("mV·ms", "Integral of the T wave from its onset to its offset"),
    "t_balance": Definition("1", "Integral of the T wave over the integral of its absolute value"),
    "t_symmetry": Definition("1", "(area before − area after the T wave's centre) / their sum, of absolute values"),
    "t_peak_time_ms": Definition("ms", "Time from J to the T wave's largest deflection"),
    "t_over_r": Definition("1", "T amplitude over the height of the QRS, bounded to ±2"),
}
DEFINITIONS = of_each_lead(FAMILIES)


def measure(waves: Waves) -> dict[str, Float32[np.ndarray, " row"]]:
    """The ST and T families of every lead, NaN where lead, J point or T offset is missing."""
    return lead_columns(families(waves), waves.present & waves.has_qrs[:, None])


def families(waves: Waves) -> dict[str, Float32[np.ndarray, "row lead"]]:
    """The ST and T families of any leads; what `waves` says is not present counts for nothing."""
    return _st(waves) | _t(waves)


def _st(waves: Waves) -> dict[str, Float32[np.ndarray, "row lead"]]:
    j_s = waves.marks.qrs_offset_s
    levels = {f"st_j{ms}_mv": waves.value_at(j_s + np.float32(ms / 1000)) for ms in _ST_MS}
    return levels | {"st_slope_mvps": (levels["st_j80_mv"] - levels["st_j0_mv"]) / np.float32(0.08)}


def _t(waves: Waves) -> dict[str, Float32[np.ndarray, "row lead"]]:
    j_s, end_s = waves.marks.qrs_offset_s, waves.marks.t_offset_s
    start_s = np.fmax(waves.marks.t_onset_s, j_s + _T_START_S)
    later = waves.at_s >= 0
    mv, at_s = waves.mv[:, :, later], waves.at_s[later]
    mask = waves.between(start_s, end_s)[:, later]
    inside = np.where(mask[:, None], mv, 0)
    size = np.abs(inside)
    peak_at = size.argmax(axis=2)
    step_ms = 1000 * (at_s[1] - at_s[0])
    # Whole numbers: in seconds, rounding would decide on which side a sample at the very centre lies.
    from_centre = np.cumsum(mask, axis=1) * 2 - mask - mask.sum(axis=1, keepdims=True)
    first = np.where(from_centre < 0, 1, np.where(from_centre == 0, 0.5, 0)).astype(np.float32)
    area, whole = inside.sum(axis=2) * step_ms, size.sum(axis=2) * step_ms
    before = np.matmul(size, first[:, :, None])[..., 0] * step_ms
    amplitude = np.take_along_axis(inside, peak_at[..., None], axis=2)[..., 0]
    qrs = np.where(waves.in_qrs[:, None], waves.qrs_mv, 0)
    height = np.maximum(qrs.max(axis=2) - qrs.min(axis=2), np.float32(0.05))
    tame = np.maximum(whole, np.float32(_LEAST_AREA_MVMS))
    families = {
        "t_amplitude_mv": amplitude,
        "t_max_mv": inside.max(axis=2),
        "t_min_mv": inside.min(axis=2),
        "t_area_mvms": area,
        "t_balance": area / tame,
        "t_symmetry": (2 * before - whole) / tame,
        "t_peak_time_ms": 1000 * (at_s[peak_at] - j_s[:, None]),
        "t_over_r": np.clip(amplitude / height, -2, 2),
    }
    has_t = np.asarray(mask.any(axis=1))[:, None]
    return {name: np.where(has_t, v, np.nan).astype(np.float32) for name, v in families.items()}
