"""Exchanged electrodes: the leads against potentials moved one by one, the undoing, and how many are found."""

from pathlib import Path

import numpy as np
import pytest

from beatssl.records.ptbxl import PtbXlReader
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.electrodes import (
    EXCHANGES,
    FEATURES,
    FLAT,
    LEARNT,
    corrected,
    exchanged,
    mean_beat,
    misplaced,
    placement_features,
    placement_model,
)
from beatssl.signals.leads import LEADS

MOVED = {
    "RA-LA": {"RA": "LA", "LA": "RA"},
    "RA-LL": {"RA": "LL", "LL": "RA"},
    "LA-LL": {"LA": "LL", "LL": "LA"},
    "RA-RL": {"RA": "RL", "RL": "RA"},
    "LA-RL": {"LA": "RL", "RL": "LA"},
    "LL-RL": {"LL": "RL", "RL": "LL"},
    "arms-legs": {"RA": "RL", "RL": "RA", "LA": "LL", "LL": "LA"},
    "V1-V6 reversed": {f"V{k}": f"V{7 - k}" for k in range(1, 7)},
    "V1-V3": {"V1": "V3", "V3": "V1"},
} | {f"V{k}-V{k + 1}": {f"V{k}": f"V{k + 1}", f"V{k + 1}": f"V{k}"} for k in range(1, 6)}


def _twelve(body: dict[str, float], moved: dict[str, str]) -> list[float]:
    """The twelve leads from potentials on the body, by their definitions; each input reads the place of its cable."""
    at = {name: body[moved.get(name, name)] for name in body}
    r, l_, f = at["RA"], at["LA"], at["LL"]
    limbs = [l_ - r, f - r, f - l_, r - (l_ + f) / 2, l_ - (r + f) / 2, f - (r + l_) / 2]
    return limbs + [at[f"V{k}"] - (r + l_ + f) / 3 for k in range(1, 7)]


def _record(rng: np.random.Generator, exchange: str | None = None) -> np.ndarray:
    """Random potentials, those of both legs alike, sample by sample."""
    moved, columns = MOVED.get(exchange or "", {}), list[list[float]]()
    for _ in range(40):
        body = {name: float(rng.normal()) for name in ("RA", "LA", "LL", *LEADS[6:])}
        columns.append(_twelve(body | {"RL": body["LL"]}, moved))
    return np.array(columns, np.float32).T * np.float32(-1 if exchange == "inverted" else 1)


def _synthetic(count: int, fs_hz: float = 100.0) -> list[np.ndarray]:
    return [synthetic_record(index, seed=3, fs_hz=fs_hz).ecg_mv for index in range(count)]


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_leads_follow_the_potentials(exchange: str) -> None:
    before = _record(np.random.default_rng(1))
    after = _record(np.random.default_rng(1), exchange)
    np.testing.assert_allclose(exchanged(before, LEADS, exchange), after, atol=2e-6)


@pytest.mark.parametrize("exchange", [name for name in EXCHANGES if name not in FLAT])
def test_undone_to_the_bit(exchange: str) -> None:
    ecg = _record(np.random.default_rng(2))
    ecg[4] *= 1.5  # leads that do not belong together stay so
    ecg[8, 3:9] = np.nan
    changed = exchanged(ecg, LEADS, exchange)
    assert np.array_equal(changed, ecg, equal_nan=True) == (exchange == "LL-RL")
    np.testing.assert_array_equal(corrected(changed, LEADS, exchange), ecg)


@pytest.mark.parametrize("exchange", FLAT)
def test_what_was_not_recorded_is_not_made_up(exchange: str) -> None:
    ecg = _record(np.random.default_rng(3))
    assert (exchanged(ecg, LEADS, exchange)[FLAT.index(exchange)] == 0).all()
    with pytest.raises(ValueError, match=f"{exchange} cannot be undone.*record again"):
        corrected(ecg, LEADS, exchange)


