"""A classifier of whole records as a folder: encoder, head, label names, temperatures and thresholds."""

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from beatssl.inference.model_config import Kind, Provenance
from beatssl.inference.record_model import HeadConfig as HeadConfig
from beatssl.inference.record_model import RecordModel
from beatssl.models.encoder import Encoder
from beatssl.signals.preparation import Preparation


class EcgClassifier(RecordModel):
    """An encoder and a head that predict the labels of a record; see `RecordModel`.

    `probabilities` are calibrated: log odds divided by a temperature a label. `thresholds` are of these probabilities.
    """

    kind: ClassVar[Kind] = Kind(
        name="classifier",
        made_by="probe or finetune",
        title="A classifier of ECG records",
        usage="""
from beatssl import EcgClassifier

classifier = EcgClassifier.from_pretrained(FOLDER_OR_REPOSITORY)
probability = classifier.predict(ecg_mv, leads, fs_hz)  # a NumPy array (lead, time) in mV, as recorded
""",
        inside="head",
        bundled="ptbxl",
    )
    temperatures: Tensor
    thresholds: Tensor

    def __init__(self, encoder: Encoder, config: HeadConfig, preparation: Preparation, provenance: Provenance) -> None:
        super().__init__(encoder, config, preparation, provenance)
        self.register_buffer("temperatures", torch.ones(len(config.labels)))
        self.register_buffer("thresholds", torch.full((len(config.labels),), 0.5))

    @torch.inference_mode()
    def probabilities(
        self,
        ecg_mv: Float[Tensor, "record lead time"],
        lead_mask: Bool[Tensor, "record lead"],
        valid: Int[Tensor, " record"] | None = None,
    ) -> Float[Tensor, "record label"]:
        """Calibrated probabilities of every label; see `forward`. Where no lead is measured they are NaN."""
        found = (self(ecg_mv, lead_mask, valid).float() / self.temperatures).sigmoid()
        return found.masked_fill(~lead_mask.any(dim=1, keepdim=True), torch.nan)

    answers = probabilities

    @torch.no_grad()
    def decide(self, temperatures: Float64[np.ndarray, " label"], thresholds: Float64[np.ndarray, " label"]) -> None:
        """Set what the validation fold decides: a temperature and a threshold of the probability for each label."""
        self.temperatures.copy_(torch.from_numpy(temperatures))
        self.thresholds.copy_(torch.from_numpy(thresholds))
