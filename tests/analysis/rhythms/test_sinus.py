"""Which supraventricular ectopic beats of a sinus rhythm stay such."""

import numpy as np

from beatssl.analysis.rhythms.result import RhythmEpisode
from beatssl.analysis.rhythms.sinus import with_early_s_alone
from beatssl.analysis.rhythms.truth import OTHER, SINUS

from .test_evidence import beats

WHOLE = (0.0, 1e4)


def labels_of(rr_s: list[float], labels: str, *episodes: RhythmEpisode) -> str:
    found = with_early_s_alone(
        beats(np.cumsum([0.5, *rr_s[1:]]), labels), episodes or [RhythmEpisode(*WHOLE, SINUS, 1)]
    )
    assert np.allclose(found.class_probability.sum(axis=1), 1)
    return "".join(found.labels)


def test_s_of_sinus_rhythm_that_are_not_early_are_n() -> None:
    assert labels_of([0.5] * 8, "NSSNSNSS") == "NNNNNNNN"
    assert labels_of([0.8] * 9 + [0.5, 1.1] + [0.8] * 9, "NN" + "NNNNNSNSNN" + "NNSNSNSN") == "N" * 9 + "S" + "N" * 10
    assert labels_of([0.5] * 6, "SSSSSS") == "SNNNNN"  # the first has no interval


def test_runs_of_s_and_other_rhythms_and_other_classes_stay() -> None:
    rr_s = [0.8] * 40 + [0.4] * 50 + [0.8] * 40
    assert labels_of(rr_s, run := "N" * 40 + "S" * 50 + "N" * 40) == run
    assert labels_of([0.5] * 6, "NSSVFS", RhythmEpisode(*WHOLE, OTHER, 1)) == "NSSVFS"
    assert labels_of([0.8] * 6, "NNVFVN") == "NNVFVN"
    assert labels_of([0.5] * 6, "NNSNSN", RhythmEpisode(0.0, 2.2, SINUS, 1)) == "NNNNSN"


def test_between_pauses_nobody_knows_what_is_early() -> None:
    rr_s = [0.7, 0.7, 0.7, 1.8] * 10
    assert labels_of(rr_s, "SSSN" * 10) == "SSSN" * 10


def test_a_slowly_changing_rate_makes_no_beat_early() -> None:
    rr_s = np.concatenate([np.linspace(1.0, 0.6, 200), np.linspace(0.6, 1.0, 200)]).tolist()
    labels = "".join("S" if k % 3 == 2 else "N" for k in range(400))
    assert labels_of(rr_s, labels).count("S") == 0


def test_beats_without_interval_or_class_stay() -> None:
    found = beats(np.arange(6) * 0.5, "NSSSNN")
    found.rr_s[2] = np.nan
    found.class_probability[4] = np.nan
    after = with_early_s_alone(found, [RhythmEpisode(*WHOLE, SINUS, 1)])
    assert after.labels == ("N", "N", "S", "N", "", "N")
