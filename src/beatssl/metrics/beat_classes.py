"""Beat classes against a reference's: counts, and per class sensitivity, PPV and F1."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from beatssl.results import Number


@dataclass(frozen=True)
class ClassScore:
    """Figures of one class; NaN where it has no beats to count."""

    sensitivity: Number
    ppv: Number
    f1: Number
    beats: int
    """In the reference."""


@dataclass(frozen=True)
class ClassFigures:
    """Figures of every class, over all classes, and the counts they come from."""

    per_class: dict[str, ClassScore]
    macro_f1: Number
    accuracy: Number
    beats_by_true_and_found: dict[str, dict[str, int]]
    """By true class, or "no beat", then by the class found, or "missed"."""


def class_counts(
    true: Int64[np.ndarray, " beat"], found: Int64[np.ndarray, " beat"], classes: int
) -> Int64[np.ndarray, "true_class found_class"]:
    """Beats by true class (rows) and found class (columns)."""
    return np.bincount(classes * true + found, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def class_figures(counts: Int64[np.ndarray, "true_class found_class"], names: tuple[str, ...]) -> ClassFigures:
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
        name: ClassScore(float(sensitivity[n]), float(ppv[n]), float(f1[n]), int(truth[n]))
        for n, name in enumerate(names)
    }
    known = f1[truth > 0]
    return ClassFigures(
        per_class=per_class,
        macro_f1=float(known.mean()) if known.size else float("nan"),
        accuracy=float(right.sum() / truth.sum()) if truth.sum() else float("nan"),
        beats_by_true_and_found={
            row: dict(zip((*names, "missed"), line, strict=False))
            for row, line in zip((*names, "no beat"), counts.tolist(), strict=False)
        },
    )


def ppv_at(sensitivity: float, is_class: Bool[np.ndarray, " beat"], score: Float64[np.ndarray, " beat"]) -> float:
    """The best PPV of one class at this sensitivity or more, over all limits of its score; NaN: none reaches it.

    Of a beat that was not found the score is NaN: it counts among the beats of its class and is never found.
    """
    scored = np.isfinite(score)
    order = np.argsort(-score[scored], kind="stable")
    ranked, right = score[scored][order], np.cumsum(is_class[scored][order])
    last = np.append(np.diff(ranked) != 0, True)[: len(ranked)]  # beats of one score are found together
    enough = last & (right >= sensitivity * is_class.sum()) & (right > 0)
    return float((right / np.arange(1, len(ranked) + 1))[enough].max(initial=-1)) if enough.any() else float("nan")


def counts_of_records(
    record: Shaped[np.ndarray, " beat"],
    true: Int64[np.ndarray, " beat"],
    found: Int64[np.ndarray, " beat"],
    classes: int,
) -> Int64[np.ndarray, "record true_class found_class"]:
    """`class_counts` of each record, in the order of their sorted names."""
    return np.stack([class_counts(true[record == one], found[record == one], classes) for one in np.unique(record)])


def drawn_figures(
    counts: Int64[np.ndarray, "record true_class found_class"],
    weights: Float64[np.ndarray, "draw record"],
    names: tuple[str, ...],
) -> dict[str, Float64[np.ndarray, " draw"]]:
    """Macro F1, and F1, sensitivity and PPV of every class, where records count as often as their weights say."""
    drawn = np.einsum("dr,rij->dij", weights, counts).round().astype(np.int64)
    of_draws = [class_figures(of, names) for of in drawn]
    out = {"macro F1": np.array([of.macro_f1 for of in of_draws], np.float64)}
    for name in names:
        scores = [of.per_class[name] for of in of_draws]
        out |= {f"F1 of {name}": np.array([one.f1 for one in scores])}
        out |= {f"sensitivity of {name}": np.array([one.sensitivity for one in scores])}
        out |= {f"PPV of {name}": np.array([one.ppv for one in scores])}
    return out
