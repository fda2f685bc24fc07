import numpy as np
import pytest

from beatssl.store.splits import SplitError
from beatssl.store.unlabelled import kept_rows
from beatssl.training.pretraining.columns import load_rows


def test_from_the_memory_map_comes_what_stands_in_memory(store, rows):
    mapped = load_rows([store.path], memory_gb=0.0)
    assert mapped.units is None
    some = np.array([20, 0, 11])
    assert (mapped.ecg_units(some) == rows.ecg_units(some)).all()


def test_beats_of_a_row_follow_each_other(store, rows):
    for row in (0, 17):
        own = store.beats[store.beats["row"] == row]
        here = slice(rows.beat_begin[row], rows.beat_begin[row + 1])
        assert np.allclose(rows.beat_at[here], own["time_s"] * store.fs_hz, atol=1e-3)
        assert rows.beats["class"][here].tolist() == own["class"].tolist()


def test_two_stores_are_one_but_for_their_clusters(store, rows):
    both = load_rows([store.path, store.path])
    assert len(both) == 2 * len(rows)
    half = int(both.beat_begin[len(rows)])
    assert set(rows.beats["cluster"]) == {0, 1, 2}
    assert set(both.beats["cluster"]) == {-1}
    assert (both.beats["class"][:half].to_numpy() == both.beats["class"][half:].to_numpy()).all()
    assert (both.features.iloc[: len(rows)].to_numpy() == store.features.to_numpy()).mean() > 0.5
    assert both.record_id.tolist() == 2 * rows.record_id.tolist()
    twice = np.array([1, len(rows) + 1])
    assert (both.ecg_units(twice)[0] == both.ecg_units(twice)[1]).all()


def test_folds_and_limits(store):
    folds = store.records["fold"].to_numpy()
    wanted = sorted(set(folds.tolist()))[:5]
    kept = load_rows([store.path], folds=wanted)
    assert np.isin(folds[kept.store_row], wanted).all()
    assert len(load_rows([store.path], row_limit=7)) == 7
    with pytest.raises(ValueError, match=r"are in folds \[99\]"):
        load_rows([store.path], folds=[99])


def test_a_patient_on_both_sides_is_refused(store):
    shuffled = store.records.assign(fold=np.arange(len(store)) % 2 + 1)
    assert shuffled.groupby("patient_id")["fold"].nunique().max() > 1
    with pytest.raises(SplitError, match="patients stand in both train and test"):
        kept_rows(store.with_tables(records=shuffled), [1])
    with pytest.raises(ValueError, match="leads as recorded"):
        kept_rows(store.with_config(leads="as-recorded"), [])
