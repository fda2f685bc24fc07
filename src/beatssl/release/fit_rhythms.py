"""The model of rhythms, fitted on PTB-XL with all leads and with some, and calibrated on fold 8.

python -m beatssl.release.fit_rhythms stores/ptb-xl --kept runs/rhythm-evidence
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from jaxtyping import Float64, Int64
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from beatssl.analysis.rhythms.evidence import OF_BEATS, STATEMENTS
from beatssl.analysis.rhythms.model import WEIGHTS, Regression
from beatssl.analysis.rhythms.truth import AF, RHYTHMS
from beatssl.files import write_json
from beatssl.metrics.classification import auroc
from beatssl.release.rhythm_evidence import evidence_table
from beatssl.results import to_json
from beatssl.store.store import Store

_MOST = {"SR": 600, "STACH": 150, "SBRAD": 150, "SARRH": 200, "AFIB": 500}


@dataclass(frozen=True)
class FitRhythmsConfig:
    """Fit the model that tells rhythms, and write its weights beside the module that uses them."""

    store: tyro.conf.Positional[Path]
    """Prepared store of PTB-XL."""
    kept: Path
    """Folder for the evidence of finished records: the command goes on after them."""
    out: Path = WEIGHTS
    """The weights."""
    train_folds: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    """The weights are fitted on these."""
    valid_fold: int = 8
    """Chooses the penalty, and scales the scores: the classifier of statements is too sure of records it was trained
    on, those of the other folds."""
    most: Mapping[str, int] = field(default_factory=_MOST.copy)
    """Records drawn of a frequent statement, from the training folds and again from the validation fold."""
    records: int = 1800
    """Of all that are drawn, at random."""
    inverse_penalties: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    """Of the logistic regression."""
    iterations: int = 2000
    """Of the optimiser."""
    seed: int = 0


@dataclass(frozen=True)
class FittedRegression:
    """What was chosen on the validation fold, and how it does there."""

    inverse_penalty: float
    temperature: float
    valid_log_loss: float
    valid_af_auroc: float


@dataclass(frozen=True)
class FittedRhythms:
    """What was written."""

    out: Path
    train_records: int
    valid_records: int
    with_statements: FittedRegression
    beats_alone: FittedRegression


@dataclass(frozen=True, slots=True)
class _Side:
    x: Float64[np.ndarray, "line feature"]
    rhythm: Int64[np.ndarray, " line"]
    weight: Float64[np.ndarray, " line"]


def fit_rhythms(config: FitRhythmsConfig) -> FittedRhythms:
    """Fit both regressions on the training folds, scale their scores on the validation fold, write the weights.

    Raises StoreError where there is no store, ValueError where a rhythm has no record on one of the two sides.
    """
    folds = (*config.train_folds, config.valid_fold)
    table = evidence_table(Store(config.store), folds, config.most, config.records, config.seed, config.kept)
    train, valid = table[table["fold"] != config.valid_fold], table[table["fold"] == config.valid_fold]
    if missing := sorted(set(RHYTHMS) - set(train["rhythm"]) | set(RHYTHMS) - set(valid["rhythm"])):
        raise ValueError(
            f"{config.store}: no record of {', '.join(missing)} to train or to validate; take more records"
        )
    found: list[tuple[Regression, FittedRegression]] = []
    for features in (OF_BEATS + STATEMENTS, OF_BEATS):
        seen, held_out = _side(train, features), _side(valid, features)
        found.append(min((_fitted(features, seen, held_out, config, c) for c in config.inverse_penalties), key=_loss))
    ids = train["record_id"].nunique(), valid["record_id"].nunique()
    made = FittedRhythms(config.out, ids[0], ids[1], found[0][1], found[1][1])
    settings = {name: value for name, value in asdict(config).items() if name not in ("store", "kept", "out")}
    content = {
        "rhythms": RHYTHMS, "made_by": "release/fit_rhythms.py", "config": settings,
        "figures": {name: value for name, value in asdict(made).items() if name != "out"},
        "with_statements": found[0][0].to_json(), "beats_alone": found[1][0].to_json(),
    }  # fmt: skip
    write_json(config.out, to_json(content))
    return made


def _side(table: pd.DataFrame, features: Sequence[str]) -> _Side:
    number = {name: k for k, name in enumerate(RHYTHMS)}
    return _Side(
        table[list(features)].to_numpy(np.float64),
        table["rhythm"].map(number).to_numpy(np.int64),
        table["weight"].to_numpy(np.float64),
    )


def _fitted(
    features: tuple[str, ...], train: _Side, valid: _Side, config: FitRhythmsConfig, c: float
) -> tuple[Regression, FittedRegression]:
    mean, sd = np.nanmean(train.x, axis=0), np.nanstd(train.x, axis=0)
    nothing = Regression(features, mean, sd, np.zeros((len(features), len(RHYTHMS))), np.zeros(len(RHYTHMS)))
    model = LogisticRegression(C=c, max_iter=config.iterations).fit(nothing.scaled(train.x), train.rhythm, train.weight)
    raw = replace(nothing, weights=np.asarray(model.coef_).T, intercepts=np.asarray(model.intercept_))
    scaled, temperature, loss = _scaled(raw, valid)
    af = RHYTHMS.index(AF)
    return scaled, FittedRegression(
        c, temperature, loss, auroc(valid.rhythm == af, scaled.probability(valid.x)[:, af])
    )  # fmt: skip


def _loss(found: tuple[Regression, FittedRegression]) -> float:
    return found[1].valid_log_loss


def _scaled(raw: Regression, valid: _Side) -> tuple[Regression, float, float]:
    """The regression with its scores over a temperature, plus a number for each rhythm, that make the weighted log loss
    on the validation fold least; the temperature; that loss."""
    scores = raw.scaled(valid.x) @ raw.weights + raw.intercepts

    def loss(free: Float64[np.ndarray, " free"]) -> float:
        odds = scores * np.exp(-free[0]) + np.concatenate([[0.0], free[1:]])
        odds = odds - odds.max(axis=1, keepdims=True)
        log_p = odds - np.log(np.exp(odds).sum(axis=1, keepdims=True))
        chosen = log_p[np.arange(len(odds)), valid.rhythm]
        return float(-np.average(chosen, weights=valid.weight))

    best = minimize(loss, np.zeros(len(RHYTHMS)), method="BFGS")
    scale, shift = float(np.exp(-best.x[0])), np.concatenate([[0.0], best.x[1:]])
    return (
        replace(raw, weights=raw.weights * scale, intercepts=raw.intercepts * scale + shift),
        1 / scale,
        float(best.fun),
    )


if __name__ == "__main__":
    print(fit_rhythms(tyro.cli(FitRhythmsConfig)))
