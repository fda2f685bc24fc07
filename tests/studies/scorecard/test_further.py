"""Cross-validated probes of further databases, on made-up embeddings of known worth."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from jaxtyping import Float32

from beatssl.metrics.classification import auroc
from beatssl.store.store import Store
from beatssl.studies.scorecard import further
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure
from beatssl.studies.scorecard.further import QUESTIONS, Question, cross_validated, further_records
from beatssl.studies.scorecard.sources import EncoderSource, FeatureSource
from beatssl.studies.scorecard.tasks import TASKS, measure

Make = Callable[..., ScorecardConfig]


class Embedded(EncoderSource):
    """A source whose embeddings are given."""

    def __init__(self, values: Float32[np.ndarray, "row feature"]) -> None:
        object.__setattr__(self, "values", values)

    def of_records(self, rows, leads=()):
        return self.values[rows]


def embeddings(store: Store, name: str = "a", noise: float = 0.05) -> Float32[np.ndarray, "row feature"]:
    """One number that says the label, beside three that say nothing."""
    has = store.targets("made")[name].to_numpy(np.float32)
    drawn = np.random.default_rng(0).normal(size=(len(store), 4)).astype(np.float32)
    return drawn * np.array([noise, 1, 1, 1], np.float32) + has[:, None] * np.array([1, 0, 0, 0], np.float32)


def test_what_embeddings_say_is_found_and_records_count_once(rowed: Store) -> None:
    found = cross_validated(Embedded(embeddings(rowed)), rowed, Question("made", least=5), 0)
    assert found.names == ("a", "b")  # "rare" has two records
    assert len(found.scores) == 17
    assert found.labels.sum(axis=0).tolist() == [8, 7]
    assert auroc(found.labels[:, 0], found.scores[:, 0]) == 1.0
    only = cross_validated(Embedded(embeddings(rowed)), rowed, Question("made", 1, ("a",), ("a", "b")), 0)
    assert only.names == ("a",)
    assert len(only.scores) == 15


def test_no_patient_is_scored_by_what_it_was_learnt_from(rowed: Store) -> None:
    person = pd.factorize(rowed.records["patient_id"])[0]
    known_by_heart = np.eye(person.max() + 1, dtype=np.float32)[person]
    found = cross_validated(Embedded(known_by_heart), rowed, Question("made", least=5), 0)
    # Who somebody is says nothing of others: what is left differs between the parts at most.
    assert len(np.unique(found.scores[:, 0].round(4))) <= further.PARTS
    assert np.abs(found.scores).max() < 0.5


def test_a_short_rest_of_a_record_is_left_out(rowed: Store) -> None:
    samples = np.where(np.arange(len(rowed)) % 2, 300, 1000)
    short = rowed.with_tables(records=rowed.records.assign(samples=samples))
    values = embeddings(rowed)
    values[1::2] = np.nan  # would spoil every fit
    found = cross_validated(Embedded(values), short, Question("made", least=5), 0)
    assert auroc(found.labels[:, 0], found.scores[:, 0]) == 1.0


def test_figures_are_pooled_with_intervals(rowed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Question("made", least=5, classes=("a", "b"))
    monkeypatch.setattr(further, "QUESTIONS", {"made": asked})
    config = ScorecardConfig(("random",), Path("out"), bootstrap_draws=50)
    area, f1 = further_records("made", Embedded(embeddings(rowed, noise=1.5)), rowed, config)["made"]
    found = cross_validated(Embedded(embeddings(rowed, noise=1.5)), rowed, asked, 0)
    by_hand = np.mean([auroc(found.labels[:, k], found.scores[:, k]) for k in (0, 1)])
    assert area.value == pytest.approx(by_hand)
    assert (area.name, f1.name, area.records) == ("AUROC", "F1 of a, b", 17)
    assert area.ci95 is not None
    assert area.ci95[0] <= area.value <= area.ci95[1]
    likeliest = found.log_odds.argmax(axis=1)
    called = [likeliest == k for k in (0, 1)]
    has = [found.labels[:, k] for k in (0, 1)]
    each = [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in zip(has, called, strict=True)]
    assert f1.value == pytest.approx(np.mean(each))


def test_measured_features_need_no_folds(rowed: Store) -> None:
    without = rowed.with_tables(records=rowed.records.assign(fold=pd.array([None] * len(rowed), dtype="Int32")))
    found = cross_validated(FeatureSource(without, cache=False), without, Question("made", least=5), 0)
    assert np.isfinite(found.scores).all()


def test_labels_that_are_not_there_are_named(rowed: Store) -> None:
    with pytest.raises(ValueError, match=r"no record labelled 'c' \(made\)"):
        cross_validated(Embedded(embeddings(rowed)), rowed, Question("made", asked=("c",)), 0)
    with pytest.raises(ValueError, match="no label of made has 40 records"):
        cross_validated(Embedded(embeddings(rowed)), rowed, Question("made", least=40), 0)


def test_tasks_are_reported_with_test_folds_alone(
    rowed: Store, config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [name for name, task in TASKS.items() if task.reported] == [
        *(name for one in QUESTIONS for name in (one, f"{one}-finetuned")), "incart"
    ]  # fmt: skip
    assert not any(task.chooses for task in TASKS.values() if task.reported)
    (tmp_path / "stores").mkdir()
    (tmp_path / "stores" / "ptbdb").symlink_to(rowed.path)
    monkeypatch.setitem(further.QUESTIONS, "ptbdb", Question("made", least=5))  # type: ignore[index]
    card = config("random", stores=tmp_path / "stores", bootstrap_draws=3)
    (refused,) = measure("random", "ptbdb", card)
    assert (refused.value, refused.reason) == (None, "reported once, beside the test folds; pass test=True")
    (found,) = measure("random", "ptbdb", replace(card, test=True))
    assert found.value is not None
    assert (found.figure, found.records, found.chooses) == ("AUROC", 17, False)


def test_what_a_source_never_annotates_neither_trains_nor_counts(rowed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "b" is annotated in one of two hospitals, and embeddings say nothing but the hospital."""
    second = np.arange(len(rowed)) % 4 >= 2  # records of odd number: those with "b"
    hospital = np.arange(len(rowed)) >= 18
    names = np.where(hospital, np.where(second, "c", "a"), np.where(second, "b", "a"))
    labels = rowed.labels[rowed.labels["label_set"] == "made"].assign(label=names)
    source = np.where(hospital, "ningbo", "georgia")
    of_two = rowed.with_tables(records=rowed.records.assign(source=source), labels=labels)
    values = np.random.default_rng(0).normal(size=(len(rowed), 4)).astype(np.float32)
    values[:, 0] = hospital
    monkeypatch.setattr(further, "QUESTIONS", {"made": Question("made", least=4)})
    found = cross_validated(Embedded(values), of_two, Question("made", least=4), 0)
    assert found.names == ("a", "b", "c")
    assert found.known.sum(axis=0).tolist() == [17, 9, 8]
    assert not (found.labels & ~found.known).any()
    config = ScorecardConfig(("random",), Path("out"), bootstrap_draws=3)
    (area,) = further_records("made", Embedded(values), of_two, config)["made"]
    by_hand = [auroc(found.labels[of, k], found.scores[of, k]) for k, of in enumerate(found.known.T)]
    assert area.value == pytest.approx(np.mean(by_hand))
    # The other hospital's rows are not among the negatives: what tells hospitals apart has no weight.
    odds = found.log_odds[:, 1]
    assert abs(odds[found.known[:, 1]].mean() - odds[~found.known[:, 1]].mean()) < 1


def test_too_few_records_of_a_class_are_named_with_their_number(rowed: Store) -> None:
    asked = Question("made", least=8, classes=("a", "b"))
    with pytest.raises(ValueError, match=r"records labelled 'b' \(made\) are 7, 8 are needed; prepare all"):
        cross_validated(Embedded(embeddings(rowed)), rowed, asked, 0)


def test_another_version_of_a_task_leaves_its_kept_scores_unread(config: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([[Figure("AUROC", value, None, 1)] for value in (0.25, 0.75)])
    task = replace(TASKS["sex"], measure=lambda source, store, config: {"sex": next(figures)})
    card = config("random")
    for version, value in ((1, 0.25), (1, 0.25), (2, 0.75), (1, 0.25)):
        monkeypatch.setitem(TASKS, "sex", replace(task, version=version))
        assert measure("random", "sex", card)[0].value == value
