"""VICReg: two views of a record agree, while variance and decorrelation of the embeddings' dimensions keep them from
collapsing; no record is another's negative (Bardes, Ponce and LeCun, ICLR 2022)."""

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.losses.gather import gather_with_grad
from beatssl.losses.vicreg import covariance, invariance, variance
from beatssl.models.encoded import Encoder
from beatssl.models.projector import Projector
from beatssl.training.pretraining.batches import Batch
from beatssl.training.pretraining.columns import Columns
from beatssl.training.pretraining.diagnostics import Compared, contrast_figures, contrast_warnings
from beatssl.training.pretraining.objective import Method, Objective, Preset, ViewMaker
from beatssl.training.task import Losses
from beatssl.views.registry import preset as views_preset
from beatssl.views.view import Signals

Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class VicregSettings:
    """Weights of the three terms, and the projector (the authors' "expander")."""

    invariance: Annotated[float, Field(gt=0)] = 25.0
    """Of the squared difference of two views."""
    variance: Weight = 25.0
    """Of the hinge on each dimension's standard deviation."""
    covariance: Weight = 1.0
    """Of the squared covariances between dimensions."""
    projector_layers: Annotated[int, Field(ge=0)] = 2
    """Hidden layers of the projector."""
    projector_hidden: Annotated[int, Field(ge=1)] = 1024
    projector_out: Annotated[int, Field(ge=1)] = 1024
    """Dimensions that are kept varied and apart: more than of a contrast, as published."""


class Vicreg(Objective):
    """An encoder with a projector, and the three terms on two views of every record."""

    def __init__(self, encoder: Encoder, config: VicregSettings) -> None:
        super().__init__()
        self.encoder, self.config = encoder, config
        sizes = config.projector_hidden, config.projector_out, config.projector_layers
        self.project = Projector(encoder.embedding_size, *sizes)

    def views(self, make: ViewMaker) -> tuple[Signals, Signals]:
        """Two views of every record."""
        return make.view(), make.view()

    def forward(self, batch: Batch, views: tuple[Signals, Signals]) -> Losses:
        """The terms over the records of all processes; variance is the mean over both views, covariance the sum."""
        ecg_mv, lead_mask, valid = (torch.cat([getattr(one, name) for one in views]) for name in _PARTS)
        embedding = self.encoder.embed(self.encoder(ecg_mv, lead_mask), valid)
        z_a, z_b = (gather_with_grad(part) for part in self.project(embedding).chunk(2))
        terms = {
            "invariance": invariance(z_a, z_b),
            "variance": (variance(z_a) + variance(z_b)) / 2,
            "covariance": covariance(z_a) + covariance(z_b),
        }
        total = torch.stack([getattr(self.config, name) * term for name, term in terms.items()]).sum()
        return Losses(total, terms, {"vicreg": Compared(z_a, z_b, None)})

    def diagnostics(self, losses: Losses) -> dict[str, float]:
        """Figures of the embeddings of both views."""
        return contrast_figures(losses.details)

    def warnings(self, figures: Mapping[str, float], batch_size: int) -> dict[str, str]:
        """Collapse, views too weak or too strong."""
        said = contrast_warnings(figures, batch_size, ("vicreg",))
        if "vicreg collapse" in said:
            said["vicreg collapse"] = (
                f"vicreg embeddings span {figures['vicreg_effective_rank']:.1f} dimensions (collapse): raise "
                "objective.variance or objective.covariance, or lower the learning rate"
            )
        return said


_PARTS = ("ecg_mv", "lead_mask", "valid")

METHOD = Method(
    "vicreg",
    VicregSettings,
    lambda rows, config: Columns(),
    lambda encoder, config, columns: Vicreg(encoder, config),
    {"vicreg": Preset("vicreg", views_preset("3kg"), VicregSettings())},
)
"""Preset vicreg: weights 25, 25 and 1 as published, views of 3KG."""
