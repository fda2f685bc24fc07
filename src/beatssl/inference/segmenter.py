"""An encoder with a decoder of waves: what every sample of every lead shows, kept and loaded as encoders are."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from pydantic import TypeAdapter
from torch import Tensor

from beatssl.beats.decoding.wave_decoding import silent
from beatssl.inference.decimation import Thinning
from beatssl.inference.model_folder import Contents, Kind, Preprocessing, Provenance, SavedModel
from beatssl.inference.sliding_windows import blended
from beatssl.models.decoder import DecoderConfig, WaveDecoder
from beatssl.models.encoder import Encoder, build_encoder
from beatssl.signals.leads import LEADS, canonical_lead
from beatssl.signals.waves import WAVE_CLASSES

_BATCH_WINDOWS = 16


class EcgSegmenter(SavedModel):
    """The probability of no wave, P, QRS and T for every sample of every lead, from any set of leads.

    The encoder sees the leads that have one of the twelve names, together; the decoder sees every lead, at twice or
    four times the encoder's rate if it was trained so.
    """

    kind: ClassVar[Kind] = Kind(
        name="segmenter",
        made_by="segment",
        title="P, QRS and T waves in every lead",
        usage="""
from beatssl.inference.segmenter import EcgSegmenter

segmenter = EcgSegmenter.from_pretrained(FOLDER_OR_REPOSITORY)
probability = segmenter.probabilities(ecg_mv, ("II", "V1"))  # (lead, time), prepared -> (lead, class, time)
""",
        inside="segmenter",
        shipped="ludb",
    )

    def __init__(
        self,
        encoder: Encoder,
        decoder: WaveDecoder,
        preprocessing: Preprocessing,
        provenance: Provenance,
        thinning: Thinning | None = None,
    ) -> None:
        super().__init__(encoder, preprocessing, provenance)
        self.decoder = decoder
        self.thinning = thinning
        """From the signal as `preprocessing` says to that of the encoder; None where they are the same."""

    @classmethod
    def build(cls, contents: Contents) -> "EcgSegmenter":
        """The network that config.json describes, with fresh weights."""
        encoder = build_encoder(contents.encoder)
        decoder = build_decoder(TypeAdapter(DecoderConfig).validate_python(contents.head), encoder)
        thinning = Thinning(decoder.config.rate) if decoder.config.rate > 1 else None
        return cls(encoder, decoder, contents.preprocessing, contents.provenance, thinning)

    def head_settings(self) -> dict[str, Any]:
        return asdict(self.decoder.config)

    def forward(
        self,
        ecg_mv: Float[Tensor, "record lead time"],
        measured: Bool[Tensor, "record lead"],
        slot: Int[Tensor, "record lead"],
        head: Callable[[Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "record lead 4 time"]:
        """Scores (logits) of every sample: any leads, which are measured, and each one's place among the twelve or −1.

        Of two leads of one name the encoder sees the later. `head`: see `WaveDecoder`.
        """
        records, _, time = ecg_mv.shape
        record, lead = (measured & (slot >= 0)).nonzero(as_tuple=True)
        place = slot[record, lead]
        twelve = ecg_mv.new_zeros((records, len(LEADS), time))
        there = measured.new_zeros((records, len(LEADS)))
        twelve[record, place] = ecg_mv[record, lead]
        there[record, place] = True
        seen = twelve if self.thinning is None else self.thinning(twelve)
        return self.decoder(ecg_mv, measured, slot, self.encoder(seen, there), head)

    @torch.inference_mode()
    def probabilities(
        self, ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str]
    ) -> Float32[np.ndarray, "lead 4 time"]:
        """One record of any length, prepared as `preprocessing` says, NaN where not measured.

        A lead with a name that is none of the twelve is segmented too. Long records go through in windows that blend.
        What is not measured, and where a lead is silent, there is no wave.
        """
        slot = slots(leads)
        windows, joined = blended(ecg_mv.shape[1], self.preprocessing.fs_hz, self.decoder.strides[-1])
        parts = [
            self.of_batch(
                np.stack([ecg_mv[:, part] for part in windows[start : start + _BATCH_WINDOWS]]),
                np.broadcast_to(slot, (len(windows[start : start + _BATCH_WINDOWS]), len(slot))),
            )
            for start in range(0, len(windows), _BATCH_WINDOWS)
        ]
        return joined(np.concatenate(parts))

    @torch.inference_mode()
    def of_batch(
        self, ecg_mv: Float32[np.ndarray, "record lead time"], slot: Int[np.ndarray, "record lead"]
    ) -> Float32[np.ndarray, "record lead 4 time"]:
        """As `probabilities`, of records of one length."""
        device = next(self.parameters()).device
        measured = np.isfinite(ecg_mv)
        signal = torch.from_numpy(np.where(measured, ecg_mv, np.float32(0))).to(device)
        there = torch.from_numpy(measured.any(axis=2)).to(device)
        half = torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda" or _fast_half())
        with half:
            scores = self(signal, there, torch.from_numpy(np.array(slot, np.int64)).to(device))
        probability = scores.float().softmax(dim=2).cpu().numpy()
        none = np.stack([silent(record, self.preprocessing.fs_hz) for record in ecg_mv])
        np.moveaxis(probability, 2, 3)[none] = np.eye(len(WAVE_CLASSES), dtype=np.float32)[0]
        return probability


def build_decoder(config: DecoderConfig, encoder: Encoder, seed: int = 0) -> WaveDecoder:
    """A decoder with fresh weights, which depend on `seed` alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = WaveDecoder(config, encoder)
    return decoder.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]  torch's stub lacks it


def slots(leads: Sequence[str]) -> Int[np.ndarray, " lead"]:
    """Each lead's place among the twelve; −1 for another name."""
    names = [canonical_lead(name) for name in leads]
    return np.array([LEADS.index(name) if name in LEADS else -1 for name in names], np.int64)


def _fast_half() -> bool:
    """Whether this processor multiplies in bfloat16 itself; without that float32 is faster, and as good."""
    capability = torch.backends.cpu.get_cpu_capability()
    return "AVX512" in capability and torch.ops.mkldnn._is_mkldnn_bf16_supported()
