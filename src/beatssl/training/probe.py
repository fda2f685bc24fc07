"""The linear probe: what a frozen encoder knows of a diagnosis, as a straight line can read it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import tyro
from jaxtyping import Bool, Float32
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import nn

from beatssl.dataset.splits import take_share
from beatssl.dataset.store import Store
from beatssl.models.encoded import EncoderConfig
from beatssl.training.embedding import embed
from beatssl.training.labels import Cohort, choosing, cohort, parse_folds
from beatssl.training.linear import Linear, fit_path
from beatssl.training.probe_figures import Scores, figures_of, macro_auroc, plain
from beatssl.training.source import Opened, open_encoder
from beatssl.training.state import write_json

METRICS, PREDICTIONS = "metrics.json", "predictions.parquet"
INVERSE_PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ProbeConfig:
    """Logistic regression on a frozen encoder's embeddings of a labelled store.

    Mean- and max-pooled embeddings, standardised on the training folds; the penalty, one for all labels, and each
    label's threshold come from the choosing fold; only the reported fold's figures are written.
    """

    store: tyro.conf.Positional[Path]
    """Folder of a prepared store with labels and folds."""
    out: Path
    """Folder for metrics.json and predictions.parquet."""
    encoder: str = "default"
    """Run or checkpoint; "default": the shipped weights; "random": an untrained network."""
    network: EncoderConfig = field(default_factory=EncoderConfig)
    """Which network, and how large, where the encoder is random."""
    labels: str = "superclass"
    """superclass, subclass, all, form, rhythm, another label set of the store, or a CSV file (record_id, label)."""
    train_folds: str = "1-7"
    """Folds to learn from."""
    valid_fold: int = 8
    """Fold that penalty and thresholds are chosen on."""
    test_fold: int = 9
    """Fold that is reported."""
    choose_only: bool = False
    """Give the figures of the choosing fold and leave the reported one alone: for choosing between configurations."""
    label_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training patients whose labels are used."""
    draws: Annotated[int, Field(ge=1)] = 5
    """How often that share is drawn; a share of 1 is drawn once."""
    keep_unlabelled: bool = False
    """Keep records without a label in the set, as negatives of every label."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the draws, the bootstrap and a random encoder."""
    bootstrap_draws: Annotated[int, Field(ge=1)] = 1000
    """Draws of patients behind each interval."""
    inverse_penalties: tuple[float, ...] = INVERSE_PENALTIES
    """Penalties to choose from, as scikit-learn's C."""
    batch_size: Annotated[int, Field(ge=1)] = 256
    """Records encoded at once."""


def probe(config: ProbeConfig) -> dict[str, Any]:
    """The figures of one encoder, also written as `out`/metrics.json, with every record's scores beside them.

    With a label share below 1, figures are the mean over the draws and their intervals those of that mean; each draw's
    own figures stand under `draws`.

    Raises ValueError where the store has no such labels or was prepared otherwise than the encoder expects, SplitError
    where folds overlap or share a patient.
    """
    store = Store(config.store)
    group = cohort(
        store, config.labels, parse_folds(config.train_folds), config.valid_fold, config.test_fold,
        config.keep_unlabelled,
    )  # fmt: skip
    group = choosing(group) if config.choose_only else group
    opened = open_encoder(config.encoder, config.network, config.seed, store)
    values = embed(opened.encoder, store, group.row, config.batch_size)
    draws = _draws(store, group, config)
    fitted = [fit(values, group, used, config.inverse_penalties) for used in draws]
    scores = [line.scores(scaled(values, used)) for (line, _), used in zip(fitted, draws, strict=True)]
    people = store.records.iloc[group.row]
    figures = {
        "encoder": opened.name,
        "config_hash": config_hash(config, opened, store),
        "seed": config.seed,
        "labels": config.labels,
        "label_share": config.label_share,
        "folds": {
            "train": list(parse_folds(config.train_folds)), "valid": config.valid_fold,
            "test": config.valid_fold if config.choose_only else config.test_fold,
        },
        "records": {
            "train": int(np.mean([used.sum() for used in draws])),
            "valid": int(group.valid.sum()), "test": int(group.test.sum()), "dropped": group.dropped,
        },
        **figures_of(group, people, scores, config.seed, config.bootstrap_draws),
        "chosen": [{"inverse_penalty": line.inverse_penalty, "valid_macro_auroc": value} for line, value in fitted],
        "pretraining": opened.provenance,
    }  # fmt: skip
    config.out.mkdir(parents=True, exist_ok=True)
    _predictions(store, group, scores).to_parquet(config.out / PREDICTIONS, index=False)
    write_json(config.out / METRICS, plain(figures))
    return plain(figures)


