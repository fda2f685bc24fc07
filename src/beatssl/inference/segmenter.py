"""An encoder with a decoder of waves: what every sample of every lead shows, kept and loaded as encoders are."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Float32, Int
from pydantic import TypeAdapter
from torch import Tensor

from beatssl.beats.decoding.wave_decoding import decode_waves, silent
from beatssl.inference.decimation import Decimation
from beatssl.inference.device import computes_in_bfloat16
from beatssl.inference.input_checks import Check, check_finite, check_form
from beatssl.inference.model_config import CheckpointError, Contents, Kind, Provenance
from beatssl.inference.model_folder import SavedModel
from beatssl.inference.sliding_windows import WINDOW_S, Join, blended
from beatssl.inference.tensor_checks import check_shape, check_tensors
from beatssl.models.config import DecoderConfig
from beatssl.models.decoder import WaveDecoder
from beatssl.models.encoder import Encoder, build_encoder
from beatssl.signals.leads import LEADS, canonical_lead
from beatssl.signals.preparation import Preparation, Signals, as_batch
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.manifest import differences

_LEAD_SECONDS_AT_ONCE = 480.0
"""Of windows that go through the network together: what it makes of more no longer fits the processor's cache."""

WAVE_TIMES = ("onset_s", "peak_s", "offset_s")
"""Columns of tables of waves, in seconds."""


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
from beatssl import EcgSegmenter

