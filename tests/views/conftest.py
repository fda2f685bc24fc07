"""A batch of synthetic records with known beats, some of them spoilt: padded, without leads, without beats."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from beatssl.records.synthetic.cohort import synthetic_record
from beatssl.views.view import Signals

FS_HZ, SAMPLES = 100.0, 1000


@pytest.fixture(scope="session")
def cohort() -> Signals:
    """Eight whole records of 10 s at 100 Hz."""
    records = [synthetic_record(index, fs_hz=FS_HZ) for index in range(8)]
    beats = [torch.as_tensor(record.beats.time_s * FS_HZ, dtype=torch.float32) for record in records if record.beats]
    return Signals(
        ecg_mv=torch.stack([torch.as_tensor(record.ecg_mv) for record in records]),
        lead_mask=torch.ones((8, 12), dtype=torch.bool),
        valid=torch.full((8,), SAMPLES),
        beat_record=torch.arange(8).repeat_interleave(torch.tensor([len(b) for b in beats])),
        beat_at=torch.cat(beats),
        fs_hz=FS_HZ,
    )


@pytest.fixture(scope="session")
def spoilt(cohort: Signals) -> Signals:
    """The cohort with record 1 cut to 6 s, 2 without V2 and aVL, 3 with lead II alone, 4 without leads, 5 without
    beats, 6 with one beat, 7 of a single sample."""
    ecg, mask, valid = cohort.ecg_mv.clone(), cohort.lead_mask.clone(), cohort.valid.clone()
    mask[2, [7, 4]] = False
    mask[3] = False
    mask[3, 1] = True
    mask[4] = False
    valid[1], valid[7] = 600, 1
    ecg *= mask[:, :, None] & (torch.arange(SAMPLES) < valid[:, None])[:, None]
    of, at = cohort.beat_record, cohort.beat_at
    keep = (of != 5) & ((of != 6) | (at == at[of == 6].min())) & (at < valid[of])
    return replace(cohort, ecg_mv=ecg, lead_mask=mask, valid=valid, beat_record=of[keep], beat_at=at[keep])


@pytest.fixture
def seeded() -> Callable[[int], torch.Generator]:
    """`seeded(3)`: a generator."""
    return lambda seed: torch.Generator().manual_seed(seed)
