"""Networks that tell atrial fibrillation in ten seconds, trained on PTB-XL's statements; for the beat classifier.

python -m beatssl.release.fibrillation stores/ptb-xl
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro
from jaxtyping import Bool, Float32, Float64, Int64
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass
from safetensors import safe_open
from sklearn.metrics import roc_auc_score

from beatssl.beats.classes.beat_shape import contexts
from beatssl.beats.classes.class_features import class_features, shaped_beats
from beatssl.beats.classes.classifier import FIBRILLATION_WEIGHTS
from beatssl.beats.classes.fibrillation import FIBRILLATION, fibrillation_features, stretches
from beatssl.beats.classes.networks import save_networks
from beatssl.beats.windows import beats_of_rows
from beatssl.release.network_fitting import NetworkConfig, fit_networks
from beatssl.store.store import Store

_TRAINED, _MEASURED = range(1, 8), 8  # folds
_LEFT_OUT = ("AFLT", "PACE")
_DOUBTFUL = ("PAC", "PVC", "SARRH", "SVARR", "PSVT", "SVTAC", "BIGU", "TRIGU")
_SHARE = 0.12  # of the rows that are neither fibrillation nor doubtful; each counts for as many as it stands for
_LEAST_BEATS = 5
_ROWS_AT_ONCE = 500
_SOME_LEADS = {"II and V1": (1, 6), "II": (1,), "V1": (6,), "V5 and II": (10, 1)}


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class TrainFibrillationConfig(NetworkConfig):
    """Train the networks of atrial fibrillation on PTB-XL's folds 1–7 and measure them on fold 8."""

    store: tyro.conf.Positional[Path]
    """Store of PTB-XL."""
    out: Path = FIBRILLATION_WEIGHTS
    """File of the weights."""
    hidden: tuple[int, ...] = (32, 16)
    """Widths of the hidden layers."""
    epochs: int = 20
    """Passes over the training rows."""
    learning_rate: float = 3e-3
    """Peak of the one-cycle rate."""
    dropout: float = 0.2
    """Share of hidden units left out in training."""
    smoothing: float = 0.0
    """Of the targets; none, so that the probability is one."""


class Rows(NamedTuple):
    """Rows as the networks see them, each through several sets of leads."""

    features: dict[str, Float32[np.ndarray, " example"]]
    row: Int64[np.ndarray, " example"]
    leads: np.ndarray
    """The name of each one's set of leads."""


def train_fibrillation(config: TrainFibrillationConfig) -> dict[str, float]:
    """Train and write the networks; returns the AUROC on fold 8 by set of leads, rows weighted to their number."""
    store, rng = Store(config.store), np.random.default_rng(config.seed)
    fold = store.records["fold"].to_numpy(np.int64)
    true, weight = _drawn(store, rng)
    weight[fold > _MEASURED] = 0
    rows = featured_rows(store, np.flatnonzero(weight), rng)
    names = tuple(rows.features)
    table = np.stack([rows.features[name] for name in names], axis=1)
    used = np.isin(fold[rows.row], _TRAINED)
    target = true[rows.row].astype(np.int64)
    networks = fit_networks(names, table[used], target[used], weight[rows.row[used]].astype(np.float32), 2, config)
    likely = networks.probabilities(rows.features)[:, 1]
    figures: dict[str, float] = {}
    for name in dict.fromkeys(rows.leads.tolist()):
        some = ~used & (rows.leads == name)
        figures[name] = float(roc_auc_score(target[some], likely[some], sample_weight=weight[rows.row[some]]))
    save_networks(config.out, {FIBRILLATION: networks}, {"auroc": json.dumps(figures)})
    return figures


def _drawn(store: Store, rng: np.random.Generator) -> tuple[Bool[np.ndarray, " row"], Float64[np.ndarray, " row"]]:
    """Which rows are in fibrillation, and how many rows each one stands for: 0 where it is not used."""
    labels = store.labels

    def with_label(*names: str) -> Bool[np.ndarray, " row"]:
        return np.isin(np.arange(len(store)), labels["row"][labels["label"].isin(names)])

    true = with_label("AFIB")
    rare = true | with_label(*_DOUBTFUL)
    drawn = (rare | (rng.random(len(store)) < _SHARE)) & ~with_label(*_LEFT_OUT)
    return true, np.where(drawn, np.where(rare, 1.0, 1 / _SHARE), 0.0)


def featured_rows(store: Store, rows: Int64[np.ndarray, " row"], rng: np.random.Generator) -> Rows:
    """Features of rows through all leads, some, and two at random; rows with fewer than five beats are left out."""
    found = list(_featured(store, rows, rng))
    return Rows(
        {name: np.concatenate([one.features[name] for one in found]) for name in found[0].features},
        np.concatenate([one.row for one in found]),
        np.concatenate([one.leads for one in found]),
    )


def _featured(store: Store, rows: Int64[np.ndarray, " row"], rng: np.random.Generator) -> Iterator[Rows]:
    ordered = store.beats.sort_values(["row", "time_s"])
    times_of = {row: group.to_numpy(np.float64) for row, group in ordered.groupby("row")["time_s"]}
    rows = np.array([row for row in rows if len(times_of.get(row, ())) >= _LEAST_BEATS], np.int64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        ecg_mv = store.ecg_mv(some)
        two = tuple(rng.choice(ecg_mv.shape[1], 2, replace=False).tolist())
        for name, leads in {"all": tuple(range(ecg_mv.shape[1])), **_SOME_LEADS, "two at random": two}.items():
            signals = list(ecg_mv[:, leads])
            beats = beats_of_rows(signals, [times_of[row] for row in some], store.fs_hz)
            shaped = shaped_beats(beats, contexts(beats))
            stretch = stretches(shaped)
            features = fibrillation_features(shaped, class_features(shaped), stretch)
            of_row = beats.row[np.flatnonzero(np.diff(stretch, prepend=-1))]
            yield Rows(features, some[of_row], np.full(len(of_row), name))


def auroc_of(weights: Path) -> dict[str, float]:
    """What `train_fibrillation` measured of the weights it wrote."""
    with safe_open(weights, "np") as file:
        return json.loads(file.metadata()["auroc"])


if __name__ == "__main__":
    print(json.dumps(train_fibrillation(tyro.cli(TrainFibrillationConfig)), indent=1))
