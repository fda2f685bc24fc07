"""Rhythms and atrial fibrillation on PTB-XL's test fold, with twelve leads and with lead I alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from beatssl.analysis.model import EcgModel
from beatssl.analysis.result import Analysis
from beatssl.analysis.rhythms.truth import AF, RHYTHMS, rhythm_by_statements
from beatssl.analysis.waves import store_record
from beatssl.checks.analyses.lines import Line, analysed_lines
from beatssl.metrics.calibration import expected_calibration_error
from beatssl.metrics.classification import Interval, auroc, interval95, patient_weights, weighted_auroc
from beatssl.records.record import Record, RecordError
from beatssl.results import Number
from beatssl.store.splits import patients
from beatssl.store.store import Store


@dataclass(frozen=True)
class RhythmCheckConfig:
    """The model of rhythms has seen folds 1 to 8 of PTB-XL."""

    test_fold: int = 9
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
    confusion: tuple[tuple[int, ...], ...]
    """Records by stated rhythm (line) and likeliest rhythm (column)."""


@dataclass(frozen=True)
class RhythmCheckFigures:
    """Of every set of leads."""

    fold: int
    records: int
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
    ids = store.records["record_id"].astype(str).to_numpy()[rows]
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
    statements = store.targets("scp").iloc[rows]
    truth = _Truth(
        rhythm_by_statements(statements), statements["AFIB"].to_numpy(bool), patients(store.records).to_numpy()[rows]
    )
    analysed = {name: np.array([name in line for line in lines]) for name in sets}
    return RhythmCheckFigures(
        fold=config.test_fold,
        records=len(rows),
        atrial_fibrillation=int(truth.af.sum()),
        without_stated_rhythm=int((truth.rhythm == "").sum()),
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

    def of(self, some: Bool[np.ndarray, " record"]) -> "_Truth":
        return _Truth(self.rhythm[some], self.af[some], self.patient[some])


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
    has, named = np.isfinite(p).all(axis=1), truth.rhythm != ""
    stated = np.array([RHYTHMS.index(name) for name in truth.rhythm[has & named]], np.int64)
    known = p[has & named]
    likeliest = known.argmax(axis=1)
    confusion = np.zeros((len(RHYTHMS), len(RHYTHMS)), np.int64)
    np.add.at(confusion, (stated, likeliest), 1)
    wanted = np.eye(len(RHYTHMS))[stated]
    return LeadFigures(
        records=len(lines),
        af_by_rhythm=_detection(np.where(has, p[:, RHYTHMS.index(AF)], -1.0), truth, config),
        af_by_statement=_detection(statement, truth, config),
        no_rhythm=int((~has).sum()),
        brier=float(((known - wanted) ** 2).sum(axis=1).mean()),
        by_rhythm={name: _of_rhythm(k, stated, known, confusion) for k, name in enumerate(RHYTHMS)},
        confusion=tuple(tuple(line) for line in confusion.tolist()),
    )


def _detection(score: Float64[np.ndarray, " record"], truth: _Truth, config: RhythmCheckConfig) -> DetectionFigures:
    weights = patient_weights(truth.patient, config.bootstrap_draws, np.random.default_rng(config.seed))
    return DetectionFigures(auroc(truth.af, score), interval95(weighted_auroc(truth.af, score, weights)))


def _of_rhythm(
    k: int, stated: Int64[np.ndarray, " record"], p: Float64[np.ndarray, "record rhythm"], confusion: np.ndarray
) -> RhythmFigures:
    true, right = stated == k, int(confusion[k, k])
    return RhythmFigures(
        records=int(true.sum()),
        auroc=auroc(true, p[:, k]),
        ece=expected_calibration_error(true, p[:, k]),
        brier=float(((p[:, k] - true) ** 2).mean()),
        sensitivity=right / max(int(confusion[k].sum()), 1),
        ppv=right / max(int(confusion[:, k].sum()), 1),
    )
