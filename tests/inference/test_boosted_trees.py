"""Boosted trees as arrays: what scikit-learn says, also of features that are not measurable."""

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier

from beatssl.inference import boosted_trees
from beatssl.inference.boosted_trees import BoostedTrees


def cohort(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, 6)).astype(np.float32).round(1)  # ties
    first = values[:, 0] + values[:, 1] ** 2 > 1
    values[rng.random(values.shape) < 0.2] = np.nan
    return values, np.stack([first, np.isnan(values[:, 2]) | (values[:, 3] > 1)], axis=1)


def test_as_scikit_learn(monkeypatch):
    made = []
    fit = HistGradientBoostingClassifier.fit
    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", lambda self, *a: made.append(self) or fit(self, *a))
    values, labels = cohort(2000, 0)
    trees = BoostedTrees(2)
    trees.fit(values, labels, np.ones_like(labels), 0)
    unseen, truth = cohort(500, 1)
    found = trees(torch.from_numpy(unseen)).numpy()
    for label, model in enumerate(made):
        np.testing.assert_allclose(found[:, label], model.decision_function(unseen), atol=1e-4)
    assert ((found > 0) == truth).mean() > 0.9


def test_rows_not_known_are_not_learnt():
    values, labels = cohort(600, 0)
    known = np.ones_like(labels)
    known[300:, 0] = False
    wrong = labels.copy()
    wrong[300:, 0] = ~wrong[300:, 0]
    one, other = BoostedTrees(2), BoostedTrees(2)
    one.fit(values, labels, known, 0)
    other.fit(values, wrong, known, 0)
    for name, values in one.state_dict().items():
        torch.testing.assert_close(values, other.state_dict()[name], rtol=0, atol=0)


def test_a_threshold_is_rounded_down():
    between = np.array([np.float64(np.float32(0.1)) - 1e-12])  # just below a single-precision number
    rounded = boosted_trees._rounded_down(between)
    assert rounded.dtype == np.float32
    assert rounded[0] < np.float32(0.1)
    assert boosted_trees._rounded_down(np.array([0.5]))[0] == 0.5


def test_a_label_of_one_class_is_refused():
    values, labels = cohort(100, 0)
    labels[:, 1] = True
    with pytest.raises(ValueError, match="with and without label 1 among 100 known"):
        BoostedTrees(2).fit(values, labels, np.ones_like(labels), 0)
