"""Rhythms and atrial fibrillation on PTB-XL's test fold, with twelve leads and with lead I alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Shaped

from beatssl.analysis.model import EcgModel
from beatssl.analysis.result import Analysis
from beatssl.analysis.rhythms.truth import AF, RHYTHMS, SINUS, rhythm_by_statements
from beatssl.analysis.waves import store_record
from beatssl.checks.analyses.lines import Line, analysed_lines
from beatssl.metrics.calibration import expected_calibration_error
from beatssl.metrics.classification import Interval, interval95, patient_weights, weighted_auroc
from beatssl.records.record import Record, RecordError
from beatssl.results import Number
from beatssl.store.splits import patients
from beatssl.store.store import Store


@dataclass(frozen=True)
class RhythmCheckConfig:
    """The model of rhythms has seen folds 1 to 8 of PTB-XL."""

    test_fold: int = 9
    ordinary: int = 500
    """Records in sinus rhythm, or without a stated rhythm, drawn at random: each counts for several; of the others
    all are analysed."""
    few_leads: tuple[str, ...] = ("I",)
    """Analysed a second time with these alone …"""
    few_every: int = 4
    """… is every fourth record."""
    bootstrap_draws: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class DetectionFigures:
    """One score against the statement AFIB, over all records; records without rhythm count as the least of scores."""

    auroc: Number
    auroc_ci95: Interval


@dataclass(frozen=True)
class RhythmFigures:
    """One rhythm against the others, over the records whose statements name one and that `analyze` gave one."""

    records: int
    auroc: Number
    ece: Number
    """Expected calibration error, of 15 bins."""
    brier: Number
    """Mean squared distance of the probability from 0 or 1."""
    sensitivity: Number
    ppv: Number
    """Of the likeliest rhythm."""


@dataclass(frozen=True)
class LeadFigures:
    """With some leads."""

    records: int
    """Analysed."""
    af_by_rhythm: DetectionFigures
    """By the probability of atrial fibrillation or flutter."""
    af_by_statement: DetectionFigures
    """By the classifier's statement AFIB."""
    no_rhythm: int
    """Records that `analyze` gives no rhythm, with the reason."""
    brier: Number
    """Mean over records of the squared distances, summed over the four."""
    by_rhythm: Mapping[str, RhythmFigures]
    confusion: tuple[tuple[float, ...], ...]
    """Records, weighted, by stated rhythm (line) and likeliest rhythm (column)."""


@dataclass(frozen=True)
class RhythmCheckFigures:
    """Of every set of leads."""

    fold: int
    records: int
    """In the fold."""
    analysed: int
    """All that are not in sinus rhythm, and a sample of the others, weighted to their number."""
    atrial_fibrillation: int
    without_stated_rhythm: int
    by_leads: Mapping[str, LeadFigures]


def check_rhythm(store: Store, kept: Path, config: RhythmCheckConfig = RhythmCheckConfig()) -> RhythmCheckFigures:
    """Rhythms that `analyze` gives the records of the test fold, against PTB-XL's statements.

    Raises ValueError where no row is in the test fold, or the store has no statements.
    """
    rows = np.flatnonzero(store.records["fold"].fillna(-1).to_numpy(np.int64) == config.test_fold)
    if not rows.size:
        raise ValueError(f"no row of {store!r} is in fold {config.test_fold}; prepare PTB-XL")
    statements, rng = store.targets("scp").iloc[rows], np.random.default_rng(config.seed)
    rhythm = rhythm_by_statements(statements)
    ordinary = np.flatnonzero(np.isin(rhythm, (SINUS, "")) & ~statements["AFIB"].to_numpy(bool))
    drawn = rng.permutation(ordinary)[: config.ordinary]
    weight = np.ones(len(rows))
    weight[drawn] = len(ordinary) / max(len(drawn), 1)
    some = np.sort(np.concatenate([np.setdiff1d(np.arange(len(rows)), ordinary), drawn]))
    ids = store.records["record_id"].astype(str).to_numpy()[rows[some]]
    few, few_ids = "lead " + " + ".join(config.few_leads), set(ids[:: config.few_every].tolist())
    sets = {f"{len(store.leads)} leads": store.leads, few: config.few_leads}

    def line_of(model: EcgModel, record_id: str) -> Line:
        record = store_record(store, record_id)
        return {
            name: _found(model, record.replace(ecg_mv=record.ecg_mv[at], leads=tuple(record.leads[k] for k in at)))
            for name, leads in sets.items()
            if (name != few or record_id in few_ids)
            and (at := [k for k, lead in enumerate(record.leads) if lead in leads])
        }

    lines = analysed_lines(ids.tolist(), line_of, kept)
    of_patient = patients(store.records).to_numpy()[rows]
    truth = _Truth(rhythm, statements["AFIB"].to_numpy(bool), of_patient, weight).of(some)
    analysed = {name: np.array([name in line for line in lines]) for name in sets}
    return RhythmCheckFigures(
        fold=config.test_fold,
        records=len(rows),
        analysed=len(some),
        atrial_fibrillation=int(statements["AFIB"].sum()),
        without_stated_rhythm=int((rhythm == "").sum()),
        by_leads={
            name: _figures([line[name] for line in lines if name in line], truth.of(analysed[name]), config)
            for name in sets
        },
    )


