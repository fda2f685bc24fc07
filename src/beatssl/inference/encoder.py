"""A pretrained encoder as a folder; see `saved` for what such a folder holds."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from beatssl.inference.model_folder import (
    CONFIG,
    FORMAT_VERSION,
    WEIGHTS,
    CheckpointError,
    Contents,
    Kind,
    Preprocessing,
    SavedModel,
    save_model,
)
from beatssl.inference.model_folder import Provenance as Provenance
from beatssl.models.encoder import Encoded, Encoder, build_encoder

__all__ = [
    "FORMAT_VERSION",
    "BeatEncoder",
    "CheckpointError",
    "Preprocessing",
    "Provenance",
    "load_checkpoint",
    "save_checkpoint",
]


class BeatEncoder(SavedModel, pipeline_tag="feature-extraction", tags=["self-supervised learning"]):
    """An encoder that knows how its input is prepared and what it was trained on; see `SavedModel`."""

    kind: ClassVar[Kind] = Kind(
        "encoder",
        "pretrain",
        "An ECG encoder",
        """
from beatssl.inference.encoder import BeatEncoder

encoder = BeatEncoder.from_pretrained(FOLDER_OR_REPOSITORY)
encoded = encoder.encode(ecg_mv, leads, fs_hz)  # a NumPy array (lead, time) in mV, as recorded
""",
        inside="checkpoint",
        shipped="default",
    )

    def forward(self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]) -> Encoded:
        """The encoder itself: signals prepared as `preprocessing` says, and which leads are measured."""
        return self.encoder(ecg_mv, lead_mask)

    @torch.inference_mode()
    def encode(
        self,
        ecg_mv: Float32[np.ndarray, "lead time"],
        leads: tuple[str, ...],
        fs_hz: float,
        already_filtered: bool = False,
    ) -> Encoded:
        """One record as a file gives it, NaN where not measured: leads ordered, filtered, resampled, encoded.

        Raises CheckpointError where the encoder knows other leads than the canonical twelve, and these are not given.
        """
        return self.encoder(*self.prepared(ecg_mv, leads, fs_hz, already_filtered))

    @torch.inference_mode()
    def embed(
        self,
        ecg_mv: Float32[np.ndarray, "lead time"],
        leads: tuple[str, ...],
        fs_hz: float,
        already_filtered: bool = False,
    ) -> Float32[np.ndarray, " embedding"]:
        """One record's embedding; see `encode`. Records with embeddings alike are alike in what was measured."""
        encoded = self.encode(ecg_mv, leads, fs_hz, already_filtered)
        return self.encoder.embed(encoded)[0].float().cpu().numpy()

    @classmethod
    def build(cls, contents: Contents) -> "BeatEncoder":
        return cls(build_encoder(contents.encoder), contents.preprocessing, contents.provenance)

    def weights(self) -> Encoder:
        return self.encoder


def save_checkpoint(folder: Path, model: BeatEncoder, half: bool = False) -> None:
    """Write an encoder's folder; see `save_model`."""
    save_model(folder, model, half)


def load_checkpoint(folder: Path) -> BeatEncoder:
    """The encoder kept in a folder, in evaluation mode.

    Raises CheckpointError where the folder holds none, or where it is damaged or newer than this version of beatssl.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no folder {folder}; pass the folder that holds {CONFIG} and {WEIGHTS}")
    return BeatEncoder.from_pretrained(folder)
