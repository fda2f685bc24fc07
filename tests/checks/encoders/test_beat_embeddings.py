import pytest

from beatssl.checks.encoders.beat_embeddings import check_beat_embeddings
from beatssl.store.splits import SplitError


def test_other_stores_are_refused(store):
    with pytest.raises(SplitError, match="no row in train"):
        check_beat_embeddings(store, "random")
    with pytest.raises(ValueError, match="no reference beats; prepare mitdb"):
        check_beat_embeddings(store.with_tables(reference_beats=store.reference_beats.iloc[:0]), "random")
