"""The check of rhythms, and the fit of their model, on a few synthetic records with statements made up."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.analysis.model import load
from beatssl.analysis.rhythms.evidence import OF_BEATS, STATEMENTS
from beatssl.analysis.rhythms.model import Regression
from beatssl.analysis.rhythms.truth import AF, OTHER, PACED, RHYTHMS, SINUS, rhythm_by_statements
from beatssl.analysis.waves import store_record
from beatssl.checks.analyses import stated_p
from beatssl.checks.analyses.rhythm import RhythmCheckConfig, check_rhythm
from beatssl.checks.analyses.stated_p import check_stated_p
from beatssl.checks.synthetic_waves import MADE
from beatssl.files import read_json
from beatssl.release.fit_rhythms import FitRhythmsConfig, fit_rhythms
from beatssl.release.rhythm_evidence import evidence_table
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


def test_p_and_pr_are_counted_by_statement_as_analyze_states_them(
    folded: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, made = ["SR", "AFIB"], ("atrial fibrillation, 70/min", "all waves, 60/min")
    monkeypatch.setattr(stated_p, "MADE", {kind: MADE[kind]._replace(records=1) for kind in made})
    two = stated(folded.take(np.arange(2)), names)
    two = two.with_tables(records=two.records.assign(fold=9))
    figures = check_stated_p(two, tmp_path / "kept.jsonl")
    assert set(figures.by_leads) == {"12 leads", "II, V5", "II"}
    assert [figures.made["II"][kind].p_per_beat > 0.9 for kind in made] == [False, True]
    assert [figures.made["II"][kind].fibrillation for kind in made] == [1, 0]
    model = load(device="cpu")
    for group, name in (("sinus rhythm", "SR"), ("atrial fibrillation", "AFIB")):
        of_group = [
            model.analyze(store_record(two, str(record_id)), embeddings=False, already_filtered=True)
            for record_id, other in zip(two.records["record_id"], names, strict=True)
            if other == name
        ]
        found = figures.by_leads["12 leads"][group]
        assert (found.records, found.beats) == (1, sum(len(a.beats) for a in of_group))
        assert found.p_per_beat == pytest.approx(np.concatenate([a.beats.p_share >= 0.5 for a in of_group]).mean())
        assert found.pr_stated == sum(a.intervals["pr_interval_ms"].value is not None for a in of_group)
        assert found.fibrillation == sum(any(one.name == AF for one in a.rhythm.episodes) for a in of_group)


def test_a_store_without_the_fold_is_refused(folded: Store, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no row of .* is in fold 9; prepare PTB-XL"):
        check_rhythm(folded, tmp_path / "kept.jsonl")


def test_the_evidence_of_kept_parts_is_not_made_again(
    folded: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stated(folded, ["SR", "AFIB"] * (len(folded) // 2))
    made = evidence_table(store, (1, 2), {"SR": 1}, 2, 0, tmp_path / "kept")
    assert set(made["rhythm"]) <= {SINUS, AF}
    assert {"record_id", "fold", "leads", "weight", *OF_BEATS, *STATEMENTS} == set(made.columns) - {"rhythm"}
    monkeypatch.setattr("beatssl.release.rhythm_evidence.load", None)
    pd.testing.assert_frame_equal(evidence_table(store, (1, 2), {"SR": 1}, 2, 0, tmp_path / "kept"), made)
    monkeypatch.setattr("beatssl.release.rhythm_evidence.package_sha256", lambda: "of another package")
    with pytest.raises(TypeError):  # there is no model to make it again with
        evidence_table(store, (1, 2), {"SR": 1}, 2, 0, tmp_path / "kept")


def made_evidence(seed: int, rhythms: tuple[str, ...] = RHYTHMS) -> pd.DataFrame:
    """Evidence that tells the rhythms apart: its k-th number is high in the k-th rhythm."""
    rng, names = np.random.default_rng(seed), np.array(rhythms * 300)
    x = rng.normal(size=(len(names), len(OF_BEATS + STATEMENTS)))
    for k, name in enumerate(RHYTHMS):
        x[names == name, k] += 3
    x[rng.random(x.shape) < 0.1] = np.nan
    table = pd.DataFrame(x, columns=list(OF_BEATS + STATEMENTS))
    return table.assign(rhythm=names, fold=rng.integers(1, 9, len(names)), weight=1.0, record_id=np.arange(len(names)))


def test_the_model_is_fitted_and_calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beatssl.release.fit_rhythms.Store", lambda path: path)
    monkeypatch.setattr("beatssl.release.fit_rhythms.evidence_table", lambda *_: made_evidence(0))
    config = FitRhythmsConfig(tmp_path, tmp_path / "kept", tmp_path / "rhythms.json", inverse_penalties=(0.01, 1.0))
    made = fit_rhythms(config)
    assert made.with_statements.valid_af_auroc > 0.95
    written = read_json(made.out)
    assert written["config"]["valid_fold"] == 8
    other = made_evidence(1)
    p = Regression.from_json(written["with_statements"]).probability(other[list(OF_BEATS + STATEMENTS)].to_numpy())
    assert p.shape == (len(other), len(RHYTHMS))
    right = np.array(RHYTHMS)[p.argmax(axis=1)] == other["rhythm"]
    assert right.mean() > 0.7
    assert p.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.07)


def test_a_rhythm_without_records_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("beatssl.release.fit_rhythms.Store", lambda path: path)
    monkeypatch.setattr("beatssl.release.fit_rhythms.evidence_table", lambda *_: made_evidence(0, (SINUS, AF, OTHER)))
    with pytest.raises(ValueError, match="no record of paced"):
        fit_rhythms(FitRhythmsConfig(tmp_path, tmp_path / "kept", tmp_path / "rhythms.json"))
