"""Wrong sampling rates of a store's rows are found, true ones are left alone."""

from pathlib import Path

import pytest

from beatssl.checks.check import CheckConfig, check
from beatssl.checks.sampling_rates import FactorFigures, SamplingRateCheckConfig, check_sampling_rates, outcome
from beatssl.records.read import read
from beatssl.store.store import Store

LEAST = {10.0: 0.9, 5.0: 0.9, 2.5: 0.8, 2.0: 0.7, 0.5: 0.85, 0.4: 0.9, 0.2: 0.95, 0.1: 0.95}
"""Share of LUDB's records that is refused or doubted at least, by factor of the stated rate."""


def test_shares_of_a_synthetic_store(store: Store, four: Store, tmp_path: Path) -> None:
    found = check_sampling_rates(store, SamplingRateCheckConfig(rows=12, factors=(1.0, 0.5)))
    assert (found.rows, found.fs_hz) == (12, 100.0)
    true, halved = found.factors
    assert true == FactorFigures(1.0, refused=0.0, gross=0.0, flagged=0.0, fine=1.0)
    assert halved.fine <= 0.25
    assert halved.refused + halved.gross + halved.flagged + halved.fine == pytest.approx(1)
    check(CheckConfig(four.path, "sampling-rates", tmp_path))
    assert (tmp_path / "check-sampling-rates.json").is_file()


def test_wrong_rates_of_ludb_are_found_and_true_ones_are_not(data_root: Path) -> None:
    records = [read(path) for path in sorted((data_root / "ludb" / "data").glob("*.hea"))[::16]]
    assert [outcome(one.ecg_mv, one.fs_hz) for one in records] == ["fine"] * 13
    for factor, least in LEAST.items():
        found = [outcome(one.ecg_mv, one.fs_hz * factor) != "fine" for one in records]
        assert sum(found) >= least * len(records), factor
