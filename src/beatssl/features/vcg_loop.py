"""The heart's dipole: QRS and T loops of the vectorcardiogram, axes in the frontal plane, and what is no dipole."""

import numpy as np
from jaxtyping import Bool, Float32

from beatssl.features.definition import Definition, columns
from beatssl.features.waves import FINE_HZ, Waves
from beatssl.signals.leads import INDEPENDENT
from beatssl.signals.vcg import to_vcg

_I, _AVF = 0, 5
_WIDTHS = (10, 20, 50)


def _loop(name: str, wave: str) -> dict[str, Definition]:
    return {
        f"{name}_loop_max_mv": Definition("mV", f"Greatest magnitude of the {wave} vector."),
        f"{name}_loop_azimuth_axis_deg": Definition(
            "deg", f"Direction of the mean {wave} vector in the transverse plane, 0 left, 90 back, −90 front."
        ),
        f"{name}_loop_elevation_deg": Definition("deg", f"Angle of the mean {wave} vector below the transverse plane."),
        f"{name}_loop_x_mv": Definition("mV", f"Mean {wave} vector to the patient's left."),
        f"{name}_loop_y_mv": Definition("mV", f"Mean {wave} vector to the feet."),
        f"{name}_loop_z_mv": Definition("mV", f"Mean {wave} vector to the back."),
        f"{name}_loop_planarity": Definition("1", f"Share of the {wave} loop's variance within its best plane."),
        f"{name}_loop_roundness": Definition("1", f"Second over first singular value of the {wave} loop."),
        f"{name}_loop_area_mv2": Definition("mV²", f"Area that the {wave} vector sweeps from the origin."),
        f"{name}_axis_deg": Definition("deg", f"{wave} axis in the frontal plane, from net areas of I and aVF."),
        f"{name}_no_dipole_share": Definition(
            "1", f"Share of the {wave}'s energy over eight leads beyond its three largest components."
        ),
    }


_ANGLES = {
    "qrs_t_spatial_angle_deg": Definition("deg", "Angle in space between the mean QRS and mean T vectors."),
    "qrs_t_peak_angle_deg": Definition("deg", "Angle in space between the largest QRS and the largest T vector."),
    "qrs_t_frontal_angle_deg": Definition("deg", "Angle between the QRS and T axes in the frontal plane."),
    "ventricular_gradient_mvms": Definition("mV·ms", "Magnitude of the QRST integral of the VCG."),
    "p_axis_deg": Definition("deg", "P axis in the frontal plane, from net areas of I and aVF."),
    "qrs_initial_axis_deg": Definition("deg", "Frontal axis of the QRS's first 30 ms."),
    "qrs_terminal_axis_deg": Definition("deg", "Frontal axis of the QRS's last 40 ms."),
    "qrs_initial_azimuth_axis_deg": Definition("deg", "Transverse direction of the QRS's first 30 ms."),
    "qrs_terminal_azimuth_axis_deg": Definition("deg", "Transverse direction of the QRS's last 40 ms."),
    "qrs_turning_deg": Definition("deg", "Signed angle, front to back, by which the transverse QRS loop turns."),
    "st_vector_mv": Definition("mV", "Magnitude of the VCG 60 ms after J."),
    "st_vector_x_mv": Definition("mV", "VCG 60 ms after J, to the left."),
    "st_vector_y_mv": Definition("mV", "VCG 60 ms after J, to the feet."),
    "st_vector_z_mv": Definition("mV", "VCG 60 ms after J, to the back."),
} | {
    f"qrs_speed_width_{p}_ms": Definition(
        "ms", f"Time within ±120 ms of R that the VCG moves at over {p} % of its top speed."
    )
    for p in _WIDTHS
}
DEFINITIONS = _loop("qrs", "QRS") | _loop("t", "T wave") | _ANGLES


