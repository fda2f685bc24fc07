"""Intervals, rate and axes from waves whose truth is known."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from beatssl.beats.rules.fiducials import Fiducials
from beatssl.features.intervals import measure
from beatssl.features.wave_intervals import DEFINITIONS, measure_waves, wave_intervals
from beatssl.signals.leads import LEADS

RR_S = 0.8
BEAT = {"P": (-0.2, -0.15, -0.1), "QRS": (-0.04, 0.0, 0.05), "T": (0.18, 0.26, 0.34)}
TRUE_MS = {"p_duration_ms": 100, "pr_interval_ms": 160, "qrs_duration_ms": 90, "qt_interval_ms": 380}


def waves_of(leads: tuple[str, ...] = LEADS, beats: int = 10, wobble_s: float = 0.0) -> pd.DataFrame:
    """Regular beats in every lead; with `wobble_s` each lead's QRS onsets are shifted by its own amount."""
    lines = [
        {"lead": lead, "wave": wave, "onset_s": r + on + shift * (wave == "QRS"), "peak_s": r + at, "offset_s": r + off}
        for lead, shift in zip(leads, np.linspace(-wobble_s, wobble_s, len(leads)), strict=True)
        for r in 0.6 + RR_S * np.arange(beats)
        for wave, (on, at, off) in BEAT.items()
    ]
    return pd.DataFrame(lines)


def dipole_mv(angles_deg: dict[str, float], fs_hz: float = 100.0) -> np.ndarray:
    """Leads I and II of a dipole in the frontal plane whose waves point where `angles_deg` says."""
    at = np.arange(round(9 * fs_hz)) / fs_hz
    out = np.zeros((2, len(at)))
    for wave, angle in angles_deg.items():
        onset, _, offset = BEAT[wave]
        for r in 0.6 + RR_S * np.arange(10):
            phase = (at - r - onset) / (offset - onset)
            bump = np.where((phase > 0) & (phase < 1), np.sin(np.pi * np.clip(phase, 0, 1)) ** 2, 0)
            out += np.outer(np.cos(np.radians([angle, angle - 60])), bump)
    return out.astype(np.float32)


def test_true_intervals_come_back() -> None:
    table = wave_intervals(waves_of())
    assert list(table.index) == list(DEFINITIONS)
    for name, true_ms in TRUE_MS.items():
        assert table.loc[name, "value"] == pytest.approx(true_ms, abs=0.01)
        assert table.loc[name, "spread"] == pytest.approx(0, abs=0.01)
        assert table.loc[name, "count"] == 120
    assert table.loc["rate_bpm", "value"] == pytest.approx(75)
    assert table.loc["rate_bpm", "count"] == 9
    expected = {
        "bazett": 380 / np.sqrt(RR_S), "fridericia": 380 / np.cbrt(RR_S), "framingham": 380 + 154 * (1 - RR_S),
        "hodges": 380 + 1.75 * (75 - 60),
    }  # fmt: skip
    for name, true_ms in expected.items():
        assert table.loc[f"qtc_{name}_ms", "value"] == pytest.approx(true_ms, abs=0.01)


def test_no_qtc_is_below_zero() -> None:
    mark = {field.name: np.full(2, np.nan, np.float32) for field in fields(Fiducials)}
    mark |= {"qrs_onset_s": np.zeros(2, np.float32), "t_offset_s": np.full(2, 0.4, np.float32)}
    found = measure(Fiducials(**mark), np.array([1.0, 5.0], np.float32))["qtc_framingham_ms"]
    assert found[0] == pytest.approx(400, abs=0.1)
    assert np.isnan(found[1])


def test_a_p_too_far_before_r_is_not_of_the_beat() -> None:
    waves = waves_of()
    is_p = waves["wave"] == "P"
    for earlier_s, count in ((0.25, 120), (0.35, 0)):
        moved = waves.copy()
        moved.loc[is_p, ["onset_s", "peak_s", "offset_s"]] -= earlier_s
        table = wave_intervals(moved)
        assert table.loc["pr_interval_ms", "count"] == count
        assert table.loc["qt_interval_ms", "count"] == 120
    assert measure_waves(moved).share[:, 0].max() == 0


