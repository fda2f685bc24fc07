"""The contrast of two views of every item of a batch, by hard or soft targets: one function, varied by value."""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

Form = Literal["hard", "soft_1", "soft_2", "sigmoid", "spectral"]
FORMS: tuple[Form, ...] = get_args(Form)
SOFTMAX_FORMS: tuple[Form, ...] = ("hard", "soft_1", "soft_2")

_SMALLEST_NORM = 1e-6


def contrast(
    z_a: Float[Tensor, "n d"],
    z_b: Float[Tensor, "n d"],
    targets: Float[Tensor, "n n"] | None = None,
    form: Form = "soft_2",
    temperature: float | Float[Tensor, ""] = 0.1,
    bias: float | Float[Tensor, ""] = -10.0,
    compared: Bool[Tensor, "n n"] | None = None,
    hard_negatives: float = 0.0,
) -> Float[Tensor, ""]:
    """Contrast of 2n views, the first n in `z_a`, their partners in `z_b`; an item is a record or a beat.

    S between a view of item i and one of item j is targets[i, j]; 1 between the two views of one item (the diagonal of
    `targets` is not read); a view and itself are left out. With l_ij = cos(z_i, z_j)/temperature and p_ij = softmax of
    l_ij over j ≠ i, the mean over the 2n views i of

    - soft_1: −Σ_j S_ij log p_ij, weights as they are (the form of SoftCLT, ICLR 2024);
    - soft_2: the same over Σ_j S_ij (cross-entropy of normalised rows: X-Sample Contrastive, arXiv 2407.18134);
    - hard: soft_2 of targets rounded to 0 or 1 (SupCon's L_out, Khosla et al. 2020); where no two items are alike it is
      NT-Xent (SimCLR);
    - sigmoid: −Σ_j≠i [S_ij log σ(l_ij + bias) + (1 − S_ij) log σ(−l_ij − bias)] (SigLIP, Zhai et al. 2023, soft);
    - spectral: Σ_j≠i (cos(z_i, z_j) − S_ij)², so that cosines become the targets themselves and embeddings the leading
      components of the targets' matrix (HaoChen et al. 2021, with soft targets). A softmax instead makes cosines follow
      log S, which takes the exponent back; here what the exponent bends stays bent. No temperature.

    `compared` leaves pairs of items out where it is False: they are neither pulled nor pushed. An item's own two views
    are always compared.

    `hard_negatives` β above 0 (forms with a softmax): in the softmax a view of another item counts S + (1 − S) h times,
    h ∝ exp(β l_ij) with mean 1 over the views that i is compared with, so that what is alike and should not be weighs
    more (Robinson et al., ICLR 2021, with soft targets). No gradient passes h.

    `targets` None: no two items are alike. Computed in float32 (float64 for float64), whatever autocast says. No item
    gives 0. Memory: some four float32 arrays of 2n × 2n, so 4 MB at n = 256 and 270 MB at n = 2,048. A zero embedding
    has cosine 0 with everything.

    Raises ValueError for an unknown form, shapes that do not fit, a temperature not above 0, or hard negatives without
    a softmax.
    """
    _check(z_a, z_b, targets, form, temperature)
    if hard_negatives and form not in SOFTMAX_FORMS:
        raise ValueError(
            f"form {form!r} has no softmax to weigh negatives in; choose one of {', '.join(SOFTMAX_FORMS)}"
        )
    with torch.autocast(z_a.device.type, enabled=False):
        precise = torch.promote_types(z_a.dtype, torch.float32)
        a = functional.normalize(z_a.to(precise), dim=1, eps=_SMALLEST_NORM)
        b = functional.normalize(z_b.to(precise), dim=1, eps=_SMALLEST_NORM)
        if len(a) == 0:
            return a.sum() + b.sum()
        z = torch.cat([a, b])
        if form == "spectral":
            return _spectral(z, targets, compared)
        logits = ((z / temperature) @ z.T).fill_diagonal_(-torch.inf)
        if compared is not None:
            logits = logits.masked_fill(~_with_own(compared), -torch.inf)
        pulled, weight = _attraction(a, b, targets, form, compared)
        pulled = pulled / temperature
        if form == "sigmoid":
            # −S log σ(x) − (1 − S) log σ(−x) = softplus(x) − S x
            return (functional.softplus(logits + bias).sum(dim=1) - pulled - weight * bias).mean()
        if hard_negatives:
            logits = logits + _log_hardness(logits.detach(), targets, form, hard_negatives)
        spread = torch.logsumexp(logits, dim=1)
        if form == "soft_1":
            return (weight * spread - pulled).mean()
        return (spread - pulled / weight).mean()


