import numpy as np
import pandas as pd
import pytest

from beatssl.checks.features import FeatureCheckConfig, FeatureFigures, check_features
from beatssl.results import to_json
from beatssl.store.store import Store

QUICK = FeatureCheckConfig(inverse_penalties=(0.01, 0.1), tree_rounds=(10, 20), bootstrap_draws=50)


def made_store(records: int = 600, seed: int = 0) -> Store:
    """A store's tables alone: two labels that two of six features predict, one more row in twenty without a label."""
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(records, 6)).astype(np.float32)
    labels = table[:, :2] + 0.5 * rng.normal(size=(records, 2)) > 0.3
    labels[::20] = False
    labels[1::20, 0] = True
    table[rng.random(table.shape) < 0.1] = np.nan
    row, label = np.nonzero(labels)
    return Store.in_memory(
        features=pd.DataFrame(table, columns=[f"f{n}" for n in range(6)]),
        labels=pd.DataFrame({"row": row, "label_set": "superclass", "label": np.array(["NORM", "MI"])[label]}),
        records=pd.DataFrame(
            {
                "record_id": [str(n) for n in range(records)],
                "source": "made",
                "waveform_hash": "",
                "patient_id": [str(n // 2) for n in range(records)],
                "fold": pd.array(np.arange(records) // 2 % 10 + 1, dtype="Int32"),
                "age_years": rng.uniform(20, 90, records).astype(np.float32),
                "sex": rng.choice(["female", "male"], records),
            }
        ),
    )


@pytest.fixture(scope="module")
def figures() -> FeatureFigures:
    return check_features(made_store(), QUICK)


@pytest.mark.parametrize("model", ["logistic_regression", "boosted_trees"])
def test_both_models_find_what_is_there(figures, model):
    found = getattr(figures, model)
    assert found.macro_auroc > 0.8
    assert found.ci95.macro_auroc[0] < found.macro_auroc < found.ci95.macro_auroc[1]
    assert list(found.per_class) == ["MI", "NORM"]


def test_the_layout_and_counts_are_the_protocols(figures):
    found = figures.logistic_regression
    assert {"encoder", "config_hash", "seed", "labels", "label_share", "folds", "records"} <= set(to_json(found))
    assert to_json(found.folds) == {"train": [1, 2, 3, 4, 5, 6, 7], "valid": 8, "test": 9}
    store = made_store()
    labelled = store.records.index.isin(store.labels["row"])
    for part, folds in (("train", range(1, 8)), ("valid", [8]), ("test", [9])):
        assert getattr(found.records, part) == (labelled & store.records["fold"].isin(folds)).sum()
    assert found.records.dropped == (~labelled & (store.records["fold"] <= 9)).sum() > 0


def test_labels_of_the_test_fold_change_no_choice():
    store = made_store()
    of_test = store.labels["row"].map(store.records["fold"]) == 9
    swapped = {"NORM": "MI", "MI": "NORM"}
    labels = store.labels.assign(label=store.labels["label"].where(~of_test, store.labels["label"].map(swapped)))
    one, two = check_features(store, QUICK), check_features(store.with_tables(labels=labels), QUICK)
    for model in ("logistic_regression", "boosted_trees"):
        assert getattr(one, model).chosen == getattr(two, model).chosen
        for name in ("NORM", "MI"):
            assert getattr(one, model).per_class[name].threshold == getattr(two, model).per_class[name].threshold
        assert getattr(two, model).macro_auroc < getattr(one, model).macro_auroc


def test_absent_labels_and_empty_folds_are_named():
    with pytest.raises(ValueError, match="no labels of set 'rhythm'; it has superclass"):
        check_features(made_store(), FeatureCheckConfig(label_set="rhythm"))
    with pytest.raises(ValueError, match="test fold; the store has folds"):
        check_features(made_store(), FeatureCheckConfig(test_fold=11))
