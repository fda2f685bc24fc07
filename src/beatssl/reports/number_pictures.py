"""Predicted over true numbers, drawn from a folder that probe or finetune wrote."""

from pathlib import Path

import numpy as np
import pandas as pd

from beatssl.drawing.figures import drawing, svg_text
from beatssl.files import read_json
from beatssl.results import read_result
from beatssl.training.diagnosis.number_figures import PER_NUMBER, RegressionFigures
from beatssl.training.diagnosis.probe import METRICS, PREDICTIONS

_POINT, _DIAGONAL = "#0072B2", "#94a3b8"
_MOST, _ACROSS = 9, 3


def of_numbers(folder: Path) -> bool:
    """Whether the folder's metrics.json is of numbers."""
    return (folder / METRICS).is_file() and PER_NUMBER in read_json(folder / METRICS)


def draw_numbers(folder: Path) -> dict[str, Path]:
    """Draw numbers.svg: a panel a number, a point a record of the test fold, on the diagonal where it is right.

    Of several draws of labels the first; of more than nine numbers the first nine. Raises ValueError where
    predictions.parquet is missing.

    Args:
        folder: with metrics.json and predictions.parquet of labels that are numbers.
    """
    figures = read_result(folder / METRICS, RegressionFigures)
    if not (folder / PREDICTIONS).is_file():
        raise ValueError(f"{folder} has no {PREDICTIONS}; probe or finetune again with this folder as out=")
    table = pd.read_parquet(folder / PREDICTIONS)
    test = table[table["draw"] == 0]
    if figures.folds.test >= 0:
        test = test[test["fold"] == figures.folds.test]
    path = folder / "numbers.svg"
    path.write_text(numbers_picture(test, figures) + "\n", encoding="utf-8")
    return {"numbers": path}


def numbers_picture(test: pd.DataFrame, figures: RegressionFigures) -> str:
    """The panels as SVG text."""
    names = list(figures.per_number)[:_MOST]
    across = min(len(names), _ACROSS)
    down = -(-len(names) // across)
    with drawing(4.4 * across, 4.2 * down) as figure:
        for place, name in enumerate(names, start=1):
            axes = figure.add_subplot(down, across, place)
            true, predicted = (test[f"{kind}_{name}"].to_numpy(np.float64) for kind in ("true", "predicted"))
            known = np.isfinite(true)
            span = [float(np.min([true[known], predicted[known]])), float(np.max([true[known], predicted[known]]))]
            axes.plot(span, span, color=_DIAGONAL, linewidth=0.8, linestyle=(0, (4, 3)))
            axes.scatter(true[known], predicted[known], s=4, color=_POINT, alpha=0.35, linewidths=0, rasterized=True)
            one = figures.per_number[name]
            axes.set_title(f"{name}: R² {one.r2:.2f}, MAE {one.mae:.3g}", fontsize=9)
            axes.set_xlabel(f"{name}, true")
            axes.set_ylabel("predicted")
        figure.tight_layout()
        return svg_text(figure)