segmenter = EcgSegmenter.from_pretrained(FOLDER_OR_REPOSITORY)
waves = segmenter.predict(ecg_mv, leads, fs_hz)  # a NumPy array (lead, time) in mV, as recorded -> a table
""",
        inside="segmenter",
        bundled="ludb",
    )
    renamed: ClassVar[dict[str, str]] = {"thinning.": "decimation."}

    def __init__(
        self,
        encoder: Encoder,
        decoder: WaveDecoder,
        preparation: Preparation,
        provenance: Provenance,
        decimation: Decimation | None = None,
    ) -> None:
        if preparation.leads != LEADS:
            raise CheckpointError(
                f"the preparation of a segmenter names the leads {' '.join(preparation.leads) or 'as recorded'}; its "
                "encoder takes the twelve: prepare the store with leads='twelve'"
            )
        super().__init__(encoder, preparation, provenance)
        self.decoder = decoder
        self.decimation = decimation
        """From the signal as `preparation` says to that of the encoder; None where they are the same."""

    @property
    def takes(self) -> Preparation:
        """How a record is prepared: its leads as recorded, for any will do."""
        return replace(self.preparation, leads=())

    @classmethod
    def build(cls, contents: Contents) -> "EcgSegmenter":
        """The network that config.json describes, with fresh weights."""
        encoder = build_encoder(contents.encoder)
        decoder = build_decoder(TypeAdapter(DecoderConfig).validate_python(contents.head), encoder)
        decimation = Decimation(decoder.config.rate) if decoder.config.rate > 1 else None
        return cls(encoder, decoder, contents.preprocessing, contents.provenance, decimation)

    def head_settings(self) -> dict[str, Any]:
        return asdict(self.decoder.config)

    def check_preparation(self, preparation: Preparation, what: str) -> None:
        """Raises CheckpointError, naming every difference, where `what` was prepared otherwise; leads may be any."""
        theirs, mine = replace(preparation, leads=()), self.takes
        if lines := differences(asdict(theirs), asdict(mine)):
            raise CheckpointError(
                f"{what} was prepared otherwise than the signals this segmenter was trained on ({what} against "
                f"segmenter): {'; '.join(lines)}; prepare it again with the segmenter's settings, or pass it as "
                "recorded to `predict`, with its rate"
            )

    def forward(
        self,
        ecg_mv: Float[Tensor, "record lead time"],
        measured: Bool[Tensor, "record lead"],
        slot: Int[Tensor, "record lead"],
    ) -> Float[Tensor, "record lead 4 time"]:
        """Scores (logits) of every sample: any leads, which are measured, and each one's place among the twelve or −1.

        Of two leads of one name the encoder sees the later.

        Raises RecordError where signals cannot be prepared records; see `EcgClassifier.forward`.
        """
        check_tensors(ecg_mv, measured, self.preparation.fs_hz, None, values=not self.training)
        check_shape("slot", slot, tuple(measured.shape), "each lead's place among the twelve or -1 (`slots`)")
        records = len(ecg_mv)
        record, lead = (measured & (slot >= 0)).nonzero(as_tuple=True)
        place = slot[record, lead]
        coarse = ecg_mv if self.decimation is None else self.decimation(ecg_mv)
        twelve = coarse.new_zeros((records, len(LEADS), coarse.shape[2]))
        there = measured.new_zeros((records, len(LEADS)))
        twelve[record, place] = coarse[record, lead]
        there[record, place] = True
        return self.decoder(ecg_mv, measured, slot, self.encoder(twelve, there))

    def predict(
        self,
        ecg_mv: Signals,
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
        check: Check = "error",
    ) -> "pd.DataFrame":
        """Waves of one record of any length and any leads, those of no standard place too.

        The record is as a file gives it, in mV, NaN where not measured. `already_filtered`: it comes from a store.

        Returns a line a wave, in order of lead and time: `lead` (its name), `wave` (P, QRS or T), `onset_s`, `peak_s`,
        `offset_s`, `onset_confidence`, `offset_confidence` and `confidence`, as `decode_waves` gives them.

        `check`: "error" refuses what cannot be an ECG (all zeros, microvolts, no beats, another rate than stated),
        "warn" answers all the same, "off" asks nothing beyond shape, names and rate.

        Raises RecordError, a ValueError, with its `reason`; warns (InputWarning) of what is doubtful.
        """
        return self.predict_batch(as_batch(ecg_mv), leads, fs_hz, already_filtered, check).drop(columns="record")

    def predict_batch(
        self,
        ecg_mv: Signals,
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
        check: Check = "error",
    ) -> "pd.DataFrame":
        """As `predict`, several records of one length and the same leads; `record` is the number of each wave's."""
        ready = self.prepared(ecg_mv, leads, fs_hz, already_filtered, check)
        probability = np.stack([self.of_prepared(one, leads, self.takes) for one in ready])
        return waves_of(probability, ready, [leads] * len(ready), self.preparation.fs_hz)

    def probabilities(
        self,
        ecg_mv: Signals,
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
        check: Check = "error",
    ) -> Float32[np.ndarray, "lead 4 some_time"]:
        """Probability of no wave, P, QRS and T in every lead, at the samples of `preparation.fs_hz`.

        Arguments, errors and warnings as those of `predict`. A lead with a name that is none of the twelve is segmented
        too. What is not measured, and where a lead is silent, there is no wave.
        """
        ready = self.prepared(as_batch(ecg_mv), leads, fs_hz, already_filtered, check)[0]
        return self.of_prepared(ready, leads, self.takes)

    @torch.inference_mode()
    def of_prepared(
        self,
        ecg_mv: Float32[np.ndarray, "lead time"],
        leads: Sequence[str],
        preparation: Preparation,
        window_s: float = WINDOW_S,
    ) -> Float32[np.ndarray, "lead 4 time"]:
        """As `probabilities`, of one record of any length that was prepared already, NaN where not measured.

        Long records go through in windows of `window_s` that blend. Raises CheckpointError where `preparation`, that of
        the record, is another than the segmenter's; its leads may be any. RecordError where shape and names do not fit
        together.
        """
        return self.of_prepared_batch(ecg_mv[None], [leads], preparation, window_s)[0]

    @torch.inference_mode()
    def of_prepared_batch(
        self,
        ecg_mv: Float32[np.ndarray, "record lead time"],
        leads: Sequence[Sequence[str]],
        preparation: Preparation,
        window_s: float = WINDOW_S,
    ) -> Float32[np.ndarray, "record lead 4 time"]:
        """As `of_prepared`, of records of one length, with the leads of each."""
        self.check_preparation(preparation, "the record")
        for one, names in zip(ecg_mv, leads, strict=True):
            check_form(one[None], names, preparation.fs_hz)
        slot = np.stack([slots(names) for names in leads])
        windows, joined = blended(ecg_mv.shape[2], self.preparation.fs_hz, self.decoder.strides[-1], window_s)
        if len(windows) == 1:
            at_once = self._at_once(*ecg_mv.shape[1:])
            parts = [slice(start, start + at_once) for start in range(0, len(ecg_mv), at_once)]
            return np.concatenate([self.of_batch(ecg_mv[part], slot[part], preparation) for part in parts])
        return np.stack(
            [self._of_windows(one, own, windows, joined, preparation) for one, own in zip(ecg_mv, slot, strict=True)]
        )

    def _of_windows(
        self,
        ecg_mv: Float32[np.ndarray, "lead time"],
        slot: Int[np.ndarray, " lead"],
        windows: Sequence[slice],
        joined: Join,
        preparation: Preparation,
    ) -> Float32[np.ndarray, "lead 4 time"]:
        """One long record, in windows that blend."""
        at_once = self._at_once(len(ecg_mv), windows[0].stop - windows[0].start)
        parts = [
            self.of_batch(
                np.stack([ecg_mv[:, part] for part in windows[start : start + at_once]]),
                np.broadcast_to(slot, (len(windows[start : start + at_once]), len(slot))),
                preparation,
            )
            for start in range(0, len(windows), at_once)
        ]
        return joined(np.concatenate(parts))

    def _at_once(self, leads: int, samples: int) -> int:
        return max(1, int(_LEAD_SECONDS_AT_ONCE * self.preparation.fs_hz / max(1, leads * samples)))

    @torch.inference_mode()
    def of_batch(
        self,
        ecg_mv: Float32[np.ndarray, "record lead time"],
        slot: Int[np.ndarray, "record lead"],
        preparation: Preparation,
    ) -> Float32[np.ndarray, "record lead 4 time"]:
        """As `of_prepared`, of records of one length, with each lead's place among the twelve or −1 (`slots`)."""
        self.check_preparation(preparation, "the records")
        check_finite(ecg_mv, "the records")
        device = next(self.parameters()).device
        measured = np.isfinite(ecg_mv)
        signal = torch.from_numpy(np.where(measured, ecg_mv, np.float32(0))).to(device)
        there = torch.from_numpy(measured.any(axis=2)).to(device)
        half = torch.autocast(device.type, torch.bfloat16, enabled=computes_in_bfloat16(device))
        with half:
            scores = self(signal, there, torch.from_numpy(np.array(slot, np.int64)).to(device))
        probability = scores.float().softmax(dim=2).cpu().numpy()
        none = np.stack([silent(record, self.preparation.fs_hz) for record in ecg_mv])
        np.moveaxis(probability, 2, 3)[none] = np.eye(len(WAVE_CLASSES), dtype=np.float32)[0]
        return probability


