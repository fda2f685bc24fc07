"""Annotation repeatability: each mark predicted from the same expert's marks on the other beats of its lead.

The agreement of a prediction with such marks has an upper bound: that of the marks with each other.
"""

import numpy as np
import pandas as pd

_ENDS = ("onset_s", "offset_s")
_NEAR_S = 0.7
"""A P wave's QRS begins within this time after it, a T wave's lies within it before."""


def marks_from_other_beats(marks: pd.DataFrame) -> pd.DataFrame:
    """Every marked wave again, its ends where the lead's other waves of its kind have theirs on average.

    Ends are taken from the R peak as marked in that lead: of the wave's own beat, of the next one for P, of the one
    before for T. Evaluated against the marks (`metrics.segmentation`), the result shows by how much one mark differs
    from the next, because beats differ and because annotation does: no wave is missed or added. An end that no other
    beat has keeps its mark, which makes the figures a little too good.

    Args:
        marks: `record_id`, `lead`, `wave`, `onset_s`, `peak_s`, `offset_s`; NaN where not marked.

    Returns:
        A table of the same lines and columns.
    """
    columns = ["record_id", "lead", "wave", "onset_s", "peak_s", "offset_s"]
    marks = marks[columns].reset_index(drop=True)
    anchor_s = pd.concat([_anchors(lead) for _, lead in marks.groupby(["record_id", "lead"])]).reindex(marks.index)
    out, keys = marks.copy(), [marks[name] for name in columns[:3]]
    for name in _ENDS:
        away = (marks[name] - anchor_s).groupby(keys)
        others = away.transform("count") - 1
        mean = (away.transform("sum") - (marks[name] - anchor_s)) / others.where(others > 0)
        out[name] = (anchor_s + mean).where(mean.notna() & marks[name].notna(), marks[name])
    return out


def _anchors(lead: pd.DataFrame) -> pd.Series:
    """Time of the R peak that each wave of one lead belongs to; NaN where there is none near."""
    peak_s = lead["peak_s"].to_numpy(np.float64)
    r_s = np.sort(peak_s[(lead["wave"] == "QRS").to_numpy() & np.isfinite(peak_s)])
    later = r_s[None] - peak_s[:, None]
    wave = lead["wave"].to_numpy(str)[:, None]
    far = np.where(wave == "P", np.where(later > 0, later, np.inf), np.where(wave == "T", -later, np.abs(later)))
    far = np.where((wave == "T") & (later >= 0) | np.isnan(far), np.inf, far)
    if not len(r_s):
        return pd.Series(np.nan, lead.index)
    return pd.Series(np.where(far.min(axis=1) < _NEAR_S, r_s[far.argmin(axis=1)], np.nan), lead.index)
