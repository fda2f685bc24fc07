"""Used by the scripts two_processes.py: one batch on one process, and the same shared by two."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

Step = Callable[[int, int], list[Tensor]]
"""Loss and gradients of a batch in one of some processes: its number, and how many there are."""


def compared(step: Step) -> tuple[int, float]:
    """How many tensors were compared, and how far the two processes' are from those of one: the greatest difference in
    a tensor beside its greatest value, at least 1e-3."""
    with tempfile.TemporaryDirectory() as scratch:
        children = [_in_child(step, process, Path(scratch)) for process in range(2)]
        for child in children:
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        shared = [torch.load(Path(scratch) / f"{process}.pt") for process in range(2)]
    alone = step(0, 1)
    apart = max(
        float((ours - theirs).abs().max() / theirs.abs().max().clamp(min=1e-3))
        for one in shared
        for ours, theirs in zip(one, alone, strict=True)
    )
    return len(alone), apart


def _in_child(step: Step, process: int, folder: Path) -> int:
    child = os.fork()
    if child == 0:
        dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=process, world_size=2)
        torch.save(step(process, 2), folder / f"{process}.pt")
        dist.destroy_process_group()
        os._exit(0)
    return child
