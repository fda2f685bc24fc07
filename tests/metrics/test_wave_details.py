"""Further figures of waves, on beats laid down by hand."""

import numpy as np
import pandas as pd
import pytest

from beatssl.metrics.wave_details import CSE_MS, MARTINEZ_MS, presence, presence_confidence, wave_details


def beats(record="1", lead="II", count=6, p=True, t=True, qrs_s=0.09):
    lines = []
    for k in range(count):
        r = 0.5 + k
        lines.append((record, lead, "QRS", r - qrs_s / 2, r, r + qrs_s / 2))
        if p:
            lines.append((record, lead, "P", r - 0.2, r - 0.15, r - 0.1))
        if t:
            lines.append((record, lead, "T", r + 0.2, r + 0.3, r + 0.36))
    return pd.DataFrame(lines, columns=["record_id", "lead", "wave", "onset_s", "peak_s", "offset_s"])


def later(table, wave, column, by_s):
    return table.assign(**{column: table[column] + np.where(table["wave"] == wave, by_s, 0.0)})


def test_martinez_tolerances_are_of_each_boundary_and_lead_two_stands_apart():
    reference = pd.concat([beats(), beats(lead="V1")])
    assert wave_details(reference, reference).martinez_f1 == {"all_leads": 1.0, "lead_II": 1.0}
    moved = later(reference, "T", "offset_s", 0.09)
    assert wave_details(reference, moved).martinez_f1["all_leads"] == 1.0
    moved = later(reference, "QRS", "offset_s", 0.045)
    assert MARTINEZ_MS["QRS_off"] == 40
    assert wave_details(reference, moved).martinez_f1["all_leads"] == pytest.approx(5 / 6, abs=0.01)
    only = pd.concat([reference[reference["lead"] == "II"], moved[moved["lead"] == "V1"]])
    figures = wave_details(reference, only).martinez_f1
    assert figures["lead_II"] == 1.0
    assert figures["all_leads"] < 0.95


def test_shares_of_errors_within_the_limits_of_the_cse_working_party():
    reference = beats()
    late = later(later(reference, "P", "onset_s", 0.0101), "QRS", "onset_s", 0.0066)
    figures = wave_details(reference, late).within_cse
    assert set(figures) == set(CSE_MS)
    assert figures["P_on"] == 1.0
    assert figures["QRS_on"] == 0.0
    assert figures["T_off"] == 1.0


def test_presence_counts_beats_with_and_without_a_mark():
    reference = pd.concat([beats(), beats("2", p=False)])
    found = pd.concat([beats(), beats("2").iloc[:9]])  # P invented in the first three beats of the second record
    found = found[~((found["record_id"] == "1") & (found["wave"] == "P") & (found["peak_s"] > 5))]
    p = presence(reference, found, "P")
    assert (p.marked, p.not_marked) == (5, 5)  # the first beat of each lead does not count
    assert p.found == pytest.approx(4 / 5)
    assert p.invented == pytest.approx(2 / 5)
    assert wave_details(reference, found).presence["P_records_without"].invented == pytest.approx(2 / 5)


def test_groups_are_those_given_and_by_the_width_of_the_qrs():
    reference = pd.concat([beats(), beats("2", qrs_s=0.13), beats("3", qrs_s=0.14)])
    found = later(reference, "T", "offset_s", np.where(reference["record_id"] == "2", 0.3, 0.0))
    groups = wave_details(reference, found, {"fibrillation": {"2"}, "none": {"9"}}).groups
    assert groups["QRS under 100 ms"].records == 1
    assert groups["QRS 120 ms or more"].records == 2
    assert groups["fibrillation"].f1["T"] == pytest.approx(0.5, abs=0.05)
    assert groups["QRS under 100 ms"].f1["T"] == 1.0
    assert groups["none"].records == 0


def test_confidence_of_a_wave_against_how_often_it_is_there():
    reference = pd.concat([beats(), beats("2", p=False)])
    found = pd.concat([beats(), beats("2")]).assign(confidence=0.95)
    p = presence_confidence(reference, found)["P"]
    (line,) = p.bins
    assert line.boundaries == 6 + 5  # the one before the second record's first mark does not count
    assert line.right == pytest.approx(6 / 11)
    assert presence_confidence(reference, found)["QRS"].expected_calibration_error == pytest.approx(0.05)
