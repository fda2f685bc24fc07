"""Boosted regression trees on measured features, kept as arrays: they need no library once they are fitted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64
from torch import Tensor, nn

TREES, LEAVES = 150, 31
"""Trees a label, and leaves a tree at most."""

_NODES = 2 * LEAVES - 1
_RATE, _PENALTY, _FEATURE_SHARE = 0.06, 1.0, 0.3


class BoostedTrees(nn.Module):
    """Log odds of labels: the sum of one leaf of each of a label's trees; a feature may be NaN (not measurable).

    A node sends a record to `left` where its feature is at most `threshold`, or NaN and `absent_left`; a leaf sends it
    to itself.
    """

    feature: Tensor
    threshold: Tensor
    left: Tensor
    right: Tensor
    absent_left: Tensor
    value: Tensor
    start: Tensor
    steps: Tensor

    def __init__(self, labels: int) -> None:
        super().__init__()
        shape = (labels, TREES, _NODES)
        for name in ("feature", "left", "right"):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.int16))
        self.register_buffer("absent_left", torch.zeros(shape, dtype=torch.bool))
        for name in ("threshold", "value"):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("start", torch.zeros(labels))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, features: Float[Tensor, "record feature"]) -> Float[Tensor, "record label"]:
        records, (labels, trees, _) = len(features), self.feature.shape
        tables = [getattr(self, name).flatten(0, 1) for name in ("feature", "threshold", "left", "right")]
        absent_left, leaves = self.absent_left.flatten(0, 1), self.value.flatten(0, 1)
        tree = torch.arange(labels * trees, device=features.device)
        at = torch.zeros(records, labels * trees, dtype=torch.int64, device=features.device)
        for _ in range(int(self.steps)):
            feature, threshold, left, right = (table[tree, at] for table in tables)
            given = features.gather(1, feature.long())
            goes_left = torch.where(given.isnan(), absent_left[tree, at], given <= threshold)
            at = torch.where(goes_left, left, right).long()
        return self.start + leaves[tree, at].view(records, labels, trees).sum(dim=2)

    def fit(
        self,
        features: Float32[np.ndarray, "record feature"],
        labels: Bool[np.ndarray, "record label"],
        known: Bool[np.ndarray, "record label"],
        seed: int,
    ) -> None:
        """Learn the labels of records, each label from the records where it is known.

        scikit-learn's histogram gradient boosting: logistic loss, the best of 30 % of the features at every node.
        """
        from sklearn.ensemble import HistGradientBoostingClassifier

        for label in range(labels.shape[1]):
            rows = known[:, label]
            if labels[rows, label].all() or not labels[rows, label].any():
                raise ValueError(f"boosted trees need records with and without label {label} among {rows.sum()} known")
            boosting = HistGradientBoostingClassifier(
                max_iter=TREES, max_leaf_nodes=LEAVES, learning_rate=_RATE, l2_regularization=_PENALTY,
                max_features=_FEATURE_SHARE, random_state=seed,
                early_stopping=False,
            )  # fmt: skip
            self._take(label, boosting.fit(features[rows], labels[rows, label]))

    @torch.no_grad()
    def _take(self, label: int, boosting: Any) -> None:
        """The nodes of a fitted model, which scikit-learn keeps in private fields; a test compares what both say."""
        self.start[label] = float(boosting._baseline_prediction.item())  # noqa: SLF001
        trees: Sequence[np.ndarray] = [of_iteration[0].nodes for of_iteration in boosting._predictors]  # noqa: SLF001
        for number, nodes in enumerate(trees):
            inner = nodes["is_leaf"] == 0
            own = np.arange(len(nodes))
            filled = {
                "feature": np.where(inner, nodes["feature_idx"], 0),
                "threshold": _rounded_down(nodes["num_threshold"]),
                "left": np.where(inner, nodes["left"], own),
                "right": np.where(inner, nodes["right"], own),
                "absent_left": nodes["missing_go_to_left"].astype(bool),
                "value": nodes["value"],
            }
            for name, values in filled.items():
                buffer = getattr(self, name)
                buffer[label, number, : len(nodes)] = torch.from_numpy(values.copy()).to(buffer.dtype)
            self.steps.clamp_(min=int(nodes["depth"].max()))


def _rounded_down(values: Float64[np.ndarray, " node"]) -> Float32[np.ndarray, " node"]:
    """In single precision: a single-precision feature is then at most the one just where it is at most the other."""
    near = values.astype(np.float32)
    return np.where(near > values, np.nextafter(near, np.float32(-np.inf)), near)
