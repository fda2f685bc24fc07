"""Macro AUROC over bootstrap draws of patients, and differences of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from beatssl.metrics.classification import interval95, mean_of_known, weighted_auroc
from beatssl.store.labels import Labels
from beatssl.studies.shift.result import Estimate

Draws = Float64[np.ndarray, " draws_and_one"]
"""Of all records, then of every bootstrap draw of their patients."""


@dataclass(frozen=True)
class Areas:
    """AUROC of every label: of all records, then of every draw."""

    names: tuple[str, ...]
    by_label: Float64[np.ndarray, "draws_and_one label"]

    @classmethod
    def of(
        cls,
        labels: Labels,
        scores: Float64[np.ndarray, "record label"],
        weights: Float64[np.ndarray, "draws_and_one record"],
        also: Float64[np.ndarray, "label record"] | None = None,
    ) -> "Areas":
        """Each label over the records of which it is known; `also` weights the records of each label besides."""
        each: list[Draws] = []
        for k, known in enumerate(labels.known.T):
            own = weights[:, known] if also is None else weights[:, known] * also[k, known]
            each.append(weighted_auroc(labels.given[known, k], scores[known, k], own))
        return cls(labels.names, np.stack(each, axis=1))

    @property
    def macro(self) -> Draws:
        """The mean over the labels that have a figure."""
        return mean_of_known(self.by_label)

    def values(self) -> Mapping[str, float]:
        """By label, of all records."""
        return dict(zip(self.names, self.by_label[0].tolist(), strict=True))


def estimate(draws: Draws) -> Estimate:
    """The figure of all records with the interval of the draws."""
    return Estimate(float(draws[0]), interval95(draws[1:]))


def difference(one: Draws, other: Draws) -> Estimate:
    """One less other: paired where both have the same draws of the same patients, else of independent draws."""
    return estimate(one - other)
