"""A published network as an encoder of ours: a store's signals to its input, its segments to one feature map."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from beatssl.inference.adapters.adapter import Adapter, ForeignNetwork
from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoded, Encoder, ceil_division
from beatssl.signals.leads import LEADS

_AT_ONCE = 64
"""Segments that go through the network together."""

_LEAST_DEVIATION = 1e-8


@dataclass
class ForeignEncoded(Encoded):
    """As `Encoded`; the embedding is that of the network's own steps, of which the feature map is an interpolation."""

    embedding: Float[Tensor, "record channel"]


class ForeignEncoder(Encoder):
    """A published network for signals in mV at a store's rate, with its own preprocessing.

    A record ends with its last sample that is not zero in all leads: a store fills shorter rows up with zeros. It is
    cut into segments, the last of which ends where the record ends. The embedding of a segment is the mean over its
    steps, as published; that of a record the mean over its segments. The steps of the feature map are a power of two of
    samples, the one nearest to the network's own, and interpolated within a segment.
    """

    def __init__(self, adapter: Adapter, network: ForeignNetwork, fs_hz: float) -> None:
        own = network.stride * fs_hz / adapter.takes.fs_hz
        stride = 2 ** max(0, round(math.log2(own)))
        config = EncoderConfig(name=adapter.name, leads=len(LEADS), embedding=0)
        super().__init__(config, stride, network.channels, {stride: network.channels})
        self.takes, self.network, self.fs_hz = adapter.takes, network, fs_hz
        self.embedding_size = network.channels

    def forward(
        self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]
    ) -> ForeignEncoded:
        """As `Encoder.forward`. Raises ValueError for other leads than twelve, and for no samples."""
        leads, time = ecg_mv.shape[1:]
        if leads != self.config.leads or time == 0:
            raise ValueError(
                f"{leads} leads of {time} samples, but {self.config.name} takes twelve leads of at least one sample; "
                "put leads in canonical order with signals.leads.to_twelve"
            )
        signal, recorded = self._as_published(ecg_mv.float().where(lead_mask[:, :, None], 0.0))
        segments = Segments.of(signal, recorded, self._segment(signal.shape[2]))
        parts = zip(segments.signal.split(_AT_ONCE), segments.recorded.split(_AT_ONCE), strict=True)
        maps = torch.cat([self.network(*part) for part in parts])
        steps = self.network.steps(segments.recorded).clamp(1, maps.shape[2])
        feature_map = self._on_grid(maps, steps, segments, ceil_division(time, self.stride))
        embedding = segments.mean_of_records(_mean_of_first(maps, steps))
        return ForeignEncoded(feature_map, [feature_map], self.stride, embedding)

    def embed(self, encoded: Encoded, valid: Int[Tensor, " record"] | None = None) -> Float[Tensor, "record embedding"]:
        """The network's own embeddings; where a record ends is known from its signal, not from `valid`."""
        if not isinstance(encoded, ForeignEncoded):
            raise TypeError(f"{self.config.name} embeds what it encoded itself, not {type(encoded).__name__}")
        return encoded.embedding

    def maps_only(self) -> Encoder:
        """Itself: it has no layer of its own after the network."""
        return self

    def _segment(self, samples: int) -> int:
        whole = round(self.takes.segment_s * self.takes.fs_hz)
        return max(self.network.stride, min(whole, samples))

    def _as_published(
        self, ecg_mv: Float[Tensor, "record lead time"]
    ) -> tuple[Float[Tensor, "record lead own_time"], Int[Tensor, " record"]]:
        """Signals at the network's rate, scaled, 0 after their end; and the samples before it."""
        time = ecg_mv.shape[2]
        own = max(1, int(time * self.takes.fs_hz / self.fs_hz))
        place = torch.arange(1, time + 1, device=ecg_mv.device)
        end = ((ecg_mv != 0).any(1) * place).amax(1).clamp(min=1)
        recorded = torch.div(end * own, time, rounding_mode="floor").clamp(1, own)
        if own != time:
            ecg_mv = F.interpolate(ecg_mv, size=own, mode="linear", align_corners=True)
        there = (torch.arange(own, device=ecg_mv.device) < recorded[:, None])[:, None].to(ecg_mv.dtype)
        dims = (2,) if self.takes.scaling == "lead" else (1, 2)
        count = there.expand_as(ecg_mv).sum(dims, keepdim=True)
        centred = (ecg_mv - (ecg_mv * there).sum(dims, keepdim=True) / count) * there
        deviation = (centred.square().sum(dims, keepdim=True) / count).sqrt()
        return centred / (deviation + _LEAST_DEVIATION), recorded

    def _on_grid(
        self,
        maps: Float[Tensor, "segment channel step"],
        steps: Int[Tensor, " segment"],
        segments: "Segments",
        count: int,
    ) -> Float[Tensor, "record channel grid"]:
        """The maps of all segments at the centres of `count` steps of the record, between the nearest two."""
        at = (torch.arange(count, device=maps.device) + 0.5) * (self.stride * self.takes.fs_hz / self.fs_hz)
        segment = segments.at(at)
        place = (at - segments.start[segment]) / self.network.stride - 0.5
        place = torch.minimum(place.clamp(min=0), (steps[segment] - 1).to(place.dtype))
        low = place.floor().long()
        high = torch.minimum(low + 1, steps[segment] - 1)
        share = (place - low)[..., None].to(maps.dtype)
        rows = maps.transpose(1, 2)
        return torch.lerp(rows[segment, low], rows[segment, high], share).transpose(1, 2)


