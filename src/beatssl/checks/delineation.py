"""Waves of single leads by methods that are not trained, evaluated as segmenters are: the baselines."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from beatssl.analysis.waves import records_by_rhythm
from beatssl.checks.annotation_repeatability import marks_from_other_beats
from beatssl.checks.delineation_rivals import neurokit_waves, rule_waves
from beatssl.metrics.segmentation import SegmentationFigures, segmentation_figures
from beatssl.metrics.wave_details import WaveDetails, wave_details
from beatssl.store.store import Store


@dataclass(frozen=True)
class FiguresByFold(SegmentationFigures):
    """Figures over all records, and of each fold where the store has folds."""

    details: WaveDetails
    folds: dict[str, SegmentationFigures]


@dataclass(frozen=True)
class DelineationFigures:
    """Figures of each method at the records' own rate; none of them is trained."""

    neurokit2_dwt: FiguresByFold
    """NeuroKit2, lead by lead."""
    rules_each_lead: FiguresByFold
    """The package's rules on one lead at a time, R peaks from all leads."""
    rules_all_leads: FiguresByFold
    """The package's rules on all leads together; every lead gets the same boundaries."""
    annotation_repeatability: FiguresByFold
    """Upper bound: each onset and offset predicted from the annotations of the lead's other beats."""
    neurokit2_signals: str
    """What NeuroKit2 got."""


def check_delineation(store: Store, source: Path | None = None) -> DelineationFigures:
    """Figures of `metrics.segmentation` of the baselines, over all records and in each fold.

    NeuroKit2 gets the records in `source` as they were recorded; without `source`, the store's filtered rows. The
    rules' constants were chosen on LUDB's odd-numbered records.

    Raises:
        ValueError: the store has no marks of single leads.
    """
    marks = store.waves
    if marks.empty or (marks["lead"] == "").all():
        raise ValueError(
            f"{store.path} has no waves marked lead by lead; prepare ludb or synthetic to check delineation"
        )
    return DelineationFigures(
        neurokit2_dwt=figures_by_fold(store, neurokit_waves(store, source)),
        rules_each_lead=figures_by_fold(store, rule_waves(store, each_lead=True)),
        rules_all_leads=figures_by_fold(store, rule_waves(store, each_lead=False)),
        annotation_repeatability=figures_by_fold(store, marks_from_other_beats(marks)),
        neurokit2_signals="the store's rows" if source is None else "as recorded",
    )


def figures_by_fold(store: Store, waves: pd.DataFrame) -> FiguresByFold:
    """Figures of some method's waves over all records of a store, and of each fold where it has folds."""
    fs_hz = float(store.records["source_fs_hz"].max())
    fold = store.records.drop_duplicates("record_id").set_index("record_id")["fold"]
    figures = segmentation_figures(store.waves, waves, fs_hz)
    of_mark, of_wave = store.waves["record_id"].map(fold), waves["record_id"].map(fold)
    folds = {
        str(int(value)): segmentation_figures(store.waves[of_mark == value], waves[of_wave == value], fs_hz)
        for value in sorted(of_mark.dropna().unique())
    }
    details = wave_details(store.waves, waves, records_by_rhythm(store))
    return FiguresByFold(**vars(figures), details=details, folds=folds)
