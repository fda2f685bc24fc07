"""The type checks of tests see what does not fit, in arguments and results, and between the two."""

import numpy as np
import pytest
from jaxtyping import Float32, TypeCheckError, jaxtyped

from type_checks import checked


@jaxtyped(typechecker=checked)
def rms(
    ecg_mv: Float32[np.ndarray, "lead time"], weight: Float32[np.ndarray, " lead"], made: np.ndarray
) -> Float32[np.ndarray, " time"]:
    """`made`, whatever it is."""
    return made


ECG_MV, WEIGHT, MADE = np.zeros((2, 5), np.float32), np.zeros(2, np.float32), np.zeros(5, np.float32)


def test_what_fits_passes() -> None:
    assert rms(ECG_MV, WEIGHT, MADE) is MADE


@pytest.mark.parametrize("given", [(ECG_MV[0], WEIGHT, MADE), (ECG_MV, MADE, MADE), (ECG_MV, WEIGHT, None)])
def test_arguments_that_do_not_fit_are_seen(given: tuple) -> None:
    with pytest.raises(TypeCheckError, match="checking the parameters"):
        rms(*given)


@pytest.mark.parametrize("made", [MADE[1:], MADE.astype(np.float64), MADE[None]])
def test_results_that_do_not_fit_are_seen(made: np.ndarray) -> None:
    with pytest.raises(TypeCheckError, match="checking the return value"):
        rms(ECG_MV, WEIGHT, made)
