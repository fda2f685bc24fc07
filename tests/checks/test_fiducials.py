"""The check of fiducials on tables whose errors are known."""

import numpy as np
import pandas as pd
import pytest

from beatssl.checks.fiducials import MARKS, PPresence, check_fiducials, mark_errors, matched_beats, p_presence
from beatssl.store.store import Store

TRUE_S = dict(zip(MARKS, (-0.2, -0.15, -0.1, -0.04, 0.0, 0.05, 0.15, 0.25, 0.35), strict=True))


def plain_store(beats: pd.DataFrame, waves: pd.DataFrame) -> Store:
    """These tables, and median beats that hold nothing."""
    return Store.in_memory(
        path="plain",
        config={"kind": "ludb"},
        beats=beats,
        waves=waves,
        records=pd.DataFrame({"record_id": ["1", "2"]}),
        median_beats_mv=np.full((2, 12, 110), np.nan, np.float32),
    )


def tables(late_s: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two records of three beats; every mark is found `late_s` after the truth, R itself exactly."""
    r_s = np.array([1.0, 2.0, 3.0])
    waves = [
        {"record_id": record, "lead": "II", "wave": wave, "onset_s": r + on, "peak_s": r + peak, "offset_s": r + off}
        for record in ("1", "2")
        for r in r_s
        for wave, (on, peak, off) in {
            "P": (-0.2, -0.15, -0.1),
            "QRS": (-0.04, 0.0, 0.05),
            "T": (0.15, 0.25, 0.35),
        }.items()
    ]
    beats = pd.DataFrame(
        {"row": [0, 0, 0, 1, 1, 1], "record_id": ["1"] * 3 + ["2"] * 3, "time_s": np.tile(r_s, 2)}
        | {"time_in_record_s": np.tile(r_s, 2), "rr_prev_s": 1.0}
        | {mark: time + late_s for mark, time in TRUE_S.items()}
    )
    return beats, pd.DataFrame(waves)


def test_known_errors_come_out() -> None:
    figures = check_fiducials(plain_store(*tables(0.008)))
    assert (figures.records, figures.reference_beats, figures.matched_beats) == (2, 6, 6)
    for part, compared in (("beats", 6), ("beats_even_records", 3)):
        for mark in MARKS:
            errors = getattr(figures, part).marks[mark.removesuffix("_s")]
            assert errors.compared == compared
            assert errors.median_error_ms == pytest.approx(8.0)
            assert errors.sd_ms == pytest.approx(0.0, abs=1e-6)
            assert errors.not_measured == 0.0
    # Nothing can be found on median beats that hold nothing.
    assert figures.median_beats.marks["qrs_onset"].not_measured == 1.0
    assert figures.median_beats.p_present.sensitivity == 0.0


def test_only_beats_whose_r_matches_are_compared() -> None:
    beats, waves = tables(0.0)
    beats.loc[0, "time_in_record_s"] += 0.1
    matched = matched_beats(beats, waves)
    assert len(matched) == 5
    assert matched.attrs["reference_beats"] == 6
    # The first marked beat of a record says nothing of a P before it.
    assert matched["p_known"].tolist() == [True, True, False, True, True]


def test_what_is_not_found_is_counted_and_not_compared() -> None:
    found, reference = np.array([0.0, np.nan, 0.02, 0.5]), np.array([0.01, 0.0, 0.0, np.nan])
    errors = mark_errors(found, reference)
    assert errors.compared == 2
    assert errors.median_absolute_error_ms == pytest.approx(15.0)
    assert errors.not_measured == pytest.approx(1 / 3)


def test_presence_of_p() -> None:
    found, reference = np.array([True, False, True, False]), np.array([True, True, False, False])
    assert p_presence(found, reference) == PPresence(with_p=2, without_p=2, sensitivity=0.5, specificity=0.5)


def test_a_store_without_marks_is_refused() -> None:
    beats, waves = tables(0.0)
    with pytest.raises(ValueError, match="plain has no reference waves"):
        check_fiducials(plain_store(beats, waves.iloc[:0]))


# A floor a little below what is measured, so that no change loses it unseen.
def test_boundaries_of_ludb(ludb):
    figures = check_fiducials(ludb)
    limits_ms = {"p_onset": 6, "p_offset": 6, "qrs_onset": 6, "qrs_offset": 6, "t_peak": 8, "t_offset": 10}
    for part in ("beats", "median_beats", "beats_even_records"):
        for mark, limit_ms in limits_ms.items():
            assert getattr(figures, part).marks[mark].median_absolute_error_ms <= limit_ms, (part, mark)
    assert figures.median_beats.p_present.sensitivity >= 0.97
    assert figures.median_beats.p_present.specificity >= 0.75
