"""Rate, regularity, pauses and runs, on beats made by hand."""

import numpy as np
import pytest

from beatssl.analysis.measurement import not_determinable
from beatssl.analysis.rhythm import rhythm_of
from beatssl.analysis.rhythms.ectopy import groups_in_words
from beatssl.analysis.rhythms.result import Rhythms
from beatssl.beats.windows import known_intervals

NO_RHYTHM = Rhythms((), "not asked", (), (), not_determinable("%", "not asked"))


def rhythm(time_s: np.ndarray, labels: str | None = None, rr_s: np.ndarray | None = None):
    names = tuple(labels or "N" * len(time_s))
    probability = np.array([[one == kind for kind in "NSVF"] for one in names], np.float32).reshape(-1, 4)
    return rhythm_of(time_s, np.diff(time_s, prepend=np.nan) if rr_s is None else rr_s, probability, names, NO_RHYTHM)


def test_a_steady_rhythm() -> None:
    found = rhythm(np.arange(20) * 0.8)
    assert found.rate_bpm.value == pytest.approx(75)
    assert (found.rate_min_bpm.value, found.rate_max_bpm.value) == (pytest.approx(75), pytest.approx(75))
    assert found.rr_sd_ms.value == pytest.approx(0, abs=0.01)
    assert found.regularity == "regular"
    assert (found.pauses, found.runs, found.ectopic_beats) == ((), (), {"S": 0, "V": 0, "F": 0})


def test_an_irregular_rhythm() -> None:
    rng = np.random.default_rng(0)
    assert rhythm(np.cumsum(rng.uniform(0.4, 1.2, 60))).regularity == "irregular"


def test_pauses_runs_and_extremes() -> None:
    time_s = np.cumsum([0.8] * 5 + [2.5] + [0.8] * 4 + [0.4] * 4 + [0.8] * 4)
    found = rhythm(time_s, "NNNNNNNNNNVVVVNNNN")
    ((start_s, duration_s),) = [(one.start_s, one.duration_s) for one in found.pauses]
    assert (start_s, duration_s) == (pytest.approx(4.0), pytest.approx(2.5))
    (run,) = found.runs
    assert (run.start_s, run.beats, run.kind, run.rate_bpm) == (pytest.approx(10.1), 4, "V", pytest.approx(150))
    assert found.rate_max_bpm.value == pytest.approx(150)
    assert found.rate_min_bpm.value == pytest.approx(240 / (2.5 + 3 * 0.8))
    assert found.ectopic_beats == {"S": 0, "V": 4, "F": 0}


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_beats_have_no_rate(count: int) -> None:
    found = rhythm(np.arange(count) * 0.8)
    assert found.rate_bpm.value is None
    assert found.rate_bpm.reason.startswith("not determinable, because it takes more RR intervals than 0")
    assert found.regularity is None


def test_intervals_across_what_was_not_measured_are_unknown() -> None:
    measured = np.ones(1000, bool)
    measured[350:400] = False
    rr_s = known_intervals(np.array([1.0, 2.0, 3.0, 4.5, 5.5]), measured, 100.0)
    np.testing.assert_array_equal(rr_s, [np.nan, 1.0, 1.0, np.nan, 1.0])


def groups(labels: str, rr_s: np.ndarray | None = None) -> list[tuple[str, str, float, float, int]]:
    found = rhythm(np.arange(len(labels)) * 1.0, labels, rr_s).groups
    return [(one.name, one.kind, one.start_s, one.stop_s, one.ectopic_beats) for one in found]


def test_couplets_are_two_of_one_kind() -> None:
    assert groups("NNVVNNSSNVVVNVSN") == [("couplet", "V", 2.0, 3.0, 2), ("couplet", "S", 6.0, 7.0, 2)]


def test_bigeminy_and_trigeminy_are_three_cycles_or_more() -> None:
    assert groups("NVNVNVNN") == [("bigeminy", "V", 1.0, 5.0, 3)]
    assert groups("NSNNSNNSNNSNN") == [("trigeminy", "S", 1.0, 10.0, 4)]
    assert groups("NVNVNN") == []
    assert groups("NVNSNVNN") == []
    assert groups("NVFVNVFV") == []
    assert groups("NVNVNVNNVNNVNN") == [("bigeminy", "V", 1.0, 5.0, 3), ("trigeminy", "V", 5.0, 11.0, 3)]


def test_what_was_not_measured_ends_an_episode() -> None:
    rr_s = np.full(8, 1.0)
    rr_s[4] = np.nan
    assert groups("NVNVNVNN", rr_s) == []
    assert groups("NNNVVNNN", rr_s) == []


def test_groups_in_words() -> None:
    found = rhythm(np.arange(20) * 1.0, "NVVNNVVNNNSNSNSNSNNN").groups
    assert groups_in_words(found) == ["2 ventricular couplets", "1 supraventricular bigeminy episode"]
