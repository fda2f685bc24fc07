"""ROC, precision-recall and reliability of a classification, drawn from a folder that probe or finetune wrote."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float64
from matplotlib.axes import Axes
from sklearn.metrics import precision_recall_curve, roc_curve

from beatssl.drawing.figures import drawing, svg_text
from beatssl.metrics.classification import best_f1_thresholds
from beatssl.studies.predictions import Predictions, read_figures, read_predictions
from beatssl.training.diagnosis.figures import DiagnosisFigures

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#475569", "#8C6D1F")
"""Of the labels, in their order: they stay apart for colour-blind eyes (Okabe and Ito 2008, yellow and black not)."""
_MOST = len(COLOURS)
_DIAGONAL = "#94a3b8"

Curve = tuple[Float64[np.ndarray, " point"], Float64[np.ndarray, " point"]]


def draw_classification(folder: Path) -> dict[str, Path]:
    """Draw roc.svg, precision-recall.svg and reliability.svg into a folder that probe or finetune wrote.

    Curves are of the test fold, and of the first draw of labels where there are several; the legend has the figures of
    metrics.json. A dot marks the threshold from the validation fold. Of more than eight labels the eight with most
    positives are drawn. Raises ValueError where the folder lacks metrics.json or predictions.parquet.

    Args:
        folder: with metrics.json and predictions.parquet.
    """
    figures, predictions = read_figures(folder), read_predictions(folder)
    pictures = {
        "roc": roc_picture(predictions, figures),
        "precision-recall": precision_recall_picture(predictions, figures),
        "reliability": reliability_picture(figures),
    }
    written: dict[str, Path] = {}
    for name, svg in pictures.items():
        written[name] = folder / f"{name}.svg"
        written[name].write_text(svg + "\n", encoding="utf-8")
    return written


def roc_picture(predictions: Predictions, figures: DiagnosisFigures) -> str:
    """Sensitivity over false positive rate of each label, as SVG text."""

    def curve(labels: Bool[np.ndarray, " record"], chance: Float64[np.ndarray, " record"]) -> Curve:
        false, true, _ = roc_curve(labels, chance)
        return np.asarray(false, np.float64), np.asarray(true, np.float64)

    def at(labels: Bool[np.ndarray, " record"], called: Bool[np.ndarray, " record"]) -> tuple[float, float]:
        return float(called[~labels].mean()), float(called[labels].mean())

    with drawing(4.6, 4.2) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=_DIAGONAL, linewidth=0.8, linestyle=(0, (4, 3)))
        _curves(axes, predictions, figures, "auroc", curve, at)
        axes.set(xlabel="false positive rate", ylabel="sensitivity", title=_title("ROC", predictions, figures))
        axes.legend(loc="lower right", frameon=False, fontsize=8, title="AUROC", title_fontsize=8)
        figure.tight_layout()
        return svg_text(figure)


def precision_recall_picture(predictions: Predictions, figures: DiagnosisFigures) -> str:
    """Precision over recall of each label, as SVG text; faint lines: precision by chance, the share of positives."""

    def curve(labels: Bool[np.ndarray, " record"], chance: Float64[np.ndarray, " record"]) -> Curve:
        # Its stub lacks the argument.
        found = precision_recall_curve(labels, chance, drop_intermediate=True)  # pyrefly: ignore[unexpected-keyword]
        precision, recall, _ = found
        return np.asarray(recall, np.float64), np.asarray(precision, np.float64)

    def at(labels: Bool[np.ndarray, " record"], called: Bool[np.ndarray, " record"]) -> tuple[float, float]:
        return float(called[labels].mean()), float(labels[called].mean()) if called.any() else float("nan")

    with drawing(4.6, 4.2) as figure:
        axes = figure.add_subplot()
        for colour, k in _drawn(predictions):
            labels = predictions.test_labels[predictions.test_known[:, k], k]
            axes.axhline(float(labels.mean()), color=colour, linewidth=0.7, alpha=0.4)
        _curves(axes, predictions, figures, "auprc", curve, at)
        title = _title("Precision and recall", predictions, figures)
        axes.set(xlabel="recall (sensitivity)", ylabel="precision (PPV)", title=title)
        axes.legend(loc="lower left", frameon=False, fontsize=8, title="AUPRC", title_fontsize=8)
        figure.tight_layout()
        return svg_text(figure)


def reliability_picture(figures: DiagnosisFigures) -> str:
    """Share of positives over mean probability in bins, before and after the temperature, as SVG text."""
    most = sorted(figures.reliability, key=lambda name: -figures.per_class[name].positives)[:_MOST]
    names = [name for name in figures.reliability if name in most]
    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    with drawing(2.3 * columns + 0.3, 2.5 * lines + 0.3) as figure:
        for place, name in enumerate(names):
            axes = figure.add_subplot(lines, columns, place + 1)
            error, reliability = figures.calibration.per_class[name], figures.reliability[name]
            axes.plot([0, 1], [0, 1], color=_DIAGONAL, linewidth=0.8, linestyle=(0, (4, 3)))
            for side, bins, off, colour in (
                ("before", reliability.before, error.ece_before, "#D55E00"),
                ("after", reliability.after, error.ece_after, "#0072B2"),
            ):
                label = f"{side}: off by {off:.3f}" if np.isfinite(off) else side
                axes.plot(bins.probability, bins.positive_share, color=colour, linewidth=1.2, label=label)
                size = 2 + 26 * np.sqrt(np.array(bins.records) / max(1, max(bins.records, default=1)))
                axes.scatter(bins.probability, bins.positive_share, s=size, color=colour, linewidths=0)
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", title=name)
            axes.set(xlabel="probability" if place >= len(names) - columns else "")
            axes.set(ylabel="share of positives" if place % columns == 0 else "")
            axes.legend(loc="upper left", frameon=False, fontsize=7, handlelength=1.0, borderaxespad=0.1)
        figure.tight_layout()
        return svg_text(figure)


def _curves(
    axes: Axes,
    predictions: Predictions,
    figures: DiagnosisFigures,
    kind: Literal["auroc", "auprc"],
    curve: Callable[[Bool[np.ndarray, " record"], Float64[np.ndarray, " record"]], Curve],
    at: Callable[[Bool[np.ndarray, " record"], Bool[np.ndarray, " record"]], tuple[float, float]],
) -> None:
    """A curve a label, a dot at its threshold, and its figure in the legend."""
    valid, scores = predictions.valid_scores[0], predictions.test_scores[0]
    thresholds = best_f1_thresholds(predictions.valid_labels, valid, predictions.valid_known, 0.5)
    for colour, k in _drawn(predictions):
        known = predictions.test_known[:, k]
        labels, chance = predictions.test_labels[known, k], scores[known, k]
        of_label = figures.per_class[predictions.names[k]]
        figure = of_label.auroc if kind == "auroc" else of_label.auprc
        x, y = curve(labels, chance)
        axes.plot(x, y, color=colour, linewidth=1.3, label=f"{predictions.names[k]}  {figure:.3f}")
        across, up = at(labels, chance >= thresholds[k])
        axes.scatter([across], [up], s=22, color=colour, linewidths=0.8, edgecolors="white", zorder=3)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")


def _drawn(predictions: Predictions) -> list[tuple[str, int]]:
    """Colour and place of the labels to draw: those with positives and negatives, the eight with most positives."""
    counts = [
        (int((labels & known).sum()), int((~labels & known).sum()))
        for labels, known in zip(predictions.test_labels.T, predictions.test_known.T, strict=True)
    ]
    both = [k for k, (yes, no) in enumerate(counts) if yes and no]
    chosen = sorted(sorted(both, key=lambda k: -counts[k][0])[:_MOST])
    return list(zip(COLOURS, chosen, strict=False))


def _title(what: str, predictions: Predictions, figures: DiagnosisFigures) -> str:
    parts = [f"{what}, fold {figures.folds.test}"]
    if len(drawn := _drawn(predictions)) < len(predictions.names):
        parts.append(f"{len(drawn)} of {len(predictions.names)} labels")
    if len(predictions.test_scores) > 1:
        parts.append(f"draw 1 of {len(predictions.test_scores)}")
    return " · ".join(parts)
