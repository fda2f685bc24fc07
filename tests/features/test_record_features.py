from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beatssl.features import BEAT_DEFINITIONS, DEFINITIONS, RECORD_DEFINITIONS, measure_records
from beatssl.signals.leads import LEADS

GAINS = {"I": 0.8, "II": 1.0, "V2": 0.4, "V3": 0.9, "V4": 1.5, "V5": 1.4, "V6": 1.1}


def test_every_column_has_a_definition_and_every_definition_a_column(regular):
    table = regular.records()
    assert list(table.columns) == list(RECORD_DEFINITIONS)
    assert len(table) == 3
    assert set(table.dtypes) == {np.dtype(np.float32)}


def test_definitions_are_sentences_with_units():
    for name, definition in DEFINITIONS.items():
        assert definition.text.endswith("."), name
        assert definition.text[0].isupper() or definition.text[0].isdigit() or definition.text[0] in "(−|V", name
        assert definition.unit in {
            "1", "1/min", "Hz", "deg", "lead", "mV", "mV/lead", "mV/s", "mV²", "mV·ms", "ms", "µV"
        }, name  # fmt: skip
        for suffix, unit in (("_ms", "ms"), ("_mv", "mV"), ("_deg", "deg"), ("_uv", "µV"), ("_hz", "Hz")):
            assert not name.endswith(suffix) or definition.unit == unit, name


def test_a_name_of_both_tables_has_one_unit():
    for name in RECORD_DEFINITIONS.keys() & BEAT_DEFINITIONS.keys():
        assert RECORD_DEFINITIONS[name].unit == BEAT_DEFINITIONS[name].unit


def test_known_waves_are_measured(regular):
    first = regular.records().iloc[0]
    for lead, gain in GAINS.items():
        assert first[f"r_amplitude_mv_{lead}"] == pytest.approx(gain, rel=0.03)
        assert first[f"t_amplitude_mv_{lead}"] == pytest.approx(gain / 4, abs=0.01)
        assert first[f"p_amplitude_mv_{lead}"] == pytest.approx(0.1, abs=0.015)
        assert first[f"r_peak_time_ms_{lead}"] == pytest.approx(50, abs=2.6)
        assert first[f"qrs_path_ratio_{lead}"] == pytest.approx(1, abs=0.05)
    assert first["r_amplitude_mv_V1"] == 0
    assert first["q_amplitude_mv_V1"] == pytest.approx(-0.3, rel=0.03)
    assert first["rs_balance_V1"] == pytest.approx(-1)
    assert first["q_duration_ms_V1"] > 30
    assert first["qrs_area_mvms_V4"] == pytest.approx(1500 * 0.012 * np.sqrt(2 * np.pi), rel=0.03)
    assert np.isnan(first["r_peak_time_ms_V1"])


def test_known_intervals_and_rates(regular):
    table = regular.records()
    assert table["rate_bpm"].to_numpy() == pytest.approx([60, 75, 100], rel=1e-4)
    assert table["qrs_duration_ms"].to_numpy() == pytest.approx(100, abs=0.01)
    assert table["pr_interval_ms"].to_numpy() == pytest.approx(170, abs=0.01)
    assert table["qt_interval_ms"].to_numpy() == pytest.approx(450, abs=0.01)
    assert table["qtc_bazett_ms"].to_numpy() == pytest.approx(450 / np.sqrt([1, 0.8, 0.6]), rel=1e-4)
    assert table["qtc_framingham_ms"].to_numpy() == pytest.approx([450, 480.8, 511.6], rel=1e-4)
    assert table["qtc_hodges_ms"].to_numpy() == pytest.approx([450, 476.25, 520], rel=1e-4)


def test_a_steady_row_has_no_variability(regular):
    first = regular.records().iloc[0]
    assert first["shape_sd_qrs_uv"] < 1
    assert first["t_alternans_uv"] < 1
    assert first["beat_correlation"] == pytest.approx(1, abs=1e-4)
    assert first["unlike_beat_share"] == 0
    assert first["p_constancy"] == pytest.approx(1, abs=1e-3)
    assert first["p_present_share"] == 1


def test_a_missing_lead_is_missing_and_nothing_else_of_other_leads(make_rows, regular):
    ecg = regular.ecg_mv[0].copy()
    ecg[LEADS.index("V3")] = np.nan
    whole = regular.records().iloc[0]
    lacking = make_rows.of([ecg], [np.arange(0.5, 9.6, 1.0)]).records().iloc[0]
    of_v3 = [name for name in lacking.index if name.endswith("_V3")]
    assert of_v3
    assert lacking[of_v3].isna().all()
    of_v4 = [name for name in lacking.index if name.endswith("_V4")]
    np.testing.assert_allclose(lacking[of_v4].to_numpy(float), whole[of_v4].to_numpy(float), rtol=1e-5, atol=1e-6)
    for name in ("cornell_voltage_mv", "r_progression_mvplead", "qrs_loop_max_mv", "total_voltage_mv", "q_lead_count"):
        assert np.isnan(lacking[name])
    assert np.isfinite(lacking["sokolow_lyon_mv"])


def test_a_row_with_no_beats_has_no_measures_but_their_number(make_rows):
    table = make_rows([np.arange(0.5, 9.6, 1.0), np.zeros(0), np.array([4.0])]).records()
    none, one = table.iloc[1], table.iloc[2]
    assert none["beat_count"] == 0
    measured = none.drop("beat_count").dropna().index.tolist()
    assert all(name.startswith("f_wave") for name in measured)
    assert one["beat_count"] == 1
    assert np.isnan(one["rr_mean_ms"])
    assert one["r_amplitude_mv_V4"] == pytest.approx(1.5, rel=0.03)
    assert np.isnan(one["shape_sd_qrs_uv"])


