"""Annotations that `save_annotations` writes, read back by wfdb and by our own reader of LUDB."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from beatssl.analysis.model import load
from beatssl.analysis.output.annotations import encoded
from beatssl.analysis.result import Analysis
from beatssl.records.annotations import read_annotations, waves_of
from beatssl.records.formats.saved_marks import annotator_of
from beatssl.records.synthetic import synthetic_record


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return load(device="cpu").analyze(synthetic_record(0))


def test_wfdb_reads_the_waves_of_every_lead(analysis: Analysis, tmp_path: Path) -> None:
    written = analysis.save_annotations(tmp_path / "one")
    assert [path.suffix for path in written] == [f".{annotator_of(lead)}" for lead in analysis.record.leads] + [
        ".beats"
    ]
    waves = analysis.waves
    for lead, name in enumerate(waves.leads):
        own = waves.lead == lead
        found = wfdb.rdann(str(tmp_path / "one"), annotator_of(name))
        assert found.fs == 500
        for number, symbol in ((1, "p"), (2, "N"), (3, "t")):
            peaks = np.sort(waves.peak_s[own & (waves.wave == number)])
            marked = found.sample[np.array(found.symbol) == symbol] / 500
            np.testing.assert_allclose(marked, peaks, atol=0.001 + 1e-9)
        brackets = {symbol: np.array(found.symbol) == symbol for symbol in "()"}
        for symbol, times_s in (("(", waves.onset_s), (")", waves.offset_s)):
            numbers = found.num[brackets[symbol]]
            counts = [int((own & (waves.wave == k + 1) & np.isfinite(times_s)).sum()) for k in range(3)]
            assert np.bincount(numbers, minlength=3).tolist() == counts  # 0 P, 1 QRS, 2 T


def test_the_reader_of_ludb_finds_the_same_waves(analysis: Analysis, tmp_path: Path) -> None:
    analysis.save_annotations(tmp_path / "one", leads=("II",))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.beats", "one.ii"]
    found = waves_of(read_annotations(tmp_path, "one", "ii"), "II")
    table = analysis.waves.to_frame()
    own = table[table["lead"] == "II"].reset_index(drop=True)
    assert [wave.wave for wave in found] == own["wave"].tolist()
    for name in ("onset", "peak", "offset"):
        times_s = [getattr(wave, name) / 500 for wave in found]
        np.testing.assert_allclose(times_s, own[f"{name}_s"], atol=0.001 + 1e-9)


def test_beats_and_long_gaps(analysis: Analysis, tmp_path: Path) -> None:
    analysis.save_annotations(tmp_path / "one", leads=())
    beats = wfdb.rdann(str(tmp_path / "one"), "beats")
    assert beats.symbol == list(analysis.beats.labels)
    np.testing.assert_allclose(beats.sample / 500, analysis.beats.time_s, atol=0.001 + 1e-9)
    marks = [(5, "N", 0), (2000, "V", 0), (90_000_000, "(", 2), (90_000_001, "S", 0)]
    (tmp_path / "day.atr").write_bytes(encoded(marks, 1000.0))
    day = wfdb.rdann(str(tmp_path / "day"), "atr")
    assert list(zip(day.sample, day.symbol, day.num, strict=True)) == marks
    assert day.fs == 1000


def test_names_that_wfdb_has_not_are_refused(analysis: Analysis, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is no name of a WFDB record"):
        analysis.save_annotations(tmp_path / "a b.c")
    with pytest.raises(ValueError, match="'V9' is no lead of the analysis"):
        analysis.save_annotations(tmp_path / "one", leads=("V9",))