def test_other_orders_names_and_leads() -> None:
    ecg = _record(np.random.default_rng(4))
    some = [8, 1, 0, 6]
    out = exchanged(np.vstack([ecg[some], ecg[:1]]), ("C3", "DII", "Lead I", "V1", "V3R"), "RA-LA")
    np.testing.assert_allclose(out[:4], exchanged(ecg, LEADS, "RA-LA")[some], atol=1e-6)
    np.testing.assert_array_equal(out[4], ecg[0])
    with pytest.raises(ValueError, match=r"needs V2, which the record of I, V1 has not"):
        exchanged(ecg[[0, 6]], ("I", "V1"), "V1-V2")
    with pytest.raises(ValueError, match="'RA-V1'; known are RA-LA"):
        exchanged(ecg, LEADS, "RA-V1")


def test_the_table_has_a_line_a_feature() -> None:
    model = placement_model()
    assert model.weights.shape == (len(FEATURES), len(LEARNT)) == (110, 9)
    beat = mean_beat(_synthetic(1)[0], LEADS, 100.0)
    assert beat is not None
    features = placement_features(beat)
    assert features.shape == (110,)
    np.testing.assert_allclose(features[0], np.corrcoef(beat[0], beat[1])[0, 1], rtol=0.05)  # 1 µV is added to sizes
    assert FEATURES[0] == "correlation beat I II"


def test_nothing_is_said_without_the_leads_or_beats() -> None:
    ecg = exchanged(_synthetic(1)[0], LEADS, "V1-V6 reversed")
    assert misplaced(ecg, LEADS, 100.0) == "V1-V6 reversed"
    assert misplaced(ecg[:9], LEADS[:9], 100.0) is None
    assert misplaced(ecg[5:], LEADS[5:], 100.0) is None
    assert misplaced(ecg[:, :150], LEADS, 100.0) is None
    assert misplaced(np.zeros((12, 1000), np.float32), LEADS, 100.0) is None
    assert misplaced(np.full((12, 1000), np.nan, np.float32), LEADS, 100.0) is None
    ecg[9] = np.nan
    assert misplaced(ecg, LEADS, 100.0) is None


def test_limb_leads_alone_show_a_flat_one_and_gaps_are_taken() -> None:
    ecg = exchanged(_synthetic(1)[0], LEADS, "LA-RL")
    assert misplaced(ecg[[1, 3]], ("II", "aVR"), 100.0) == "LA-RL"
    swapped = exchanged(_synthetic(1)[0], LEADS, "RA-LA")
    swapped[7, 200:330] = np.nan
    assert misplaced(swapped, LEADS, 100.0) == "RA-LA"
    assert misplaced(swapped[::-1], LEADS[::-1], 100.0) == "RA-LA"


@pytest.mark.parametrize("fs_hz", [100.0, 500.0])
def test_found_in_the_synthetic_cohort(fs_hz: float) -> None:
    records = _synthetic(40, fs_hz)
    assert sum(misplaced(ecg, LEADS, fs_hz) is not None for ecg in records) <= 2
    for name in LEARNT + FLAT:
        found = sum(misplaced(exchanged(ecg, LEADS, name), LEADS, fs_hz) == name for ecg in records)
        assert found / len(records) >= 0.8, name


def test_found_in_ptbxl(data_root: Path) -> None:
    """Fold 9, which neither the model nor its threshold has seen; exchanges in every sixth of its records."""
    reader, root = PtbXlReader(), data_root / "ptb-xl"
    sources = [source for source in reader.sources(root) if source.info["fold"] == 9]
    every = [reader.read(root, source).ecg_mv for source in sources]
    assert sum(misplaced(ecg, LEADS, 100.0) is not None for ecg in every) / len(every) <= 0.01
    records = every[::6]
    for name, floor in dict.fromkeys(LEARNT, 0.83).items() | {
        ("RA-LA", 0.95),
        ("RA-LL", 0.95),
        ("V1-V6 reversed", 0.95),
        ("inverted", 0.9),
    }:
        found = sum(misplaced(exchanged(ecg, LEADS, name), LEADS, 100.0) == name for ecg in records)
        assert found / len(records) >= floor, name
