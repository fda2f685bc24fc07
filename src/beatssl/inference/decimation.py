"""Low-pass decimation: signals at a multiple of the encoder's rate become those it was trained on."""

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn import functional

from beatssl.signals.preparation import Preparation

_HALF_SAMPLES = 10
"""Half of the filter's length in the encoder's samples, as `scipy.signal.resample_poly` takes it."""

_KAISER = 5.0


class Decimation(nn.Module):
    """Every n-th sample of a signal after a fixed low-pass without phase shift, whose kernel is kept with the weights.

    A signal of 0.5–80 Hz at 200 samples/s so becomes, to the eye, the one of 0.5–40 Hz at 100 samples/s that
    `prepare` makes of the same record.
    """

    kernel: Tensor

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.register_buffer("kernel", torch.zeros(1, 1, 2 * _HALF_SAMPLES * factor + 1))

    def design(self, fine: Preparation, coarse: Preparation) -> "Decimation":
        """The filter from one preparation to the other, set; the module itself."""
        self.kernel.copy_(torch.from_numpy(decimation_kernel(fine, coarse))[None, None])
        return self

    def forward(self, ecg_mv: Float[Tensor, "record lead time"]) -> Float[Tensor, "record lead less_time"]:
        """Sample n of the result lies at sample n · factor of the signal."""
        return self._filtered(ecg_mv, self.factor)

    def smoothed(self, ecg_mv: Float[Tensor, "record lead time"]) -> Float[Tensor, "record lead time"]:
        """The signal without what the encoder's band lacks, at its own rate."""
        return self._filtered(ecg_mv, 1)

    def _filtered(self, ecg_mv: Float[Tensor, "record lead time"], step: int) -> Float[Tensor, "record lead some_time"]:
        reach = self.kernel.shape[2] // 2
        lines = functional.pad(ecg_mv.float().flatten(0, 1)[:, None], (reach, reach), mode="replicate")
        with torch.autocast(ecg_mv.device.type, enabled=False):
            return functional.conv1d(lines, self.kernel, stride=step)[:, 0].unflatten(0, ecg_mv.shape[:2])


def decimation_kernel(fine: Preparation, coarse: Preparation) -> Float64[np.ndarray, " tap"]:
    """Low-pass that turns one preparation into the other, in samples of the finer one; symmetric, its sum 1.

    `prepare` passes 1/(1 + (f/high)^4) of each frequency (a second-order Butterworth, forwards and backwards) and then
    resamples; so the ratio of the two, up to half the coarser rate, by a window (Kaiser, β = 5).
    """
    factor = round(fine.fs_hz / coarse.fs_hz)
    reach, half_hz = _HALF_SAMPLES * factor, coarse.fs_hz / 2
    f_hz = (np.arange(4000) + 0.5) * half_hz / 4000
    ratio = (1 + (f_hz / fine.high_hz) ** 4) / (1 + (f_hz / coarse.high_hz) ** 4)
    at_s = np.arange(-reach, reach + 1) / fine.fs_hz
    taps = np.cos(2 * np.pi * at_s[:, None] * f_hz).dot(ratio) * np.kaiser(2 * reach + 1, _KAISER)
    return taps / taps.sum()


def decimation_factor(fine: Preparation, coarse: Preparation) -> int | None:
    """How many samples of the one preparation make one of the other: 1, 2 or 4; None where it cannot be made of it."""
    factor = fine.fs_hz / coarse.fs_hz
    alike = (fine.low_hz, fine.leads, fine.unit) == (coarse.low_hz, coarse.leads, coarse.unit)
    if not alike or factor not in (1, 2, 4):
        return None
    enough = fine.high_hz == coarse.high_hz if factor == 1 else fine.high_hz >= coarse.high_hz
    return int(factor) if enough else None