@dataclass(frozen=True, slots=True)
class _Truth:
    rhythm: np.ndarray
    af: Bool[np.ndarray, " record"]
    patient: np.ndarray
    weight: Float64[np.ndarray, " record"]

    def of(self, some: Shaped[np.ndarray, " some"]) -> "_Truth":
        return _Truth(self.rhythm[some], self.af[some], self.patient[some], self.weight[some])


def _found(model: EcgModel, record: Record) -> Line | None:
    try:
        a = model.analyze(record, embeddings=False, already_filtered=True)
    except RecordError:
        return None
    return {"rhythm": [one.probability for one in a.rhythm.classes], "AFIB": _statement(a, "AFIB")}


def _statement(a: Analysis, name: str) -> float | None:
    return next((one.probability for one in a.diagnoses.statements if one.name == name), None)


def _figures(lines: Sequence[Line | None], truth: _Truth, config: RhythmCheckConfig) -> LeadFigures:
    p = np.array([line["rhythm"] if line and line["rhythm"] else [np.nan] * len(RHYTHMS) for line in lines])
    statement = np.array([-1.0 if not line or line["AFIB"] is None else line["AFIB"] for line in lines])
    has = np.isfinite(p).all(axis=1)
    named = truth.of(has & (truth.rhythm != ""))
    stated = np.array([RHYTHMS.index(name) for name in named.rhythm], np.int64)
    known = p[has & (truth.rhythm != "")]
    confusion = np.zeros((len(RHYTHMS), len(RHYTHMS)))
    np.add.at(confusion, (stated, known.argmax(axis=1)), named.weight)
    apart = ((known - np.eye(len(RHYTHMS))[stated]) ** 2).sum(axis=1)
    return LeadFigures(
        records=len(lines),
        af_by_rhythm=_detection(np.where(has, p[:, RHYTHMS.index(AF)], -1.0), truth, config),
        af_by_statement=_detection(statement, truth, config),
        no_rhythm=int((~has).sum()),
        brier=float(np.average(apart, weights=named.weight)),
        by_rhythm={
            name: _of_rhythm(k, stated == k, known[:, k], named.weight, confusion) for k, name in enumerate(RHYTHMS)
        },
        confusion=tuple(tuple(line) for line in confusion.round(1).tolist()),
    )


def _detection(score: Float64[np.ndarray, " record"], truth: _Truth, config: RhythmCheckConfig) -> DetectionFigures:
    drawn = patient_weights(truth.patient, config.bootstrap_draws, np.random.default_rng(config.seed))
    weights = np.concatenate([np.ones((1, len(score))), drawn]) * truth.weight
    found = weighted_auroc(truth.af, score, weights)
    return DetectionFigures(float(found[0]), interval95(found[1:]))


def _of_rhythm(
    k: int,
    true: Bool[np.ndarray, " record"],
    p: Float64[np.ndarray, " record"],
    weight: Float64[np.ndarray, " record"],
    confusion: Float64[np.ndarray, "4 4"],
) -> RhythmFigures:
    right = confusion[k, k]
    return RhythmFigures(
        records=int(true.sum()),
        auroc=float(weighted_auroc(true, p, weight[None])[0]),
        ece=expected_calibration_error(true, p, weight),
        brier=float(np.average((p - true) ** 2, weights=weight)),
        sensitivity=float(right / confusion[k].sum()) if confusion[k].any() else float("nan"),
        ppv=float(right / confusion[:, k].sum()) if confusion[:, k].any() else float("nan"),
    )
