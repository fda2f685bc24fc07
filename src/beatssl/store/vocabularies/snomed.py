"""PTB-XL's labels of records that come with SNOMED CT codes (the sources of the CinC Challenges)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd
from jaxtyping import Bool

from beatssl.store.labels import Labels
from beatssl.store.store import Store

TABLE = "snomed_to_ptbxl.csv"
SINUS_RHYTHM = "426783006"
"""Alone on a record it stands for PTB-XL's NORM; the Challenge gives it to sinus rhythm with any finding too."""

COLUMN_OF = {"superclass": "superclass", "subclass": "subclass"} | dict.fromkeys(("all", "form", "rhythm"), "statement")
"""Which column of the table a label set of PTB-XL reads."""

NORMAL = "NORM"


@dataclass(frozen=True)
class Translation:
    """Labels of the rows of a store, and how much of what its codes say the table knows."""

    labels: Labels
    unmapped: dict[str, int]  # rows by code that the table does not have


@lru_cache(maxsize=1)
def snomed_table() -> pd.DataFrame:
    """The table, a line a code: superclass, subclass, statement ("" where the code is wider), undecided, source."""
    path = files("beatssl.store.vocabularies") / TABLE
    with path.open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#", dtype=str, keep_default_na=False).set_index("snomed")


def translate(store: Store, label_set: str, names: Sequence[str]) -> Translation:
    """Which of PTB-XL's labels `names` each row has, by its SNOMED CT codes, and which of them that decides.

    - NORM is a row whose only code is sinus rhythm; every other label is one that a code of the row stands for.
    - A row with none of the labels says nothing of any.
    - Not known is a label of a superclass that a code of the row leaves open: a sign of it (ST depression: STTC), or a
      wider term (myocardial infarction says nothing of which one).
    - A source whose codes never give a label does not annotate it: there it is not known for any row.

    Raises ValueError for a label set that is none of PTB-XL's, and for a store without SNOMED CT codes.
    """
    if label_set not in COLUMN_OF:
        raise ValueError(f"label set {label_set!r} has no SNOMED CT codes; there are {', '.join(COLUMN_OF)}")
    codes = store.labels[store.labels["label_set"] == "snomed"]
    if codes.empty:
        raise ValueError(f"store {store.path} has no SNOMED CT codes; prepare a CinC collection, or ptbdb")
    of_row = codes.groupby("row")["label"].agg(frozenset)
    table, column, classes = snomed_table(), COLUMN_OF[label_set], _superclass_of(COLUMN_OF[label_set])
    given, open_to = (np.zeros((len(store), len(names)), bool) for _ in range(2))
    for row, own in zip(of_row.index.to_numpy(np.int64), of_row, strict=True):
        given[row], open_to[row] = _read(own, table, column, classes, names)
    known = given.any(axis=1, keepdims=True) & (given | ~open_to)
    known &= annotated(store.records["source"].astype(str), given)
    # Of what a source does not annotate nothing is known, and a row is only labelled by what is left.
    known &= (given & known).any(axis=1, keepdims=True)
    unmapped = codes.loc[~codes["label"].isin(table.index), "label"].value_counts()
    return Translation(Labels(given & known, known, tuple(names)), {str(k): int(v) for k, v in unmapped.items()})


def _read(
    codes: frozenset[str], table: pd.DataFrame, column: str, classes: Mapping[str, str], names: Sequence[str]
) -> tuple[Bool[np.ndarray, " label"], Bool[np.ndarray, " label"]]:
    """Labels that a row's codes give, and those that they leave open."""
    lines = table.loc[[code for code in sorted(codes) if code in table.index]]
    said = {label for label in lines[column] if label}
    if codes == frozenset({SINUS_RHYTHM}):
        said.add(NORMAL)
    left_open = {one for undecided in lines["undecided"] for one in undecided.split()}
    left_open |= set(lines.loc[lines[column] == "", "superclass"]) - {""}
    return (
        np.array([name in said for name in names]),
        np.array([classes.get(name, "") in left_open and name not in said for name in names]),
    )


def _superclass_of(column: str) -> dict[str, str]:
    """The superclass of each label of a column, as the table's lines have it."""
    table = snomed_table()
    named = table[(table[column] != "") & (table["superclass"] != "")]
    return dict(zip(named[column], named["superclass"], strict=True))


def annotated(source: pd.Series, given: Bool[np.ndarray, "row label"]) -> Bool[np.ndarray, "row label"]:
    """Whether the row's source gives the label to any row at all."""
    out = np.zeros_like(given)
    for name in source.unique():
        here = (source == name).to_numpy(np.bool_)
        out[here] = given[here].any(axis=0)
    return out
