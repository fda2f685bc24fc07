"""The figures of all methods, side by side and by fold."""

import pytest

from beatssl.checks.delineation import check_delineation
from beatssl.results import to_json
from beatssl.store.store import Store


def test_figures_of_all_methods_side_by_side(four: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "beatssl.checks.delineation.neurokit_waves"
    monkeypatch.setattr(module, lambda of, source: four.waves.iloc[::2])
    figures = check_delineation(four)
    assert set(to_json(figures)) == {
        "neurokit2_dwt", "rules_each_lead", "rules_all_leads", "annotation_repeatability", "neurokit2_signals"
    }  # fmt: skip
    # Every second wave of the truth: half is found, and nothing of it is wrong.
    assert figures.neurokit2_dwt.boundaries["T_off"].within["40"].ppv == 1.0
    assert figures.neurokit2_dwt.boundaries["T_off"].within["40"].se == pytest.approx(0.5, abs=0.1)


def test_marks_without_leads_are_refused(four: Store) -> None:
    bare = four.with_tables(waves=four.waves.assign(lead=""))
    with pytest.raises(ValueError, match="no waves marked lead by lead"):
        check_delineation(bare)
