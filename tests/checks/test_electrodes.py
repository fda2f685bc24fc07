"""The check of exchanged electrodes: every exchange counted, and its refusal."""

import pytest

from beatssl.checks.electrodes import ElectrodeCheckConfig, check_electrodes
from beatssl.signals.electrodes import EXCHANGES
from beatssl.store.store import Store


def test_every_exchange_is_made_in_every_record(folded: Store) -> None:
    figures = check_electrodes(folded, ElectrodeCheckConfig(test_folds=(1, 2)))
    records = int(folded.records["fold"].isin([1, 2]).sum())
    assert figures.records == records > 0
    assert [one.exchange for one in figures.exchanges] == list(EXCHANGES)
    for one in figures.exchanges:
        assert 0 <= one.sensitivity_ci95[0] <= one.sensitivity <= one.sensitivity_ci95[1] <= 1
        assert one.sensitivity <= one.found
        assert one.specificity >= figures.specificity
        assert one.detected or one.sensitivity == 0
    assert next(one for one in figures.exchanges if one.exchange == "RA-RL").sensitivity == 1


def test_a_store_without_the_fold_is_refused(folded: Store) -> None:
    with pytest.raises(ValueError, match=r"no row of .* is in fold 9"):
        check_electrodes(folded)
