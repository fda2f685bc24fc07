"""No P where experts marked none: LUDB's records without P, and MIT-BIH's in atrial fibrillation or flutter."""

from pathlib import Path

import pandas as pd
import pytest
import wfdb

from beatssl.analysis.model import EcgModel, load
from beatssl.records.ludb import LudbReader

TRACKED = "104"
"""A ventricular pacemaker that follows P (LUDB: "P-synchrony"): P are there, though none is marked."""

FIBRILLATING = ("201", "202", "203", "210", "217", "219", "221", "222")
LONGEST_S = 60.0


@pytest.fixture(scope="module")
def model() -> EcgModel:
    return load(device="cpu")


def test_records_of_ludb_without_p_are_given_hardly_any(data_root: Path, model: EcgModel) -> None:
    reader, of_record = LudbReader(), dict[str, tuple[int, int]]()
    for source in reader.sources(data_root / "ludb"):
        record = reader.read(data_root / "ludb", source)
        assert record.waves is not None
        if "P" in record.waves.wave:
            continue
        found = model.segmenter.predict(record.ecg_mv, record.leads, record.fs_hz, check="off")  # 74: spikes
        of_record[source.id] = (int((found["wave"] == "P").sum()), int((found["wave"] == "QRS").sum()))
    assert len(of_record) == 24
    p, beats = pd.DataFrame(of_record).drop(columns=TRACKED).to_numpy()
    assert (p / beats).max() < 0.25
    assert p.sum() / beats.sum() < 0.02


@pytest.mark.parametrize("name", FIBRILLATING)
def test_no_p_and_no_pr_in_the_longest_fibrillation_or_flutter_of_a_record(
    data_root: Path, model: EcgModel, name: str
) -> None:
    path = str(data_root / "mitdb" / name)
    record, marks = wfdb.rdrecord(path), wfdb.rdann(path, "atr")
    rhythm = [(at, note.strip("\0")) for at, note in zip(marks.sample, marks.aux_note, strict=True) if note[:1] == "("]
    ends = [at for at, _ in rhythm[1:]] + [record.sig_len]
    spans = [(end - at, at) for (at, note), end in zip(rhythm, ends, strict=True) if note in ("(AFIB", "(AFL")]
    length, first = max(spans)
    some = record.p_signal[first : first + min(length, round(LONGEST_S * record.fs))].T
    found = model.analyze(some, leads=record.sig_name, fs_hz=record.fs, embeddings=False)
    assert len(found.beats) > 40
    assert (found.beats.p_share >= 0.5).mean() < 0.03
    assert found.intervals["pr_interval_ms"].value is None