def test_an_unmeasured_boundary_leaves_its_measures_missing(regular):
    arguments = list(regular.arguments())
    nan = np.full(3, np.nan, np.float32)
    arguments[3] = replace(arguments[3], p_onset_s=nan, p_peak_s=nan, p_offset_s=nan, t_offset_s=nan)
    first = measure_records(*arguments).iloc[0]
    for name in ("p_duration_ms", "pr_interval_ms", "p_area_mvms_II", "p_axis_deg", "p_terminal_force_v1_mvms"):
        assert np.isnan(first[name])
    for name in ("qt_interval_ms", "t_amplitude_mv_V5", "t_loop_max_mv", "qrs_t_spatial_angle_deg", "t_flat_count"):
        assert np.isnan(first[name])
    assert np.isfinite(first["st_j60_mv_V5"])
    assert np.isfinite(first["qrs_loop_max_mv"])


def test_leads_that_are_not_the_twelve_leave_rhythm_and_intervals(make_rows, regular):
    two = make_rows.of([regular.ecg_mv[0][:2]], [np.arange(0.5, 9.6, 1.0)])
    first = two.records().iloc[0]
    assert first["rate_bpm"] == pytest.approx(60)
    assert first["qrs_duration_ms"] == pytest.approx(100)
    assert np.isnan(first["r_amplitude_mv_I"])
    assert np.isnan(first["beat_correlation"])


def test_a_row_is_measured_alike_whatever_stands_beside_it(make_rows):
    times = [np.arange(0.5, 9.6, step) for step in (1.0, 0.8, 0.6)]
    together = make_rows(times).records()
    for row, own in enumerate(times):
        alone = make_rows([own]).records().iloc[0]
        np.testing.assert_allclose(alone.to_numpy(float), together.iloc[row].to_numpy(float), rtol=2e-3, atol=2e-3)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(factor=st.floats(0.7, 3.0))
def test_amplitudes_follow_the_gain_and_times_do_not(regular, factor):
    one, more = regular.records(), regular.scaled(factor).records()
    exact = [
        n for n in RECORD_DEFINITIONS if n.startswith(("t_area", "st_j", "qrs_initial_mv", "sokolow", "t_loop_max"))
    ]
    np.testing.assert_allclose(more[exact], factor * one[exact], rtol=1e-3, atol=1e-4)
    still = [n for n in RECORD_DEFINITIONS if n.endswith("_axis_deg") or n in ("qrs_duration_ms", "qrs_loop_planarity")]
    np.testing.assert_allclose(more[still], one[still], rtol=1e-3, atol=0.05)


def test_fibrillation_waves_are_found(make_rows, regular):
    at = np.arange(1000) / 100
    wave = 0.1 * np.sin(2 * np.pi * 6.1 * at).astype(np.float32)
    with_waves = make_rows.of([regular.ecg_mv[1] + wave], [np.arange(0.5, 9.6, 0.8)])
    before, after = regular.records().iloc[1], with_waves.records().iloc[0]
    assert after["f_wave_peak_v1_hz"] == pytest.approx(6.1, abs=0.15)
    assert after["f_wave_share_v1"] > 0.8
    assert after["f_wave_rms_v1_uv"] == pytest.approx(100 / np.sqrt(2), rel=0.3)
    assert before["f_wave_rms_v1_uv"] < 10


@pytest.mark.parametrize("angle", [-150.0, -60.0, 0.0, 45.0, 100.0, 179.0])
def test_the_frontal_axis_is_that_of_the_dipole(make_rows, angle):
    radians = np.radians(angle)
    i, avf = np.cos(radians), np.sin(radians) * np.sqrt(3) / 2
    gains = np.array([i, avf + i / 2, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    table = make_rows([np.arange(0.5, 9.6, 1.0)], gains=gains, t_gains=-0.3 * gains).records().iloc[0]
    assert table["qrs_axis_deg"] == pytest.approx(angle, abs=1.5)
    assert table["qrs_t_frontal_angle_deg"] == pytest.approx(180, abs=3)
    assert table["qrs_t_spatial_angle_deg"] == pytest.approx(180, abs=3)


def test_classes_are_averaged_and_missing_without_them(regular):
    classes = np.tile(np.array([0.7, 0.1, 0.15, 0.05], np.float32), (len(regular.beats), 1))
    assert regular.records(classes)["class_v_share"].to_numpy() == pytest.approx(0.15)
    assert regular.records()["class_v_share"].isna().all()


def test_a_row_alone_is_measured_as_among_others(make_rows):
    rows = make_rows([np.arange(0.5, 9.6, rr) for rr in (1.0, 0.8, 0.6, 0.9, 0.7)])
    together = rows.records()
    for number, rr in enumerate((1.0, 0.8, 0.6, 0.9, 0.7)):
        alone = make_rows([np.arange(0.5, 9.6, rr)]).records().iloc[0]
        names = [name for name in alone.index if name.startswith("t_symmetry")]
        np.testing.assert_allclose(
            together.iloc[number][names].to_numpy(float), alone[names].to_numpy(float), rtol=0, atol=1e-5
        )


def test_a_symmetric_t_is_symmetric(regular):
    table = regular.records()
    names = [f"t_symmetry_{lead}" for lead in ("I", "II", "V5")]
    assert np.abs(table[names].to_numpy(float)).max() < 0.02
