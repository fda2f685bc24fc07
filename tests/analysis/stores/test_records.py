import numpy as np
import pytest
import torch

from beatssl.analysis.stores.records import record_log_odds
from beatssl.inference.classifier import EcgClassifier, HeadConfig
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.store.store import Store

NAMES = ("A", "B")


@pytest.fixture
def classifier(store: Store) -> EcgClassifier:
    torch.manual_seed(0)
    encoder = build_encoder(EncoderConfig(width=0.25, depth=0.5))
    return EcgClassifier(encoder, HeadConfig(NAMES), store.preparation, {}).eval()


def test_log_odds_are_those_of_the_network(store: Store, classifier: EcgClassifier) -> None:
    rows = np.array([7, 2, 11])
    found = record_log_odds(classifier, store, rows)
    assert found.row.tolist() == rows.tolist()
    ecg_mv = torch.from_numpy(np.nan_to_num(store.ecg_mv(rows)))
    with torch.inference_mode():
        expected = classifier(ecg_mv, torch.ones(3, 12, dtype=torch.bool), torch.from_numpy(
            store.records["samples"].to_numpy(np.int64)[rows]))  # fmt: skip
    assert np.allclose(found.log_odds, expected, atol=1e-5)


def test_a_record_in_several_rows_has_the_mean_of_their_log_odds(store: Store, classifier: EcgClassifier) -> None:
    rows = np.arange(len(store))
    apart = record_log_odds(classifier, store, rows)
    pairs = store.with_tables(
        records=store.records.assign(record_id=np.repeat(np.arange(len(store) // 2), 2).astype(str))
    )
    joined = record_log_odds(classifier, pairs, rows)
    assert joined.row.tolist() == rows[::2].tolist()
    assert np.allclose(joined.log_odds, apart.log_odds.reshape(-1, 2, len(NAMES)).mean(axis=1))


def test_no_rows_give_no_records(store: Store, classifier: EcgClassifier) -> None:
    found = record_log_odds(classifier, store, np.zeros(0, np.int64))
    assert found.log_odds.shape == (0, len(NAMES))
