import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from beatssl.metrics.classification import (
    PairedDifference,
    auprc,
    auroc,
    best_f1_threshold,
    best_f1_thresholds,
    f1,
    macro_figures,
    paired_difference,
    paired_weights,
    patient_weights,
    report,
    weighted_auprc,
    weighted_auroc,
    weighted_f1,
)

# Few distinct scores, so that ties are common.
both_labels = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30).filter(
    lambda pairs: 0 < sum(label for label, _ in pairs) < len(pairs)
)


def arrays(pairs: list[tuple[bool, int]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p[0] for p in pairs], bool), np.array([p[1] for p in pairs], np.float64)


@given(both_labels)
def test_figures_equal_scikit_learns(pairs):
    labels, scores = arrays(pairs)
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))
    assert auprc(labels, scores) == pytest.approx(average_precision_score(labels, scores))
    assert f1(labels, scores >= 3) == pytest.approx(f1_score(labels, scores >= 3, zero_division=0))


@given(both_labels, st.integers(0, 1000))
def test_weights_mean_repetition(pairs, seed):
    labels, scores = arrays(pairs)
    times = np.random.default_rng(seed).integers(0, 4, (3, len(labels)))
    for draw, count in enumerate(times):
        again, repeated = np.repeat(labels, count), np.repeat(scores, count)
        for weighted, plain in ((weighted_auroc, auroc), (weighted_auprc, auprc)):
            found = weighted(labels, scores, times.astype(np.float64))[draw]
            np.testing.assert_allclose(found, plain(again, repeated) if len(again) else np.nan)
        found = weighted_f1(labels, scores >= 2, times.astype(np.float64))[draw]
        np.testing.assert_allclose(found, f1(again, repeated >= 2))


@given(both_labels)
def test_the_threshold_is_the_best_of_all(pairs):
    labels, scores = arrays(pairs)
    found = f1(labels, scores >= best_f1_threshold(labels, scores))
    assert found == pytest.approx(max(f1(labels, scores >= at) for at in scores))


def test_without_both_labels_there_is_no_figure():
    scores = np.array([0.1, 0.2])
    assert np.isnan(auroc(np.ones(2, bool), scores))
    assert np.isnan(auprc(np.zeros(2, bool), scores))
    assert np.isnan(f1(np.zeros(2, bool), np.zeros(2, bool)))
    assert best_f1_threshold(np.zeros(2, bool), scores) == np.inf


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="1 scores are not finite"):
        auroc(np.array([True, False]), np.array([np.nan, 1.0]))


