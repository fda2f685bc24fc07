"""One-to-one matching of times against a slow loop."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from beatssl.signals.matching import match_times

times = st.lists(st.integers(0, 3000), max_size=25, unique=True).map(lambda ms: np.array(ms, np.float64) / 1000)


def greedy_pairs(reference_s: np.ndarray, found_s: np.ndarray, tolerance_s: float) -> list[float]:
    """The distances of the pairs that the definition gives: the nearest pair, then the nearest of what is left."""
    near = sorted((abs(r - f), i, j) for i, r in enumerate(reference_s) for j, f in enumerate(found_s))
    used: tuple[set[int], set[int]] = (set(), set())
    out: list[float] = []
    for distance, i, j in near:
        if distance <= tolerance_s and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            out.append(distance)
    return out


@given(reference_s=times, found_s=times, shift=st.floats(0.0001, 0.0004))
def test_matching_is_the_slow_greedy_loop(reference_s: np.ndarray, found_s: np.ndarray, shift: float) -> None:
    found_s = found_s + shift  # no two distances are equal, so that the greedy pairs are unique
    i, j = match_times(reference_s, found_s, 0.15)
    assert len(set(i.tolist())) == len(i)
    assert len(set(j.tolist())) == len(j)
    np.testing.assert_allclose(
        np.sort(np.abs(reference_s[i] - found_s[j])), np.sort(greedy_pairs(reference_s, found_s, 0.15)), atol=1e-12
    )


def test_the_nearest_takes_the_mark() -> None:
    i, j = match_times(np.array([1.0, 2.0]), np.array([0.95, 1.02, 2.2, np.nan]), 0.1)
    assert (i.tolist(), j.tolist()) == ([0], [1])
