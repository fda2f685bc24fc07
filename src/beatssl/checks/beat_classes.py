"""Beat classes and clusters of a store against the reference's classes (MIT-BIH, synthetic) or against labels."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64, Shaped
from sklearn.metrics import roc_auc_score

from beatssl.beats.classes.classifier import CLASSES, classify
from beatssl.beats.classes.matching import NO_BEAT, TOLERANCE_S, matched_classes
from beatssl.beats.windows import beats_of_rows
from beatssl.metrics.beat_classes import (
    ClassFigures,
    class_counts,
    class_figures,
    counts_of_records,
    drawn_figures,
    ppv_at,
)
from beatssl.metrics.classification import interval95, patient_weights
from beatssl.records.mitdb import DS1, DS2, PACED
from beatssl.results import INLINE, Number
from beatssl.store.splits import patients
from beatssl.store.store import Store

_MOST_S = "232"  # holds three quarters of DS2's S beats
_ROWS_AT_ONCE = 500
_DRAWS = 1000
_LEAST = 1e-9
_SENSITIVITIES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
_LABELS = {"PVC": "V", "PAC": "S"}  # PTB-XL's statements of ectopic beats
_NORMAL, _WIDE = ("NORM",), ("CLBBB", "CRBBB", "PACE", "WPW")


@dataclass(frozen=True)
class SetFigures(ClassFigures):
    """Beat classes of some records."""

    records: int
    ci95: dict[str, tuple[Number, Number]]
    """By figure: over 1,000 bootstrap draws of patients."""
    ppv_of_S: dict[str, Number]
    """By least sensitivity: the best PPV over all limits on the odds of S. None: no limit gives that sensitivity."""


@dataclass(frozen=True)
class ClusterFigures(ClassFigures):
    """Clusters of beat shape, each taken for one class."""

    clusters: int


@dataclass(frozen=True)
class BeatClassFigures:
    """Beat classes against marked beats."""

    tolerance_ms: float
    sets: dict[str, SetFigures] = field(metadata=INLINE)
    """DS1 (trained on) and DS2 of MIT-BIH, DS2 without record 232, which holds three quarters of its S beats, and DS2
    with every row of ten seconds classified as a record of its own; `all` of others."""
    clusters_mapped_on_DS1: ClusterFigures | None
    """Figures of DS2, a cluster's class being the commonest of its beats in DS1. None: there is no such split."""


@dataclass(frozen=True)
class LabelAuroc:
    """How well rows with a label are ranked."""

    auroc: Number
    by: str


@dataclass(frozen=True)
class BeatShares:
    """What the beats of rows with one label are classed as."""

    share: dict[str, float] = field(metadata=INLINE)
    beats: int


@dataclass(frozen=True)
class LabelledBeatFigures:
    """Beat classes against labels of records. None: all rows or none have the label."""

    auroc_PVC: LabelAuroc | None
    auroc_PAC: LabelAuroc | None
    share_of_beats: dict[str, BeatShares]


def check_beat_classes(store: Store) -> BeatClassFigures | LabelledBeatFigures:
    """Per class sensitivity, PPV and F1 of the classes found; of the clusters too, each mapped to a class.

    Beats are matched to the reference's one to one within 150 ms. A reference beat that was not found lowers the
    sensitivity of its class, a beat found where there is none the PPV of what it was taken for (ANSI/AAMI EC57). Beats
    of class Q and flutter waves are left out. MIT-BIH is evaluated as DS1 (trained on) and DS2, with and without record
    232, and in rows of ten seconds; a cluster's class is the commonest of its beats in DS1. Without marked beats,
    labels of ectopic beats (PTB-XL's PVC and PAC) serve.

    Raises:
        ValueError: the store has neither classes of beats nor such labels.
    """
    if len(store.reference_beats):
        figures = figures_of_marked_beats(store)
        if "DS2" not in figures.sets:
            return figures
        beats = store.beats[store.beats["record_id"].isin(DS2)]
        reference = store.reference_beats[store.reference_beats["record_id"].isin(DS2)]
        beats = rows_alone(store, beats)
        alone = _set_figures(matched_classes(beats, reference), beats, _persons(store))
        return replace(figures, sets=figures.sets | {"DS2_ten_seconds": alone})
    if _LABELS.keys() & set(store.labels["label"]):
        return _against_labels(store.beats, store.labels)
    raise ValueError("this store has no reference beats and no labels PVC or PAC; prepare mitdb, synthetic or ptbxl")


def figures_of_marked_beats(store: Store) -> BeatClassFigures:
    """`check_beat_classes` of a store with marked beats."""
    pairs = matched_classes(store.beats, store.reference_beats)
    pairs = pairs[~pairs["record_id"].isin(PACED)]
    in_ds1, in_ds2 = pairs["record_id"].isin(DS1), pairs["record_id"].isin(DS2)
    whole_split = bool(in_ds1.any() and in_ds2.any())
    without = in_ds2 & (pairs["record_id"] != _MOST_S)
    sets = {"DS1": pairs[in_ds1], "DS2": pairs[in_ds2], f"DS2_without_{_MOST_S}": pairs[without]}
    sets = sets if whole_split else {"all": pairs}
    figures = {name: _set_figures(some, store.beats, _persons(store)) for name, some in sets.items()}
    clusters = _clusters(sets["DS1"], sets["DS2"], store.beats) if whole_split and "cluster" in store.beats else None
    return BeatClassFigures(1e3 * TOLERANCE_S, figures, clusters)


