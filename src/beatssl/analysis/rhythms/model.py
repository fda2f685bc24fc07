"""The bundled model of rhythms: multinomial logistic regression on evidence, fitted by `release/fit_rhythms.py`."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from beatssl.analysis.rhythms.evidence import OF_BEATS, STATEMENTS
from beatssl.analysis.rhythms.truth import RHYTHMS

WEIGHTS = Path(__file__).with_name("rhythms.json")
"""Two regressions: with the classifier's statements, and for records that it knows no statements of."""

CLIP_SD = 4.0
"""Evidence further than this from its mean counts as this far."""


@dataclass(frozen=True, slots=True)
class Regression:
    """p = softmax(z W + b), z = (x − mean) / sd within ± `CLIP_SD`, and 0 where x is not known."""

    features: tuple[str, ...]
    mean: Float64[np.ndarray, " feature"]
    sd: Float64[np.ndarray, " feature"]
    weights: Float64[np.ndarray, "feature rhythm"]
    intercepts: Float64[np.ndarray, " rhythm"]

    def scaled(self, x: Float64[np.ndarray, "stretch feature"]) -> Float64[np.ndarray, "stretch feature"]:
        """z."""
        return np.nan_to_num(np.clip((x - self.mean) / self.sd, -CLIP_SD, CLIP_SD), nan=0.0)

    def probability(self, x: Float64[np.ndarray, "stretch feature"]) -> Float64[np.ndarray, "stretch rhythm"]:
        """Of `RHYTHMS`, in this order."""
        odds = self.scaled(x) @ self.weights + self.intercepts
        odds = np.exp(odds - odds.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def to_json(self) -> dict[str, Any]:
        """Four digits are enough: the probabilities of the training records change by less than .001."""
        lines = {
            name: [float(f"{value:.4g}") for value in (self.mean[k], self.sd[k], *self.weights[k])]
            for k, name in enumerate(self.features)
        }
        return {"mean, sd, weights": lines, "intercepts": [float(f"{value:.4g}") for value in self.intercepts]}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Regression":
        """What `to_json` gave."""
        lines = content["mean, sd, weights"]
        table = np.array(list(lines.values()), np.float64)
        return cls(tuple(lines), table[:, 0], table[:, 1], table[:, 2:], np.array(content["intercepts"], np.float64))


@lru_cache(maxsize=1)
def rhythm_model() -> tuple[Regression, Regression]:
    """With statements, and of the beats alone."""
    content = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    both = Regression.from_json(content["with_statements"]), Regression.from_json(content["beats_alone"])
    assert [one.features for one in both] == [OF_BEATS + STATEMENTS, OF_BEATS]
    assert tuple(content["rhythms"]) == RHYTHMS
    return both


def rhythm_probability(
    of_beats: Float64[np.ndarray, "stretch beat_feature"],
    of_statements: Float64[np.ndarray, "stretch statement"] | None,
) -> Float64[np.ndarray, "stretch 4"]:
    """Calibrated probability of each of `RHYTHMS` for stretches with their evidence; None: no statements are known."""
    with_statements, beats_alone = rhythm_model()
    if of_statements is None:
        return beats_alone.probability(of_beats)
    return with_statements.probability(np.concatenate([of_beats, of_statements], axis=1))