def measure(waves: Waves) -> dict[str, Float32[np.ndarray, " row"]]:
    """All loop measures; NaN without the eight independent leads, the QRS's boundaries or (T measures) the T wave's."""
    whole = waves.present[:, INDEPENDENT].all(axis=1) & waves.has_qrs
    marks = waves.marks
    j_s = marks.qrs_offset_s
    later = waves.at_s >= 0
    in_t = waves.between(np.fmax(marks.t_onset_s, j_s + np.float32(0.05)), marks.t_offset_s)[:, later]
    in_p = waves.between(marks.p_onset_s, marks.p_offset_s)
    qrs, t = to_vcg(waves.qrs_mv), to_vcg(waves.mv[:, :, later])
    step_s = float(waves.at_s[1] - waves.at_s[0])
    out = _loop_measures("qrs", qrs, waves.qrs_mv, waves.in_qrs)
    of_t = _loop_measures("t", t, waves.mv[:, :, later], in_t)
    has_t = in_t.any(axis=1)
    of_t = {name: np.where(has_t, v, np.nan) for name, v in of_t.items()}
    p_net = _sum(waves.mv[:, (_I, _AVF)], in_p)
    out |= of_t | {"p_axis_deg": np.where(in_p.any(axis=1), frontal_axis_deg(p_net), np.nan)}
    out |= _angles(out, qrs, t, waves.in_qrs, in_t)
    gradient = _sum(qrs, waves.in_qrs) * 1000 / FINE_HZ + _sum(t, in_t) * 1000 * step_s
    out["ventricular_gradient_mvms"] = np.where(has_t, np.linalg.norm(gradient, axis=1), np.nan)
    out |= _ends(waves, qrs) | _st_vector(waves) | _speed_widths(waves, qrs)
    return columns({name: out[name] for name in DEFINITIONS}, whole)


def _loop_measures(
    name: str,
    vcg: Float32[np.ndarray, "row 3 time"],
    mv: Float32[np.ndarray, "row lead time"],
    mask: Bool[np.ndarray, "row time"],
) -> dict[str, np.ndarray]:
    loop = vcg * mask[:, None]
    count = np.maximum(mask.sum(axis=1), 1)
    mean = loop.sum(axis=2) / count[:, None]
    size = np.sqrt((loop**2).sum(axis=1))
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(loop @ loop.transpose(0, 2, 1)), 1e-9))
    cross = np.cross(loop[:, :, :-1], loop[:, :, 1:], axis=1) / 2
    eight = mv[:, INDEPENDENT] * mask[:, None]
    energy = np.maximum(np.linalg.eigvalsh(eight @ eight.transpose(0, 2, 1)), 1e-9)
    x, y, z = mean.T
    return {
        f"{name}_loop_max_mv": size.max(axis=1),
        f"{name}_loop_azimuth_axis_deg": np.degrees(np.arctan2(z, x)),
        f"{name}_loop_elevation_deg": np.degrees(np.arctan2(y, np.hypot(x, z))),
        f"{name}_loop_x_mv": x,
        f"{name}_loop_y_mv": y,
        f"{name}_loop_z_mv": z,
        f"{name}_loop_planarity": 1 - values[:, 0] ** 2 / (values**2).sum(axis=1),
        f"{name}_loop_roundness": values[:, 1] / values[:, 2],
        f"{name}_loop_area_mv2": np.linalg.norm(cross, axis=1).sum(axis=1),
        f"{name}_axis_deg": frontal_axis_deg(_sum(mv[:, (_I, _AVF)], mask)),
        f"{name}_no_dipole_share": energy[:, :5].sum(axis=1) / energy.sum(axis=1),
    }


