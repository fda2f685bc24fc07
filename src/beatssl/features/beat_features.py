"""One row of measurements a beat: lighter than a record's, since a record has a dozen beats."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32

from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import Beats
from beatssl.features import intervals
from beatssl.features.correlation import with_median
from beatssl.features.definition import Definition, columns
from beatssl.features.presence import p_found
from beatssl.features.ragged import row_median
from beatssl.features.waves import as_twelve, between, interpolated, of_twelve
from beatssl.signals.leads import INDEPENDENT, LEADS
from beatssl.signals.vcg import to_vcg

_CHUNK_BEATS = 1024
_QRS_SPAN_S = (-0.16, 0.24)
_NAMES = tuple(LEADS[at] for at in INDEPENDENT)
_INTERVALS = (
    "p_duration_ms", "pr_interval_ms", "qrs_duration_ms", "qrs_onset_to_r_ms", "qt_interval_ms", "qtc_fridericia_ms",
    "jt_interval_ms", "t_peak_to_end_ms",
)  # fmt: skip
_LEAD_FAMILIES = {
    "r_mv": Definition("mV", "Highest sample of the QRS above the level at its onset"),
    "s_mv": Definition("mV", "Deepest sample of the QRS below the level at its onset"),
    "st_mv": Definition("mV", "Level 60 ms after the QRS offset, above that at the QRS onset"),
    "t_mv": Definition("mV", "The T wave's largest deflection of either sign"),
}
_RHYTHM = {
    "rr_prev_ratio": Definition("1", "RR interval before the beat over the row's median RR."),
    "rr_next_ratio": Definition("1", "RR interval after the beat over the row's median RR."),
    "rr_next_over_prev": Definition("1", "RR interval after the beat over the one before."),
    "p_measured": Definition("1", "1 where a P wave was found, 0 where the window was seen and there was none."),
    "median_correlation": Definition("1", "Correlation with the row's median beat from R − 0.1 to R + 0.4 s."),
}
_LOOPS = {
    "qrs_energy_ratio": Definition("1", "Energy of the QRS over eight leads, over the row's median of it."),
    "qrs_rms_mv": Definition("mV", "RMS of the QRS over eight leads and its duration."),
    "qrs_axis_deg": Definition("deg", "QRS axis in the frontal plane, from net areas of I and aVF."),
    "qrs_loop_max_mv": Definition("mV", "Greatest magnitude of the QRS vector."),
    "qrs_loop_area_mv2": Definition("mV²", "Area that the QRS vector sweeps from the origin."),
    "qrs_loop_azimuth_axis_deg": Definition("deg", "Direction of the mean QRS vector in the transverse plane."),
    "qrs_loop_elevation_deg": Definition("deg", "Angle of the mean QRS vector below the transverse plane."),
    "t_loop_max_mv": Definition("mV", "Greatest magnitude of the T vector."),
    "qrs_t_spatial_angle_deg": Definition("deg", "Angle in space between the mean QRS and the mean T vector."),
}
BEAT_DEFINITIONS = (
    _RHYTHM
    | {name: intervals.DEFINITIONS[name] for name in _INTERVALS}
    | _LOOPS
    | {
        f"{family}_{lead}": Definition(d.unit, f"{d.text}, in lead {lead}.")
        for family, d in _LEAD_FAMILIES.items()
        for lead in _NAMES
    }
)
"""Every beat feature, in the order of the table's columns: its unit and what it is."""


