import math

import pytest
import torch
from torch import nn

from beatssl.training.optim import make_optimizer, rate_at, set_rate, update_average


def test_matrices_decay_norms_and_biases_do_not_and_parts_have_their_rates():
    body, head = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)), nn.Linear(4, 2)
    head.bias.requires_grad_(False)
    optimizer = make_optimizer(((body, 0.5), (head, 1.0)), 0.1, 0.05)
    kinds = {id(w): (group["weight_decay"], group["lr"]) for group in optimizer.param_groups for w in group["params"]}
    assert kinds[id(body[0].weight)] == (0.05, 0.05)
    assert kinds[id(body[1].weight)] == (0.0, 0.05)
    assert kinds[id(head.weight)] == (0.05, 0.1)
    assert id(head.bias) not in kinds
    set_rate(optimizer, 1.0)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5, 1.0, 1.0]


def test_the_rate_rises_straight_and_falls_by_a_cosine():
    rates = [rate_at(update, 100, 10, 2.0) for update in range(100)]
    assert rates[:10] == pytest.approx([0.2 * (k + 1) for k in range(10)])
    assert rates[10] == 2.0
    assert rates[55] == pytest.approx(2 * (0.01 + 0.99 * (1 + math.cos(math.pi * 45 / 90)) / 2))
    assert rates[99] == pytest.approx(0.02, abs=0.001)


def test_the_average_follows_fast_at_first_and_copies_buffers():
    model, average = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        model.weight.fill_(3.0)
        average.weight.fill_(1.0)
    model.running_mean.fill_(7.0)
    update_average(average, model, 0.99, 0)  # d = 1/10
    assert average.weight.tolist() == pytest.approx([0.1 * 1 + 0.9 * 3] * 2)
    assert average.running_mean.tolist() == [7.0, 7.0]
    before = average.weight[0].item()
    update_average(average, model, 0.99, 10**6)
    assert average.weight[0].item() == pytest.approx(0.99 * before + 0.01 * 3)
