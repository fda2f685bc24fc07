"""Quality flags: each on a signal made to have it, none on a clean one, and their shares on PTB-XL."""

from pathlib import Path

import numpy as np
import pytest

from beatssl.records.wfdb_files import read_wfdb
from beatssl.signals.leads import LEADS
from beatssl.signals.quality import quality_flags

CLEAN = dict.fromkeys(
    [
        "missing", "flat", "clipped", "lead_off", "noisy", "swapped_limb_leads", "reversed_chest_leads",
        "identities_violated",
    ],
    False,
)  # fmt: skip


@pytest.fixture
def ecg(data_root: Path) -> np.ndarray:
    """A good record."""
    return read_wfdb(data_root / "ptb-xl", "records500/00000/00001_hr").ecg_mv


def _flags(ecg: np.ndarray, fs_hz: float = 500.0) -> dict[str, bool]:
    return quality_flags(ecg.astype(np.float32), LEADS, fs_hz).record_flags()


def _limbs(ecg: np.ndarray, electrodes: str) -> np.ndarray:
    """The record that these electrodes on RA, LA, LL would have given; "N" is the right leg, near LL's potential."""
    one, two = ecg[0].astype(float), ecg[1].astype(float)
    potential = {"R": -(one + two) / 3, "L": (2 * one - two) / 3, "F": (2 * two - one) / 3}
    potential["N"] = potential["F"]
    r, l_, f = (potential[name] for name in electrodes)
    out = ecg.copy()
    out[:6] = [l_ - r, f - r, f - l_, r - (l_ + f) / 2, l_ - (r + f) / 2, f - (r + l_) / 2]
    return out


def test_clean_record_has_no_flag(ecg: np.ndarray) -> None:
    assert _flags(ecg) == CLEAN
    assert _flags(_limbs(ecg, "RLF")) == CLEAN  # the electrodes where they belong


def test_missing_and_flat_name_the_lead(ecg: np.ndarray) -> None:
    ecg[7], ecg[9] = np.nan, 0.3
    quality = quality_flags(ecg, LEADS, 500.0)
    assert np.flatnonzero(quality.missing).tolist() == [7]
    assert np.flatnonzero(quality.flat).tolist() == [9]
    assert quality.record_flags() == CLEAN | {"missing": True, "flat": True}


def test_clipped_at_the_input_range(ecg: np.ndarray) -> None:
    quality = quality_flags(np.clip(ecg * 3, -10, 0.8).astype(np.float32), LEADS, 500.0)
    assert quality.clipped.any()
    assert not quality_flags(ecg * np.float32(3), LEADS, 500.0).clipped.any()


def test_lead_off_by_offset_and_by_jump(ecg: np.ndarray) -> None:
    ecg[8] += 5.0
    ecg[10, 2500:] += 6.0
    assert np.flatnonzero(quality_flags(ecg, LEADS, 500.0).lead_off).tolist() == [8, 10]


@pytest.mark.parametrize("fs_hz", [100.0, 250.0, 500.0])
def test_noise_counts_alike_at_any_rate(ecg: np.ndarray, fs_hz: float) -> None:
    slow = ecg[:, :: round(500 / fs_hz)]
    noise = np.random.default_rng(0).normal(0, 0.12, slow.shape)
    assert _flags(slow + noise, fs_hz)["noisy"]
    assert not _flags(slow + noise / 10, fs_hz)["noisy"]


@pytest.mark.parametrize("electrodes", ["LRF", "NLF", "RNF"])
def test_swapped_limb_electrodes(ecg: np.ndarray, electrodes: str) -> None:
    flags = _flags(_limbs(ecg, electrodes))
    assert flags["swapped_limb_leads"]
    assert not flags["identities_violated"]  # a swap keeps them: it cannot be found that way


def test_reversed_chest_electrodes(ecg: np.ndarray) -> None:
    ecg[6:] = ecg[:5:-1].copy()
    assert _flags(ecg) == CLEAN | {"reversed_chest_leads": True}


def test_leads_of_two_recordings_violate_the_identities(ecg: np.ndarray) -> None:
    ecg[4] *= 1.5
    assert _flags(ecg) == CLEAN | {"identities_violated": True}


def test_few_leads_short_records_and_gaps_are_taken(ecg: np.ndarray) -> None:
    ecg[3, 100:900] = np.nan
    assert _flags(ecg) == CLEAN
    assert quality_flags(ecg[:2, :200], ("MLII", "V5"), 500.0).flat.tolist() == [False, False]
    assert quality_flags(np.full((2, 300), np.nan, np.float32), ("I", "II"), 500.0).missing.all()


def test_flat_lead_of_ptbxl_12722(data_root: Path) -> None:
    ecg = read_wfdb(data_root / "ptb-xl", "records100/12000/12722_lr").ecg_mv
    assert np.flatnonzero(quality_flags(ecg, LEADS, 100.0).flat).tolist() == [10, 11]


def test_shares_on_ptbxl_are_small_and_arm_swaps_are_found(data_root: Path) -> None:
    root = data_root / "ptb-xl"
    names = sorted(path.stem for path in root.glob("records100/*/*.hea"))[::40]
    records = [read_wfdb(root, f"records100/{name[:2]}000/{name}").ecg_mv for name in names]
    found = dict.fromkeys(CLEAN, 0)
    swapped = 0
    for ecg in records:
        for name, flag in _flags(ecg, 100.0).items():
            found[name] += flag
        swapped += _flags(_limbs(ecg, "LRF"), 100.0)["swapped_limb_leads"]
    share = {name: count / len(records) for name, count in found.items()}
    # Of all 19,601: noisy 1.01 %, reversed chest 0.49 %, lead_off 0.30 %, swapped limb 0.11 %, identities 0.09 %,
    # flat 0.02 %, clipped 0.01 %.
    assert 0.002 < share["noisy"] < 0.03
    assert max(share[name] for name in CLEAN if name != "noisy") < 0.013
    assert swapped / len(records) > 0.95  # 98 % on fold 9
