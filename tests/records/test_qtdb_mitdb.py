"""QTDB and MIT-BIH."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.mitdb import DS1, DS2, PACED, MitdbReader, aami_class
from beatssl.records.qtdb import QtdbReader
from beatssl.records.record import Record


def test_qtdb_marks_and_lead_names(data_root: Path) -> None:
    reader, root = QtdbReader(), data_root / "qtdb"
    records = {source.id: reader.read(root, source) for source in reader.sources(root)}
    listed = (root / "RECORDS").read_text(encoding="utf-8").split()
    assert sorted(records) == sorted(listed)
    assert len(records) >= 15
    assert records["sele0112"].leads == ("D3", "V4")
    assert records["sel100"].leads == ("MLII", "V5")
    assert (records["sele0112"].age_years, records["sele0112"].sex) == (52.0, "male")
    assert records["sel821"].metadata["unit_assumed"]
    marks = records["sel100"].waves
    assert marks is not None
    assert set(marks.lead) == {""}
    assert Counter(marks.wave) == {"P": 30, "QRS": 30, "T": 30}
    assert np.isnan(marks.onset_s[np.array(marks.wave) == "T"]).all()  # q1c of sel100 marks no T onset
    assert marks.peak_s[1] == pytest.approx(150330 / 250)
    assert sum(wave == "QRS" for r in records.values() for wave in r.waves.wave) > 450  # type: ignore[union-attr]


@pytest.fixture(scope="session")
def mitdb(data_root: Path) -> dict[str, Record]:
    reader, root = MitdbReader(), data_root / "mitdb"
    return {source.id: reader.read(root, source) for source in reader.sources(root)}


def test_mitdb_beats_by_class(mitdb: dict[str, Record]) -> None:
    symbols = Counter(symbol for r in mitdb.values() for symbol in r.beats.symbol)  # type: ignore[union-attr]
    classes = Counter[str | None]()
    for symbol, count in symbols.items():
        classes[aami_class(symbol)] += count
    # 109,494 beats in the whole database; 472 flutter waves in record 207.
    assert classes == {"N": 90_631, "S": 2_781, "V": 7_236, "F": 803, "Q": 8_043, None: 472}
    assert aami_class("+") is aami_class("~") is aami_class("!") is None


def test_mitdb_split(mitdb: dict[str, Record]) -> None:
    assert len(DS1) == len(DS2) == 22
    assert {*DS1, *DS2, *PACED} == mitdb.keys()
    shared = {mitdb[name].patient_id for name in DS1} & {mitdb[name].patient_id for name in DS2}
    assert shared == {"201"}


def test_mitdb_record(mitdb: dict[str, Record]) -> None:
    record = mitdb["114"]
    assert (record.leads, record.fs_hz, record.ecg_mv.shape) == (("V5", "II"), 360.0, (2, 650_000))
    assert (record.age_years, record.sex, record.patient_id) == (72.0, "female", "114")
    assert mitdb["104"].age_years == 66.0
    assert sum(r.age_years is None for r in mitdb.values()) == 2  # -1 in the header
    assert "Digoxin" not in repr(record.metadata)
    start, end = mitdb["207"].metadata["flutter_s"][0]
    assert 0 < start < end < 1806


def test_one_name_in_two_folders_makes_two_ids(tmp_path: Path) -> None:
    (tmp_path / "RECORDS").write_text("x/100\ny/100\n101\n101\n")
    for reader in (MitdbReader(), QtdbReader()):
        assert [source.id for source in reader.sources(tmp_path)] == ["101", "x/100", "y/100"]
