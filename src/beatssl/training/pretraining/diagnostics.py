"""Diagnostics of a contrast: collapsed embeddings, views too weak or too strong, targets too flat or too sharp."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from beatssl.targets.diagnostics import TargetFigures, target_figures, target_warning

_FEW = 2
_FLAT_RANK, _ALL_KNOWN, _NO_MARGIN = 4.0, 0.995, 0.05
_ITSELF = 1e-5
_MANY = 32
"""Rows of a batch from which being recognised among them, or not, says something."""


@dataclass
class Compared:
    """What a contrast compared: two views of every item over all processes, and the targets (None: each for itself)."""

    z_a: Float[Tensor, "n d"]
    z_b: Float[Tensor, "n d"]
    targets: Float[Tensor, "n n"] | None
    pairs: Bool[Tensor, "n n"] | None = None
    """Which items were compared; None: all with all."""


@dataclass(frozen=True)
class Embedding:
    """Figures of n pairs of embeddings, two views of each item, all scaled to length 1."""

    alignment: float
    uniformity: float
    effective_rank: float
    same_cosine: float
    other_cosine: float
    recognised_share: float

    def named(self, prefix: str) -> dict[str, float]:
        """As entries of metrics.jsonl."""
        return {f"{prefix}_{name}": value for name, value in vars(self).items()}


@torch.no_grad()
def embedding_figures(z_a: Float[Tensor, "item dim"], z_b: Float[Tensor, "item dim"]) -> Embedding | None:
    """How two views of each item lie against each other and against other items; None for fewer than two items.

    alignment: mean ‖a_i − b_i‖²; uniformity: log mean over i ≠ j of exp(−2‖a_i − a_j‖²) (Wang and Isola, ICML 2020).
    effective_rank: exp of the entropy of the singular values' shares, all embeddings centred (Roy and Vetterli 2007).
    same_cosine, other_cosine: mean cosine of two views of an item, and of views of two items. recognised_share: how
    often an item's other view is nearer than that of every other item; near 1 views are weak, near 1/n they are strong.
    """
    if len(z_a) < _FEW:
        return None
    a, b = (torch.nn.functional.normalize(z.float(), dim=1) for z in (z_a, z_b))
    across = a @ b.T
    n = len(a)
    others = ~torch.eye(n, dtype=torch.bool, device=a.device)
    within = (a @ a.T)[others]
    return Embedding(
        alignment=float((2 - 2 * across.diagonal()).mean()),
        uniformity=float(torch.exp(-2 * (2 - 2 * within)).mean().log()),
        effective_rank=effective_rank(torch.cat([a, b])),
        same_cosine=float(across.diagonal().mean()),
        other_cosine=float(across[others].mean()),
        recognised_share=float((across.argmax(dim=1) == torch.arange(n, device=a.device)).float().mean()),
    )


def effective_rank(z: Float[Tensor, "item dim"]) -> float:
    """exp(−Σ p log p) of the singular values' shares p, the embeddings centred; 1 where all are alike."""
    sizes = torch.linalg.svdvals((z - z.mean(dim=0)).float())
    total = sizes.sum()
    if not total > 0:
        return 1.0
    share = sizes / total
    return float(torch.exp(-(share * torch.log(share.clamp_min(1e-12))).sum()))


def contrast_figures(compared: Mapping[str, Compared]) -> dict[str, float]:
    """Figures of the embeddings and of the targets of each contrast, as entries of metrics.jsonl."""
    out: dict[str, float] = {}
    for name, pairs in compared.items():
        seen = embedding_figures(pairs.z_a.detach(), pairs.z_b.detach())
        out |= {} if seen is None else seen.named(name)
        if pairs.targets is not None and len(pairs.targets):
            figures = target_figures(pairs.targets)
            out |= {f"{name}_target_{one.name}": getattr(figures, one.name) for one in fields(TargetFigures)}
    return out


def contrast_warnings(figures: Mapping[str, float], batch_size: int, names: Sequence[str]) -> dict[str, str]:
    """What to worry about, by kind, each with its remedy; `names` are the contrasts, that of records first."""
    said: dict[str, str] = {}
    for name in names:
        rank = figures.get(f"{name}_effective_rank", float("inf"))
        if rank < _FLAT_RANK:
            said[f"{name} collapse"] = (
                f"{name} embeddings span {rank:.1f} dimensions (collapse): raise the temperature, lower the learning "
                "rate, or make the targets sharper (exponent)"
            )
        targets = {one.name: figures.get(f"{name}_target_{one.name}") for one in fields(TargetFigures)}
        known = {key: value for key, value in targets.items() if value is not None}
        if len(known) == len(targets) and (message := target_warning(TargetFigures(**known), name)):
            said[f"{name} targets"] = message
    return said | _view_warnings(figures, batch_size, names[0])


def _view_warnings(figures: Mapping[str, float], batch_size: int, name: str) -> dict[str, str]:
    said: dict[str, str] = {}
    # An embedding contrasted with itself (anchor "self") says nothing of views.
    pairs = figures.get(f"{name}_alignment", 1.0) > _ITSELF
    known = figures.get(f"{name}_recognised_share", 0.5) if pairs else 0.5
    if batch_size >= _MANY and known > _ALL_KNOWN:
        said["weak views"] = (
            f"{known:.1%} of records are nearest to their own other view (views too weak): raise their strength, or "
            "use VCG views of rank three (views.rank=low)"
        )
    apart = figures.get(f"{name}_same_cosine", 1.0) - figures.get(f"{name}_other_cosine", 0.0)
    if batch_size >= _MANY and figures.get("epoch", 0.0) >= 1 and apart < _NO_MARGIN:
        said["strong views"] = (
            f"two views of a record lie no nearer than two records (cosines differ by {apart:.2f}; views too strong): "
            "lower their strength"
        )
    return said
