"""Records changed to be like another database's: one property at a time, by known amounts."""

from dataclasses import replace

import numpy as np
import pytest

from beatssl.records.synthetic import synthetic_record
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation
from beatssl.store.layout import to_int16, to_mv
from beatssl.store.store import Store
from beatssl.studies.shift.questions import Database
from beatssl.studies.shift.recordings import Ranks, Recording, as_recorded, measured, recording_of, single
from beatssl.studies.shift.result import PROPERTIES

USUAL = Preparation(100.0, 0.5, 40.0)
RAW = np.stack([synthetic_record(at, 0, 10.0, 500.0).ecg_mv for at in range(12)])
PLAIN = np.stack([USUAL.apply(one, LEADS, 500.0) for one in RAW])
RANKS = Ranks.of(measured(PLAIN, 100.0))


def changed(recording: Recording, at: int = 0, seed: int = 0):
    return as_recorded(RAW[at], 500.0, USUAL, recording, at, RANKS, seed)


def all_changed(recording: Recording):
    return np.stack([changed(recording, at) for at in range(len(RAW))])


def test_nothing_changed_is_the_prepared_record() -> None:
    assert np.array_equal(changed(Recording()), PLAIN[0])


def test_leads_that_were_not_recorded_are_missing_and_the_others_as_they_were() -> None:
    one = np.array([[name in ("I", "II") for name in LEADS]])
    out = changed(Recording(leads=one))
    assert np.isfinite(out).all(axis=1).tolist() == [True] * 6 + [False] * 6  # limb leads are derived
    assert np.allclose(out[:2], PLAIN[0, :2])


def test_a_length_cuts_the_end_off() -> None:
    out = changed(Recording(seconds=np.array([6.0])))
    assert np.isnan(out[:, 600:]).all()
    assert np.array_equal(out[:, :600], PLAIN[0, :, :600])


def test_a_coarse_step_leaves_an_error_of_its_size() -> None:
    step = 0.1
    apart = changed(Recording(step_mv=step)) - PLAIN[0]
    assert 0.01 < np.sqrt((apart**2).mean()) < step / np.sqrt(12)


@pytest.mark.parametrize("fs_hz", [128.0, 250.0])
def test_another_rate_keeps_what_the_band_holds(fs_hz: float) -> None:
    out = changed(Recording(fs_hz=fs_hz))
    assert out.shape == PLAIN[0].shape
    assert not np.array_equal(out, PLAIN[0])
    assert np.sqrt(((out - PLAIN[0])[:, 50:-50] ** 2).mean()) < 0.1 * PLAIN[0].std()


def test_the_band_takes_away_what_it_says() -> None:
    gain = np.where(np.arange(51) < 20, 1.0, 0.25)
    out = changed(Recording(gain=gain))
    before, after = (np.abs(np.fft.rfft(one[1]))[[50, 150, 300]] for one in (PLAIN[0], out))  # 5, 15 and 30 Hz
    assert after / before == pytest.approx([1, 1, 0.25], rel=1e-3)


@pytest.mark.parametrize(("name", "rtol"), [("noise_mv", 0.15), ("wander_mv", 0.35)])
def test_levels_are_raised_to_those_of_the_database_and_the_lead_algebra_holds(name: str, rtol: float) -> None:
    levels = np.tile(np.linspace(0.2, 0.4, 30)[:, None], (1, 12))
    out = all_changed(Recording(**{name: levels}))
    found = getattr(measured(out.astype(np.float32), 100.0), name)[:, [0, 1, 6, 7, 8, 9, 10, 11]]
    assert np.median(found) == pytest.approx(0.3, rel=rtol)
    assert np.median(getattr(RANKS.own, name)) < 0.1
    assert np.allclose(out[:, 1] - out[:, 0], out[:, 2], atol=1e-3)
    assert np.array_equal(out[0], changed(Recording(**{name: levels})))
    assert not np.array_equal(out[0], changed(Recording(**{name: levels}), seed=1))


def test_lower_levels_add_nothing() -> None:
    low = np.full((5, 12), 1e-6)
    assert np.array_equal(changed(Recording(noise_mv=low, wander_mv=low)), PLAIN[0])


def test_medians_take_the_baseline_off() -> None:
    slow = np.sin(2 * np.pi * 0.6 * np.arange(5000) / 500.0).astype(np.float32)
    drifting = RAW[0] + slow
    out = as_recorded(drifting, 500.0, USUAL, Recording(medians=True), 0, RANKS, 0)
    kept = as_recorded(drifting, 500.0, USUAL, Recording(), 0, RANKS, 0)
    slowest = np.abs(np.fft.rfft(np.stack([out[1], kept[1]])))[:, 6]
    assert slowest[0] < 0.3 * slowest[1]


def test_a_store_differs_from_itself_in_nothing(store: Store) -> None:
    rows = np.arange(len(store))
    own = measured(store.ecg_mv(rows), store.fs_hz)
    recording = recording_of(store, rows, Database("itself"), own, 500.0)
    assert single(recording) == {}
    as_other = recording_of(store, rows, Database("other", step_mv=0.005), own, 100.0)
    assert list(single(as_other)) == ["rate", "amplitude step"]


def test_every_property_is_changed_alone() -> None:
    levels = np.full((3, 12), 1.0)
    full = Recording(
        fs_hz=250.0, leads=np.zeros((1, 12), bool), step_mv=0.01, gain=np.ones(51), noise_mv=levels, wander_mv=levels,
        medians=True, seconds=np.array([5.0]),
    )  # fmt: skip
    alone = single(full)
    assert tuple(alone) == PROPERTIES
    assert alone["baseline"] == replace(Recording(), wander_mv=levels, medians=True)
    assert alone["rate"] == Recording(fs_hz=250.0)


def test_units_keep_what_is_missing() -> None:
    out = changed(Recording(seconds=np.array([6.0])))
    assert np.isnan(to_mv(to_int16(out.copy()))[:, 600:]).all()
