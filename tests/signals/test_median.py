"""The quick median is that of NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from beatssl.signals.median import row_medians

FINITE = st.floats(-1e6, 1e6, width=32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(data=st.data())
def test_to_the_bit(dtype: type, data: st.DataObject) -> None:
    x = data.draw(arrays(dtype, array_shapes(max_dims=3, max_side=9), elements=FINITE))
    np.testing.assert_array_equal(row_medians(x), np.median(x, axis=-1))