def valid_auroc(
    encoder: nn.Module,
    store: Store,
    group: Cohort,
    inverse_penalties: Sequence[float] = (1e-3, 1e-2),
    batch_size: int = 256,
    device: Any = "cpu",
) -> float:
    """Macro AUROC on the choosing fold alone: how a run is doing. The reported fold is neither read nor scored."""
    part = choosing(group)
    values = embed(encoder, store, part.row, batch_size, device, "Probing")
    return fit(values, part, part.train, inverse_penalties)[1]


def fit(
    values: Float32[np.ndarray, "row feature"],
    group: Cohort,
    used: Bool[np.ndarray, " row"],
    inverse_penalties: Sequence[float],
) -> tuple[Linear, float]:
    """The regression learnt from the rows `used` that is best on the choosing fold, and its macro AUROC there."""
    standard = scaled(values, used)
    best: tuple[Linear, float] | None = None
    for line in fit_path(standard[used], group.labels[used], inverse_penalties):
        quality = macro_auroc(group.labels[group.valid], line.scores(standard[group.valid]))
        if best is None or quality > best[1]:
            best = line, quality
    if best is None:
        raise ValueError("no penalty to try; pass at least one in inverse_penalties")
    return best


def scaled(
    values: Float32[np.ndarray, "row feature"], used: Bool[np.ndarray, " row"]
) -> Float32[np.ndarray, "row feature"]:
    """Mean 0 and variance 1 over the rows `used`; a feature that never differs there is 0."""
    mean, deviation = values[used].mean(axis=0, dtype=np.float64), values[used].std(axis=0, dtype=np.float64)
    alive = deviation > 1e-6 * np.maximum(1e-6, np.abs(mean))
    return np.where(alive, (values - mean) / np.where(alive, deviation, 1), 0).astype(np.float32)


def _draws(store: Store, group: Cohort, config: ProbeConfig) -> list[Bool[np.ndarray, " row"]]:
    """Which rows each draw learns from."""
    if config.label_share >= 1:
        return [group.train]
    train = group.row[group.train]
    rngs = [np.random.default_rng([config.seed, draw]) for draw in range(config.draws)]
    return [np.isin(group.row, take_share(store.records, train, config.label_share, rng)) for rng in rngs]


def _predictions(store: Store, group: Cohort, scores: Sequence[Scores]) -> pd.DataFrame:
    """A line a record and draw of the choosing and the reported fold: scores as probabilities, and the truth."""
    held_out = group.valid | group.test
    people = store.records.iloc[group.row[held_out]]
    parts: list[pd.DataFrame] = []
    for draw, score in enumerate(scores):
        chance = 1 / (1 + np.exp(-np.clip(score[held_out], -60, 60)))
        columns: dict[str, Any] = {
            "row": group.row[held_out], "record_id": people["record_id"].to_numpy(),
            "patient": group.patient[held_out], "fold": people["fold"].to_numpy(), "draw": draw,
        }  # fmt: skip
        columns |= {f"p_{name}": chance[:, k].astype(np.float32) for k, name in enumerate(group.names)}
        columns |= {f"true_{name}": group.labels[held_out, k] for k, name in enumerate(group.names)}
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def config_hash(config: ProbeConfig, opened: Opened, store: Store) -> str:
    """Twelve digits that are others where anything is that the figures hang on: config, weights, or the store."""
    weights = hashlib.sha256()
    for name, value in opened.encoder.state_dict().items():
        weights.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    asked = {name: value for name, value in asdict(config).items() if name not in ("out", "store", "encoder")}
    made_of = [asked, opened.name, opened.provenance, weights.hexdigest(), store.manifest["config"],
               store.manifest["inputs"]]  # fmt: skip
    return hashlib.sha256(json.dumps(made_of, sort_keys=True, default=str).encode()).hexdigest()[:12]
