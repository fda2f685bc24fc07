"""One row of measurements a record (or a ten-second row of a long one)."""

import numpy as np
import pandas as pd
from jaxtyping import Float32

from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import Beats
from beatssl.features import atrial, indices, intervals, qrs, repolarisation, rhythm, variability, vcg_loop
from beatssl.features.correlation import with_median
from beatssl.features.presence import p_found
from beatssl.features.ragged import row_median
from beatssl.features.waves import as_twelve, of_twelve, waves_of

RECORD_DEFINITIONS = (
    rhythm.DEFINITIONS
    | intervals.DEFINITIONS
    | vcg_loop.DEFINITIONS
    | atrial.DEFINITIONS
    | qrs.DEFINITIONS
    | repolarisation.DEFINITIONS
    | indices.DEFINITIONS
    | variability.DEFINITIONS
)
"""Every record feature, in the order of the table's columns: its unit and what it is."""


def measure_records(
    beats: Beats,
    fiducials: Fiducials,
    median_mv: Float32[np.ndarray, "row lead window"],
    median_fiducials: Fiducials,
    beat_class_probability: Float32[np.ndarray, "beat 4"] | None,
    ecg_mv: Float32[np.ndarray, "row lead time"],
    fs_hz: float,
    rows: int,
) -> "pd.DataFrame":
    """Features of every row, columns as `RECORD_DEFINITIONS`, float32; what cannot be measured is NaN, never zero.

    `beats`, `fiducials` and the class probabilities (N, S, V, F) hold all beats of all rows; `median_mv` in mV, its
    boundaries and `ecg_mv` (filtered, NaN where missing) hold one entry a row. Twelve leads in canonical order; of any
    other set of leads only rhythm and intervals are measured.
    """
    return pd.DataFrame(
        record_columns(beats, fiducials, median_mv, median_fiducials, beat_class_probability, ecg_mv, fs_hz, rows)
    )


def record_columns(
    beats: Beats,
    fiducials: Fiducials,
    median_mv: Float32[np.ndarray, "row lead window"],
    median_fiducials: Fiducials,
    beat_class_probability: Float32[np.ndarray, "beat 4"] | None,
    ecg_mv: Float32[np.ndarray, "row lead time"],
    fs_hz: float,
    rows: int,
) -> dict[str, Float32[np.ndarray, " row"]]:
    """As `measure_records`, as plain arrays: five hundred columns of a table take longer than to measure them."""
    has_p = p_found(beats, fiducials)
    beats, median_mv, ecg_mv = of_twelve(beats), as_twelve(median_mv), as_twelve(ecg_mv)
    rr_s = row_median(beats.rr_prev_s, beats.row, rows)
    median = waves_of(median_mv, median_fiducials, fs_hz, beats.r_index)
    beat_index = np.round(beats.time_s * fs_hz).astype(np.int64)
    c = rhythm.measure(beats, rows, beat_class_probability)
    c |= intervals.measure(median_fiducials, rr_s)
    c |= vcg_loop.measure(median)
    c |= atrial.measure_p(median)
    c |= atrial.measure_activity(ecg_mv, fs_hz, beats.row, beat_index, median_mv, beats.r_index)
    c |= atrial.measure_constancy(beats.window_mv, median.at_s, has_p, median, beats.row, rows)
    c |= qrs.measure(median) | repolarisation.measure(median)
    c |= indices.measure(c)
    c |= variability.measure(beats, with_median(beats, median_mv), median, rows)
    return {name: c[name] for name in RECORD_DEFINITIONS}
