"""Waves of the records of a store, by the bundled segmenter."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.analysis.waves import of_store, store_record
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


@pytest.fixture(scope="module")
def segmenter() -> EcgSegmenter:
    return EcgSegmenter.from_pretrained("default")


def test_rows_of_a_store_with_unlike_numbers_of_leads(segmenter, store, tmp_path: Path):
    source = tmp_path / "files"
    source.mkdir()
    for row, leads in enumerate((("II", "V5"), ("I", "II", "V1"))):
        table = pd.DataFrame(store.ecg_mv([row])[0, : len(leads)].T, columns=list(leads))
        table.to_csv(source / f"{row}.csv", index=False)
    config = PrepareConfig(
        "files", source, tmp_path / "store", leads="as-recorded", csv_fs_hz=100.0, unit="mV", workers=1, clusters=0
    )
    prepare(config)
    (found,) = of_store(segmenter, Store(tmp_path / "store"))
    leads = found.waves.groupby("record_id")["lead"].unique().map(sorted).to_dict()
    assert leads == {"0.csv": ["II", "V5"], "1.csv": ["I", "II", "V1"]}


def test_rows_of_a_long_record_are_joined(segmenter, store):
    few = store.take(range(12))
    records = few.records.assign(record_id=np.repeat(["a", "b"], 6), start_s=np.tile(np.arange(6) * 10.0, 2))
    found = list(of_store(segmenter, few.with_tables(records=records)))
    assert [set(part.waves["record_id"]) for part in found] == [{"a"}, {"b"}]
    assert found[0].waves["offset_s"].max() > 50
    joined = store_record(few.with_tables(records=records), "b")
    assert (joined.duration_s, joined.leads) == (60.0, tuple(store.leads))
    np.testing.assert_array_equal(joined.ecg_mv[:, 1000:2000], store.ecg_mv([7])[0])


def test_many_records_at_once_give_what_each_gives_alone(segmenter, store):
    found = list(of_store(segmenter, store.take(range(18))))
    assert [part.records for part in found] == [16, 2]
    together = pd.concat([part.waves for part in found])
    for row in (0, 17):
        record_id = store.records["record_id"].iloc[row]
        alone = segmenter.predict(store.ecg_mv([row])[0], store.leads, store.fs_hz, already_filtered=True)
        same = together[together["record_id"] == record_id].reset_index(drop=True)
        assert same["wave"].tolist() == alone["wave"].tolist()
        np.testing.assert_allclose(same["onset_s"], alone["onset_s"], atol=0.002)


def test_a_store_prepared_otherwise_is_refused(segmenter, store):
    with pytest.raises(CheckpointError, match="low_hz"):
        list(of_store(segmenter, store.with_config(low_hz=0.05)))
