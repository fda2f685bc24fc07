"""From a store's units to what a network takes, and leads as recorded in their places among the twelve."""

import numpy as np
import pytest
import torch

from beatssl.inference.row_signals import RowSignals, network_input
from beatssl.signals.leads import LEADS, to_twelve
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import to_mv
from beatssl.store.prepare import prepare
from beatssl.store.store import Store

RECORDED = ("V5", "ECG7", "II", "I")


@pytest.fixture(scope="module")
def as_recorded(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two files of four leads, one of which has no place among the twelve."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "files").mkdir()
    for row in (0, 3):
        np.save(folder / "files" / f"{row}.npy", store.ecg_mv([row])[0, [10, 6, 1, 0]])
    config = PrepareConfig(
        "files", folder / "files", folder / "store", leads="as-recorded", csv_fs_hz=100.0, unit="mV",
        lead_names=RECORDED, workers=1, clusters=0,
    )  # fmt: skip
    prepare(config)
    return Store(folder / "store")


def test_missing_samples_are_zero_and_a_lead_without_any_is_masked(store: Store):
    units = store.ecg_units([0, 1])
    units[0, 3] = units[1, :, 200:300] = -32768
    ecg_mv, lead_mask = network_input(torch.from_numpy(units))
    np.testing.assert_array_equal(ecg_mv.numpy(), np.nan_to_num(to_mv(units)))
    assert lead_mask.sum() == 23
    assert not lead_mask[0, 3]


def test_leads_that_are_not_shown_are_as_if_not_recorded(store: Store):
    shown = torch.tensor([name in ("II", "V1") for name in LEADS])
    ecg_mv, lead_mask = network_input(torch.from_numpy(store.ecg_units([0])), shown)
    assert torch.equal(lead_mask[0], shown)
    assert (ecg_mv[0, ~shown] == 0).all()


def test_leads_as_recorded_take_their_places(as_recorded: Store):
    assert as_recorded.leads == ("1", "2", "3", "4")
    assert as_recorded.preparation.leads == ()
    rows = np.array([1, 0])
    twelve = as_recorded.twelve_leads()
    found = to_mv(twelve.ecg_units(rows))
    for one, own in zip(found, as_recorded.ecg_mv(rows), strict=True):
        np.testing.assert_allclose(one, to_twelve(own, RECORDED), atol=6e-4)
    signals = RowSignals(twelve)(rows)
    assert [LEADS[k] for k in np.flatnonzero(signals.lead_mask[0].numpy())] == [*LEADS[:6], "V5"]
    assert RowSignals(as_recorded)(rows).lead_mask.shape == (2, 4)


def test_a_store_of_the_twelve_stays_as_it_is(store: Store):
    assert store.twelve_leads() is store
