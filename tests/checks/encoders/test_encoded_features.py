"""What an embedding holds is found, what it lacks is not, and features that labels rest on are important."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.checks.check import CheckConfig, check
from beatssl.checks.encoders import encoded_features
from beatssl.checks.encoders.encoded_features import (
    EncodedFeature,
    EncodedFeatureFigures,
    EncodedFeaturesConfig,
    check_encoded_features,
    explained,
    importance,
    r_squared,
    summary,
    worst,
)
from beatssl.checks.encoders.feature_groups import GROUPS, group_of
from beatssl.features import RECORD_DEFINITIONS
from beatssl.models.config import EncoderConfig
from beatssl.results import read_result
from beatssl.store.store import Store

QUICK = EncodedFeaturesConfig(least_rows=3, tree_rounds=2, worst=5)


@pytest.fixture(scope="module")
def sides() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    side = np.arange(900) % 3
    return side == 0, side == 1, side == 2


def test_what_is_held_exactly_is_explained_and_noise_is_not(sides: tuple[np.ndarray, ...]) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(900, 4)).astype(np.float32)
    values[:, 2] = 7.0
    measured = rng.random((900, 4)) < 0.7
    measured[:, 3] = False
    mixed = np.concatenate([values[:, :1], rng.normal(size=(900, 7))], axis=1) @ rng.normal(size=(8, 8))
    lost = np.where(measured, values, np.float32(50))  # what stands where nothing was measured plays no part
    found = explained(mixed.astype(np.float32), lost, measured, *sides, replace(QUICK, inverse_penalties=(0.01, 100.0)))
    assert found[0] > 0.999
    assert -0.15 < found[1] < 0.05
    assert np.isnan(found[2:]).all()


def test_r_squared_is_that_of_its_definition() -> None:
    true = np.array([[1, 5], [2, 5], [3, 5], [9, 5]], np.float32)
    measured = np.array([[True, True], [True, True], [True, True], [False, True]])
    predicted = np.array([[1, 5], [2, 5], [4, 5], [0, 5]], np.float64)
    found = r_squared(true, predicted, measured, 3)
    assert found[0] == pytest.approx(0.5)
    assert np.isnan(found[1])
    assert np.isnan(r_squared(true, predicted, measured, 4)[0])


def test_features_that_labels_rest_on_are_important(sides: tuple[np.ndarray, ...]) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(900, 5)).astype(np.float32)
    values[rng.random((900, 5)) < 0.1] = np.nan
    labels = np.stack([np.nan_to_num(values[:, 1]) > 0, np.nan_to_num(values[:, 1]) <= 0, np.zeros(900)], axis=1) == 1
    quick = replace(QUICK, tree_rounds=20, trees=replace(QUICK.trees, tree_feature_share=1.0))
    auroc, lost = importance(values, labels, sides[0], sides[2], quick)
    assert auroc > 0.9
    assert lost[1] > 0.3
    assert np.abs(np.delete(lost, 1)).max() < 0.05
    with pytest.raises(ValueError, match="no label of 'superclass' differs"):
        importance(values, np.ones((900, 1), bool), sides[0], sides[2], QUICK)


def test_the_worst_are_important_and_unknown() -> None:
    every = tuple(
        EncodedFeature(str(k), "P", r2, lost)
        for k, (r2, lost) in enumerate([(0.9, 0.1), (0.1, 0.02), (0.0, 0.0), (float("nan"), 1.0)])
    )
    assert [one.name for one in worst(every, 2)] == ["1", "0"]
    found = summary(every)
    assert (found.features, found.median_r2, found.share_below) == (3, 0.1, pytest.approx(2 / 3))
    assert np.isnan(summary([]).median_r2)


@pytest.mark.parametrize(
    ("group", "names"),
    [
        ("P", ("p_duration_ms", "pr_interval_ms", "p_amplitude_mv_II", "p_present_share", "shape_sd_p_uv")),
        ("QRS", ("qrs_duration_ms", "s_amplitude_mv_V1", "q_lead_count", "sokolow_lyon_mv", "rbbb_pattern")),
        ("ST", ("st_j60_mv_V2", "st_low_count", "st_highest_septal_mv")),
        ("T", ("t_symmetry_V5", "qtc_bazett_ms", "jt_interval_ms", "j_to_t_peak_ms", "t_over_r_V6", "qt_over_rr")),
        ("rhythm", ("rate_bpm", "rr_sd_ms", "class_v_share", "f_wave_rms_v1_uv", "beat_correlation")),
        ("axes", ("qrs_axis_sin", "p_axis_cos", "t_axis_sin", "qrs_initial_axis_cos", "qrs_t_frontal_angle_deg")),
        ("VCG", ("qrs_loop_azimuth_axis_sin", "t_loop_max_mv", "st_vector_mv", "qrs_t_spatial_angle_deg",
                 "qrs_initial_azimuth_axis_cos", "qrs_speed_width_10_ms", "qrs_turning_deg", "t_no_dipole_share")),
        ("median beat", ("beat_component_1",)),
    ],
)  # fmt: skip
def test_features_are_in_their_groups(group: str, names: tuple[str, ...]) -> None:
    assert {name: group_of(name) for name in names} == dict.fromkeys(names, group)


def test_every_group_has_features() -> None:
    assert {group_of(name) for name in RECORD_DEFINITIONS} | {"median beat", "axes"} == set(GROUPS)


@pytest.fixture(scope="module")
def in_folds(store: Store, copied_with) -> Store:
    """Three records in each of eight folds."""
    return copied_with(store, records=store.records.assign(fold=np.arange(len(store)) % 8 + 1))


def test_a_store_is_measured_and_its_figures_are_written(
    in_folds: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoded_features, "EncoderConfig", lambda: EncoderConfig(width=0.25, depth=0.1))
    monkeypatch.setattr(encoded_features, "check_encoded_features", partial(check_encoded_features, config=QUICK))
    found = check(CheckConfig(in_folds.path, "encoded-features", tmp_path, encoder="random", device="cpu"))
    assert found.records == {"train": 18, "inner": 3, "valid": 3}
    assert found.all_features.features == sum(group.features for group in found.groups.values()) > 300
    assert len(found.worst) == 5
    assert 0 <= found.trees_macro_auroc <= 1
    written = read_result(tmp_path / "check-encoded-features.json", EncodedFeatureFigures)
    assert [one.name for one in written.features] == [one.name for one in found.features]
    with pytest.raises(ValueError, match=r"is in fold 7 \(inner\); give a store with PTB-XL"):
        check_encoded_features(in_folds.with_tables(records=pd.DataFrame(in_folds.records).assign(fold=1)), "random")
