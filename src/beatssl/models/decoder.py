"""From an encoder's stages to the waves of each lead: a U-Net that sees a lead alone, its neighbours and the record."""

from itertools import pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from beatssl.models.blocks import conv_norm_relu, convolution
from beatssl.models.config import FINEST, DecoderConfig
from beatssl.models.encoded import Encoded, Encoder
from beatssl.signals.leads import LEADS
from beatssl.signals.waves import WAVE_CLASSES


class WaveDecoder(nn.Module):
    """Scores of no wave, P, QRS and T for every sample of every measured lead.

    A U-Net (Ronneberger et al. 2015) runs over each lead on its own, from two samples a step to thirty-two, with the
    same weights for all leads. At every level a lead also gets what its record shows there: the mean over the
    record's measured leads (Zaheer et al. 2017, "Deep sets"; so any set of leads will do), and the encoder's stage of
    that stride, which has seen the named leads together. Both are added, through a convolution of one step that begins
    at zero. A lead that has a name among the twelve adds a learned bias of its own.

    The finest level keeps two samples a step, which at 100 samples/s and 40 Hz loses nothing, and its last convolution
    writes both (Shi et al. 2016, sub-pixel convolution): half the work of a level at full rate.

    Leads may come at two or four times the encoder's rate: then one or two finer levels more stand before its stages.
    """

    def __init__(self, config: DecoderConfig, encoder: Encoder) -> None:
        super().__init__()
        self.config = config
        self.gain_per_mv = encoder.config.gain_per_mv
        channels, kernel = config.channels(), config.kernel
        norm, finest = encoder.config, channels[FINEST]
        self.first = convolution(1, finest, kernel + 2, FINEST)
        self.name = nn.Embedding(len(LEADS) + 1, finest)
        nn.init.zeros_(self.name.weight)
        self.start = nn.Sequential(nn.BatchNorm2d(finest), nn.ReLU(inplace=True))
        pairs = list(pairwise(channels.values()))
        self.down = nn.ModuleList([conv_norm_relu(norm, *pair, kernel, 2) for pair in pairs])
        self.strides = tuple(channels)
        self.stage_strides = tuple(config.rate * stride for stride in encoder.stage_strides)
        stages = dict(zip(self.stage_strides, encoder.stage_channels, strict=True))
        self.fused = nn.ModuleList(
            [_Fusion(wide, stages.get(stride), config.share_leads) for stride, wide in channels.items()]
        )
        self.body = nn.ModuleList([conv_norm_relu(norm, wide, wide, kernel) for wide in channels.values()])
        self.drop = nn.Dropout2d(config.dropout)
        self.reduce = nn.ModuleList([convolution(coarse, fine, 1) for fine, coarse in pairs])
        self.up = nn.ModuleList([conv_norm_relu(norm, fine, fine, kernel) for fine, _ in pairs])
        self.head = nn.Conv2d(finest, len(WAVE_CLASSES) * FINEST, (1, 3), padding=(0, 1))

    def forward(
        self,
        ecg_mv: Float[Tensor, "record lead time"],
        measured: Bool[Tensor, "record lead"],
        slot: Int[Tensor, "record lead"],
        encoded: Encoded,
    ) -> Float[Tensor, "record lead 4 time"]:
        """Scores (logits); of leads that are not measured, zeros.

        Args:
            ecg_mv: any number of leads; what one that is not measured holds does not count.
            measured: which leads there are.
            slot: each lead's place among the twelve, −1 for one without a name there.
            encoded: the same records, at the encoder's rate, through it.
        """
        time, coarsest = ecg_mv.shape[2], self.strides[-1]
        of = measured.nonzero()[:, 0]
        signal = functional.pad(ecg_mv[measured], (0, -time % coarsest))[:, None, None] * self.gain_per_mv
        names = self.name(slot[measured] + 1)[:, :, None, None]
        x = self.start(self.first(signal.contiguous(memory_format=torch.channels_last)) + names)
        stages = dict(zip(self.stage_strides, encoded.stages, strict=True))
        scores = self.head(self._through(x, of, len(ecg_mv), stages))
        scores = scores.unflatten(1, (len(WAVE_CLASSES), FINEST)).squeeze(3).transpose(2, 3).flatten(2)[:, :, :time]
        out = scores.new_zeros((*measured.shape, len(WAVE_CLASSES), time))
        out[measured] = scores
        return out

    def _through(
        self,
        x: Float[Tensor, "measured c 1 step"],
        of: Int[Tensor, " measured"],
        records: int,
        stages: dict[int, Tensor],
    ) -> Float[Tensor, "measured c 1 step"]:
        """Down the U-Net and up again."""
        skips: list[Tensor] = []
        for level, stride in enumerate(self.strides):
            x = self.down[level - 1](x) if level else x
            x = self.body[level](self.fused[level](x, of, records, stages.get(stride)))
            skips.append(x)
        x = self.drop(skips.pop())
        for reduce, up, skip in zip(reversed(list(self.reduce)), reversed(list(self.up)), reversed(skips), strict=True):
            x = up(functional.interpolate(reduce(x), scale_factor=(1.0, 2.0), mode="nearest") + skip)
        return x


class _Fusion(nn.Module):
    """What a lead gets of its record at one level."""

    def __init__(self, channels: int, stage_channels: int | None, share_leads: bool) -> None:
        super().__init__()
        self.of_leads = _silent(channels, channels) if share_leads else None
        self.of_stage = _silent(stage_channels, channels) if stage_channels else None

    def forward(
        self, x: Float[Tensor, "measured c 1 step"], of: Int[Tensor, " measured"], records: int, stage: Tensor | None
    ) -> Float[Tensor, "measured c 1 step"]:
        shared: Tensor | None = None
        if self.of_leads is not None:
            shared = self.of_leads(_mean_of_leads(x, of, records))
        if self.of_stage is not None and stage is not None:
            image = functional.pad(stage, (0, x.shape[3] - stage.shape[2]))[:, :, None]
            seen = self.of_stage(image.contiguous(memory_format=torch.channels_last))
            shared = seen if shared is None else shared + seen
        if shared is None:
            return x
        # With the channels last, a record's map is one block of memory, copied whole to each of its leads.
        return x + shared.movedim(1, 3).index_select(0, of).movedim(3, 1)


def _mean_of_leads(
    x: Float[Tensor, "measured c 1 step"], of: Int[Tensor, " measured"], records: int
) -> Float[Tensor, "record c 1 step"]:
    last = x.movedim(1, 3)
    count = torch.bincount(of, minlength=records).clamp_(min=1).to(x.dtype)
    total = last.new_zeros((records, *last.shape[1:])).index_add_(0, of, last)
    return (total / count[:, None, None, None]).movedim(3, 1)


def _silent(inputs: int, outputs: int) -> nn.Conv2d:
    """A convolution of one step that at first adds nothing."""
    layer = convolution(inputs, outputs, 1)
    nn.init.zeros_(layer.weight)
    return layer
