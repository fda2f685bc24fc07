"""A folder of stores, tiny, with the folds of PTB-XL."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.models.config import EncoderConfig
from beatssl.store.store import Store
from beatssl.studies.scorecard.config import ScorecardConfig

TINY = EncoderConfig(width=0.25, depth=0.1, embedding=0)


@pytest.fixture(scope="session")
def stores(larger: Store, copied_with: Callable[..., Store], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ptb-xl` with patients in folds 1 to 9, a third of them in 8 and 9, and statements; not to be changed."""
    folder = tmp_path_factory.mktemp("stores")
    folds = np.array([1, 8, 2, 3, 9, 4, 5, 8, 6, 7, 9, 1])
    fold = folds[pd.factorize(larger.records["patient_id"])[0] % len(folds)]
    labels = larger.labels.replace({"label_set": {"synthetic": "scp"}})
    made = copied_with(larger, records=larger.records.assign(fold=fold), labels=labels)
    made.path.rename(folder / "ptb-xl")
    return folder


@pytest.fixture
def config(stores: Path, tmp_path: Path) -> Callable[..., ScorecardConfig]:
    """`config("random", tasks=("age",))`: a scorecard of seconds."""

    def make(*encoders: str, **changes: object) -> ScorecardConfig:
        few = {"out": tmp_path / "card", "stores": stores, "network": TINY, "bootstrap_draws": 10, "device": "cpu"}
        return ScorecardConfig(encoders, **(few | changes))

    return make