def _angles(
    out: dict[str, np.ndarray],
    qrs: Float32[np.ndarray, "row 3 fine"],
    t: Float32[np.ndarray, "row 3 time"],
    in_qrs: Bool[np.ndarray, "row fine"],
    in_t: Bool[np.ndarray, "row time"],
) -> dict[str, np.ndarray]:
    frontal = np.abs((out["qrs_axis_deg"] - out["t_axis_deg"] + 180) % 360 - 180)
    has_t = in_t.any(axis=1)
    spatial = _angle(_sum(qrs, in_qrs), _sum(t, in_t))
    peak = _angle(_largest(qrs, in_qrs), _largest(t, in_t))
    return {
        "qrs_t_frontal_angle_deg": frontal,
        "qrs_t_spatial_angle_deg": np.where(has_t, spatial, np.nan),
        "qrs_t_peak_angle_deg": np.where(has_t, peak, np.nan),
    }


def _ends(waves: Waves, qrs: Float32[np.ndarray, "row 3 fine"]) -> dict[str, np.ndarray]:
    onset, offset = waves.marks.qrs_onset_s[:, None], waves.marks.qrs_offset_s[:, None]
    early = waves.in_qrs & (waves.qrs_at_s <= onset + np.float32(0.03))
    late = waves.in_qrs & (waves.qrs_at_s >= offset - np.float32(0.04))
    limb = waves.qrs_mv[:, (_I, _AVF)]
    first, last = _sum(qrs, early), _sum(qrs, late)
    loop = qrs * waves.in_qrs[:, None]
    x, z = loop[:, 0], loop[:, 2]
    swept = (x[:, :-1] * z[:, 1:] - x[:, 1:] * z[:, :-1]).sum(axis=1)
    size = (x**2 + z**2).sum(axis=1)
    return {
        "qrs_initial_axis_deg": frontal_axis_deg(_sum(limb, early)),
        "qrs_terminal_axis_deg": frontal_axis_deg(_sum(limb, late)),
        "qrs_initial_azimuth_axis_deg": np.degrees(np.arctan2(first[:, 2], first[:, 0])),
        "qrs_terminal_azimuth_axis_deg": np.degrees(np.arctan2(last[:, 2], last[:, 0])),
        "qrs_turning_deg": np.degrees(np.arctan2(swept * 5, size)),
    }


def _st_vector(waves: Waves) -> dict[str, np.ndarray]:
    level = waves.value_at(waves.marks.qrs_offset_s + np.float32(0.06))
    vector = to_vcg(level[:, :, None])[..., 0]
    x, y, z = vector.T
    return {
        "st_vector_mv": np.linalg.norm(vector, axis=1),
        "st_vector_x_mv": x,
        "st_vector_y_mv": y,
        "st_vector_z_mv": z,
    }


def _speed_widths(waves: Waves, qrs: Float32[np.ndarray, "row 3 fine"]) -> dict[str, np.ndarray]:
    near = np.abs(waves.qrs_at_s) <= np.float32(0.12)
    speed = np.sqrt((np.diff(qrs[:, :, near], axis=2) ** 2).sum(axis=1))
    top = speed.max(axis=1, keepdims=True)
    return {f"qrs_speed_width_{p}_ms": (speed > top * p / 100).sum(axis=1) * 1000 / FINE_HZ for p in _WIDTHS}


def _sum(values: Float32[np.ndarray, "row axis time"], mask: Bool[np.ndarray, "row time"]) -> np.ndarray:
    return np.matmul(values, mask[:, :, None].astype(np.float32))[..., 0]


def frontal_axis_deg(net: np.ndarray) -> np.ndarray:
    """Axis in degrees from I and aVF, aVF scaled by 2/√3 since augmented leads are that much shorter."""
    return np.degrees(np.arctan2(net[:, 1] * 2 / np.sqrt(3), net[:, 0]))


def _angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.degrees(np.arccos(np.clip((a * b).sum(axis=1) / np.maximum(size, 1e-9), -1, 1)))


def _largest(vcg: Float32[np.ndarray, "row 3 time"], mask: Bool[np.ndarray, "row time"]) -> np.ndarray:
    at = ((vcg**2).sum(axis=1) * mask).argmax(axis=1)
    return np.take_along_axis(vcg, at[:, None, None], axis=2)[..., 0]
