import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.losses.contrast import contrast
from beatssl.losses.hierarchical import hierarchical_contrast, paired_contrast


def slow_pairs(z_a, z_b, seen, temperature):
    """The equation of `paired_contrast`, one pair of views at a time."""
    total, count = 0.0, 0
    for a, b, inside in zip(z_a, z_b, seen, strict=True):
        n = len(a)
        z = [v / max(np.linalg.norm(v), 1e-6) for v in (*a, *b)]
        there = [i for i in range(2 * n) if inside[i % n]]
        for i in there:
            norm = sum(math.exp(z[i] @ z[j] / temperature) for j in there if j != i)
            total -= math.log(math.exp(z[i] @ z[(i + n) % (2 * n)] / temperature) / norm)
            count += 1
    return total / max(count, 1)


def slow(z_a, z_b, seen, temperature):
    """The pyramid of `hierarchical_contrast`, one maximum at a time."""
    instance = temporal = 0.0
    levels = 0
    while True:
        instance += slow_pairs(z_a.transpose(1, 0, 2), z_b.transpose(1, 0, 2), seen.T, temperature)
        levels += 1
        steps = z_a.shape[1]
        if steps <= 1:
            return instance / levels, temporal / levels
        temporal += slow_pairs(z_a, z_b, seen, temperature)
        halves = [np.zeros((len(z_a), steps // 2, z_a.shape[2])) for _ in range(2)]
        inside = np.zeros((len(z_a), steps // 2), bool)
        for record in range(len(z_a)):
            for half in range(steps // 2):
                there = [step for step in (2 * half, 2 * half + 1) if seen[record, step]]
                inside[record, half] = bool(there)
                for made, z in zip(halves, (z_a, z_b), strict=True):
                    if there:
                        made[record, half] = np.max([z[record, step] for step in there], axis=0)
        (z_a, z_b), seen = halves, inside


def batch(seed, records, steps, cut_off):
    rng = np.random.default_rng(seed)
    ends = rng.integers(0, steps + 1, records) if cut_off else np.full(records, steps)
    z_a, z_b = rng.normal(size=(2, records, steps, 3))
    return z_a, z_b, np.arange(steps) < ends[:, None]


@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 6), st.booleans())
@settings(max_examples=25, deadline=None)
def test_it_is_the_loop(seed, records, steps, cut_off):
    arrays = batch(seed, records, steps, cut_off)
    a, b, seen = (torch.from_numpy(array) for array in arrays)
    pairs = float(paired_contrast(a, b, seen, 0.3))
    assert pairs == pytest.approx(slow_pairs(*arrays, 0.3), rel=1e-9, abs=1e-12)
    found = hierarchical_contrast(a, b, seen, 0.3)
    expected = slow(*arrays, 0.3)
    assert (float(found.instance), float(found.temporal)) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_one_group_is_the_hard_contrast():
    z_a, z_b, seen = (torch.from_numpy(array) for array in batch(0, 1, 7, cut_off=False))
    expected = contrast(z_a[0], z_b[0], None, "hard", 0.2)
    assert float(paired_contrast(z_a, z_b, seen, 0.2)) == pytest.approx(float(expected), rel=1e-9)


def test_what_is_not_seen_changes_nothing_and_gets_no_gradient():
    z_a, z_b, seen = (torch.from_numpy(array) for array in batch(3, 4, 6, cut_off=True))
    assert not seen.all()
    assert not seen[:, 0].all()
    z_a.requires_grad_()
    found = hierarchical_contrast(z_a, z_b, seen)
    (found.instance + found.temporal).backward()
    assert z_a.grad is not None
    assert torch.isfinite(z_a.grad).all()
    assert not z_a.grad[~seen].any()
    louder = torch.where(seen[..., None], z_a.detach(), 100.0)
    again = hierarchical_contrast(louder, z_b, seen)
    assert float(again.instance) == float(found.instance.detach())
    assert float(again.temporal) == float(found.temporal.detach())
