import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from beatssl.losses.contrast import contrast
from beatssl.losses.regression import masked_regression
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.training.pretraining.batches import make_batch
from beatssl.training.pretraining.columns import Columns, load_rows
from beatssl.training.pretraining.objective import ViewMaker
from beatssl.training.pretraining.objectives.beatssl import (
    DIFFERENCE_SCALE,
    BeatSSLSettings,
    Contrast,
    beat_ssl_columns,
    build_beat_ssl,
)
from beatssl.training.pretraining.presets import preset as named
from beatssl.views.registry import build_views

SMALL = {"projector_hidden": 16, "projector_out": 8, "beat_bins": 4, "beat_shape": 4, "kernel.coordinates": 0}
PRESETS = ("beatssl", "paper", "simclr", "regression")


def made(columns, config):
    encoder = build_encoder(EncoderConfig(width=0.25, depth=0.5))
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return build_beat_ssl(encoder, config, columns)


def batch_of(rows, which, at=range(8), beats=3):
    columns = beat_ssl_columns(rows, which.objective)
    return columns, make_batch(rows, columns, np.array(list(at)), slice(None), beats, np.random.default_rng(0))


def small(preset, *changes):
    return named(preset, (*(f"objective.{name}={value}" for name, value in SMALL.items()), *changes))


def seen_by(objective, which, batch, seed=0, window_s=0.0):
    generator = torch.Generator().manual_seed(seed)
    return objective.views(ViewMaker(batch.signals(), build_views(which.views), window_s, generator))


def outcome_of(rows, which, seed=0):
    columns, batch = batch_of(rows, which)
    objective = made(columns, which.objective)
    return batch, objective, objective(batch, seen_by(objective, which, batch, seed))


def test_differences_of_beats_are_predicted_too(rows):
    which = small("beatssl", "objective.beat_regression=1", "objective.beat_draw=unlike")
    columns, _ = batch_of(rows, which)
    more, wider = batch_of(rows, small("beatssl", "objective.beat_regression=1", "objective.beat_differences=true"))
    features = columns.beat["target"].shape[1]
    assert features < more.beat["target"].shape[1] <= 2 * features
    assert more.beat["measured"].shape == more.beat["target"].shape
    assert set(more.scales) - set(columns.scales) == {DIFFERENCE_SCALE}
    assert 1 <= columns.chance.min() < np.median(columns.chance) < columns.chance.max()
    assert more.chance is None
    assert wider.beat["target"].shape == (len(wider.chosen), more.beat["target"].shape[1])


def test_unlike_beats_are_drawn_whatever_makes_beats_alike(rows):
    columns, batch = batch_of(rows, small("paper", "objective.beat_draw=unlike"))
    assert columns.chance.max() > 1
    assert {"class"} <= set(batch.beat)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("objective.beat_differences=true",), "beat_differences are predicted as beat_regression weighs"),
        (("objective.beat_draw=unlike", "objective.beat.weight=0"), "beat_draw 'unlike' is of no effect"),
    ],
)
def test_what_would_have_no_effect_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        small("beatssl", *changes)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_weight_of_every_preset_gets_a_gradient(rows, preset):
    _, objective, outcome = outcome_of(rows, small(preset))
    outcome.total.backward()
    for name, weight in objective.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
    three = {"rhythm", "beat", "regression"}
    expected = {"simclr": {"rhythm"}, "regression": {"regression"}, "beatssl": three}.get(preset, {"rhythm", "beat"})
    assert outcome.parts.keys() == expected
    assert math.isclose(
        float(outcome.total.detach()),
        sum(objective.weight_of(name) * float(loss.detach()) for name, loss in outcome.parts.items()),
        rel_tol=1e-5,
    )


