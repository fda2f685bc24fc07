"""What batches carry of single beats: their kind, and how they differ from the median of their record."""

import numpy as np
import pandas as pd
from jaxtyping import Float32, Int64

from beatssl.store.standardise import Standardised

BEAT_CLASSES = ("N", "S", "V", "F")
"""Beat classes by number; a beat of none of them is −1."""


def beat_kinds(beats: pd.DataFrame, targets: str) -> dict[str, Int64[np.ndarray, " beat"]]:
    """Class or cluster of every beat, where `targets` says "classes" or "clusters", else {}; −1: none.

    Raises ValueError where no beat has one.
    """
    kinds: dict[str, np.ndarray] = {}
    if targets == "classes":
        kinds["class"] = pd.Categorical(beats["class"], categories=list(BEAT_CLASSES)).codes.astype(np.int64)
    if targets == "clusters":
        kinds["cluster"] = beats["cluster"].to_numpy(np.int64)
    if any((found < 0).all() for found in kinds.values()):
        raise ValueError(
            f"no beat has one of the {targets} that objective.beat.targets asks for; clusters hold within one "
            "store alone: train on one that was prepared with clusters=, or choose classes or features"
        )
    return kinds


def less_median(table: pd.DataFrame, row: Int64[np.ndarray, " beat"]) -> pd.DataFrame:
    """Features of beats less their median over the beats of the same row; of angles, in degrees, the shorter way."""
    less = table - table.groupby(row).transform("median")
    angles = [name for name in less.columns if name.endswith("_axis_deg")]
    less[angles] = (less[angles] + 180) % 360 - 180
    return less.add_suffix("_difference")


def chances(differences: Standardised) -> Float32[np.ndarray, " beat"]:
    """1 for a beat like the median of its row, and more by its mean squared difference: of a measured feature whose
    spread over all beats is 1."""
    squares = np.where(differences.measured, differences.values**2, 0).sum(axis=1)
    return (1 + squares / np.maximum(differences.measured.sum(axis=1), 1)).astype(np.float32)
