"""Findings of real PTB-XL records stand out in the very measure that defines them."""

import ast

import numpy as np
import pandas as pd
import pytest

from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rules.fiducials import find_fiducials
from beatssl.beats.windows import beats_of_rows, median_beats
from beatssl.features import measure_records
from beatssl.features.ragged import row_median
from beatssl.metrics.classification import auroc
from beatssl.signals.filters import bandpass

EACH = 40


@pytest.fixture(scope="module")
def measured(data_root):
    """Features of forty records of each finding and of forty normal ones, by finding."""
    root = data_root / "ptb-xl"
    table = pd.read_csv(root / "ptbxl_database.csv")
    table = table[table["strat_fold"] <= 8]
    codes = table["scp_codes"].map(ast.literal_eval)
    findings = ("NORM", "CLBBB", "CRBBB", "AFIB", "1AVB", "LVH", "IMI", "LAFB")
    chosen = {name: table.index[codes.map(lambda own, name=name: name in own)][:EACH] for name in findings}
    chosen["NORM"] = table.index[codes.map(lambda own: set(own) == {"NORM", "SR"})][:EACH]
    files = [table.loc[at, "filename_lr"] for rows in chosen.values() for at in rows]
    ecg = [
        bandpass(np.fromfile(root / f"{name}.dat", "<i2").reshape(-1, 12).T.astype(np.float32) / 1000, 100.0)
        for name in files
    ]
    beats = beats_of_rows(ecg, [find_r_peaks(x, 100.0) for x in ecg], 100.0)
    median = median_beats(beats, len(ecg), np.ones(len(beats), bool))
    rr = row_median(beats.rr_prev_s, beats.row, len(ecg))
    fiducials = find_fiducials(beats.window_mv, 100.0, beats.r_index, beats.rr_prev_s, beats.rr_next_s)
    of_median = find_fiducials(median, 100.0, beats.r_index, rr, rr)
    features = measure_records(beats, fiducials, median, of_median, None, np.stack(ecg), 100.0, len(ecg))
    return features.assign(finding=np.repeat(list(chosen), [len(rows) for rows in chosen.values()]))


@pytest.mark.parametrize(
    ("finding", "column", "sign", "least"),
    [
        ("CLBBB", "qrs_duration_ms", 1, 0.95),
        ("CRBBB", "rbbb_pattern", 1, 0.95),
        ("AFIB", "rr_irregularity", 1, 0.93),
        ("AFIB", "p_constancy", -1, 0.9),
        ("1AVB", "pr_interval_ms", 1, 0.9),
        ("LVH", "sokolow_lyon_mv", 1, 0.8),
        ("LVH", "t_over_r_V6", -1, 0.8),
        ("IMI", "q_widest_inferior_ms", 1, 0.75),
        ("LAFB", "qrs_axis_deg", -1, 0.93),
        ("LAFB", "anterior_fascicle_mv", 1, 0.9),
    ],
)
def test_a_finding_stands_out_in_its_measure(measured, finding, column, sign, least):
    part = measured[measured["finding"].isin(["NORM", finding])].dropna(subset=[column])
    assert len(part) > EACH
    value = auroc((part["finding"] == finding).to_numpy(bool), sign * part[column].to_numpy(np.float64))
    assert value >= least