def test_patients_are_drawn_whole():
    patients = np.array(["a", "b", "a", "c", "b", "a"])
    weights = patient_weights(patients, 500, np.random.default_rng(0))
    for same in ([0, 2, 5], [1, 4]):
        assert (weights[:, same] == weights[:, same[:1]]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert weights.mean() == pytest.approx(1, abs=0.1)


def cohort(records: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.random((records, 3)) < (0.5, 0.3, 0.1)
    return labels, labels * 1.5 + rng.normal(size=labels.shape), rng.integers(0, records // 2, records)


def test_the_report_has_the_layout_of_metrics_json():
    labels, scores, patients = cohort()
    thresholds = best_f1_thresholds(labels, scores)
    out = report(labels, scores, thresholds, patients, ("A", "B", "C"), np.random.default_rng(1), 200)
    assert list(out.per_class) == ["A", "B", "C"]
    for kind in ("auroc", "auprc", "f1"):
        each = [getattr(out.per_class[name], kind) for name in "ABC"]
        macro = getattr(out, f"macro_{kind}")
        assert macro == pytest.approx(np.mean(each))
        low, high = getattr(out.ci95, f"macro_{kind}")
        assert low < macro < high
        assert 0 < high - low < 0.2
    assert out.per_class["A"].auroc == pytest.approx(roc_auc_score(labels[:, 0], scores[:, 0]))
    assert out.per_class["C"].positives == labels[:, 2].sum()


def test_thresholds_of_few_positives_are_one_half():
    labels = np.zeros((200, 2), bool)
    labels[:9, 0], labels[:10, 1] = True, True
    scores = np.linspace(-9, -5, 200)[::-1][:, None].repeat(2, axis=1)
    assert best_f1_thresholds(labels, scores).tolist() == [0.0, pytest.approx(scores[9, 1])]
    assert best_f1_thresholds(labels, scores, even=0.5)[0] == 0.5


def test_the_interval_is_that_of_a_plain_bootstrap_over_patients():
    labels, scores, patients = cohort(300)
    out = report(labels, scores, np.zeros(3), patients, ("A", "B", "C"), np.random.default_rng(1), 2000)
    rng, slow = np.random.default_rng(2), []
    people = np.unique(patients)
    where = {person: np.flatnonzero(patients == person) for person in people}
    for _ in range(120):
        at = np.concatenate([where[person] for person in rng.choice(people, len(people))])
        slow.append(np.mean([roc_auc_score(labels[at, k], scores[at, k]) for k in range(3)]))
    assert out.ci95.macro_auroc == pytest.approx(np.quantile(slow, (0.025, 0.975)), abs=0.02)


def test_a_label_nobody_has_counts_in_no_macro_figure():
    labels, scores, patients = cohort(200)
    labels[:, 1] = False
    out = report(labels, scores, np.zeros(3), patients, ("A", "B", "C"), np.random.default_rng(1), 20)
    assert np.isnan(out.per_class["B"].auroc)
    assert out.macro_auroc == pytest.approx((out.per_class["A"].auroc + out.per_class["C"].auroc) / 2)


def test_the_same_generator_gives_the_same_interval():
    labels, scores, patients = cohort(200)
    first, second = (
        report(labels, scores, np.zeros(3), patients, ("A", "B", "C"), np.random.default_rng(5), 50) for _ in range(2)
    )
    assert first == second


def two_scores(seed: int, likeness: float, records: int = 200):
    """Labels, patients, and the scores of two models whose errors have a common part."""
    rng = np.random.default_rng(seed)
    labels, _, patients = cohort(records, seed)
    noise = rng.normal(size=(3, records, 3))
    own = np.sqrt(1 - likeness**2)
    return labels, patients, *(labels * 1.5 + likeness * noise[0] + own * noise[k] for k in (1, 2))


def differences(labels, patients, one, other, draws=200, seed=3):
    weights = paired_weights(patients, draws, np.random.default_rng(seed))
    figures = [macro_figures(labels, scores, np.full(3, 0.7), weights) for scores in (one, other)]
    return {kind: paired_difference(figures[0][kind], figures[1][kind]) for kind in figures[0]}


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_differences_are_those_of_the_reports_and_change_sign_with_the_order(seed):
    labels, patients, one, other = two_scores(seed, 0.5, 60)
    there, back = differences(labels, patients, one, other, 30), differences(labels, patients, other, one, 30)
    reports = [
        report(labels, scores, np.full(3, 0.7), patients, ("A", "B", "C"), np.random.default_rng(0), 2)
        for scores in (one, other)
    ]
    for kind, found in there.items():
        assert found.difference == pytest.approx(getattr(reports[0], kind) - getattr(reports[1], kind))
        assert found.difference == pytest.approx(-back[kind].difference)
        assert found.ci95 == pytest.approx([-v for v in back[kind].ci95[::-1]])


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_a_model_does_not_differ_from_itself_nor_from_its_own_logarithm(seed):
    labels, patients, one, _ = two_scores(seed, 0.5, 60)
    nothing = PairedDifference(0, (0, 0))
    assert all(found == nothing for found in differences(labels, patients, one, one).values())
    found = differences(labels, patients, one, np.exp(one))  # the same order
    assert found["macro_auroc"] == nothing


def test_the_interval_narrows_with_likeness_and_is_that_of_a_plain_paired_bootstrap():
    def width(likeness):
        low, high = differences(*two_scores(1, likeness), draws=500)["macro_auroc"].ci95
        return high - low

    assert width(0.95) < 0.6 * width(0.0)
    labels, patients, one, other = two_scores(1, 0.8)
    rng, slow = np.random.default_rng(2), []
    people = np.unique(patients)
    where = {person: np.flatnonzero(patients == person) for person in people}
    for _ in range(80):
        at = np.concatenate([where[person] for person in rng.choice(people, len(people))])
        slow.append(np.mean([roc_auc_score(labels[at, k], one[at, k]) - roc_auc_score(labels[at, k], other[at, k])
                             for k in range(3)]))  # fmt: skip
    found = differences(labels, patients, one, other, draws=1000)["macro_auroc"].ci95
    assert found == pytest.approx(np.quantile(slow, (0.025, 0.975)), abs=0.02)


def test_intervals_of_no_difference_cover_zero_nineteen_times_in_twenty():
    covered = 0
    for seed in range(100):
        low, high = differences(*two_scores(seed, 0.5, 120), draws=120, seed=seed)["macro_auroc"].ci95
        covered += low <= 0 <= high
    assert 0.86 <= covered / 100 <= 0.99
