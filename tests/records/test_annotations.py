"""Annotation files against wfdb, and the grammar of wave marks."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from beatssl.records.annotations import Annotations, read_annotations, wave_marks, waves_of
from beatssl.records.record import RecordError


@pytest.mark.parametrize(
    ("name", "extension"),
    [("mitdb/100", "atr"), ("mitdb/207", "atr"), ("qtdb/sel36", "q1c"), ("qtdb/sel50", "q1c"), ("qtdb/sele0112", "pu0"),
     ("ludb/data/7", "v1"), ("ludb/data/116", "v4")],
)  # fmt: skip
def test_equal_to_wfdb(data_root: Path, name: str, extension: str) -> None:
    ours = read_annotations(data_root, name, extension)
    theirs = wfdb.rdann(str(data_root / name), extension)
    np.testing.assert_array_equal(ours.sample, theirs.sample)
    assert ours.symbol == tuple(theirs.symbol)
    assert ours.text == tuple(text.strip("\0") for text in theirs.aux_note)


def test_long_and_backward_intervals_and_texts(tmp_path: Path) -> None:
    samples, notes = np.array([5, 5000, 200_000, 200_001]), ["", "(AFIB", "", "odd"]
    wfdb.wrann("r", "atr", samples, symbol=["N", "+", "V", '"'], aux_note=notes, write_dir=str(tmp_path))
    ours = read_annotations(tmp_path, "r", "atr")
    assert ours.sample.tolist() == samples.tolist()
    assert ours.symbol == ("N", "+", "V", '"')
    assert ours.text == tuple(notes)


def test_cut_short_or_missing(data_root: Path, tmp_path: Path) -> None:
    content = (data_root / "mitdb/100.atr").read_bytes()
    (tmp_path / "r.atr").write_bytes(content[:1001])
    with pytest.raises(RecordError) as error:
        read_annotations(tmp_path, "r", "atr")
    assert error.value.reason == "truncated"
    with pytest.raises(RecordError) as error:
        read_annotations(tmp_path, "other", "atr")
    assert error.value.reason == "unreadable"


def _waves(symbols: str) -> list[tuple[str, float, float, float]]:
    marks = Annotations(np.arange(len(symbols), dtype=np.int64) * 10, tuple(symbols), ("",) * len(symbols))
    return [wave[1:] for wave in waves_of(marks)]


nan = pytest.approx(np.nan, nan_ok=True)


@pytest.mark.parametrize(
    ("symbols", "waves"),
    [
        ("(p)(N)(t)", [("P", 0, 10, 20), ("QRS", 30, 40, 50), ("T", 60, 70, 80)]),
        ("(N)t)u)", [("QRS", 0, 10, 20), ("T", nan, 30, 40)]),  # no onset, and a U wave after it
        ("N)(t)", [("QRS", nan, 0, 10), ("T", 20, 30, 40)]),
        ("N()(t)", [("QRS", nan, 0, 20), ("T", 30, 40, 50)]),  # LUDB: an onset set after the peak is none
        ("(t(p)", [("T", 0, 10, nan), ("P", 20, 30, 40)]),  # no offset
        ("(tt)", [("T", 0, 10, 30)]),  # biphasic
        ("((ttt))", [("T", 10, 30, 50)]),
        ("()(V)", [("QRS", 20, 30, 40)]),  # a wave without a peak is none
        ("(N", [("QRS", 0, 10, nan)]),
        ("", []),
    ],
)  # fmt: skip
def test_grammar(symbols: str, waves: list[tuple[str, float, float, float]]) -> None:
    assert _waves(symbols) == waves


def test_marks_in_seconds() -> None:
    marks = wave_marks(waves_of(Annotations(np.array([100, 110, 125]), ("(", "N", ")"), ("",) * 3), "II"), 250.0)
    assert (marks.lead, marks.wave) == (("II",), ("QRS",))
    assert (marks.onset_s[0], marks.peak_s[0], marks.offset_s[0]) == (0.4, 0.44, 0.5)
    assert wave_marks([], 250.0).onset_s.shape == (0,)