def test_intervals_over_the_leads_reach_from_a_quarter_that_began_to_a_quarter_that_goes_on() -> None:
    table = wave_intervals(waves_of(wobble_s=0.022))  # QRS onsets of the twelve leads are 4 ms apart
    assert table.loc["qrs_duration_ms", "value"] == pytest.approx(90, abs=2.1)
    third_onset_ms = 22 - 2 * 4
    for name, true_ms in TRUE_MS.items():
        earlier = {
            "qrs_duration_ms": third_onset_ms,
            "qt_interval_ms": third_onset_ms,
            "pr_interval_ms": -third_onset_ms,
        }
        line = table.loc[name.replace("_ms", "_global_ms")]
        assert line["value"] == pytest.approx(true_ms + earlier.get(name, 0), abs=0.1)
        assert line["count"] == 10
    alone = wave_intervals(waves_of(("II",)))
    for name in TRUE_MS:
        assert alone.loc[name.replace("_ms", "_global_ms"), "value"] == pytest.approx(
            alone.loc[name, "value"], abs=0.01
        )


def test_one_lead_far_out_moves_no_interval_over_the_leads() -> None:
    waves = waves_of()
    out = waves.copy()
    out.loc[(out["lead"] == "V3") & (out["wave"] == "T"), "offset_s"] += 0.1
    for name in ("qt_interval_global_ms", "qrs_duration_global_ms"):
        assert wave_intervals(out).loc[name, "value"] == pytest.approx(wave_intervals(waves).loc[name, "value"])


def test_axes_come_back_and_need_the_limb_leads() -> None:
    angles = {"P": 50.0, "QRS": -35.0, "T": 170.0}
    table = wave_intervals(waves_of(("I", "II")), dipole_mv(angles), ("I", "II"))
    for wave, angle in angles.items():
        assert table.loc[f"{wave.lower()}_axis_deg", "value"] == pytest.approx(angle, abs=1)
        assert table.loc[f"{wave.lower()}_axis_deg", "count"] == 10
    without = wave_intervals(waves_of(("V1", "V2")), dipole_mv(angles), ("V1", "V2"))
    assert without.filter(like="axis", axis=0)["value"].isna().all()
    assert without.loc["qt_interval_ms", "value"] == pytest.approx(380, abs=0.01)


def test_spread_is_that_of_the_leads() -> None:
    table = wave_intervals(waves_of(wobble_s=0.02))
    assert table.loc["pr_interval_ms", "value"] == pytest.approx(160, abs=0.01)
    assert table.loc["pr_interval_ms", "spread"] == pytest.approx(20, abs=0.5)


def test_one_lead_in_error_moves_nothing() -> None:
    waves = waves_of()
    late = waves["lead"] == "V3"
    waves.loc[late, "offset_s"] += 0.2
    extra = pd.DataFrame([{"lead": "aVL", "wave": "QRS", "onset_s": 1.0, "peak_s": 1.04, "offset_s": 1.09}])
    table = wave_intervals(pd.concat([waves, extra]))
    assert table.loc["qt_interval_ms", "value"] == pytest.approx(380, abs=0.01)
    assert table.loc["rate_bpm", "value"] == pytest.approx(75)
    assert table.loc["rate_bpm", "spread"] == pytest.approx(0, abs=1e-6)


def test_what_is_not_there_is_not_measured() -> None:
    waves = waves_of()
    table = wave_intervals(waves[waves["wave"] != "P"])
    assert table.loc[["p_duration_ms", "pr_interval_ms"], "value"].isna().all()
    assert table.loc["pr_interval_ms", "count"] == 0
    one = wave_intervals(waves_of(beats=1))
    assert one.loc[["rate_bpm", "qtc_bazett_ms"], "value"].isna().all()
    assert one.loc["qt_interval_ms", "value"] == pytest.approx(380, abs=0.01)
    nothing = wave_intervals(waves.iloc[:0], dipole_mv({"P": 0.0}), ("I", "II"))
    assert nothing["value"].isna().all()
    assert (nothing["count"] == 0).all()


def test_a_wave_cut_by_the_record_counts_with_what_it_has() -> None:
    waves = waves_of()
    first = waves.groupby("lead").head(1).index
    waves.loc[first, ["onset_s", "peak_s"]] = np.nan
    table = wave_intervals(waves)
    assert table.loc["pr_interval_ms", "count"] == 108
    assert table.loc["pr_interval_ms", "value"] == pytest.approx(160, abs=0.01)
