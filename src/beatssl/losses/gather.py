"""One batch of the parts that several processes hold, with gradients: all items are each other's negatives."""

from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Shaped
from torch import Tensor


def gather_with_grad(rows: Float[Tensor, "n *rest"]) -> Float[Tensor, "all *rest"]:
    """The rows of all processes, in the order of their ranks; the same rows where there is one process.

    Each process may hold another number of rows, also none. Every process then computes the loss of the whole batch
    and its gradient flows back to the process that a row came from, summed over processes: with gradients averaged
    over processes, as data-parallel training does, they are those of one process on the whole batch.
    """
    if _processes() == 1:
        return rows
    sizes = _sizes(rows)
    return _Gather.apply(rows, sizes)


def gather(rows: Shaped[Tensor, "n *rest"]) -> Shaped[Tensor, "all *rest"]:
    """As `gather_with_grad`, for data: targets' features, classes, masks."""
    return rows if _processes() == 1 else _joined(rows.detach(), _sizes(rows))


def _processes() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def _sizes(rows: Tensor) -> list[int]:
    own = torch.tensor([len(rows)], device=rows.device)
    each = [torch.empty_like(own) for _ in range(_processes())]
    dist.all_gather(each, own)
    return [int(size) for size in torch.cat(each).tolist()]


def _joined(rows: Tensor, sizes: list[int]) -> Tensor:
    """Parts of unequal length go padded to the longest, since a collective moves equal ones."""
    whole = torch.zeros((max(sizes), *rows.shape[1:]), dtype=rows.dtype, device=rows.device)
    whole[: len(rows)] = rows
    parts = [torch.empty_like(whole) for _ in sizes]
    dist.all_gather(parts, whole)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, sizes: list[int]) -> Tensor:  # pyrefly: ignore[bad-override]
        ctx.sizes = sizes
        return _joined(rows, sizes)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        whole = gradients[0].clone().contiguous()
        dist.all_reduce(whole)
        rank = dist.get_rank()
        return whole.split(ctx.sizes)[rank], None
