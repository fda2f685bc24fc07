"""Run by test_gather.py: the losses and gradients of two processes that share a batch, saved for each of them."""

import socket
import sys

import torch
import torch.distributed as dist
from torch import multiprocessing, nn

from beatssl.losses.contrast import contrast
from beatssl.losses.gather import gather, gather_with_grad

SIZES = (5, 3)
CASES = (("hard", False), ("soft_2", True), ("soft_1", True), ("sigmoid", True))


def setup():
    """Items with two views and features each, a model, and targets from the features of the whole batch."""
    generator = torch.Generator().manual_seed(0)
    n = sum(SIZES)
    view_a, view_b, features = (torch.randn(n, 6, generator=generator, dtype=torch.float64) for _ in range(3))
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model, view_a, view_b, features


def step(model, view_a, view_b, features, form, soft):
    z_a, z_b = gather_with_grad(model(view_a)), gather_with_grad(model(view_b))
    features = gather(features)
    targets = torch.sigmoid(features @ features.T) if soft else None
    loss = contrast(z_a, z_b, targets, form, 0.3, -2.0)
    model.zero_grad()
    loss.backward()
    return [loss.detach(), *(p.grad.clone() for p in model.parameters())]


def one_process(rank, port, results):
    torch.set_num_threads(1)
    address = f"tcp://127.0.0.1:{port}"
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=len(SIZES))
    model, *batch = setup()
    mine = slice(sum(SIZES[:rank]), sum(SIZES[: rank + 1]))
    found = {}
    for form, soft in CASES:
        loss, *gradients = step(model, *(part[mine] for part in batch), form, soft)
        for gradient in gradients:  # what data-parallel training does after a backward pass
            dist.all_reduce(gradient)
            gradient /= len(SIZES)
        found[form] = [loss, *gradients]
    alone = torch.ones(1 if rank else 0, 2)
    found["ragged"] = [gather_with_grad(alone)]
    torch.save(found, f"{results}/{rank}.pt")
    dist.destroy_process_group()


if __name__ == "__main__":
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # A fork has PyTorch imported.
    multiprocessing.start_processes(one_process, (port, sys.argv[1]), nprocs=len(SIZES), start_method="fork")
