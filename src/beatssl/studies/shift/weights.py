"""Weights that make PTB-XL's records as frequent, by age and sex or by labels together, as a database's."""

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64, Shaped

from beatssl.store.labels import Labels

_AGES = (0, 30, 45, 55, 65, 75, 200)


def by_age_and_sex(ptbxl: pd.DataFrame, other: pd.DataFrame) -> Float64[np.ndarray, " record"] | None:
    """A weight a record of PTB-XL; None where the other database gives neither ages nor sexes of half its records."""
    known = other[other["age_years"].notna() & other["sex"].notna()]
    if len(known) < len(other) / 2 or known.empty:
        return None
    return _ratio(_age_and_sex(ptbxl), _age_and_sex(known))


def by_labels(ptbxl: Labels, other: Labels, at: int) -> Float64[np.ndarray, " record"]:
    """A weight a record of PTB-XL for the figure of label number `at`, by which labels stand together.

    Both have the same names. A record of which the label is not known has 0, and so has one with labels that no record
    of the other has together.
    """
    here, there = ptbxl.known[:, at], other.known[:, at]
    out = np.zeros(len(here))
    out[here] = _ratio(_together(ptbxl)[here], _together(other)[there])
    return out


def _age_and_sex(records: pd.DataFrame) -> Shaped[np.ndarray, " record"]:
    age = np.digitize(records["age_years"].to_numpy(np.float64, na_value=np.nan), _AGES)
    return np.array([f"{a} {s}" for a, s in zip(age, records["sex"].astype(str), strict=True)])


def _together(labels: Labels) -> Int64[np.ndarray, " record"]:
    return (labels.given & labels.known) @ (1 << np.arange(len(labels.names)))


def _ratio(own: Shaped[np.ndarray, " record"], wanted: Shaped[np.ndarray, " other"]) -> Float64[np.ndarray, " record"]:
    """Share of a record's kind among `wanted` over that among `own`."""
    share = pd.Series(wanted).value_counts(normalize=True)
    has = pd.Series(own).value_counts(normalize=True)
    return pd.Series(own).map(share / has.reindex(share.index)).fillna(0).to_numpy(np.float64)