@dataclass(frozen=True)
class Segments:
    """Records cut into segments of one length, those of a record one after the other."""

    signal: Float[Tensor, "segment lead time"]
    recorded: Int[Tensor, " segment"]
    """Samples before the record's end."""
    record: Int[Tensor, " segment"]
    start: Int[Tensor, " segment"]
    """First sample, in the record."""
    first: Int[Tensor, " record"]
    """First segment."""
    count: Int[Tensor, " record"]

    @classmethod
    def of(cls, signal: Float[Tensor, "record lead time"], recorded: Int[Tensor, " record"], length: int) -> "Segments":
        """As many as cover the record; the last ends with it, and so may overlap the one before."""
        device = signal.device
        count = torch.div(recorded + length - 1, length, rounding_mode="floor").clamp(min=1)
        record = torch.repeat_interleave(torch.arange(len(signal), device=device), count)
        first = count.cumsum(0) - count
        number = torch.arange(len(record), device=device) - first[record]
        start = torch.minimum(number * length, (recorded - length).clamp(min=0)[record])
        at = start[:, None] + torch.arange(length, device=device)
        inside = (at < recorded[record][:, None])[:, None]
        place = at.clamp(max=signal.shape[2] - 1)[:, None].expand(-1, signal.shape[1], -1)
        cut = signal[record].gather(2, place) * inside
        return cls(cut, (recorded[record] - start).clamp(max=length), record, start, first, count)

    def at(self, sample: Float[Tensor, " place"]) -> Int[Tensor, "record place"]:
        """The segment of each record in which a sample lies; after its end, the last."""
        number = (sample / self.signal.shape[2]).floor().long()
        return self.first[:, None] + torch.minimum(number[None], self.count[:, None] - 1)

    def mean_of_records(self, values: Float[Tensor, "segment channel"]) -> Float[Tensor, "record channel"]:
        """The mean over each record's segments."""
        total = values.new_zeros(len(self.count), values.shape[1]).index_add(0, self.record, values)
        return total / self.count[:, None]


def _mean_of_first(
    maps: Float[Tensor, "segment channel step"], steps: Int[Tensor, " segment"]
) -> Float[Tensor, "segment channel"]:
    seen = (torch.arange(maps.shape[2], device=maps.device) < steps[:, None])[:, None]
    return torch.where(seen, maps, 0).sum(2) / steps[:, None]
