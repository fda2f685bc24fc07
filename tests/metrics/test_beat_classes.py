"""Figures of beat classes where records are drawn again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.beats.classes.classifier import CLASSES
from beatssl.metrics.beat_classes import class_counts, class_figures, counts_of_records, drawn_figures


@settings(max_examples=30)
@given(st.data())
def test_a_record_drawn_twice_counts_twice(data):
    drawn = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30)
    beats = data.draw(drawn)
    record, true, found = (np.array(column) for column in zip(*beats, strict=True))
    times = data.draw(st.lists(st.integers(0, 3), min_size=2, max_size=2))
    counts = counts_of_records(record, true, found, 5)
    weights = np.array([times[: len(counts)]], float)
    names = np.unique(record).tolist()
    again = [k for k, name in enumerate(record) for _ in range(times[names.index(name)])]
    expected = class_figures(class_counts(true[again], found[again], 5), CLASSES)
    drawn = drawn_figures(counts, weights, CLASSES)
    assert drawn["macro F1"][0] == pytest.approx(expected.macro_f1, nan_ok=True)
    for name, score in expected.per_class.items():
        of_name = [drawn[f"{figure} of {name}"][0] for figure in ("F1", "sensitivity", "PPV")]
        assert of_name == pytest.approx([score.f1, score.sensitivity, score.ppv], nan_ok=True)
