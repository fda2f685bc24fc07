"""Which of PTB-XL's labels the records of another database have, where their own labels say so."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool

from beatssl.store.labels import SUPERCLASSES, Labels
from beatssl.store.store import Store
from beatssl.store.vocabularies.snomed import translate

AF = "AFIB"
LABELS = (*SUPERCLASSES, AF)
"""Of PTB-XL, that the models are asked for."""


@dataclass(frozen=True)
class Read:
    """A label of PTB-XL read from a label set: records with one of `positive` have it, with one of `negative` not."""

    label: str
    label_set: str
    positive: tuple[str, ...]
    negative: tuple[str, ...]


@dataclass(frozen=True)
class Database:
    """What is known of a database that its store does not say."""

    title: str
    step_mv: float = 0.001
    """Of the amplitudes in its files, as their headers say; PTB-XL's and that of stores is 1 µV."""
    medians: bool = False
    """Whether the baseline was taken off its records by running medians before they came here."""
    reads: tuple[Read, ...] = ()
    snomed: bool = False
    """Whether its superclasses are those of SNOMED CT codes; see `translate`."""
    without: str = ""
    """Why none of its labels is one of PTB-XL's."""


DATABASES: Mapping[str, Database] = {
    "brugada-huca": Database("Brugada-HUCA", reads=(Read("NORM", "brugada", ("healthy",), ("brugada",)),)),
    "ptbdb": Database("PTB Diagnostic", step_mv=0.0005, snomed=True),
    "cinc2021": Database("CinC 2021, five sources", snomed=True),
    "cinc2017": Database("CinC 2017", reads=(Read(AF, "cinc2017", ("af",), ("normal", "other")),)),
    "cinc2011": Database("CinC 2011", step_mv=0.005, without="its labels are of signal quality"),
    "incartdb": Database("INCART", medians=True, without="its labels are of beats"),
}
"""By the name of the store."""


def labels_in(store: Store, database: Database) -> Labels:
    """Those of `LABELS` that a store's rows have and lack, by its own labels; only names that some row has and some
    row is known to lack. Raises ValueError where there is none."""
    given, known = (np.zeros((len(store), len(LABELS)), bool) for _ in range(2))
    if database.snomed:
        found = translate(store, "superclass", SUPERCLASSES).labels
        given[:, : len(SUPERCLASSES)], known[:, : len(SUPERCLASSES)] = found.given, found.known
    for read in database.reads:
        at, own = LABELS.index(read.label), store.targets(read.label_set)
        given[:, at] = _any_of(own, read.positive)
        known[:, at] = given[:, at] | _any_of(own, read.negative)
    kept = (given & known).any(axis=0) & (~given & known).any(axis=0)
    if not kept.any():
        raise ValueError(f"store {store.path} has no label that PTB-XL has; {database.without or 'prepare all of it'}")
    names = tuple(np.array(LABELS)[kept].tolist())
    return Labels(given[:, kept], known[:, kept], names)


def labels_of_ptbxl(store: Store) -> Labels:
    """`LABELS` of PTB-XL's rows: superclasses are known of rows with any, a statement of rows with any statement."""
    classes, statements = store.targets("superclass"), store.targets("scp")
    given = np.zeros((len(store), len(LABELS)), bool)
    known = np.zeros_like(given)
    for at, name in enumerate(LABELS):
        table = classes if name in SUPERCLASSES else statements
        given[:, at] = table[name].to_numpy(np.bool_) if name in table else False
        known[:, at] = table.any(axis=1).to_numpy(np.bool_)
    return Labels(given, known, LABELS)


def _any_of(table: pd.DataFrame, names: tuple[str, ...]) -> Bool[np.ndarray, " row"]:
    return np.asarray(table[[name for name in names if name in table]].to_numpy(np.bool_).any(axis=1))