def measure_beats(
    beats: Beats,
    fiducials: Fiducials,
    median_mv: Float32[np.ndarray, "row lead window"],
    median_fiducials: Fiducials,
    beat_class_probability: Float32[np.ndarray, "beat 4"] | None,
    ecg_mv: Float32[np.ndarray, "row lead time"],
    fs_hz: float,
    rows: int,
) -> "pd.DataFrame":
    """Features of every beat, columns as `BEAT_DEFINITIONS`, float32; what cannot be measured is NaN, never zero.

    Takes what `measure_records` takes, so that a caller has one set of arguments; of the rows only the median beats
    are used, and no class probabilities: the classes are a target of their own.
    """
    found = p_found(beats, fiducials)
    beats, median_mv = of_twelve(beats), as_twelve(median_mv)
    row_rr = row_median(beats.rr_prev_s, beats.row, rows)[beats.row]
    c = columns(
        {
            "rr_prev_ratio": beats.rr_prev_s / row_rr,
            "rr_next_ratio": beats.rr_next_s / row_rr,
            "rr_next_over_prev": beats.rr_next_s / beats.rr_prev_s,
            "p_measured": found,
            "median_correlation": with_median(beats, median_mv),
        }
    )
    c |= intervals.measure(fiducials, beats.rr_prev_s)
    parts = [
        _amplitudes(beats, fiducials, slice(start, start + _CHUNK_BEATS))
        for start in range(0, max(len(beats), 1), _CHUNK_BEATS)
    ]
    c |= {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    usual = row_median(c["energy"], beats.row, rows)[beats.row]
    c["qrs_energy_ratio"] = np.where(usual > 0, c["energy"] / np.where(usual > 0, usual, 1), np.float32(np.nan))
    return pd.DataFrame({name: c[name] for name in BEAT_DEFINITIONS})


def _amplitudes(beats: Beats, marks: Fiducials, part: slice) -> dict[str, Float32[np.ndarray, " beat"]]:
    mv = beats.window_mv[part][:, INDEPENDENT]
    at_s = ((np.arange(mv.shape[2]) - beats.r_index) / beats.fs_hz).astype(np.float32)
    onset, j_s, end = marks.qrs_onset_s[part], marks.qrs_offset_s[part], marks.t_offset_s[part]
    mv = mv - interpolated(mv, at_s, onset - np.float32(0.01))[:, :, None]
    near, later = (at_s >= _QRS_SPAN_S[0]) & (at_s <= _QRS_SPAN_S[1]), at_s >= 0
    in_qrs = between(at_s[near], onset, j_s)
    in_t = between(at_s[later], j_s + np.float32(0.05), end)
    qrs, t = mv[:, :, near] * in_qrs[:, None], mv[:, :, later] * in_t[:, None]
    has_t = np.asarray(in_t.any(axis=1))
    t_at = np.abs(np.nan_to_num(t)).argmax(axis=2)
    t_mv = np.where(has_t[:, None], np.take_along_axis(t, t_at[..., None], axis=2)[..., 0], np.nan)
    families = {
        "r_mv": qrs.max(axis=2),
        "s_mv": qrs.min(axis=2),
        "st_mv": interpolated(mv, at_s, j_s + np.float32(0.06)),
        "t_mv": t_mv,
    }
    of_leads = {
        f"{name}_{lead}": v for name, values in families.items() for lead, v in zip(_NAMES, values.T, strict=True)
    }
    return columns(of_leads | _loops(qrs, t, in_qrs, has_t, beats.fs_hz), np.asarray(in_qrs.any(axis=1)))


def _loops(
    qrs: Float32[np.ndarray, "beat 8 qrs"],
    t: Float32[np.ndarray, "beat 8 t"],
    in_qrs: Bool[np.ndarray, "beat qrs"],
    has_t: Bool[np.ndarray, " beat"],
    fs_hz: float,
) -> dict[str, np.ndarray]:
    loop, t_loop = to_vcg(qrs), to_vcg(t)
    net, t_net = loop.sum(axis=2), t_loop.sum(axis=2)
    x, y, z = net.T
    i, ii = qrs[:, 0].sum(axis=1), qrs[:, 1].sum(axis=1)
    size = np.linalg.norm(net, axis=1) * np.linalg.norm(t_net, axis=1)
    cosine = (net * t_net).sum(axis=1) / np.where(size > 0, size, np.nan)
    energy = np.einsum("blt,blt->b", qrs, qrs)
    swept = np.linalg.norm(np.cross(loop[:, :, :-1], loop[:, :, 1:], axis=1), axis=1).sum(axis=1) / 2
    return {
        "energy": energy / fs_hz,
        "qrs_rms_mv": np.sqrt(energy / np.maximum(in_qrs.sum(axis=1) * qrs.shape[1], 1)),
        "qrs_axis_deg": np.degrees(np.arctan2((ii - i / 2) * 2 / np.sqrt(3), i)),
        "qrs_loop_max_mv": np.sqrt((loop**2).sum(axis=1).max(axis=1)),
        "qrs_loop_area_mv2": swept,
        "qrs_loop_azimuth_axis_deg": np.degrees(np.arctan2(z, x)),
        "qrs_loop_elevation_deg": np.degrees(np.arctan2(y, np.hypot(x, z))),
        "t_loop_max_mv": np.where(has_t, np.sqrt((t_loop**2).sum(axis=1).max(axis=1)), np.nan),
        "qrs_t_spatial_angle_deg": np.where(has_t, np.degrees(np.arccos(np.clip(cosine, -1, 1))), np.nan),
    }
