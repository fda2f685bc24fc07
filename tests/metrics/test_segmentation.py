"""Wave figures: against a slow count of samples and a loop over leads, unmarked boundaries, and the jittered truth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.metrics.boundaries import Score, mark_span, matched_errors, score_times
from beatssl.metrics.segmentation import (
    SIDES,
    TOLERANCES_MS,
    WAVES,
    Rates,
    confidence_figures,
    record_f1,
    sample_counts,
    segmentation_figures,
)
from beatssl.records.ludb import LudbReader

FS_HZ = 500.0
ONE_BEAT = [("P", 1.0, 1.05, 1.1), ("QRS", 1.2, 1.25, 1.3), ("T", 1.5, 1.6, 1.7)]


def table(waves: list[tuple[str, float, float, float]], record: str = "1", lead: str = "II") -> pd.DataFrame:
    columns = ["wave", "onset_s", "peak_s", "offset_s"]
    return pd.DataFrame(waves, columns=columns).assign(record_id=record, lead=lead)


def late(waves: list[tuple[str, float, float, float]], by_s: float) -> list[tuple[str, float, float, float]]:
    return [(name, onset + by_s, peak + by_s, offset + by_s) for name, onset, peak, offset in waves]


def random_waves(seed: int, spoil: bool) -> pd.DataFrame:
    """Three leads of eight beats, some waves left out; with `spoil` some boundaries are not marked."""
    rng = np.random.default_rng(seed)
    parts: list[pd.DataFrame] = []
    for record, lead in (("1", "I"), ("1", "II"), ("2", "I")):
        beats = [late(ONE_BEAT, beat + rng.uniform(-0.1, 0.1)) for beat in range(8)]
        part = table([wave for beat in beats for wave in beat if rng.random() > 0.15], record, lead)
        for column in ("onset_s", "offset_s"):
            part[column] = np.round((part[column] + rng.normal(0, 0.03, len(part))) * FS_HZ) / FS_HZ
            if spoil:
                part.loc[rng.random(len(part)) < 0.1, column] = np.nan
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_boundaries_are_the_pooled_scores_of_each_lead(seed: int) -> None:
    reference, found = random_waves(seed, spoil=True), random_waves(seed + 1, spoil=False)
    figures = segmentation_figures(reference, found, FS_HZ).boundaries
    leads = list(reference.groupby(["record_id", "lead"]))
    for wave in WAVES:
        for side, column in zip(SIDES, ("onset_s", "offset_s"), strict=True):
            errors: list[np.ndarray] = []
            for tolerance_ms in TOLERANCES_MS:
                total = Score(0, 0, 0)
                for (record, lead), marks in leads:
                    mine = found[(found["record_id"] == record) & (found["lead"] == lead) & (found["wave"] == wave)]
                    of_wave = marks[marks["wave"] == wave]
                    true_s, found_s = (part[column].to_numpy(np.float64) for part in (of_wave, mine))
                    span_s = mark_span(
                        *(marks[name].to_numpy(np.float64) for name in ("onset_s", "peak_s", "offset_s"))
                    )
                    unmarked_s = of_wave["peak_s"].to_numpy(np.float64)[np.isnan(true_s)]
                    limit_s = tolerance_ms / 1000 + 1e-6
                    total += score_times(true_s, found_s, limit_s, span_s, unmarked_s)
                    if tolerance_ms == 150:
                        errors.append(matched_errors(true_s, found_s, limit_s))
                got = figures[f"{wave}_{side}"].within[str(tolerance_ms)]
                assert (got.se, got.ppv, got.f1) == (total.sensitivity, total.ppv, total.f1)
            error_ms = 1000 * np.concatenate(errors)
            assert figures[f"{wave}_{side}"].mean_ms == pytest.approx(error_ms.mean(), abs=1e-6)
            assert figures[f"{wave}_{side}"].sd_ms == pytest.approx(error_ms.std(), abs=1e-6)
            assert figures[f"{wave}_{side}"].matched == len(error_ms)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_samples_are_counted_as_a_slow_loop_counts_them(seed: int) -> None:
    reference, found = random_waves(seed, spoil=False), random_waves(seed + 1, spoil=False)
    counts = sample_counts(reference, found, FS_HZ)
    for (record, lead), line in counts.iterrows():
        true, said = (t[(t["record_id"] == record) & (t["lead"] == lead)] for t in (reference, found))
        first_s, last_s = mark_span(true["onset_s"].to_numpy(), true["peak_s"].to_numpy(), true["offset_s"].to_numpy())
        at_s = np.arange(np.ceil(first_s * FS_HZ - 1e-3), np.floor(last_s * FS_HZ + 1e-3) + 1) / FS_HZ
        for wave in WAVES:
            inside = [
                np.any(
                    [
                        (at_s > onset - 1e-4) & (at_s < offset + 1e-4)
                        for name, onset, offset in zip(t["wave"], t["onset_s"], t["offset_s"], strict=True)
                        if name == wave
                    ]
                    or [np.zeros(len(at_s), bool)],
                    axis=0,
                )
                for t in (true, said)
            ]
            expected = [(inside[0] & inside[1]).sum(), inside[0].sum(), inside[1].sum()]
            assert [line[f"{name}_{wave}"] for name in ("both", "reference", "found")] == expected


def test_figures_by_hand() -> None:
    figures = segmentation_figures(table(ONE_BEAT), table(late(ONE_BEAT, 0.05)), FS_HZ)
    assert (figures.records, figures.leads) == (1, 1)
    # P: 51 samples on both sides, 26 of them shared. T: 101 samples, of the prediction 76 before the last mark.
    assert figures.sample_f1["P"] == pytest.approx(2 * 26 / 102)
    assert figures.iou["P"] == pytest.approx(26 / 76)
    assert figures.sample_f1["T"] == pytest.approx(2 * 76 / (101 + 76))
    assert figures.sample_f1["macro"] == pytest.approx(np.mean([figures.sample_f1[w] for w in WAVES]))
    onset = figures.boundaries["QRS_on"]
    assert onset.within["75"] == Rates(se=1.0, ppv=1.0, f1=1.0)
    assert onset.within["40"] == Rates(se=0.0, ppv=0.0, f1=0.0)
    assert (onset.mean_ms, onset.sd_ms) == (pytest.approx(50), pytest.approx(0, abs=1e-6))
    # A T offset left unmatched beyond the last mark is not false.
    assert np.isnan(figures.boundaries["T_off"].within["40"].ppv)


def test_a_boundary_that_was_not_marked_is_left_out() -> None:
    reference = table([ONE_BEAT[0], ("QRS", np.nan, 1.25, 1.3), ONE_BEAT[2]])
    figures = segmentation_figures(reference, table(ONE_BEAT), FS_HZ)
    assert np.isnan(figures.boundaries["QRS_on"].within["150"].f1)
    assert figures.boundaries["QRS_off"].within["150"].f1 == 1.0
    counts = sample_counts(reference, table(late(ONE_BEAT, 0.02)), FS_HZ).iloc[0]
    assert counts["reference_QRS"] == 0  # from the P wave's end to the QRS's end nothing is asked …
    assert counts["found_QRS"] == 10  # … and after it the prediction is false
    assert counts["reference_P"] == 51


def test_a_predicted_wave_without_a_boundary_begins_or_ends_at_its_peak() -> None:
    found = table([("P", np.nan, 1.05, 1.1), ONE_BEAT[1], ("T", 1.5, 1.6, np.nan)])
    counts = sample_counts(table(ONE_BEAT), found, FS_HZ).iloc[0]
    assert counts[["both_P", "found_P", "both_T", "found_T"]].tolist() == [26, 26, 51, 51]


def test_leads_without_marks_and_records_without_predictions() -> None:
    reference = pd.concat([table(ONE_BEAT), table(ONE_BEAT, "2")])
    found = pd.concat([table(ONE_BEAT), table(ONE_BEAT, "1", "V1"), table(ONE_BEAT, "9")])
    figures = segmentation_figures(reference, found, FS_HZ)
    assert figures.boundaries["P_on"].within["40"] == Rates(se=0.5, ppv=1.0, f1=2 / 3)
    assert record_f1(reference, found, FS_HZ).to_dict() == {"1": 1.0, "2": 0.0}
    nothing = segmentation_figures(reference, found.iloc[:0], FS_HZ)
    assert nothing.sample_f1["macro"] == 0.0
    with pytest.raises(ValueError, match="no P, QRS or T wave"):
        segmentation_figures(reference.iloc[:0], found, FS_HZ)


def test_confidence_that_is_true_is_calibrated_and_that_is_not_is_not() -> None:
    rng = np.random.default_rng(0)
    reference = pd.concat([table(late(ONE_BEAT, beat), "1", f"lead {n}") for n in range(100) for beat in range(8)])
    sure = rng.choice([0.35, 0.65, 0.95], (len(reference), 2))
    # A boundary is right as often as is said, else 60 ms late; the first and last marks of a lead bound its span.
    wrong_s = 0.06 * (rng.random(sure.shape) > sure)
    found = reference.assign(
        onset_s=reference["onset_s"] + wrong_s[:, 0], offset_s=reference["offset_s"] - wrong_s[:, 1],
        onset_confidence=sure[:, 0], offset_confidence=sure[:, 1],
    )  # fmt: skip
    figures = confidence_figures(reference, found, 0.04)
    assert [line.confidence for line in figures.bins] == pytest.approx([0.35, 0.65, 0.95])
    for line in figures.bins:
        assert line.right == pytest.approx(line.confidence, abs=0.04)
    assert figures.expected_calibration_error < 0.03
    bold = found.assign(onset_confidence=1.0, offset_confidence=1.0)
    assert confidence_figures(reference, bold, 0.04).expected_calibration_error == pytest.approx(0.35, abs=0.04)
    # What lies outside the marks of its lead is neither right nor false.
    outside = table(late(ONE_BEAT, 20), "1", "lead 0").assign(onset_confidence=0.1, offset_confidence=0.1)
    assert confidence_figures(reference, pd.concat([found, outside]), 0.04) == figures


def test_ludb_jittered_by_10_ms(data_root: Path) -> None:
    reader = LudbReader()
    parts: list[pd.DataFrame] = []
    for source in reader.sources(data_root / "ludb")[:120:2]:
        marks = reader.read(data_root / "ludb", source).waves
        assert marks is not None
        names = ("lead", "wave", "onset_s", "peak_s", "offset_s")
        parts.append(pd.DataFrame({name: getattr(marks, name) for name in names}).assign(record_id=source.id))
    reference = pd.concat(parts, ignore_index=True)
    same = segmentation_figures(reference, reference, FS_HZ)
    assert set(same.sample_f1.values()) == set(same.iou.values()) == {1.0}
    rng = np.random.default_rng(0)
    times = reference[["onset_s", "peak_s", "offset_s"]]
    moved = reference.assign(**(times + rng.normal(0, 0.01, times.shape)))
    boundaries = segmentation_figures(reference, moved, FS_HZ).boundaries
    assert reference["onset_s"].isna().any()
    for name, figures in boundaries.items():
        assert figures.within["75"].f1 >= 0.995, name
        assert figures.sd_ms == pytest.approx(10, abs=0.3)
