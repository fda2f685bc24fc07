"""The check of rhythms, and the fit of their model, on a few synthetic records with statements made up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.analysis.rhythms.model import Regression
from beatssl.analysis.rhythms.truth import AF, OTHER, PACED, RHYTHMS, SINUS, rhythm_by_statements
from beatssl.checks.analyses.rhythm import RhythmCheckConfig, check_rhythm
from beatssl.files import read_json
from beatssl.release.fit_rhythms import FitRhythmsConfig, fit_rhythms
from beatssl.store.store import Store


def stated(store: Store, names: list[str]) -> Store:
    """The store with a statement for each row."""
    labels = pd.DataFrame({"row": np.arange(len(names)), "label_set": "scp", "label": names, "likelihood": 0.0})
    return store.with_tables(labels=labels)


def test_rhythms_by_statements() -> None:
    statements = pd.DataFrame(
        {"SR": [1, 1, 0, 0, 0], "AFIB": [0, 0, 1, 1, 0], "PACE": [0, 0, 0, 1, 0], "BIGU": [0, 1, 0, 0, 0]}, dtype=bool
    )
    assert rhythm_by_statements(statements).tolist() == [SINUS, OTHER, AF, PACED, ""]


def test_the_test_fold_is_analysed_with_all_leads_and_with_one(folded: Store, tmp_path: Path) -> None:
    fold = folded.records["fold"].to_numpy()
    some = stated(folded.take(np.flatnonzero(fold == 1)), ["SR"] * 2 + ["AFIB"] + ["PACE"] * int((fold == 1).sum() - 3))
    config = RhythmCheckConfig(test_fold=1, ordinary=1, few_every=2, bootstrap_draws=20)
    figures = check_rhythm(some, tmp_path / "kept.jsonl", config)
    assert (figures.records, figures.atrial_fibrillation) == (len(some), 1)
    assert figures.analysed == len(some) - 1
    twelve, one = figures.by_leads.values()
    assert (twelve.records, one.records) == (figures.analysed, -(-figures.analysed // 2))
    assert sum(of.records for of in twelve.by_rhythm.values()) + twelve.no_rhythm == figures.analysed
    assert twelve.by_rhythm[SINUS].records == 1
    assert np.sum(twelve.confusion[0]) == pytest.approx(2)  # one record that stands for two
    assert 0 <= twelve.af_by_rhythm.auroc <= 1


def test_a_store_without_the_fold_is_refused(folded: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no row of .* is in fold 9; prepare PTB-XL"):
        check_rhythm(folded, tmp_path / "kept.jsonl")


def test_the_model_is_fitted_from_kept_evidence(folded: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The evidence of the first run is that of the second, and the weights are of the shape that the package reads."""
    names, of_fold = ["SR", "AFIB", "PACE", "BIGU"], folded.records.groupby("fold").cumcount()
    store = stated(folded, [names[k % 4] for k in of_fold])
    monkeypatch.setattr("beatssl.release.fit_rhythms.Store", lambda _: store)
    config = FitRhythmsConfig(
        tmp_path, tmp_path / "kept", tmp_path / "rhythms.json", train_folds=(1, 2), valid_fold=3, most={"SR": 1},
        inverse_penalties=(0.1,),
    )  # fmt: skip
    made = fit_rhythms(config)
    written = read_json(made.out)
    monkeypatch.setattr("beatssl.release.rhythm_evidence.load", None)
    assert fit_rhythms(config) == made
    assert read_json(made.out) == written
    one = Regression.from_json(written["with_statements"])
    p = one.probability(np.zeros((1, len(one.features))))
    assert p.shape == (1, len(RHYTHMS))
    assert p.sum() == pytest.approx(1)
    assert written["config"]["valid_fold"] == 3
