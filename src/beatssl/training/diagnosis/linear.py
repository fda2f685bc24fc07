"""Logistic regression of many labels at once, for a row of penalties, quick enough for a probe every few epochs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

_TYPICAL_CURVATURE = 0.1
"""p(1 − p) of a typical record; it affects only how quickly the fit converges."""


@dataclass(frozen=True)
class Linear:
    """Scores are values @ weight + bias, as log odds."""

    weight: Float32[np.ndarray, "feature label"]
    bias: Float32[np.ndarray, " label"]
    inverse_penalty: float

    def scores(self, values: Float32[np.ndarray, "row feature"]) -> Float64[np.ndarray, "row label"]:
        return (torch.from_numpy(values) @ torch.from_numpy(self.weight)).numpy().astype(np.float64) + self.bias


def fit_path(
    values: Float32[np.ndarray, "row feature"],
    labels: Bool[np.ndarray, "row label"],
    inverse_penalties: Sequence[float],
    tolerance: float = 1e-4,
    most_iterations: int = 200,
    known: Bool[np.ndarray, "row label"] | None = None,
) -> Iterator[Linear]:
    """One logistic regression a label, for each of `inverse_penalties` (scikit-learn's C) from small to large.

    Minimises ½‖w‖² + C Σ_i log(1 + exp(−y_i (x_i·w + b))) of every label, the bias free of penalty. Columns of `values`
    should be on one scale. Each label is fitted to the rows of which it is `known` (None: all). A label that all or
    none of them have gets no weights and an infinite bias cut to ±30.

    L-BFGS, in coordinates where the mean curvature of the problem, I + C·0.1·XᵀX, is the identity: embeddings are so
    correlated that plain L-BFGS takes ten times as many steps. It stops where no entry of the gradient exceeds
    `tolerance` times its greatest entry at zero weights.
    """
    x = torch.from_numpy(values)
    y = torch.from_numpy(labels.astype(np.float32))
    counts = torch.ones_like(y) if known is None else torch.from_numpy(known.astype(np.float32))
    share = (y * counts).sum(dim=0) / counts.sum(dim=0).clamp_min(1)
    varied = (share > 0) & (share < 1)
    centre = x.mean(dim=0)
    x = x - centre
    gram = (x.T @ x).double()
    start = np.zeros((values.shape[1] + 1, int(varied.sum())))
    for inverse_penalty in sorted(inverse_penalties):
        start = _fit(x, y[:, varied], counts[:, varied], gram, inverse_penalty, start, tolerance, most_iterations)
        weight = np.zeros((values.shape[1], labels.shape[1]), np.float32)
        bias = np.where(share.numpy() > 0.5, 30.0, -30.0).astype(np.float32)
        weight[:, varied.numpy()] = start[:-1]
        bias[varied.numpy()] = start[-1] - centre.double().numpy() @ start[:-1]
        yield Linear(weight, bias, inverse_penalty)


def _fit(
    x: Tensor,
    y: Tensor,
    counts: Tensor,
    gram: Tensor,
    inverse_penalty: float,
    start: Float64[np.ndarray, "feature_and_bias label"],
    tolerance: float,
    most_iterations: int,
) -> Float64[np.ndarray, "feature_and_bias label"]:
    if y.shape[1] == 0:
        return start
    c = inverse_penalty
    identity = torch.eye(len(gram), dtype=torch.float64)
    factor = torch.linalg.cholesky(identity + c * _TYPICAL_CURVATURE * gram)
    bias_scale = (c * _TYPICAL_CURVATURE * len(x)) ** -0.5

    def weights(at: Float64[np.ndarray, " flat"]) -> tuple[Tensor, Tensor]:
        inner = torch.from_numpy(at.reshape(start.shape))
        return torch.linalg.solve_triangular(factor.T, inner[:-1], upper=True), inner[-1] * bias_scale

    def value(at: Float64[np.ndarray, " flat"]) -> tuple[float, Float64[np.ndarray, " flat"]]:
        w, b = weights(at)
        # Few labels: the product with the labels in rows is several times as fast as x @ w and x.T @ missed.
        odds = (w.float().T @ x.T).T + b.float()
        each = torch.nn.functional.softplus(torch.where(y > 0, -odds, odds)) * counts
        loss = c * each.sum(dtype=torch.float64)
        missed = c * (odds.sigmoid() - y) * counts
        to_w = torch.linalg.solve_triangular(factor, w + (missed.T @ x).T.double(), upper=False)
        to_b = missed.sum(dim=0, dtype=torch.float64) * bias_scale
        total = loss + 0.5 * (w * w).sum()
        return float(total), torch.cat([to_w, to_b[None]]).numpy().ravel()

    begin = np.concatenate([(factor.T @ torch.from_numpy(start[:-1])).numpy(), start[-1:] / bias_scale]).ravel()
    steepest = float(np.abs(value(np.zeros_like(begin))[1]).max())
    options: Any = {"maxiter": most_iterations, "gtol": tolerance * max(steepest, 1e-12), "ftol": 0.0, "maxcor": 20}
    found: Any = scipy.optimize.minimize(value, begin, jac=True, method="L-BFGS-B", options=options)
    w, b = weights(np.asarray(found.x))
    return np.concatenate([w.numpy(), b[None].numpy()])
