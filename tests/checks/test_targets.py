import numpy as np
import pandas as pd
import pytest

from beatssl.checks.targets import TargetCheckConfig, check_targets
from beatssl.features.beat_features import BEAT_DEFINITIONS
from beatssl.store.store import Store

CONFIG = TargetCheckConfig(batches=(32,), exponents=(1.0, 10.0), components=4, beat_components=4, beat_records=16)


def made_store(signal: float, rows: int = 160) -> Store:
    """Two kinds of records; the larger `signal`, the better their features separate them."""
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, size=rows)
    direction = rng.normal(size=(2, 10))
    labels = pd.DataFrame({"row": np.arange(rows), "label_set": "superclass", "label": np.array(["A", "B"])[kind]})
    noise = rng.normal(size=(rows, 10))
    features = pd.DataFrame(signal * direction[kind] + noise, columns=[f"f{k}" for k in range(10)])
    beat_row = np.repeat(np.arange(rows), 3)
    own = rng.normal(size=(rows, len(BEAT_DEFINITIONS)))[beat_row]
    beats = pd.DataFrame(own + 0.3 * rng.normal(size=own.shape), columns=list(BEAT_DEFINITIONS))
    beats["row"], beats["class"], beats["cluster"] = beat_row, "N", np.tile([0, 1, 1], rows)
    return Store.in_memory(
        records=pd.DataFrame({"fold": np.arange(rows) % 8 + 1}),
        labels=labels,
        features=features,
        beats=beats,
        median_beats_mv=rng.normal(size=(rows, 12, 110)).astype(np.float32),
    )


@pytest.fixture(scope="module")
def figures():
    return {signal: check_targets(made_store(signal), CONFIG) for signal in (0.0, 3.0)}


def test_features_that_tell_the_label_are_told_from_those_that_do_not(figures):
    for figure in ("share_auroc", "knn_auroc"):
        separable, noise = (getattr(figures[s].records["features"].kernels["cosine"], figure) for s in (3.0, 0.0))
        assert separable > 0.85
        assert noise < 0.7
    separable, noise = (figures[s].records["features"].weights["cosine ^10"] for s in (3.0, 0.0))
    assert separable.shared_weight > 0.9
    assert separable.vote_auroc > 0.95
    assert separable.label_lift > 1.5
    assert noise.shared_weight == pytest.approx(figures[0.0].pairs_sharing, abs=0.1)


def test_a_higher_exponent_is_sharper(figures):
    found = figures[3.0].records["features"]
    flat, sharp = (found.batches["batches of 32"][f"cosine ^{e}"] for e in (1, 10))
    assert sharp.entropy < flat.entropy
    assert sharp.positives < flat.positives
    assert found.weights["cosine ^10"].shared_weight > found.weights["cosine ^1"].shared_weight
    assert list(found.batches["batches of 32"]) == list(found.weights)


def test_every_set_of_features_is_there(figures):
    assert list(figures[3.0].records) == [
        "features",
        "4 components, power 0",
        "4 components, power -0.25",
        "4 components, power -0.5",
        "median-beat components",
        "median beat",
    ]
    assert list(figures[3.0].records["median beat"].kernels) == ["correlation"]


def test_beats_of_one_record_are_alike_and_one_class_for_all_is_flat(figures):
    beats = figures[3.0].beats
    assert beats.beats == 48
    assert beats.spaces["features"].kernels["cosine"].record_auroc > 0.99
    assert beats.spaces["features"].weights["cosine ^10"].record_weight > 0.5
    assert beats.hard["class"].near_uniform == 1
    assert beats.hard["class"].entropy == pytest.approx(1, abs=1e-3)
    assert beats.hard["cluster"].class_weight == pytest.approx(1)


def test_a_store_without_such_labels_or_folds_is_an_error():
    store = made_store(1.0)
    with pytest.raises(ValueError, match="it has superclass"):
        check_targets(store, TargetCheckConfig(label_set="rhythm"))
    with pytest.raises(ValueError, match="0 in fold 9"):
        check_targets(store, TargetCheckConfig(valid_fold=9))
