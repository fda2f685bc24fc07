import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from beatssl.features.ragged import padded, row_count, row_mean, row_median, row_sd

rows_of_beats = st.lists(
    st.lists(st.one_of(st.just(np.nan), st.floats(-100, 100, width=32)), max_size=6), min_size=1, max_size=5
)


def flat(lists: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    row = np.repeat(np.arange(len(lists), dtype=np.int32), [len(values) for values in lists])
    return np.array([v for values in lists for v in values], np.float32), row


@given(rows_of_beats)
def test_statistics_equal_a_loop_over_rows(lists):
    values, row = flat(lists)
    seen = [np.array([v for v in own if np.isfinite(v)]) for own in lists]
    for function, slow, least in (
        (row_mean, np.mean, 1), (row_median, np.median, 1), (row_sd, lambda x: np.std(x, ddof=1), 2)
    ):  # fmt: skip
        wanted = [slow(own) if len(own) >= least else np.nan for own in seen]
        np.testing.assert_allclose(function(values, row, len(lists)), wanted, rtol=1e-3, atol=1e-2)
    np.testing.assert_array_equal(row_count(values, row, len(lists)), [len(own) for own in seen])


@given(rows_of_beats)
def test_padding_keeps_order_and_rows(lists):
    values, row = flat(lists)
    table = padded(values, row, len(lists))
    for own, line in zip(lists, table, strict=True):
        np.testing.assert_array_equal(line[: len(own)], np.array(own, np.float32))
        assert np.isnan(line[len(own) :]).all()
