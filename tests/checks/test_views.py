"""The realism table of a small synthetic store."""

from pathlib import Path

import numpy as np
import pytest
import torch

from beatssl.checks.features import FeatureCheckConfig
from beatssl.checks.view_measuring import marks_s, peaks_s, signals_of_rows
from beatssl.checks.views import ViewsCheckConfig, ViewsFigures, beats_found, check_views, made_views
from beatssl.records.registry import READERS
from beatssl.signals.leads import LEADS
from beatssl.store.config import PrepareConfig
from beatssl.store.shards.conditioning import Conditioned, condition
from beatssl.store.store import Store
from beatssl.views.registry import VIEWS
from beatssl.views.timing import BeatWarp, Retiming, TemporalScaling
from beatssl.views.view import Signals


@pytest.fixture(scope="module")
def figures(forty: Store) -> ViewsFigures:
    return check_views(forty, ViewsCheckConfig(rows=12, strengths=(0.25, 1.0), diagnosis_rows=0))


def test_the_table_says_what_views_do(figures: dict) -> None:
    overall, single = figures.views, figures.moved_by_views
    assert overall["as stored"].found > 0.99
    assert overall["as stored"].r_ms < 1
    assert overall["as stored"].moved < 0.01
    # Marks that move with time lie where the detector finds the beats again.
    for name in ("temporal_scaling 1", "beat_warp 1"):
        assert overall[name].found > 0.97
        assert overall[name].r_ms < 5
    assert single["temporal_scaling 1"]["rate"] > 5 * single["rotation full rank 1"]["rate"]
    assert single["rotation full rank 1"]["QRS axis"] > 0.1 > single["temporal_scaling 1"]["QRS axis"]
    assert overall["lead_mask 1"].lost > 0.1 > overall["amplitude 1"].lost
    for name in ("rotation full rank", "temporal_scaling", "wander"):
        assert overall[f"{name} 0.25"].moved < overall[f"{name} 1"].moved


def test_the_round_trip_spares_a_dipole_and_costs_lead_i(figures: dict) -> None:
    lost = figures.round_trip_dower
    assert list(lost) == list(LEADS)
    # The synthetic heart is a dipole seen by Dower's lead vectors, bent a little for each patient.
    assert all(0 < entry.qrs_lost < 0.3 for entry in lost.values())
    assert lost["I"].qrs_lost > lost["II"].qrs_lost


def test_diagnoses_are_predicted_before_and_after(forty: Store) -> None:
    quick = FeatureCheckConfig(
        train_folds=(1, 2, 3, 4, 5, 6), valid_fold=7, test_fold=8, inverse_penalties=(0.01,), tree_rounds=(5,),
        bootstrap_draws=5,
    )  # fmt: skip
    folds = set(forty.records["fold"])
    if not folds >= {7, 8}:
        quick = FeatureCheckConfig(
            **{**vars(quick), "valid_fold": max(folds), "test_fold": max(folds), "train_folds": (min(folds),)}
        )
    entries = check_views(forty, ViewsCheckConfig(rows=2, strengths=(), diagnosis_rows=38, diagnosis=quick)).diagnosis
    assert list(entries) == [
        f"{when}, {model}"
        for when in ("before", "after, dower", "after, kors")
        for model in ("logistic regression", "boosted trees")
    ]
    assert all(0 <= entry.macro_auroc <= 1 for entry in entries.values())


def test_views_are_made_for_the_rate(forty: Store) -> None:
    signals = signals_of_rows(forty, np.array([0]))
    names = made_views(signals, (0.5,))
    assert {"rotation full rank 0.5", "rotation low rank 0.5", "round trip", "preset beatssl"} <= set(names)
    assert len(names) == len(VIEWS) - 1 + 1 + 1 + 2  # no mains, rotation twice, the round trip, two presets


def test_the_detector_finds_moved_beats_of_real_records(data_root: Path) -> None:
    config = PrepareConfig("ptbxl", data_root / "ptb-xl", Path("unused"), salt="test")
    reader = READERS["ptbxl"]()
    kept = [condition(reader, source, config) for source in reader.sources(config.source)[:24:2]]
    assert all(isinstance(record, Conditioned) for record in kept)
    signals = Signals(
        torch.as_tensor(np.stack([record.ecg_mv for record in kept])),
        torch.ones((12, 12), dtype=torch.bool),
        torch.full((12,), 1000),
        torch.arange(12).repeat_interleave(torch.tensor([len(record.r_times_s) for record in kept])),
        torch.as_tensor(np.concatenate([record.r_times_s for record in kept]) * 100, dtype=torch.float32),
        100.0,
    )
    seen = Retiming((TemporalScaling(), BeatWarp()))(signals, torch.Generator().manual_seed(0))
    figures = beats_found(marks_s(seen), peaks_s(seen))
    assert figures.found > 0.97
    assert figures.r_ms < 3
