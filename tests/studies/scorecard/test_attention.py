import numpy as np
import pytest
import torch

from beatssl.inference.device import torch_device
from beatssl.models.encoded import Encoded
from beatssl.store.labels import Cohort
from beatssl.studies.scorecard.attention import AttentionFit, AttentionHead, fit_attention, maps_of_rows
from beatssl.studies.scorecard.tasks import measure


class Through(torch.nn.Module):
    """An encoder that hands its signals through, so that maps are known."""

    def forward(self, ecg_mv, lead_mask):
        return Encoded(ecg_mv * lead_mask[:, :, None], [], 1)


def test_maps_are_means_of_stretches(store):
    rows = np.array([3, 1])
    found = maps_of_rows(Through(), store, rows, torch_device("cpu"), stretches=10)
    signal = np.nan_to_num(store.ecg_mv(rows))
    expected = signal.reshape(2, 12, 10, -1).mean(axis=3).transpose(0, 2, 1)
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-3)


def test_a_head_is_a_weighted_mean_of_each_query():
    head = AttentionHead(3, 2, 4, torch.Generator().manual_seed(0))
    maps = torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(1))
    pooled = []
    for record in maps:
        for query in head.query.T:
            share = torch.exp(record @ query)
            pooled.append((share[:, None] * record).sum(dim=0) / share.sum())
    expected = torch.stack(pooled).reshape(5, 6) @ head.weight + head.bias
    torch.testing.assert_close(head(maps), expected)


def test_what_is_somewhere_in_time_is_learnt_where_means_hide_it():
    rng = np.random.default_rng(0)
    there = rng.random(400) < 0.5
    maps = rng.normal(size=(400, 25, 4)).astype(np.float32)
    maps[np.flatnonzero(there), rng.integers(0, 25, there.sum()), 2] = 6.0
    side = np.arange(400) % 4
    group = Cohort(
        row=np.arange(400), labels=there[:, None], known=np.ones((400, 1), bool), names=("X",), train=side < 2,
        valid=side == 2, test=side == 3, patient=np.arange(400), dropped=0,
    )  # fmt: skip
    fit = AttentionFit(heads=2, epochs=8, batch_size=20, rate=0.05)
    scores = fit_attention(torch.from_numpy(maps).half(), group, 0, fit)
    right = ((scores[:, 0] > 0) == there)[group.test]
    assert right.mean() > 0.95
    again = fit_attention(torch.from_numpy(maps).half(), group, 0, fit)
    np.testing.assert_array_equal(scores, again)


def test_features_have_no_map(config):
    (none,) = measure("features", "all-statements-attention", config("features"))
    assert (none.value, none.reason) == (None, "measured features have no feature map to pool")


@pytest.mark.parametrize("seed", [0, 3])
def test_the_seed_decides(seed):
    one, other = (AttentionHead(3, 2, 4, torch.Generator().manual_seed(k)) for k in (seed, seed + 1))
    assert not torch.equal(one.query, other.query)
