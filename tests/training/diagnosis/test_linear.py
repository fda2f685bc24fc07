import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from beatssl.training.diagnosis.linear import fit_path


@pytest.fixture
def problem():
    """Columns as correlated as embeddings are, and labels that they partly explain."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(400, 8))
    values = hidden @ rng.normal(size=(8, 30)) + 0.3 * rng.normal(size=(400, 30)) + 2
    labels = hidden[:, :4] + 0.5 * rng.logistic(size=(400, 4)) > np.array([0, 1, 2, -1])
    return values.astype(np.float32), labels


def test_it_is_scikit_learns(problem):
    values, labels = problem
    for line in fit_path(values, labels, (1e-3, 1e-1, 10.0)):
        for k in range(labels.shape[1]):
            model = LogisticRegression(C=line.inverse_penalty, solver="newton-cholesky", tol=1e-10).fit(
                values.astype(np.float64), labels[:, k]
            )
            expected = values @ model.coef_[0] + model.intercept_[0]
            assert np.abs(line.scores(values)[:, k] - expected).max() < 0.02 * max(1, np.abs(expected).max())


def test_penalties_come_from_small_to_large_and_loosen(problem):
    lines = list(fit_path(*problem, (1.0, 1e-3)))
    assert [line.inverse_penalty for line in lines] == [1e-3, 1.0]
    assert np.abs(lines[0].weight).sum() < np.abs(lines[1].weight).sum()


def test_a_label_that_never_differs_gets_a_constant(problem):
    values, labels = problem
    labels[:, 1], labels[:, 2] = True, False
    (line,) = fit_path(values, labels, (0.1,))
    assert (line.scores(values)[:, 1] == 30).all()
    assert (line.scores(values)[:, 2] == -30).all()
    assert np.isfinite(line.weight).all()
    (nothing,) = fit_path(values, labels[:, 1:3], (0.1,))
    assert (nothing.weight == 0).all()
