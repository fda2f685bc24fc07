import numpy as np

from beatssl.store.beat_clusters import stored_beats
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import shard_name
from beatssl.store.shards.conditioning import condition
from beatssl.store.shards.rows import beats_of_pieces, blocks


def test_stored_beats_are_the_measured_ones_also_across_rows(prepared, fake_reader, tmp_path):
    reader = fake_reader(3, duration_s=25.0)
    store = prepared(reader)
    config = PrepareConfig(kind="fake", source=tmp_path, out=tmp_path)
    records = [condition(reader, source, config) for source in reader.sources(tmp_path)]
    measured = beats_of_pieces(next(blocks(records, 99)), 100.0, 1000)
    stored = stored_beats(store.path / shard_name(0), 100.0)
    np.testing.assert_allclose(stored.window_mv, measured.window_mv, atol=0.00051)
    np.testing.assert_array_equal(stored.row, measured.row)
    np.testing.assert_array_equal(stored.rr_next_s, measured.rr_next_s)
    some = stored_beats(store.path / shard_name(0), 100.0, every=7, first=3)
    np.testing.assert_array_equal(some.window_mv, stored.window_mv[3::7])
