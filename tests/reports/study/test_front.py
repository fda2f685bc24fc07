import re
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from beatssl.reports.study.front import front, front_lines
from beatssl.reports.study.front_picture import front_picture
from beatssl.results import read_result
from beatssl.studies.study.result import JSON, Mean, StudyResult

FIGURE = st.sampled_from([0.1, 0.2, 0.3, 0.4])


def result(*variants: tuple[str, str, float, float]) -> StudyResult:
    means = [
        Mean(group, "small", name, task, figure, value, float("nan"), 1, True, True)
        for group, name, records, beats in variants
        for task, figure, value in (("superclass", "AUROC", records), ("beats-linear", "macro F1", beats))
    ]
    return StudyResult("default", tuple(means), (), (), (), ())


STUDIED = result(
    ("levels", "a", 0.9, 0.4), ("levels", "b", 0.8, 0.5), ("levels", "c", 0.8, 0.4),
    ("network", "usual", 0.9, 0.4), ("network", "other", 0.95, 0.45),
    ("contrasts", "a", 0.99, 0.99), ("views", "alone", 0.7, 0.3),
)  # fmt: skip


@given(st.lists(st.tuples(FIGURE, FIGURE), min_size=1, max_size=9))
def test_on_the_front_is_what_no_other_beats(values: list[tuple[float, float]]) -> None:
    points = {str(at): value for at, value in enumerate(values)}
    slow = set[str]()
    for name, (x, y) in points.items():
        beaten = [1 for a, b in points.values() if (a >= x and b > y) or (a > x and b >= y)]
        if not beaten:
            slow.add(name)
    assert set(front(points)) == slow
    assert [points[name][0] for name in front(points)] == sorted(points[name][0] for name in slow)


def test_each_group_has_its_front_and_all_have_one_without_repeated_variants() -> None:
    assert front_lines(STUDIED)[4:] == [
        "| levels | 3 | – | b (0.800, 0.500); a (0.900, 0.400) |",
        "| network | 2 | – | other (0.950, 0.450) |",
        "| all, each once | 4 | – | levels: b (0.800, 0.500); network: other (0.950, 0.450) |",
    ]


def test_the_picture_names_the_front() -> None:
    drawn = front_picture(STUDIED, "small")
    assert drawn is not None
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert {"levels: b", "network: other", "superclass, AUROC", "beats-linear, macro F1"} <= set(texts)
    assert "levels: a" not in texts
    assert front_picture(STUDIED, "full") is None


def test_a_study_without_beats_has_neither(studied: Path) -> None:
    without = read_result(studied / JSON, StudyResult)
    assert front_lines(without) == []
    assert front_picture(without, "small") is None
