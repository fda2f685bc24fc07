import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from beatssl.studies.scorecard.retrieval import macro_mean, precisions


@pytest.fixture
def drawn():
    rng = np.random.default_rng(0)
    labels = rng.random((60, 3)) < (0.5, 0.3, 0.1)
    values = (rng.normal(size=(60, 6)) + 1.5 * labels @ np.eye(3, 6)).astype(np.float32)
    return values, labels, rng.integers(0, 20, 60)


def test_precisions_are_those_of_a_slow_loop(drawn):
    values, labels, patient = drawn
    average, among = precisions(values[:15], labels[:15], patient[:15], values, labels, patient, nearest=5)
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    for at in range(15):
        others = patient != patient[at]
        cosine = (unit @ unit[at])[others]
        for k in range(3):
            relevant = labels[others, k]
            if not labels[at, k]:
                assert np.isnan(average[at, k])
                assert np.isnan(among[at, k])
                continue
            assert average[at, k] == pytest.approx(average_precision_score(relevant, cosine), abs=1e-6)
            assert among[at, k] == pytest.approx(relevant[np.argsort(-cosine)[:5]].mean())


def test_a_label_that_no_other_patient_has_does_not_count():
    values, labels = np.eye(3, dtype=np.float32), np.array([[True], [True], [False]])
    average, among = precisions(values, labels, np.array([7, 7, 8]), values, labels, np.array([7, 7, 8]))
    assert np.isnan(average).all()
    assert np.isnan(among).all()


def test_labels_weigh_alike_however_many_queries_have_them():
    values = np.array([[1.0, np.nan], [0.5, np.nan], [0.0, 1.0]])
    assert macro_mean(values, np.ones((1, 3)))[0] == pytest.approx((0.5 + 1.0) / 2)
    assert macro_mean(values, np.array([[2.0, 0, 0]]))[0] == 1
    assert np.isnan(macro_mean(values, np.zeros((1, 3))))[0]
