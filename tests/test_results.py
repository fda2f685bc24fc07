from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from beatssl.results import FOR_FILES, INLINE, Number, printed, read_result, to_json, write_result


@dataclass(frozen=True)
class Line:
    f1: Number
    beats: int


@dataclass(frozen=True)
class Figures:
    name: str
    lines: dict[str, Line]
    curve: list[float] = field(metadata=FOR_FILES, default_factory=list)


FIGURES = Figures("x", {"N": Line(0.5, 3), "S": Line(float("nan"), 0)}, [0.1, 0.2])


def test_json_holds_the_fields_by_name_and_null_for_what_is_not_finite():
    assert to_json(FIGURES) == {
        "name": "x", "lines": {"N": {"f1": 0.5, "beats": 3}, "S": {"f1": None, "beats": 0}}, "curve": [0.1, 0.2]
    }  # fmt: skip
    assert to_json({1: np.float32(0.5), "a": np.array([1, 2]), "p": Path("x/y"), "t": (True, None)}) == {
        "1": 0.5, "a": [1, 2], "p": "x/y", "t": [True, None]
    }  # fmt: skip


def test_a_result_comes_back_from_its_file(tmp_path):
    write_result(tmp_path / "new" / "figures.json", FIGURES)
    back = read_result(tmp_path / "new" / "figures.json", Figures)
    assert back.lines["N"] == FIGURES.lines["N"]
    assert np.isnan(back.lines["S"].f1)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["figures.json"]


def test_the_command_line_prints_all_that_is_not_for_files():
    assert printed(FIGURES) == {"name": "x", "lines": {"N": {"f1": 0.5, "beats": 3}, "S": {"f1": None, "beats": 0}}}


def test_a_file_of_something_else_is_refused_with_the_place(tmp_path):
    write_result(tmp_path / "other.json", {"name": "x", "lines": {"N": {"beats": 3}}})
    with pytest.raises(ValueError, match=r"other\.json holds no Figures: lines\.N\.f1"):
        read_result(tmp_path / "other.json", Figures)


def test_entries_may_stand_beside_the_other_fields():
    @dataclass(frozen=True)
    class Rates:
        within: dict[str, Line] = field(metadata=INLINE)
        mean_ms: float

    rates = Rates({"150": Line(0.9, 3)}, 1.5)
    assert to_json(rates) == printed(rates) == {"150": {"f1": 0.9, "beats": 3}, "mean_ms": 1.5}
