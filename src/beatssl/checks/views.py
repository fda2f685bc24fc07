"""Realism of views: how far they move features of real records, and what the round trip through the VCG loses."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float32, Float64

from beatssl.checks.features import FeatureCheckConfig, check_features
from beatssl.checks.view_measuring import ChosenRows, marks_s, measure_again, peaks_s, signals_of_rows
from beatssl.results import INLINE, Number
from beatssl.signals.leads import LEADS
from beatssl.signals.vcg import Method, from_vcg, to_vcg
from beatssl.store.store import Store
from beatssl.views.dipole import Rotation
from beatssl.views.noise import Mains
from beatssl.views.registry import PRESETS, VIEWS, build_views, preset
from beatssl.views.view import Signals, View

METHODS: tuple[Method, ...] = ("dower", "kors")
SHOWN = {
    "rate": "rate_bpm",
    "PR": "pr_interval_ms",
    "QRS": "qrs_duration_ms",
    "QT": "qt_interval_ms",
    "QTc": "qtc_fridericia_ms",
    "P axis": "p_axis_deg",
    "QRS axis": "qrs_axis_deg",
    "T axis": "t_axis_deg",
}
"""Features with a column of their own, by its heading."""

_MATCH_S = 0.075
_ST_S = 0.08
_PART_ROWS = 512


_DIAGNOSIS = FeatureCheckConfig(
    train_folds=(1, 2, 3, 4, 5, 6), valid_fold=7, test_fold=8, tree_rounds=(75, 100, 150), bootstrap_draws=200
)
"""Smaller than `check_features`, and on other folds, so that nothing is tried out on folds 9 and 10."""


@dataclass(frozen=True)
class ViewsCheckConfig:
    """What the table covers."""

    rows: int = 500
    """Rows drawn at random that views are shown on."""
    strengths: tuple[float, ...] = (0.25, 0.5, 1.0)
    diagnosis_rows: int = 6000
    """Rows drawn at random on which diagnoses are predicted from features, before and after the round trip; 0: none."""
    diagnosis: FeatureCheckConfig = _DIAGNOSIS
    seed: int = 0


@dataclass(frozen=True)
class BeatsFound:
    """The R detector on a view, against the beat marks that the view moved."""

    found: float
    """Share of the marks with a beat found within 75 ms."""
    extra: float
    """Share of the beats found that lie by no mark."""
    r_ms: Number
    """Median distance of a mark and its beat."""


@dataclass(frozen=True)
class ViewEffect(BeatsFound):
    """What a view does to beats and features: |change| over the interquartile range over records, median of records."""

    moved: Number
    """Median over all features."""
    moved_most: Number
    """Their 90th percentile."""
    lost: Number
    """Share of the measured values that cannot be measured any more."""


@dataclass(frozen=True)
class LeadLoss:
    """What the round trip through the VCG leaves out of a lead: shares of energy (about the mean) that is no dipole."""

    all_lost: Number
    qrs_lost: Number
    st_lost: Number
    """In the 80 ms after QRS."""
    st_change_mv: Number
    """Median |change| of the ST level, 60 ms after J."""


@dataclass(frozen=True)
class DiagnosisAuroc:
    """AUROC of diagnoses predicted from the features alone."""

    macro_auroc: Number
    ci95: tuple[Number, ...]
    per_class: dict[str, Number] = field(metadata=INLINE)


@dataclass(frozen=True)
class ViewsFigures:
    """The realism table of a store."""

    rows: int
    views: dict[str, ViewEffect]
    """Of each view at each strength, and each preset. The first line is the record itself, its beats found again in
    the stored signal."""
    moved_by_views: dict[str, dict[str, Number]]
    """How far single intervals and axes move, on the same scale."""
    round_trip_dower: dict[str, LeadLoss]
    round_trip_kors: dict[str, LeadLoss]
    diagnosis: dict[str, DiagnosisAuroc]
    """Before the round trip and after it, by model; empty where the store has no such labels."""


def check_views(store: Store, config: ViewsCheckConfig = ViewsCheckConfig()) -> ViewsFigures:
    """The realism table of a store.

    Raises ValueError for a store that has not the twelve leads.
    """
    rng = np.random.default_rng(config.seed)
    rows = _drawn_rows(len(store), config.rows, rng)
    signals = signals_of_rows(store, rows)
    overall, single = _moved(signals, config)
    labelled = len(store.labels) > 0 and config.diagnosis.label_set in set(store.labels["label_set"])
    diagnosis: dict[str, DiagnosisAuroc] = {}
    if config.diagnosis_rows and labelled:
        diagnosis = _diagnosis(store, _drawn_rows(len(store), config.diagnosis_rows, rng), config.diagnosis)
    return ViewsFigures(
        rows=len(rows),
        views=overall,
        moved_by_views=single,
        round_trip_dower=_round_trip(store, rows, "dower"),
        round_trip_kors=_round_trip(store, rows, "kors"),
        diagnosis=diagnosis,
    )


def made_views(signals: Signals, strengths: tuple[float, ...]) -> dict[str, View]:
    """Every view at every strength, and every preset, by name; presets change every record here, whatever their share.

    Mains is left out where it cannot be sampled.
    """
    out: dict[str, View] = {}
    for name, kind in VIEWS.items():
        if kind is Mains and signals.fs_hz <= 2 * Mains().mains_hz:
            continue
        for strength in strengths:
            if kind is Rotation:
                out[f"rotation full rank {strength:g}"] = Rotation(strength, rank="full")
                out[f"rotation low rank {strength:g}"] = Rotation(strength, rank="low")
            else:
                out[f"{name} {strength:g}"] = kind(strength=strength)
    out["round trip"] = Rotation(0.0, rank="low")
    return out | {f"preset {name}": build_views(replace(preset(name), share=1.0)) for name in PRESETS if name != "none"}


def _drawn_rows(rows: int, wanted: int, rng: np.random.Generator) -> ChosenRows:
    return np.sort(rng.permutation(rows)[:wanted]).astype(np.int64)


def _moved(signals: Signals, config: ViewsCheckConfig) -> tuple[dict[str, ViewEffect], dict[str, dict[str, float]]]:
    before = measure_again(signals, marks_s(signals)).features
    spread = _spread(before)
    overall: dict[str, ViewEffect] = {}
    single: dict[str, dict[str, float]] = {}
    views: dict[str, View | None] = {"as stored": None}
    for name, view in (views | made_views(signals, config.strengths)).items():
        generator = torch.Generator().manual_seed(config.seed)
        seen = signals if view is None else view(signals, generator)
        found = peaks_s(seen)
        after = measure_again(seen, found).features
        moved = _change(before, after) / spread
        overall[name] = ViewEffect(
            **vars(beats_found(marks_s(seen), found)),
            moved=_rounded(moved.median()),
            moved_most=_rounded(moved.quantile(0.9)),
            lost=_rounded((before.notna() & after.isna()).to_numpy().sum() / before.notna().to_numpy().sum()),
        )
        single[name] = {heading: _rounded(moved[feature]) for heading, feature in SHOWN.items()}
    return overall, single


def _spread(features: pd.DataFrame) -> pd.Series:
    """Interquartile range of every feature over records; NaN where records do not differ."""
    low, high = (features.quantile(share).to_numpy(np.float64) for share in (0.25, 0.75))
    return pd.Series(np.where(high > low, high - low, np.nan), index=features.columns)


def beats_found(marks: list[Float64[np.ndarray, " _mark"]], found: list[Float64[np.ndarray, " _beat"]]) -> BeatsFound:
    """How the beats found lie to the marks, nearest to nearest."""
    to_found = np.concatenate([_distance_s(mark, beat) for mark, beat in zip(marks, found, strict=True)])
    to_mark = np.concatenate([_distance_s(beat, mark) for mark, beat in zip(marks, found, strict=True)])
    near = to_found[to_found <= _MATCH_S]
    return BeatsFound(
        found=_rounded(len(near) / max(len(to_found), 1)),
        extra=_rounded(np.mean(to_mark > _MATCH_S)) if len(to_mark) else 0.0,
        r_ms=_rounded(1000 * np.median(near)) if len(near) else float("nan"),
    )


def _distance_s(of: Float64[np.ndarray, " one"], to: Float64[np.ndarray, " other"]) -> Float64[np.ndarray, " one"]:
    if len(to) == 0:
        return np.full(len(of), np.inf)
    return np.abs(of[:, None] - to[None, :]).min(axis=1)


def _change(before: pd.DataFrame, after: pd.DataFrame) -> pd.Series:
    """Median |change| of every feature over the records where both are measured; a direction goes round at 360°."""
    change = (after - before).abs()
    for name in change.columns:
        if str(name).endswith("_axis_deg"):
            change[name] = np.minimum(change[name], 360 - change[name])
    return change.median()


def _rounded(value: float | np.floating[Any]) -> float:
    """Four decimals: more would be noise, and cannot be read in a table."""
    return round(float(value), 4)


def _round_trip(store: Store, rows: ChosenRows, method: Method) -> dict[str, LeadLoss]:
    """What the way to the VCG and back leaves out of each lead, of rows with all twelve."""
    missing = np.asarray(np.isnan(store.ecg_mv(rows)).all(axis=2))
    kept = rows[~missing.any(axis=1)]
    ecg_mv = np.nan_to_num(store.ecg_mv(kept))
    back_mv = from_vcg(to_vcg(ecg_mv, method), method)
    inside = np.arange(ecg_mv.shape[2]) < store.records["samples"].to_numpy(np.int64)[kept][:, None]
    spans = {"all": inside} | _spans(store, kept, inside)
    level = _st_change(store, kept, ecg_mv, back_mv)
    return {
        lead: LeadLoss(
            **{f"{name}_lost": _energy_lost(ecg_mv[:, at][span], back_mv[:, at][span]) for name, span in spans.items()},
            st_change_mv=_rounded(np.median(np.abs(level[:, at]))) if len(level) else float("nan"),
        )
        for at, lead in enumerate(LEADS)
    }


def _energy_lost(ecg_mv: Float32[np.ndarray, " sample"], back_mv: Float32[np.ndarray, " sample"]) -> float:
    if ecg_mv.size == 0:
        return float("nan")
    return _rounded(np.mean((ecg_mv - back_mv).astype(np.float64) ** 2) / ecg_mv.var(dtype=np.float64))


def _spans(
    store: Store, rows: ChosenRows, inside: Bool[np.ndarray, "row time"]
) -> dict[str, Bool[np.ndarray, "row time"]]:
    """Samples within QRS, and within the 80 ms after it, of the beats where both ends were found."""
    beats = _placed_beats(store, rows)
    time_s = np.arange(inside.shape[1]) / store.fs_hz
    bounds = {"qrs": ("qrs_onset_s", "qrs_offset_s", 0.0), "st": ("qrs_offset_s", "qrs_offset_s", _ST_S)}
    out: dict[str, Bool[np.ndarray, "row time"]] = {}
    for name, (onset, offset, more) in bounds.items():
        span = np.zeros_like(inside)
        ends = beats[["place", "time_s", onset, offset]].dropna().to_numpy(np.float64)
        for place, r, begin, end in ends:
            span[int(place)] |= (time_s >= r + begin) & (time_s <= r + end + more)
        out[name] = span & inside
    return out


def _st_change(
    store: Store,
    rows: ChosenRows,
    ecg_mv: Float32[np.ndarray, "row lead time"],
    back_mv: Float32[np.ndarray, "row lead time"],
) -> Float32[np.ndarray, "beat lead"]:
    """How much the level 60 ms after J, over that at QRS onset, changes in every beat and lead."""
    beats = _placed_beats(store, rows).dropna(subset=["qrs_onset_s", "qrs_offset_s"])
    place = beats["place"].to_numpy(np.int64)
    r = beats["time_s"].to_numpy(np.float64)
    last = ecg_mv.shape[2] - 1
    st, onset = (
        np.clip(np.round((r + beats[name].to_numpy(np.float64) + more) * store.fs_hz), 0, last).astype(np.int64)
        for name, more in (("qrs_offset_s", 0.06), ("qrs_onset_s", 0.0))
    )
    lost = back_mv - ecg_mv
    return (lost[place, :, st] - lost[place, :, onset]).astype(np.float32)


def _placed_beats(store: Store, rows: ChosenRows) -> pd.DataFrame:
    beats = store.beats[store.beats["row"].isin(rows)]
    return beats.assign(place=np.searchsorted(rows, beats["row"].to_numpy(np.int64)))


def _diagnosis(store: Store, rows: ChosenRows, config: FeatureCheckConfig) -> dict[str, DiagnosisAuroc]:
    out: dict[str, DiagnosisAuroc] = {}
    chosen = store.take(rows)
    views: dict[str, View | None] = {"before": None}
    views |= {f"after, {method}": Rotation(0.0, rank="low", method=method) for method in METHODS}
    for name, view in views.items():
        figures = check_features(chosen.with_tables(features=_all_features(store, rows, view)), config)
        models = {"logistic regression": figures.logistic_regression, "boosted trees": figures.boosted_trees}
        for model, of in models.items():
            per_class = {label: figure.auroc for label, figure in of.per_class.items()}
            out[f"{name}, {model}"] = DiagnosisAuroc(of.macro_auroc, tuple(of.ci95.macro_auroc), per_class)
    return out


def _all_features(store: Store, rows: ChosenRows, view: View | None) -> pd.DataFrame:
    """Features of many rows, part by part: about the store's marks, which the round trip does not move."""
    parts: list[pd.DataFrame] = []
    for start in range(0, len(rows), _PART_ROWS):
        signals = signals_of_rows(store, rows[start : start + _PART_ROWS])
        seen = signals if view is None else view(signals, torch.Generator())
        parts.append(measure_again(seen, marks_s(seen)).features)
    return pd.concat(parts, ignore_index=True)
