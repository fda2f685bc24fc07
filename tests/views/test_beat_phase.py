import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.views.beat_phase import beat_phase

SAMPLES = 50
beats = st.lists(st.floats(-20, 70, width=32), max_size=8).map(sorted)


@settings(max_examples=40, deadline=None)
@given(st.lists(beats, min_size=1, max_size=4))
def test_neighbours_are_those_a_slow_search_finds(records: list[list[float]]) -> None:
    at = torch.tensor([b for beats in records for b in beats], dtype=torch.float32)
    of = torch.tensor([row for row, beats in enumerate(records) for _ in beats], dtype=torch.long)
    phase = beat_phase(at, of, len(records), SAMPLES, 100.0)
    for row, own in enumerate(records):
        position = np.array(own, np.float32)
        mean = max((position[-1] - position[0]) / (len(own) - 1), 1.0) if len(own) > 1 else 80.0
        for t in range(SAMPLES):
            before, after = position[position <= t], position[position > t]
            since = t - before[-1] if before.size else np.inf
            until = after[0] - t if after.size else np.inf
            between = bool(before.size and after.size)
            rr = max(after[0] - before[-1], 1.0) if between else mean
            assert phase.since[row, t] == since
            assert phase.until[row, t] == until
            assert bool(phase.between[row, t]) == between
            np.testing.assert_allclose(phase.rr[row, t], rr, rtol=1e-5)
