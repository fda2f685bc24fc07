import numpy as np
import pytest

from beatssl.dataset.batches import batches


def test_every_row_comes_once_and_gaps_are_zero_and_masked(prepared, fake_reader):
    store = prepared(fake_reader(7, duration_s=14.0))
    rows = np.arange(1, len(store))
    found = list(batches(store, rows, 4, np.random.default_rng(0)))
    assert [len(batch.row) for batch in found] == [4, 4, 4, 1]
    assert sorted(np.concatenate([batch.row for batch in found])) == rows.tolist()
    for batch in found:
        np.testing.assert_array_equal(np.where(batch.measured, batch.ecg_mv, np.nan), store.ecg_mv(batch.row))
        assert np.all(batch.ecg_mv[~batch.measured] == 0)
    again = list(batches(store, rows, 4, np.random.default_rng(0)))
    np.testing.assert_array_equal(again[0].row, found[0].row)
    with pytest.raises(ValueError, match="batch size 0"):
        next(batches(store, rows, 0, np.random.default_rng(0)))
