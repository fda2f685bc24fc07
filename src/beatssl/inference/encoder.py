"""A pretrained encoder as a folder; see `model_folder` for what such a folder holds."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from beatssl.inference.input_checks import Check
from beatssl.inference.model_config import Contents, Kind
from beatssl.inference.model_folder import SavedModel
from beatssl.inference.tensor_checks import check_tensors
from beatssl.models.encoder import Encoded, Encoder, build_encoder
from beatssl.signals.preparation import Signals, as_batch

_BATCH_RECORDS = 256


class BeatEncoder(SavedModel):
    """An encoder that knows how its input is prepared and what it was trained on; see `SavedModel`."""

    kind: ClassVar[Kind] = Kind(
        name="encoder",
        made_by="pretrain",
        title="An ECG encoder",
        usage="""
from beatssl import BeatEncoder

encoder = BeatEncoder.from_pretrained(FOLDER_OR_REPOSITORY)
embedding = encoder.predict(ecg_mv, leads, fs_hz)  # a NumPy array (lead, time) in mV, as recorded
feature_map = encoder.encode(ecg_mv, leads, fs_hz).feature_map
""",
        inside="checkpoint",
        bundled="default",
    )

    def forward(self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]) -> Encoded:
        """The encoder itself: signals prepared as `preparation` says, and which leads are measured.

        Raises RecordError where they cannot be that; see `EcgClassifier.forward`.
        """
        check_tensors(ecg_mv, lead_mask, self.preparation.fs_hz, self.encoder.config.leads, values=not self.training)
        return self.encoder(ecg_mv, lead_mask)

    def predict(
        self,
        ecg_mv: Signals,
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
        check: Check = "error",
    ) -> Float32[np.ndarray, " embedding"]:
        """One record's embedding. Records with embeddings alike are alike in what was measured.

        The record is as a file gives it, in mV, NaN where not measured. `already_filtered`: it comes from a store.

        `check`: "error" refuses what cannot be an ECG (all zeros, microvolts, no beats, another rate than stated),
        "warn" answers all the same, "off" asks nothing beyond shape, names and rate.

        Raises RecordError, a ValueError, with its `reason`; warns (InputWarning) of what is doubtful.
        """
        return self.predict_batch(as_batch(ecg_mv), leads, fs_hz, already_filtered, check)[0]

    @torch.inference_mode()
    def predict_batch(
        self,
        ecg_mv: Signals,
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
        check: Check = "error",
    ) -> Float32[np.ndarray, "record embedding"]:
        """As `predict`, several records of one length and the same leads."""
        signal, there = self.on_device(self.prepared(ecg_mv, leads, fs_hz, already_filtered, check))
        parts = zip(signal.split(_BATCH_RECORDS), there.split(_BATCH_RECORDS), strict=True)
        return np.concatenate([self.encoder.embed(self.encoder(*part)).float().cpu().numpy() for part in parts])

    @torch.inference_mode()
    def encode(
        self,
        ecg_mv: Signals,
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
        check: Check = "error",
    ) -> Encoded:
        """One record's feature map and stages; arguments and errors as those of `predict`."""
        return self.encoder(*self.on_device(self.prepared(as_batch(ecg_mv), leads, fs_hz, already_filtered, check)))

    @classmethod
    def build(cls, contents: Contents) -> "BeatEncoder":
        return cls(build_encoder(contents.encoder), contents.preprocessing, contents.provenance)

    def weights(self) -> Encoder:
        return self.encoder
