"""A folder of stores, tiny, with the folds of PTB-XL."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.models.config import EncoderConfig
from beatssl.records.mitdb import DS2
from beatssl.store.store import Store
from beatssl.studies.scorecard.config import ScorecardConfig

OF_DS1 = ("101", "106", "108", "109", "112", "115", "116", "118", "114", "124", "205", "223")
TINY = EncoderConfig(width=0.25, depth=0.1, embedding=0)


@pytest.fixture(scope="session")
def stores(larger: Store, copied_with: Callable[..., Store], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ptb-xl` with a third of the patients in folds 8 and 9, and statements; `mitdb`. Not to be changed."""
    folder = tmp_path_factory.mktemp("stores")
    folds = np.array([1, 8, 2, 3, 9, 4, 5, 8, 6, 7, 9, 1])
    fold = folds[pd.factorize(larger.records["patient_id"])[0] % len(folds)]
    labels = larger.labels.replace({"label_set": {"synthetic": "scp"}})
    made = copied_with(larger, records=larger.records.assign(fold=fold), labels=labels)
    made.path.rename(folder / "ptb-xl")
    _as_mitdb(larger, copied_with).path.rename(folder / "mitdb")
    return folder


@pytest.fixture(scope="session")
def rowed(larger: Store, copied_with: Callable[..., Store]) -> Store:
    """34 rows of 17 records, each record of one class: "a", "b" or, of two records, "rare". Not to be changed."""
    records = larger.records
    ids = np.array([f"r{row // 2}" for row in range(len(records))])
    people = np.array([f"p{row // 4}" for row in range(len(records))])
    records = records.assign(record_id=ids, segment=np.arange(len(records)) % 2, patient_id=people)
    names = np.array(["rare" if row < 4 else "ab"[row // 2 % 2] for row in range(len(records))])
    labels = pd.DataFrame(
        {"row": np.arange(len(records)), "record_id": ids, "label_set": "made", "label": names, "likelihood": 100.0}
    )
    return copied_with(larger, records=records, labels=labels)


def _as_mitdb(store: Store, copied_with: Callable[..., Store]) -> Store:
    """The records as if they were of MIT-BIH: 12 of DS1, the four that validate among them, and the others of DS2."""
    number = dict(zip(store.records["record_id"].astype(str), (*OF_DS1, *DS2), strict=False))
    tables = {name: getattr(store, name) for name in ("records", "beats", "reference_beats")}
    named = {name: of.assign(record_id=of["record_id"].astype(str).map(number)) for name, of in tables.items()}
    return copied_with(store, **named)


@pytest.fixture
def config(stores: Path, tmp_path: Path) -> Callable[..., ScorecardConfig]:
    """`config("random", tasks=("age",))`: a scorecard of seconds."""

    def make(*encoders: str, **changes: object) -> ScorecardConfig:
        few = {"out": tmp_path / "card", "stores": stores, "network": TINY, "bootstrap_draws": 10, "device": "cpu"}
        return ScorecardConfig(encoders, **(few | changes))

    return make
