"""The model of exchanged electrodes, fitted on PTB-XL with exchanges made in software.

python -m beatssl.release.fit_electrodes data/ptb-xl
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Float32, Int64
from sklearn.linear_model import LogisticRegression

from beatssl.records.ptbxl import PtbXlReader
from beatssl.signals import electrodes
from beatssl.signals.electrodes import CLIP_SD, FEATURES, LEARNT, exchanged, mean_beat, placement_features

_OUT = Path(electrodes.__file__).with_name(electrodes.TABLE)
_HEAD = (
    "# Written by release/fit_electrodes.py on folds {folds} of PTB-XL, {records} records: multinomial logistic",
    "# regression, log odds of each exchange of electrodes against electrodes in place, of features (x - mean)/sd.",
)


@dataclass(frozen=True)
class FitElectrodesConfig:
    """Fit the model that tells exchanged electrodes, and write its table beside the module that uses it."""

    root: tyro.conf.Positional[Path]
    """Folder of PTB-XL, 100 Hz."""
    out: Path = _OUT
    """The table."""
    folds: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    """Folds that it sees."""
    false_alarms: float = 0.006
    """Share of records as they are that may exceed the threshold, out of fold; below .01, as other folds differ."""
    inverse_penalty: float = 0.1
    """Of the logistic regression."""
    in_place: float = 3.0
    """Weight of a record with its electrodes in place beside one with an exchange."""
    parts: int = 4
    """Groups of folds, each scored by a model of the others to set the threshold."""
    iterations: int = 500
    """Of the optimiser."""


@dataclass(frozen=True)
class FittedElectrodes:
    """What was written, and how well it separated out of fold."""

    out: Path
    records: int
    threshold: float
    false_alarms: float
    named: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Model:
    mean: Float32[np.ndarray, " feature"]
    sd: Float32[np.ndarray, " feature"]
    weights: Float32[np.ndarray, "feature exchange"]
    intercepts: Float32[np.ndarray, " exchange"]

    def log_odds(self, x: Float32[np.ndarray, "*any feature"]) -> Float32[np.ndarray, "*any exchange"]:
        return np.clip((x - self.mean) / self.sd, -CLIP_SD, CLIP_SD) @ self.weights + self.intercepts


def fit_electrodes(config: FitElectrodesConfig) -> FittedElectrodes:
    """Fit on every record as it is and with each exchange, set the threshold out of fold, write the table.

    Raises FileNotFoundError where PTB-XL is not at `config.root`.
    """
    x, fold = placement_table(config.root, config.folds, LEARNT)
    odds = np.zeros((len(x), 1 + len(LEARNT), len(LEARNT)), np.float32)
    for part in range(config.parts):
        held_out = fold % config.parts == part
        odds[held_out] = _fitted(x[~held_out], config).log_odds(x[held_out])
    threshold = float(np.quantile(odds[:, 0].max(axis=1), 1 - config.false_alarms))
    threshold = float(f"{threshold:.4g}")
    _write(config, len(x), _fitted(x, config), threshold)
    above, best = odds.max(axis=2) > threshold, odds.argmax(axis=2)
    named = {str(name): float((above[:, k + 1] & (best[:, k + 1] == k)).mean()) for k, name in enumerate(LEARNT)}
    return FittedElectrodes(config.out, len(x), threshold, float(above[:, 0].mean()), named)


def placement_table(
    root: Path, folds: Sequence[int], exchanges: Sequence[str]
) -> tuple[Float32[np.ndarray, "record exchange feature"], Int64[np.ndarray, " record"]]:
    """Features of each record as it is, then with each exchange, and its fold; records without beats are left out."""
    reader, rows, fold = PtbXlReader(), list[list[Float32[np.ndarray, " feature"]]](), list[int]()
    for source in reader.sources(root):
        if source.info["fold"] not in folds:
            continue
        record = reader.read(root, source)
        signals = [record.ecg_mv, *(exchanged(record.ecg_mv, record.leads, name) for name in exchanges)]
        beats = [mean_beat(signal, record.leads, record.fs_hz) for signal in signals]
        found = [placement_features(beat) for beat in beats if beat is not None]
        if len(found) == len(signals):
            rows.append(found)
            fold.append(int(source.info["fold"]))
    return np.array(rows, np.float32), np.array(fold, np.int64)


def _fitted(x: Float32[np.ndarray, "record exchange feature"], config: FitElectrodesConfig) -> _Model:
    """Multinomial logistic regression; the first entry along `exchange` is the record as it is."""
    mean, sd = x[:, 0].mean(axis=0), x[:, 0].std(axis=0)
    z = np.clip((x - mean) / sd, -CLIP_SD, CLIP_SD).reshape(-1, len(FEATURES))
    kind = np.tile(np.arange(x.shape[1]), len(x))
    weight = np.where(kind == 0, config.in_place, 1.0)
    model = LogisticRegression(C=config.inverse_penalty, max_iter=config.iterations).fit(z, kind, weight)
    coefficients, intercepts = np.asarray(model.coef_), np.asarray(model.intercept_)
    against = (coefficients[1:] - coefficients[0]).T, intercepts[1:] - intercepts[0]
    return _Model(mean, sd, against[0].astype(np.float32), against[1].astype(np.float32))


def _write(config: FitElectrodesConfig, records: int, model: _Model, threshold: float) -> None:
    with config.out.open("w", encoding="utf-8", newline="") as file:
        folds = ", ".join(map(str, config.folds))
        file.writelines(f"{line.format(folds=folds, records=records)}\n" for line in _HEAD)
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["feature", "mean", "sd", *LEARNT])
        for name, mean, sd, weights in zip(FEATURES, model.mean, model.sd, model.weights, strict=True):
            table.writerow([name, *(f"{value:.4g}" for value in (mean, sd, *weights))])
        table.writerow(["intercept", "", "", *(f"{value:.4g}" for value in model.intercepts)])
        table.writerow(["threshold", "", "", *[f"{threshold:.4g}"] * len(LEARNT)])


if __name__ == "__main__":
    print(fit_electrodes(tyro.cli(FitElectrodesConfig)))