def rows_alone(store: Store, beats: pd.DataFrame) -> pd.DataFrame:
    """`beats` with the classes that they have where each row is taken for a whole record; "" where not measured."""
    rows = np.unique(beats["row"].to_numpy(np.int64))
    ordered = beats.sort_values(["row", "time_s"])
    times = [group["time_s"].to_numpy(np.float64) for _, group in ordered.groupby("row")]
    found: list[np.ndarray] = []
    probabilities: list[np.ndarray] = []
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        probability = classify(beats_of_rows(list(store.ecg_mv(rows[some])), times[some], store.fs_hz))
        probabilities.append(probability)
        known = np.isfinite(probability).all(axis=1)
        found.append(np.where(known, np.array(CLASSES)[np.nan_to_num(probability).argmax(axis=1)], ""))
    columns = {f"class_p_{name}": column for name, column in zip(CLASSES, np.concatenate(probabilities).T, strict=True)}
    return ordered.assign(**{"class": np.concatenate(found)}, **columns)


def _persons(store: Store) -> dict[str, str]:
    """Whose each record is; of beats alone nothing is known."""
    return (
        {}
        if store.records.empty
        else dict(zip(store.records["record_id"].astype(str), patients(store.records), strict=True))
    )


def _set_figures(pairs: pd.DataFrame, beats: pd.DataFrame, persons: Mapping[str, str]) -> SetFigures:
    record, true, found = pairs["record_id"].to_numpy(str), pairs["true"].to_numpy(), pairs["found"].to_numpy()
    whose, _ = pd.factorize(np.array([persons.get(one, one) for one in np.unique(record)]))
    weights = patient_weights(whose, _DRAWS, np.random.default_rng(0))
    drawn = drawn_figures(counts_of_records(record, true, found, len(CLASSES) + 1), weights, CLASSES)
    ci95 = {name: interval95(values) for name, values in drawn.items()}
    is_s, odds = true == CLASSES.index("S"), _column(_odds_of_s(beats), pairs)
    curve = {f"{least:.1f}": ppv_at(least, is_s, odds) for least in _SENSITIVITIES} if is_s.any() else {}
    return SetFigures(**vars(_figures(true, found)), records=len(whose), ci95=ci95, ppv_of_S=curve)


def _odds_of_s(beats: pd.DataFrame) -> Float64[np.ndarray, " line"]:
    """The probability of S over that of the likeliest other class."""
    others = beats[[f"class_p_{name}" for name in CLASSES if name != "S"]].to_numpy(np.float64).max(axis=1)
    return beats["class_p_S"].to_numpy(np.float64) / np.maximum(others, _LEAST)


def _column(of_line: Shaped[np.ndarray, " line"], pairs: pd.DataFrame) -> Float64[np.ndarray, " beat"]:
    """What each beat has in a column of the beats found; NaN of one that was not found."""
    line = pairs["line"].to_numpy(np.int64)
    return np.where(line < 0, np.nan, of_line[line]) if len(of_line) else np.full(len(line), np.nan)


def _figures(true: Int64[np.ndarray, " beat"], found: Int64[np.ndarray, " beat"]) -> ClassFigures:
    return class_figures(class_counts(true, found, len(CLASSES) + 1), CLASSES)


def _clusters(train: pd.DataFrame, test: pd.DataFrame, beats: pd.DataFrame) -> ClusterFigures:
    """Clusters taken for the commonest class of their DS1 beats (N where they have none), measured on DS2."""
    train, test = (pairs.assign(cluster=_column(beats["cluster"].to_numpy(), pairs)) for pairs in (train, test))
    known = train[(train["true"] != NO_BEAT) & (train["cluster"] >= 0)]
    counts = pd.crosstab(known["cluster"], known["true"])
    to_class = pd.Series(counts.columns[counts.to_numpy().argmax(axis=1)], index=counts.index)
    found = to_class.reindex(test["cluster"]).fillna(0).to_numpy(np.int64)
    found = np.where(test["found"] == NO_BEAT, NO_BEAT, found)
    return ClusterFigures(**vars(_figures(test["true"].to_numpy(), found)), clusters=len(counts))


def _against_labels(beats: pd.DataFrame, labels: pd.DataFrame) -> LabelledBeatFigures:
    """AUROC of the highest probability in a row for each label, and the shares of classes among the beats by label."""
    of_row = beats.groupby("row")[[f"class_p_{name}" for name in _LABELS.values()]].max()
    by_label = {label: set(group["row"]) for label, group in labels.groupby("label")}
    aurocs: dict[str, LabelAuroc | None] = {}
    for label, name in _LABELS.items():
        has = of_row.index.isin(list(by_label.get(label, ())))
        known = 0 < has.sum() < len(has)
        auroc = roc_auc_score(has, of_row[f"class_p_{name}"].fillna(0.0)) if known else 0.0
        aurocs[label] = LabelAuroc(float(auroc), f"highest probability of {name}") if known else None
    shares: dict[str, BeatShares] = {}
    for label in (*_LABELS, *_NORMAL, *_WIDE):
        some = beats.loc[beats["row"].isin(by_label.get(label, set())), "class"]
        if len(some):
            shares[label] = BeatShares({name: float((some == name).mean()) for name in CLASSES}, len(some))
    return LabelledBeatFigures(aurocs["PVC"], aurocs["PAC"], shares)
