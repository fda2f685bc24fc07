"""Which beats of a paced episode follow the pacemaker."""

from dataclasses import replace

import numpy as np

from beatssl.analysis.rhythms.pacing import with_paced_beats
from beatssl.analysis.rhythms.result import RhythmEpisode
from beatssl.analysis.rhythms.truth import PACED, SINUS

from .test_evidence import beats

WIDE_S, NARROW_S = 0.15, 0.08


def of_widths(width_s: list[float], time_s: list[float] | None = None, labels: str = ""):
    found = beats(np.array(time_s or np.arange(len(width_s)) * 0.8), labels)
    marks = replace(found.marks, qrs_offset_s=found.marks.qrs_onset_s + np.array(width_s))
    return replace(found, marks=marks)


def test_wide_beats_of_a_paced_episode_are_paced() -> None:
    found = with_paced_beats(
        of_widths([WIDE_S] * 3 + [NARROW_S] + [WIDE_S] * 4, labels="VVVNVVVV"), [RhythmEpisode(0.0, 4.5, PACED, 0.9)]
    )
    assert "".join(found.labels) == "QQQNQQVV"


def test_early_beats_are_not_and_neither_is_another_rhythm() -> None:
    time_s = [0.0, 0.8, 1.6, 2.1, 3.2, 4.0, 4.8]
    early = of_widths([WIDE_S] * 7, time_s, "NNNVNNN")
    assert "".join(with_paced_beats(early, [RhythmEpisode(0.0, 9.0, PACED, 0.9)]).labels) == "QQQVQQQ"
    assert "".join(with_paced_beats(early, [RhythmEpisode(0.0, 9.0, SINUS, 0.9)]).labels) == "NNNVNNN"
    assert "".join(with_paced_beats(early, []).labels) == "NNNVNNN"
