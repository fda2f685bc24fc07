import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from beatssl.training.random_streams import part_of, seed_of, seeded, shuffled


def test_seeds_of_different_uses_differ():
    seeds = {seed_of(seed, use, place) for seed in range(3) for use in range(6) for place in range(10)}
    assert len(seeds) == 180


@given(rows=st.integers(2, 60), size=st.integers(1, 60), seed=st.integers(0, 9))
def test_an_epoch_shows_rows_once_and_the_next_in_another_order(rows, size, seed):
    if size > rows:
        with pytest.raises(ValueError, match=f"batch size {size} with {rows} rows"):
            shuffled(rows, size, seed, 0)
        return
    count = rows // size
    epochs = [np.concatenate([shuffled(rows, size, seed, count * e + at) for at in range(count)]) for e in range(2)]
    for seen in epochs:
        assert len(set(seen.tolist())) == len(seen) == count * size
    if rows > 20:
        assert epochs[0].tolist() != epochs[1].tolist()


@given(share=st.integers(1, 5), processes=st.integers(1, 4))
def test_parts_are_equal_and_together_the_batch(share, processes):
    rows = np.arange(share * processes)
    parts = [part_of(rows, process, processes) for process in range(processes)]
    assert np.concatenate(parts).tolist() == rows.tolist()
    assert {len(part) for part in parts} == {share}
    with pytest.raises(ValueError, match="cannot be shared by 7 processes"):
        part_of(np.arange(8), 0, 7)


def test_global_randomness_is_as_before_after_a_block():
    before = torch.random.get_rng_state()
    with seeded(3, torch.device("cpu")):
        one = torch.rand(2)
    assert torch.equal(torch.random.get_rng_state(), before)
    with seeded(3, torch.device("cpu")):
        assert torch.equal(torch.rand(2), one)
