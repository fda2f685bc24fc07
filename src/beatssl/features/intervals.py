"""Durations and intervals of the median beat, and QT corrected for rate."""

import numpy as np
from jaxtyping import Float32

from beatssl.beats.rules.fiducials import Fiducials
from beatssl.features.definition import Definition, columns

DEFINITIONS = {
    "p_duration_ms": Definition("ms", "P onset to P offset."),
    "pr_interval_ms": Definition("ms", "P onset to QRS onset."),
    "pr_segment_ms": Definition("ms", "P offset to QRS onset."),
    "qrs_duration_ms": Definition("ms", "QRS onset to QRS offset, over all leads."),
    "qrs_onset_to_r_ms": Definition("ms", "QRS onset to the R peak of all leads together."),
    "qt_interval_ms": Definition("ms", "QRS onset to T offset."),
    "qtc_bazett_ms": Definition("ms", "QT / √RR, RR in seconds (Bazett 1920)."),
    "qtc_fridericia_ms": Definition("ms", "QT / ∛RR, RR in seconds (Fridericia 1920)."),
    "qtc_framingham_ms": Definition("ms", "QT + 154 ms · (1 − RR), RR in seconds (Sagie 1992)."),
    "qtc_hodges_ms": Definition("ms", "QT + 1.75 · (rate − 60), rate in beats a minute (Hodges 1983)."),
    "jt_interval_ms": Definition("ms", "QRS offset to T offset."),
    "t_duration_ms": Definition("ms", "T onset to T offset."),
    "j_to_t_peak_ms": Definition("ms", "QRS offset to T peak."),
    "t_peak_to_end_ms": Definition("ms", "T peak to T offset."),
    "t_peak_to_end_over_qt": Definition("1", "T peak to T offset over QT."),
    "qt_over_rr": Definition("1", "QT over RR."),
    "tp_segment_ms": Definition("ms", "T offset to the next P onset, from the row's median RR."),
}


def measure(marks: Fiducials, rr_s: Float32[np.ndarray, " row"]) -> dict[str, Float32[np.ndarray, " row"]]:
    """Intervals in ms from a beat's boundaries and the RR interval it follows; NaN where a boundary is missing."""
    qt_s = marks.t_offset_s - marks.qrs_onset_s
    tail_s = marks.t_offset_s - marks.t_peak_s
    rr_s = np.where(rr_s > 0, rr_s, np.nan)
    seconds = {
        "p_duration_ms": marks.p_offset_s - marks.p_onset_s,
        "pr_interval_ms": marks.qrs_onset_s - marks.p_onset_s,
        "pr_segment_ms": marks.qrs_onset_s - marks.p_offset_s,
        "qrs_duration_ms": marks.qrs_offset_s - marks.qrs_onset_s,
        "qrs_onset_to_r_ms": marks.r_peak_s - marks.qrs_onset_s,
        "qt_interval_ms": qt_s,
        "qtc_bazett_ms": qt_s / np.sqrt(rr_s),
        "qtc_fridericia_ms": qt_s / np.cbrt(rr_s),
        "qtc_framingham_ms": qt_s + 0.154 * (1 - rr_s),
        "qtc_hodges_ms": qt_s + 0.00175 * (60 / rr_s - 60),
        "jt_interval_ms": marks.t_offset_s - marks.qrs_offset_s,
        "t_duration_ms": marks.t_offset_s - marks.t_onset_s,
        "j_to_t_peak_ms": marks.t_peak_s - marks.qrs_offset_s,
        "t_peak_to_end_ms": tail_s,
        "tp_segment_ms": rr_s + marks.p_onset_s - marks.t_offset_s,
    }
    ratios = {
        "t_peak_to_end_over_qt": tail_s / np.where(qt_s > 0, qt_s, np.nan),
        "qt_over_rr": qt_s / rr_s,
    }
    # By linear formulas, which were made for usual rates, a QTc of a slow heart can fall below 0.
    linear = ("qtc_framingham_ms", "qtc_hodges_ms")
    seconds |= {name: np.where(seconds[name] > 0, seconds[name], np.nan) for name in linear}
    out = {name: 1000 * value for name, value in seconds.items()} | ratios
    return columns({name: out[name] for name in DEFINITIONS})
