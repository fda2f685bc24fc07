"""Waves by methods that are not trained, on the synthetic cohort, whose truth is known."""

from pathlib import Path

import pytest

from beatssl.checks import delineation_rivals
from beatssl.checks.delineation import figures_by_fold
from beatssl.checks.delineation_rivals import COLUMNS, neurokit_waves, rule_waves
from beatssl.store.store import Store

stored, recorded = delineation_rivals._stored, delineation_rivals._recorded


@pytest.mark.parametrize("each_lead", [True, False])
def test_rules_find_the_waves_of_every_lead(four: Store, each_lead: bool) -> None:
    waves = rule_waves(four, each_lead)
    assert list(waves.columns) == list(COLUMNS)
    figures = figures_by_fold(four, waves)
    assert figures.leads == 48
    assert figures.boundaries["QRS_on"].within["150"].f1 >= 0.95
    assert figures.sample_f1["QRS"] >= 0.75
    assert sum(fold.records for fold in figures.folds.values()) == 4
    # The leads share their boundaries, or each has its own.
    onsets = waves[(waves["record_id"] == waves["record_id"].iloc[0]) & (waves["wave"] == "QRS")]
    assert (onsets.groupby("lead")["onset_s"].first().nunique() == 1) == (not each_lead)


def test_neurokit_on_the_store_and_on_the_source_agree(four: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delineation_rivals, "_stored", lambda of: list(stored(of))[:1])
    monkeypatch.setattr(delineation_rivals, "_recorded", lambda of, source: list(recorded(of, source))[:1])
    for waves in (neurokit_waves(four), neurokit_waves(four, Path("4"))):
        assert list(waves.columns) == list(COLUMNS)
        assert waves["lead"].nunique() == 12
        marks = four.waves[four.waves["record_id"] == waves["record_id"].iloc[0]]
        true, found = (t[t["wave"] == "QRS"].groupby("lead").size() for t in (marks, waves))
        assert (found / true).median() == pytest.approx(1, abs=0.25)


def test_another_source_is_refused(four: Store) -> None:
    with pytest.raises(ValueError, match="1 of the 4 records"):
        neurokit_waves(four, Path("1"))