def test_weights_weigh(rows):
    weights = {"rhythm": 1.0, "beat": 0.25, "regression": 2.0, "beat_regression": 0.5}
    paths = {"rhythm": "rhythm.weight", "beat": "beat.weight"}
    changes = [f"objective.{paths.get(name, name)}={weight}" for name, weight in weights.items()]
    _, _, outcome = outcome_of(rows, small("beatssl", *changes))
    assert outcome.parts.keys() == weights.keys()
    expected = sum(weights[name] * float(loss.detach()) for name, loss in outcome.parts.items())
    assert math.isclose(float(outcome.total.detach()), expected, rel_tol=1e-5)


def test_it_contrasts_what_the_config_says(rows):
    which = small("paper")
    batch, _, outcome = outcome_of(rows, which)
    rhythm, beat = outcome.details["rhythm"], outcome.details["beat"]
    assert rhythm.z_a.shape == (8, 8)
    assert len(beat.z_a) == len(batch.chosen)
    soft = which.objective.rhythm.soft(batch.record["target"], batch.record["measured"])
    assert torch.allclose(rhythm.targets, soft)
    assert torch.equal(beat.targets.bool(), batch.beat["class"][:, None] == batch.beat["class"][None])
    expected = contrast(rhythm.z_a, rhythm.z_b, soft, "soft_1", 0.1)
    assert torch.allclose(outcome.parts["rhythm"], expected)


def test_clusters_and_identity_as_beat_targets(rows):
    batch, _, clustered = outcome_of(rows, small("beatssl", "objective.beat.targets=clusters"))
    cluster = batch.beat["cluster"]
    assert torch.equal(clustered.details["beat"].targets.bool(), cluster[:, None] == cluster)
    _, _, own = outcome_of(rows, small("beatssl", "objective.beat.targets=identity", "objective.anchor=view"))
    assert own.details["beat"].targets is None


def test_a_beat_that_a_view_moved_out_does_not_count(rows):
    which = small("beatssl", "views.time_mask=0", "objective.anchor=view")
    columns, batch = batch_of(rows, which)
    objective = made(columns, which.objective)
    views = seen_by(objective, which, batch)
    gone = views[1].beat_at.clone()
    gone[batch.chosen[0]] = 1e4
    outcome = objective(batch, (views[0], replace(views[1], beat_at=gone)))
    there = objective(batch, views)
    assert len(outcome.details["beat"].z_a) == len(there.details["beat"].z_a) - 1


def spoiled(rows, how):
    """Rows with what poor records lack."""
    poor = replace(rows)
    poor.__dict__.update({name: rows.__dict__[name] for name in ("beats", "features") if name in rows.__dict__})
    if how == "no beats":
        poor.__dict__["beat_begin"] = np.zeros_like(rows.beat_begin)
    if how == "one beat":
        poor.__dict__["beat_begin"] = np.minimum(np.arange(len(rows) + 1), 1)
    if how == "a flat record":
        poor = replace(rows, units=rows.units * (np.arange(24) != 2)[:, None, None].astype(np.int16))
    if how == "no leads":
        poor = replace(rows, units=np.where((np.arange(24) == 2)[:, None, None], np.int16(-32768), rows.units))
    return poor


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("how", ["no beats", "one beat", "a flat record", "no leads", "nothing measured"])
def test_poor_records_give_finite_losses_and_gradients(rows, preset, how):
    which = small(preset, "objective.beat_regression=0.1")
    columns = beat_ssl_columns(rows, which.objective)
    if how == "nothing measured" and columns.record:
        nothing = {name: np.zeros_like(columns.record[name]) for name in ("measured", "certain")}
        columns = replace(columns, record={**columns.record, **nothing})
    batch = make_batch(spoiled(rows, how), columns, np.arange(8), slice(None), 3, np.random.default_rng(0))
    objective = made(columns, which.objective)
    outcome = objective(batch, seen_by(objective, which, batch))
    assert torch.isfinite(outcome.total)
    outcome.total.backward()
    for name, weight in objective.named_parameters():
        assert weight.grad is not None or not weight.requires_grad, name
        assert weight.grad is None or torch.isfinite(weight.grad).all(), name


