"""Diagonal structured state spaces (S4D) over steps of eight samples, in both directions."""

from math import log, pi

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from beatssl.models.blocks import Stem
from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoder, Samples

_STEM = (32, 64)
_CHANNELS = 256
_LAYERS = 6
_STATES = 16
"""Conjugate pairs of states a channel."""

_KERNEL = 5
_RUN = 64
"""Steps of the convolution kernel made at once, see `S4D.kernel`."""

_STEP_RANGE = (0.001, 0.1)


class S4DEncoder(Encoder):
    """A convolutional stem to stride 8, then residual layers x + GLU(S4D(norm(x))).

    Gu et al. 2022, "On the parameterization and initialization of diagonal state space models"; S4 leads the
    supervised PTB-XL table (Mehari and Strodthoff 2023).
    """

    def __init__(self, config: EncoderConfig) -> None:
        channels = [*map(config.channels, _STEM), config.channels(_CHANNELS)]
        stages = {2 ** (level + 1): count for level, count in enumerate(channels)}
        super().__init__(config, max(stages), channels[-1], stages)
        self.stem = Stem(config, channels, _KERNEL)
        self.layers = nn.ModuleList([_Layer(channels[-1]) for _ in range(config.blocks(_LAYERS))])
        self.norm = nn.LayerNorm(channels[-1])

    def levels(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> tuple[Float[Tensor, "record channel 1 step"], list[Float[Tensor, "record _ 1 _"]]]:
        *fine, patches = self.stem(ecg_mv, lead_mask)
        x = patches.squeeze(2).transpose(1, 2)
        for layer in self.layers:
            x = layer(x)
        feature_map = self.norm(x).transpose(1, 2).unsqueeze(2)
        return feature_map, [*fine, feature_map]


class _Layer(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.mix_time = S4D(channels, _STATES)
        self.mix_channels = nn.Sequential(nn.GELU(), nn.Linear(channels, 2 * channels), nn.GLU(dim=-1))

    def forward(self, x: Float[Tensor, "record step channel"]) -> Float[Tensor, "record step channel"]:
        return x + self.mix_channels(self.mix_time(self.norm(x)))


class S4D(nn.Module):
    """Each channel through a linear system of its own, from the past and from the future.

    With states λ_n = exp(Δ·A_n) and the zero-order hold, a channel is convolved over time with
    K[k] = 2 Re Σ_n C_n (λ_n − 1)/A_n · λ_n^k (B = 1), once forwards and, with another C, backwards; D passes the input
    through. A starts as −½ + iπn (S4D-Lin). All is in float32 whatever autocast says, as bfloat16 has no Fourier
    transform and too few digits for the powers.
    """

    def __init__(self, channels: int, states: int) -> None:
        super().__init__()
        low, high = map(log, _STEP_RANGE)
        self.log_step = nn.Parameter(low + (high - low) * torch.rand(channels))
        self.log_decay = nn.Parameter(torch.full((channels, states), log(0.5)))
        self.frequency = nn.Parameter(pi * torch.arange(states, dtype=torch.float32).repeat(channels, 1))
        self.c_real = nn.Parameter(torch.randn(2, channels, states) / 2**0.5)
        self.c_imaginary = nn.Parameter(torch.randn(2, channels, states) / 2**0.5)
        self.through = nn.Parameter(torch.randn(channels))

    def forward(self, x: Float[Tensor, "record step channel"]) -> Float[Tensor, "record step channel"]:
        with torch.autocast(x.device.type, enabled=False):
            signal = x.float().transpose(1, 2)
            steps = signal.shape[-1]
            past, future = self.kernel(steps).unbind(0)
            # Index −j of a circle twice as long is a lag of −j; lag 0 is the past's alone.
            circle = torch.cat([past, torch.zeros_like(past[:, :1]), future[:, 1:].flip(1)], 1)
            product = torch.fft.rfft(signal, n=2 * steps) * torch.fft.rfft(circle)
            y = torch.fft.irfft(product, n=2 * steps)[..., :steps] + self.through[:, None] * signal
        return y.transpose(1, 2).to(x.dtype, memory_format=torch.contiguous_format)

    def kernel(self, steps: Samples) -> Float[Tensor, "2 channel steps"]:
        """The impulse responses to the past and to the future.

        λ^(a·r + b) = λ^(a·r) λ^b: a product of matrices over the states, so that memory grows with steps alone and not
        with steps times states. Complex numbers are written out, for devices and formats that have none.
        """
        step = self.log_step.exp()[:, None]
        decay, frequency = -self.log_decay.exp(), self.frequency
        rate, turn = step * decay, step * frequency
        # Never a single run, which an export would take for the only case.
        runs = torch.arange(steps // _RUN + 2, device=rate.device) * _RUN
        run_real, run_imaginary = _powers(rate, turn, runs)
        real, imaginary = _powers(rate, turn, torch.arange(_RUN, device=rate.device))
        gain_real, gain_imaginary = self._gain(rate, turn, decay, frequency)
        within_real = gain_real[..., None] * real - gain_imaginary[..., None] * imaginary
        within_imaginary = gain_real[..., None] * imaginary + gain_imaginary[..., None] * real
        response = run_real.mT @ within_real - run_imaginary.mT @ within_imaginary
        return 2 * response.flatten(2)[..., :steps]

    def _gain(
        self,
        rate: Float[Tensor, "channel state"],
        turn: Float[Tensor, "channel state"],
        decay: Float[Tensor, "channel state"],
        frequency: Float[Tensor, "channel state"],
    ) -> tuple[Float[Tensor, "2 channel state"], Float[Tensor, "2 channel state"]]:
        """C (exp(Δ·A) − 1) / A, real and imaginary part."""
        above, beside = rate.exp() * turn.cos() - 1, rate.exp() * turn.sin()
        size = decay.square() + frequency.square()
        hold_real = (above * decay + beside * frequency) / size
        hold_imaginary = (beside * decay - above * frequency) / size
        return (
            self.c_real * hold_real - self.c_imaginary * hold_imaginary,
            self.c_real * hold_imaginary + self.c_imaginary * hold_real,
        )


def _powers(
    rate: Float[Tensor, "channel state"], turn: Float[Tensor, "channel state"], exponent: Tensor
) -> tuple[Float[Tensor, "channel state power"], Float[Tensor, "channel state power"]]:
    """exp((rate + i·turn)·exponent), real and imaginary part."""
    size = (rate[..., None] * exponent).exp()
    angle = turn[..., None] * exponent
    return size * angle.cos(), size * angle.sin()