def _with_own(compared: Bool[Tensor, "n n"]) -> Bool[Tensor, "views views"]:
    """Which views are compared, by which items are; an item's own two always are."""
    return compared.clone().fill_diagonal_(True).repeat(2, 2)


def _log_hardness(
    logits: Float[Tensor, "views views"], targets: Float[Tensor, "n n"] | None, form: Form, strength: float
) -> Float[Tensor, "views views"]:
    """log(S + (1 − S) h) of views of other items that are compared, 0 for the item's own."""
    n = len(logits) // 2
    others = ~torch.eye(n, dtype=torch.bool, device=logits.device).repeat(2, 2) & torch.isfinite(logits)
    hardness = (strength * logits).masked_fill(~others, -torch.inf)
    hardness = (
        hardness
        - torch.logsumexp(hardness, dim=1, keepdim=True)
        + others.sum(dim=1, keepdim=True, dtype=logits.dtype).log()
    )
    if targets is None:
        return hardness.masked_fill(~others, 0)
    alike = (targets >= 0.5 if form == "hard" else targets).to(logits.dtype).repeat(2, 2)
    return torch.log(alike + (1 - alike) * hardness.exp()).masked_fill(~others, 0)


def _spectral(
    z: Float[Tensor, "views d"], targets: Float[Tensor, "n n"] | None, compared: Bool[Tensor, "n n"] | None
) -> Float[Tensor, ""]:
    """Mean over views i of Σ_j≠i (cos(z_i, z_j) − S_ij)²."""
    n = len(z) // 2
    wanted = torch.eye(n, dtype=z.dtype, device=z.device) if targets is None else targets.to(z.dtype, copy=True)
    errors = z @ z.T - wanted.fill_diagonal_(1).repeat(2, 2)
    if compared is not None:
        errors = errors.masked_fill(~_with_own(compared), 0)
    return errors.fill_diagonal_(0).square().sum() / len(z)


def _attraction(
    a: Float[Tensor, "n d"],
    b: Float[Tensor, "n d"],
    targets: Float[Tensor, "n n"] | None,
    form: Form,
    compared: Bool[Tensor, "n n"] | None,
) -> tuple[Float[Tensor, " views"], Float[Tensor, " views"]]:
    """Σ_j S_ij cos(z_i, z_j) and Σ_j S_ij of each view i, the item's own other view included.

    The first is one product of n × n with n × d: to weigh the 2n × 2n logits one by one would cost as much again as
    their softmax.
    """
    own = (a * b).sum(dim=1)
    if targets is None:
        return own.repeat(2), torch.ones_like(own).repeat(2)
    weights = (targets >= 0.5 if form == "hard" else targets).to(a.dtype, copy=True).fill_diagonal_(0)
    if compared is not None:
        weights = weights * compared
    mix = weights @ (a + b)
    pulled = torch.cat([own + (a * mix).sum(dim=1), own + (b * mix).sum(dim=1)])
    return pulled, (1 + 2 * weights.sum(dim=1)).repeat(2)


def _check(z_a: Tensor, z_b: Tensor, targets: Tensor | None, form: str, temperature: float | Tensor) -> None:
    if form not in FORMS:
        raise ValueError(f"form {form!r} of the contrast is not known; choose one of {', '.join(FORMS)}")
    if z_a.shape != z_b.shape:
        raise ValueError(f"views of shapes {tuple(z_a.shape)} and {tuple(z_b.shape)}; pass two views of each item")
    if targets is not None and targets.shape != (len(z_a), len(z_a)):
        raise ValueError(f"targets of shape {tuple(targets.shape)} for {len(z_a)} items; pass one row and column each")
    # A learnt temperature is not looked at: reading it back would halt the device at every step.
    if not isinstance(temperature, Tensor) and not temperature > 0:
        raise ValueError(f"temperature {temperature} is not above 0; pass one such as 0.1")
