"""Beat classes against a reference's: counts, and per class sensitivity, PPV and F1."""

from typing import Any

import numpy as np
from jaxtyping import Int64


def class_counts(
    true: Int64[np.ndarray, " beat"], found: Int64[np.ndarray, " beat"], classes: int
) -> Int64[np.ndarray, "true_class found_class"]:
    """Beats by true class (rows) and found class (columns)."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (true, found), 1)
    return counts


def class_figures(counts: Int64[np.ndarray, "true_class found_class"], names: tuple[str, ...]) -> dict[str, Any]:
    """Per class sensitivity, PPV and F1, their macro F1 over `names`, and the counts.

    Of n names the first n rows and columns are these classes. A further row counts what was found and is no beat, a
    further column beats that were not found: both lower the figures, as ANSI/AAMI EC57 has it. A class with no beats
    in the reference has no sensitivity (NaN) and does not count in the macro F1.
    """
    size = len(names)
    right = counts.diagonal()[:size].astype(np.float64)
    truth, found = counts.sum(axis=1)[:size], counts.sum(axis=0)[:size]
    with np.errstate(invalid="ignore", divide="ignore"):
        sensitivity, ppv, f1 = right / truth, right / found, 2 * right / (truth + found)
    per_class = {
        name: {"sensitivity": float(sensitivity[n]), "ppv": float(ppv[n]), "f1": float(f1[n]), "beats": int(truth[n])}
        for n, name in enumerate(names)
    }
    known = f1[truth > 0]
    return {
        "per_class": per_class,
        "macro_f1": float(known.mean()) if known.size else float("nan"),
        "accuracy": float(right.sum() / truth.sum()) if truth.sum() else float("nan"),
        "beats_by_true_and_found": {
            row: dict(zip((*names, "missed"), line, strict=False))
            for row, line in zip((*names, "no beat"), counts.tolist(), strict=False)
        },
    }
