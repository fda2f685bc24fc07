"""A regressor of whole records as a folder: encoder, head, names of numbers, and the scale of each."""

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from beatssl.inference.model_config import Kind, Provenance
from beatssl.inference.record_model import HeadConfig, RecordModel
from beatssl.models.encoder import Encoder
from beatssl.signals.preparation import Preparation


class EcgRegressor(RecordModel):
    """An encoder and a head that predict numbers of a record, such as age or ejection fraction; see `RecordModel`.

    `centres` and `scales` are mean and standard deviation of each number over the records trained on.
    """

    kind: ClassVar[Kind] = Kind(
        name="regressor",
        made_by="probe or finetune on numbers",
        title="A regressor of ECG records",
        usage="""
from beatssl import EcgRegressor

regressor = EcgRegressor.from_pretrained(FOLDER_OR_REPOSITORY)
number = regressor.predict(ecg_mv, leads, fs_hz)  # a NumPy array (lead, time) in mV, as recorded
""",
        inside="head",
        bundled="",
    )
    centres: Tensor
    scales: Tensor

    def __init__(self, encoder: Encoder, config: HeadConfig, preparation: Preparation, provenance: Provenance) -> None:
        super().__init__(encoder, config, preparation, provenance)
        self.register_buffer("centres", torch.zeros(len(config.labels), dtype=torch.float64))
        self.register_buffer("scales", torch.ones(len(config.labels), dtype=torch.float64))

    @torch.inference_mode()
    def numbers(
        self,
        ecg_mv: Float[Tensor, "record lead time"],
        lead_mask: Bool[Tensor, "record lead"],
        valid: Int[Tensor, " record"] | None = None,
    ) -> Float64[Tensor, "record label"]:
        """The numbers in their own units; see `forward`. Where no lead is measured they are NaN."""
        found = self(ecg_mv, lead_mask, valid).double() * self.scales + self.centres
        return found.masked_fill(~lead_mask.any(dim=1, keepdim=True), torch.nan)

    answers = numbers

    def in_units(self, scores: Float64[np.ndarray, "record label"]) -> Float64[np.ndarray, "record label"]:
        """The numbers that scores are."""
        return scores * self.scales.cpu().numpy() + self.centres.cpu().numpy()

    @torch.no_grad()
    def measure_in(self, centres: Float64[np.ndarray, " label"], scales: Float64[np.ndarray, " label"]) -> None:
        """Set mean and standard deviation of each number."""
        self.centres.copy_(torch.from_numpy(centres))
        self.scales.copy_(torch.from_numpy(scales))
