"""LUDB: marks, folds, diagnoses, and the amplitudes that its headers get wrong."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.ludb import LudbReader
from beatssl.records.record import Record
from beatssl.signals.leads import LEADS


@pytest.fixture(scope="session")
def records(data_root: Path) -> list[Record]:
    reader, root = LudbReader(), data_root / "ludb"
    return [reader.read(root, source) for source in reader.sources(root)]


def test_who_and_what(records: list[Record]) -> None:
    first = records[0]
    assert [r.id for r in records] == [str(n) for n in range(1, 201)]
    assert (first.age_years, first.sex, first.fold, records[6].fold) == (51.0, "female", 0, 1)
    assert first.leads == LEADS
    assert (first.fs_hz, first.ecg_mv.shape) == (500.0, (12, 5000))
    assert {label.name for label in first.labels} >= {"Sinus bradycardia", "Left ventricular hypertrophy"}
    assert Counter(r.sex for r in records) == {"male": 115, "female": 85}  # the database's README
    assert [r.id for r in records if r.metadata.get("age_over_89")] == ["34"]
    assert records[33].age_years == 90.0


def test_marks_are_all_there(records: list[Record]) -> None:
    waves = Counter(wave for r in records for wave in r.waves.wave)  # type: ignore[union-attr]
    # The README counts 21966, 19666 and 16797; one QRS has no peak, some T of record 116 are marked several times.
    assert waves["QRS"] == 21_965
    assert 19_640 < waves["T"] <= 19_666
    assert waves["P"] == 16_797
    no_onset = Counter[str]()
    for r in records:
        marks = r.waves
        assert marks is not None
        late = np.nan_to_num(marks.onset_s, nan=-1) > marks.peak_s
        early = np.nan_to_num(marks.offset_s, nan=1e9) < marks.peak_s
        assert not late.any()
        assert not early.any()
        no_onset[r.id] += int((np.isnan(marks.onset_s) & (np.array(marks.wave) == "QRS")).sum())
    assert sum(no_onset.values()) == 122  # as the protocol counts them
    assert {name for name, count in no_onset.items() if count} <= {"7", "8", "34", "95", "104", "111"}


def test_a_known_mark(records: list[Record]) -> None:
    marks = records[0].waves
    assert marks is not None
    at = next(i for i, lead in enumerate(marks.lead) if lead == "II")
    assert (marks.wave[at], marks.onset_s[at], marks.peak_s[at], marks.offset_s[at]) == ("QRS", 1.288, 1.324, 1.364)


def test_amplitudes_keep_the_lead_identities(data_root: Path, records: list[Record]) -> None:
    published = LudbReader(gains="published")
    root = data_root / "ludb"
    for record, source in list(zip(records, published.sources(root), strict=True))[::20]:
        i, ii, iii = record.ecg_mv[:3]
        assert np.abs(ii - i - iii).max() < 0.0011  # two units of 1 µV, by rounding
        assert record.metadata["gain_corrected"]
        as_stated = published.read(root, source)
        np.testing.assert_allclose(
            np.ptp(as_stated.ecg_mv, axis=1), 1.0, atol=1e-6
        )  # what the headers' gains make of it
        assert not as_stated.metadata["gain_corrected"]
