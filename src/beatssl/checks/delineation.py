"""Waves of single leads by methods that learn nothing, measured as segmenters are: the rows that they stand beside."""

from pathlib import Path
from typing import Any

import pandas as pd

from beatssl.checks.annotation_repeatability import marks_from_other_beats
from beatssl.checks.delineation_rivals import neurokit_waves, rule_waves
from beatssl.metrics.segmentation import segmentation_figures
from beatssl.store.store import Store


def check_delineation(store: Store, source: Path | None = None) -> dict[str, Any]:
    """Figures of `metrics.segmentation` at the records' own rate, over all records and, under `folds`, in each fold.

    - `neurokit2_dwt`: NeuroKit2, lead by lead, on the records in `source` as they were recorded; without `source`, on
      the store's filtered rows.
    - `rules_each_lead`: the package's rules on one lead at a time, R peaks from all leads.
    - `rules_all_leads`: the package's rules on all leads together; every lead gets the same boundaries.
    - `marks_of_other_beats`: no method, but how far the marks themselves agree from beat to beat; each end where the
      marks of the lead's other beats have it.

    None of them was trained; the rules' constants were chosen on LUDB's odd-numbered records.

    Raises:
        ValueError: the store has no marks of single leads.
    """
    marks = store.waves
    if marks.empty or (marks["lead"] == "").all():
        raise ValueError(
            f"{store.path} has no waves marked lead by lead; prepare ludb or synthetic to check delineation"
        )
    methods = {
        "neurokit2_dwt": neurokit_waves(store, source),
        "rules_each_lead": rule_waves(store, each_lead=True),
        "rules_all_leads": rule_waves(store, each_lead=False),
        "marks_of_other_beats": marks_from_other_beats(marks),
    }
    return {name: figures_by_fold(store, waves) for name, waves in methods.items()} | {
        "neurokit2_signals": "the store's rows" if source is None else "as recorded"
    }


def figures_by_fold(store: Store, waves: pd.DataFrame) -> dict[str, Any]:
    """Figures of some method's waves over all records of a store, and of each fold where it has folds."""
    fs_hz = float(store.records["source_fs_hz"].max())
    fold = store.records.drop_duplicates("record_id").set_index("record_id")["fold"]
    figures = segmentation_figures(store.waves, waves, fs_hz)
    of_mark, of_wave = store.waves["record_id"].map(fold), waves["record_id"].map(fold)
    folds = {
        str(int(value)): segmentation_figures(store.waves[of_mark == value], waves[of_wave == value], fs_hz)
        for value in sorted(of_mark.dropna().unique())
    }
    return figures | {"folds": folds}
