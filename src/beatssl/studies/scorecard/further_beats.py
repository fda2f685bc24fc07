"""Classes of INCART's beats by a linear probe that was trained on MIT-BIH, both with one lead and without baseline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int64

from beatssl.beats.classes.matching import NO_BEAT, matched_classes
from beatssl.store.content import Manifest, RowNumbers, Units
from beatssl.store.layout import MISSING, baseline_of
from beatssl.store.splits import split_mitdb
from beatssl.store.store import Store
from beatssl.studies.scorecard.beats import figures_of_pairs
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure
from beatssl.studies.scorecard.sources import EncoderSource, Source
from beatssl.training.diagnosis.beat_probe import BINS, fit_beats, found_classes, less_row_median, true_of
from beatssl.training.diagnosis.probe import spread

TRAINED_ON = "mitdb-baseline"
"""Folder below `stores`: MIT-BIH of twelve leads, its baseline taken off by medians."""
LEAD = "II"


def incart_beats(source: Source, store: Store, config: ScorecardConfig) -> dict[str, list[Figure]]:
    """Macro F1 and F1 of S and V on all records of INCART; lead II alone of both databases.

    The probe is that of `beats-linear`: trained on DS1, four of whose records choose penalty and weights of classes.
    Intervals are over patients where the store knows them, else over records, and then a little narrow.

    Raises ValueError for the measured features (MIT-BIH's are of both its leads), where the store `TRAINED_ON` is
    missing, was prepared otherwise, or has its baseline.
    """
    if not isinstance(source, EncoderSource):
        raise ValueError("the measured features of MIT-BIH's beats are of both its leads, INCART's of one")
    known = with_lead_alone(_trained_on(config.stores / TRAINED_ON, store), LEAD)
    split = split_mitdb(known.records)
    own, row, true, _ = _embedded(source, known, np.sort(np.concatenate([split.train, split.valid])))
    used, inner = (np.isin(row, side) & (true >= 0) for side in (split.train, split.valid))
    mean, variance = spread(own[used])

    def scaled(values: Float32[np.ndarray, "beat feature"]) -> Float32[np.ndarray, "beat feature"]:
        return ((values - mean) / np.sqrt(variance)).astype(np.float32)

    probe = fit_beats(scaled(own[used]), true[used], scaled(own[inner]), true[inner])
    rows = np.arange(len(store))
    values, _, _, (line, pairs) = _embedded(source, with_lead_alone(store, LEAD), rows)
    found = np.full(len(store.beats), NO_BEAT)
    found[line] = probe.classes(scaled(values))
    return {"incart": figures_of_pairs(pairs, found_classes(pairs, found), store, config)}


def _trained_on(folder: Path, store: Store) -> Store:
    made = "prepare mitdb --baseline medians --leads twelve --max-missing-leads 11"
    if not folder.is_dir():
        raise ValueError(f"no store {TRAINED_ON} to train on; {made}")
    known = Store(folder)
    if known.preparation != store.preparation or baseline_of(known.manifest) != "medians":
        raise ValueError(
            f"store {TRAINED_ON} was prepared otherwise; {made}, at the rate and band of {store.path.name}"
        )
    return known


def _embedded(
    source: EncoderSource, store: Store, rows: Int64[np.ndarray, " row"]
) -> tuple[
    Float32[np.ndarray, "beat feature"],
    Int64[np.ndarray, " beat"],
    Int64[np.ndarray, " beat"],
    tuple[Int64[np.ndarray, " beat"], pd.DataFrame],
]:
    """Beats of rows less the median of their row, these rows, true classes; their lines, and the matched pairs."""
    if not len(store.reference_beats):
        raise ValueError(f"store {store.path} has no reference beats; prepare incartdb and mitdb")
    values, line = replace(source, store=store).of_beats(rows, BINS)
    row = store.beats["row"].to_numpy(np.int64)[line]
    pairs = matched_classes(store.beats, store.reference_beats)
    return less_row_median(values, row), row, true_of(pairs, len(store.beats))[line], (line, pairs)


def with_lead_alone(store: Store, lead: str) -> Store:
    """The store with all leads but one withheld, as if they had not been recorded. Raises ValueError for none."""
    if lead not in store.leads:
        raise ValueError(f"{lead!r} is no lead of store {store.path}; it has {', '.join(store.leads)}")
    return Store.of(_LeadAlone(store, store.leads.index(lead)))


@dataclass(frozen=True)
class _LeadAlone:
    """A store whose other leads are missing."""

    of: Store
    at: int

    @property
    def path(self) -> Path:
        return self.of.path

    @property
    def manifest(self) -> Manifest:
        return self.of.manifest

    def __len__(self) -> int:
        return len(self.of)

    def table(self, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
        return self.of.table(name, columns)

    def units(self, name: str, rows: RowNumbers) -> Units:
        units = np.array(self.of.units(name, rows))
        units[:, np.arange(units.shape[1]) != self.at] = MISSING
        return units
