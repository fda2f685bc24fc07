"""Views in the vectorcardiogram: the heart's dipole turned and scaled, seen again by the twelve leads (3KG)."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from beatssl.signals.leads import INDEPENDENT
from beatssl.signals.vcg import TWELVE_FROM_EIGHT, Method, eight_from_vcg_matrix
from beatssl.views.config import Rank
from beatssl.views.view import Signals, uniform

_LEAST_SEEN = 0.04
"""Share of the best seen direction's power below which a direction of the dipole counts as not seen."""


@dataclass(frozen=True)
class Rotation:
    """The dipole turned about its three axes and scaled along them: A = diag(s) · Rz · Ry · Rx.

    With D the 12×3 lead vectors (the lead algebra times the pseudo-inverse of the inverse Dower matrix or of Kors's)
    and D⁺ the VCG out of the leads, rank "low" gives D A D⁺ ecg, as 3KG does, and "full" ecg + D (A − 1) D⁺ ecg, which
    leaves what is no dipole as it was. Either is one 12×12 matrix a record. Strength 0 is the exact identity for
    "full"; for "low" it is the plain round trip, which loses all that is no dipole. On 500 prepared PTB-XL records that
    is, of the energy of a lead's QRS, 41 % in I, 39 % in aVL, 17 % in V1, 15 % in V6, 3 to 8 % in II, aVF and V2 to V5
    (`beatssl views STORE` measures it). Kors's matrix was made for the way to the VCG alone: back by its
    pseudo-inverse, V1, V2, aVL and V5 lose 88 to 94 %, so use it with rank "full".

    Missing leads: the VCG is the least-squares one of the independent leads that are there. Directions that they
    hardly see (under a fifth as well as the one seen best) are taken to hold nothing. Missing leads stay missing.

    Source: Gopal et al., "3KG", PMLR 2021;158:156.
    """

    strength: float = 1.0
    angle_deg: float = 45.0
    """Largest angle about each axis at strength 1, either way."""
    scale: float = 1.5
    """Largest scale along each axis at strength 1; the smallest is 1."""
    rank: Rank = "low"
    method: Method = "dower"

    def __post_init__(self) -> None:
        if not 0 <= self.strength <= 1:
            raise ValueError(f"strength {self.strength} of Rotation is outside 0 to 1; pass one within")

    def __call__(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with every record's dipole turned and scaled in its own way; marks stay where they are."""
        ecg = signals.ecg_mv
        _check_twelve(ecg)
        if self.strength == 0 and self.rank == "full":
            return signals
        change = self._drawn(ecg, generator)
        to_dipole = vcg_of_leads(signals.lead_mask, self.method).to(ecg.dtype)
        to_leads = lead_vectors(self.method, ecg)
        identity = torch.eye(12, dtype=ecg.dtype, device=ecg.device)
        if self.rank == "low":
            matrix = to_leads @ change @ to_dipole
        else:
            matrix = identity + to_leads @ (change - identity[:3, :3]) @ to_dipole
        matrix = matrix * signals.lead_mask[:, :, None]
        return replace(signals, ecg_mv=torch.bmm(matrix, ecg))

    def _drawn(self, ecg: Float[Tensor, "record lead time"], generator: torch.Generator) -> Float[Tensor, "record 3 3"]:
        """A = diag(s) · Rz · Ry · Rx of every record."""
        records, reach = len(ecg), self.strength * self.angle_deg * torch.pi / 180
        angle = uniform((records, 3), -reach, reach, ecg, generator)
        scale = uniform((records, 3), 1.0, 1.0 + self.strength * (self.scale - 1.0), ecg, generator)
        return scale[:, :, None] * rotation_matrix(angle)


def rotation_matrix(angle: Float[Tensor, "record 3"]) -> Float[Tensor, "record 3 3"]:
    """Rz · Ry · Rx for angles about X, Y and Z in radians."""
    (cx, cy, cz), (sx, sy, sz) = torch.cos(angle).unbind(1), torch.sin(angle).unbind(1)
    rows = (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        (-sy, cy * sx, cy * cx),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def lead_vectors(method: Method, like: Tensor) -> Float[Tensor, "12 3"]:
    """Twelve leads from X, Y, Z: the lead algebra times the pseudo-inverse."""
    matrix: np.ndarray = TWELVE_FROM_EIGHT @ eight_from_vcg_matrix(method)
    return torch.as_tensor(matrix, dtype=like.dtype, device=like.device)


def vcg_of_leads(lead_mask: Bool[Tensor, "record 12"], method: Method) -> Float[Tensor, "record 3 12"]:
    """X, Y, Z from the twelve leads of each record, by least squares over the independent ones that are there.

    V = (Σ dᵢ dᵢᵀ)⁺ (d₁ d₂ …), dᵢ the lead vector of a lead that is there. With all eight it is the inverse Dower (or
    Kors) matrix itself. Columns of III, aVR, aVL and aVF are zero: they say nothing that I and II do not.
    """
    leads = torch.as_tensor(eight_from_vcg_matrix(method), dtype=torch.float32, device=lead_mask.device)
    present = lead_mask[:, list(INDEPENDENT)].to(leads.dtype)
    normal = torch.einsum("rl,la,lb->rab", present, leads, leads)
    inverse = torch.linalg.pinv(normal, rtol=_LEAST_SEEN, hermitian=True)
    out = torch.zeros((len(lead_mask), 3, 12), dtype=leads.dtype, device=lead_mask.device)
    out[:, :, list(INDEPENDENT)] = (inverse @ leads.T) * present[:, None]
    return out


def _check_twelve(ecg_mv: Float[Tensor, "record lead time"]) -> None:
    if ecg_mv.shape[1] != 12:
        raise ValueError(
            f"a view in the VCG needs twelve leads in canonical order, not {ecg_mv.shape[1]}; prepare the store with "
            "twelve leads, or leave the rotation out"
        )