def waves_of(
    probability: Float32[np.ndarray, "record lead 4 time"],
    ecg_mv: Float32[np.ndarray, "record lead time"],
    leads: Sequence[Sequence[str]],
    fs_hz: float,
) -> "pd.DataFrame":
    """Waves of some records, all their leads decoded at once: `record` (its number), `lead` (its name), and the columns
    of `decode_waves`. `leads` are the names of each record's; a lead that is not measured has no wave."""
    count = probability.shape[1]
    of_record = np.repeat(np.arange(len(probability)), count)
    lines = probability.reshape(-1, *probability.shape[2:])
    waves = decode_waves(lines, fs_hz, ecg_mv.reshape(-1, ecg_mv.shape[2]), of_record)
    record, lead = np.divmod(waves["lead"].to_numpy(np.int64), max(count, 1))
    names = np.array([list(of_record) for of_record in leads], object)
    waves = waves.assign(lead=names[record, lead])
    waves.insert(0, "record", record)
    return waves


def build_decoder(config: DecoderConfig, encoder: Encoder, seed: int = 0) -> WaveDecoder:
    """A decoder with fresh weights, which depend on `seed` alone; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = WaveDecoder(config, encoder)
    return decoder.to(memory_format=torch.channels_last)  # pyrefly: ignore[no-matching-overload]  torch's stub lacks it


def slots(leads: Sequence[str]) -> Int[np.ndarray, " lead"]:
    """Each lead's place among the twelve; −1 for another name."""
    names = [canonical_lead(name) for name in leads]
    return np.array([LEADS.index(name) if name in LEADS else -1 for name in names], np.int64)
