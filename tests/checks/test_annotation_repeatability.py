"""Marks predicted from the marks of the lead's other beats."""

import numpy as np
import pandas as pd
import pytest

from beatssl.checks.annotation_repeatability import marks_from_other_beats
from beatssl.store.store import Store


def test_marks_predicted_from_the_leads_other_beats(four: Store) -> None:
    marks = four.waves.copy()
    marks.loc[marks.index[40], "onset_s"] = float("nan")
    predicted = marks_from_other_beats(marks)
    assert len(predicted) == len(marks)
    assert predicted["onset_s"].isna().sum() == marks["onset_s"].isna().sum()
    record_id = marks["record_id"].iloc[0]
    lead = marks[(marks["record_id"] == record_id) & (marks["lead"] == "V2")].sort_values("peak_s")
    r_s = lead.loc[lead["wave"] == "QRS", "peak_s"].to_numpy()
    own = lead[lead["wave"] == "T"]
    before = np.array([r_s[r_s < peak].max(initial=-9.0) for peak in own["peak_s"]])
    away = np.where(own["peak_s"] - before < 0.7, own["offset_s"] - before, np.nan)
    found = predicted[(predicted["record_id"] == record_id) & (predicted["lead"] == "V2") & (predicted["wave"] == "T")]
    found_s = dict(zip(found["peak_s"], found["offset_s"], strict=True))
    for at, peak_s in enumerate(own["peak_s"]):
        others = np.delete(away, at)
        expected = before[at] + np.nanmean(others) if np.isfinite(away[at]) else own["offset_s"].iloc[at]
        assert found_s[peak_s] == pytest.approx(expected)


def test_marks_that_do_not_change_are_predicted_exactly() -> None:
    r_s = np.arange(1.0, 6.0)
    lines = [
        {"record_id": "a", "lead": "II", "wave": wave, "onset_s": r + on, "peak_s": r + peak, "offset_s": r + off}
        for r in r_s
        for wave, on, peak, off in (("P", -0.2, -0.15, -0.1), ("QRS", -0.05, 0.0, 0.05), ("T", 0.2, 0.3, 0.4))
    ]
    marks = pd.DataFrame(lines)
    pd.testing.assert_frame_equal(marks_from_other_beats(marks), marks)