@pytest.mark.parametrize(("anchor", "passes"), [("view", 3), ("signal", 2), ("self", 2)])
def test_the_encoder_sees_no_version_more_than_the_anchor_needs(rows, anchor, passes):
    """Regression from the untouched signal shares its pass where that signal is contrasted."""
    which = small("beatssl", f"objective.anchor={anchor}", "objective.regression=1", "objective.regress_from=signal")
    columns, batch = batch_of(rows, which)
    objective = made(columns, which.objective)
    seen = seen_by(objective, which, batch)
    assert len(seen) == passes
    untouched = batch.signals().ecg_mv
    assert [torch.equal(one.ecg_mv, untouched) for one in seen].index(True) == {"view": 2, "signal": 0, "self": 1}[
        anchor
    ]
    objective.eval()
    predicted = objective.regress(objective.embed(batch.signals()))
    expected = masked_regression(predicted, batch.record["target"], batch.record["measured"])
    torch.testing.assert_close(objective(batch, seen).parts["regression"], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", PRESETS)
def test_windows_are_drawn_apart_and_features_predicted_from_them(rows, preset):
    which = small(preset)
    columns, batch = batch_of(rows, which)
    objective = made(columns, which.objective)
    seen = seen_by(objective, which, batch, window_s=4.0)
    assert {one.ecg_mv.shape[2] for one in seen} == {400}
    assert len({tuple(one.beat_at.tolist()) for one in seen}) == len(seen)
    outcome = objective(batch, seen)
    assert torch.isfinite(outcome.total)
    assert outcome.parts.keys() == objective(batch, seen_by(objective, which, batch)).parts.keys()


def test_with_itself_as_anchor_only_other_records_pull(rows):
    which = small("beatssl", "objective.anchor=self", "objective.beat.weight=0")
    _, objective, outcome = outcome_of(rows, which)
    pairs = outcome.details["rhythm"]
    assert torch.equal(pairs.z_a, pairs.z_b)
    assert pairs.targets is not None
    how = objective.config.rhythm
    expected = contrast(pairs.z_a, pairs.z_a, pairs.targets, how.form, how.temperature)
    torch.testing.assert_close(outcome.parts["rhythm"], expected)


def test_a_linear_projector_is_one_matrix(rows):
    which = small("beatssl", "objective.projector_layers=0")
    objective = made(beat_ssl_columns(rows, which.objective), which.objective)
    assert [type(layer) for layer in objective.project_rhythm.layers] == [torch.nn.Linear]


def test_configs_that_ask_for_nothing_or_nonsense():
    with pytest.raises(ValueError, match="no other view to be like"):
        BeatSSLSettings(rhythm=Contrast(targets="identity"), anchor="self")
    with pytest.raises(ValueError, match="weight 0"):
        BeatSSLSettings(rhythm=Contrast(weight=0.0), beat=Contrast(weight=0.0))
    with pytest.raises(ValueError, match="are of beats"):
        BeatSSLSettings(rhythm=Contrast(targets="classes"))


def test_columns_are_what_the_losses_need(rows, store):
    assert beat_ssl_columns(rows, small("simclr").objective) == Columns()
    regression = beat_ssl_columns(rows, small("regression").objective)
    assert set(regression.record) >= {"target", "measured"}
    assert not regression.beat
    paper = beat_ssl_columns(rows, small("paper").objective)
    assert ["NSVF"[k] for k in paper.beat["class"]] == rows.beats["class"].tolist()
    names = regression.scales["record_scale.safetensors"].names
    order = np.argsort(store.features["rate_bpm"])
    assert (np.diff(regression.record["target"][order, names.index("rate_bpm")]) >= 0).all()


def test_components_stand_for_features_where_asked(rows):
    few = "objective.rhythm.components=5", "objective.beat.components=3"
    reduced = beat_ssl_columns(rows, small("beatssl", *few, "objective.kernel.coordinates=0").objective)
    assert reduced.record["compared"].shape[1] == 5
    assert reduced.beat["compared"].shape[1] == 3
    plain = beat_ssl_columns(rows, small("beatssl", "objective.rhythm.components=0").objective)
    features = plain.record["compared"].shape[1]
    assert np.array_equal(plain.record["target"][:, :features], plain.record["compared"])


def test_coordinates_of_similarity_are_regression_targets_after_the_features(rows):
    without, more = (
        beat_ssl_columns(rows, small("beatssl", f"objective.kernel.coordinates={count}").objective).record
        for count in (0, 6)
    )
    features = without["target"].shape[1]
    assert more["target"].shape == (len(rows), features + 6)
    assert np.array_equal(more["target"][:, :features], without["target"])
    assert more["measured"][:, features:].all()


def test_clusters_of_several_stores_are_no_targets(store):
    both = load_rows([store.path, store.path])
    with pytest.raises(ValueError, match="no beat has one of the clusters"):
        beat_ssl_columns(both, small("beatssl", "objective.beat.targets=clusters").objective)


@pytest.mark.parametrize(("pairs", "same"), [("within", True), ("between", False)])
def test_beats_of_one_record_or_of_different_ones_are_compared(rows, pairs, same):
    which = small("paper", f"objective.beat.pairs={pairs}", "objective.beat.targets=features")
    batch, _, outcome = outcome_of(rows, which)
    record = batch.row[batch.beat_record[batch.chosen].numpy()]
    seen = outcome.details["beat"]
    assert len(seen.pairs) == len(record)  # whole records: every beat is seen
    assert (seen.pairs.numpy() == ((record[:, None] == record) == same)).all()
    how = which.objective.beat
    expected = contrast(seen.z_a, seen.z_b, seen.targets, how.form, how.temperature, compared=seen.pairs)
    torch.testing.assert_close(outcome.parts["beat"], expected)
    assert not torch.allclose(expected, contrast(seen.z_a, seen.z_b, seen.targets, how.form, how.temperature))


@pytest.mark.parametrize("pairs", ["all", "within", "between"])
def test_a_beats_own_view_has_its_share_of_the_pairs_that_are_compared(rows, pairs):
    which = small("paper", f"objective.beat.pairs={pairs}", "objective.beat.targets=features",
                  "objective.beat.soft.own_weight=0.5")  # fmt: skip
    _, _, outcome = outcome_of(rows, which)
    seen = outcome.details["beat"]
    others = seen.targets * (1 if seen.pairs is None else seen.pairs)
    share = 1 / (1 + 2 * others.fill_diagonal_(0).sum(dim=1))
    torch.testing.assert_close(share, torch.full_like(share, 0.5))


@pytest.mark.parametrize(
    ("schedule", "progress", "contrasts", "regressions"),
    [
        ("constant", 0.75, 1.0, 1.0),
        ("contrast_first", 0.0, 2.0, 0.0),
        ("contrast_first", 0.75, 0.5, 1.5),
        ("regression_first", 0.75, 1.5, 0.5),
    ],
)
def test_a_schedule_moves_weight_between_contrast_and_regression(rows, schedule, progress, contrasts, regressions):
    which = small("beatssl", f"objective.schedule={schedule}", "objective.beat_regression=0.5")
    columns, batch = batch_of(rows, which)
    objective = made(columns, which.objective)
    make = ViewMaker(batch.signals(), build_views(which.views), 0.0, torch.Generator().manual_seed(0), progress)
    outcome = objective(batch, objective.views(make))
    stated = which.objective
    factors = {
        "rhythm": contrasts * stated.rhythm.weight, "beat": contrasts * stated.beat.weight,
        "regression": regressions * stated.regression, "beat_regression": regressions * stated.beat_regression,
    }  # fmt: skip
    expected = sum(factors[name] * float(loss.detach()) for name, loss in outcome.parts.items())
    assert math.isclose(float(outcome.total.detach()), expected, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("objective.rhythm.pairs=within", "rhythm pairs 'within' are of beats"),
        ("objective.schedule=contrast_first", "goes between contrast and regression"),
        ("objective.rhythm.hard_negatives=-1", "greater than or equal to 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        named("paper", [change])
    with pytest.raises(ValueError, match="not of 'spectral'"):
        Contrast(form="spectral", hard_negatives=1.0)
