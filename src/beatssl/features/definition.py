"""What a feature column is: its unit and one sentence; and the columns that a family has, one a lead."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from beatssl.signals.leads import LEADS


@dataclass(frozen=True, slots=True)
class Definition:
    """A feature's unit ("1" for a pure number) and its definition in one sentence."""

    unit: str
    text: str


def of_each_lead(families: Mapping[str, Definition]) -> dict[str, Definition]:
    """Definitions of per-lead families, `{family}_{lead}`, lead after lead within a family."""
    return {
        f"{family}_{lead}": Definition(d.unit, f"{d.text.removesuffix('.')}, in lead {lead}.")
        for family, d in families.items()
        for lead in LEADS
    }


def lead_columns(
    families: Mapping[str, Float32[np.ndarray, "row 12"]], measured: Bool[np.ndarray, "row 12"]
) -> dict[str, Float32[np.ndarray, " row"]]:
    """Columns of per-lead families, NaN where `measured` is false."""
    nan = np.float32(np.nan)
    return {
        f"{family}_{lead}": np.where(measured[:, at], values[:, at], nan).astype(np.float32)
        for family, values in families.items()
        for at, lead in enumerate(LEADS)
    }


def columns(
    measures: Mapping[str, np.ndarray], measured: Bool[np.ndarray, " row"] | None = None
) -> dict[str, Float32[np.ndarray, " row"]]:
    """Columns of whole-beat measures as float32, NaN where not finite or where `measured` is false."""
    nan = np.float32(np.nan)
    keep = np.bool_(True) if measured is None else measured
    return {name: np.where(np.isfinite(v) & keep, v, nan).astype(np.float32) for name, v in measures.items()}
