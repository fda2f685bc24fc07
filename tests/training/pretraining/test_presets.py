import pytest

from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.presets import PRESETS, recipe


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_recipes(preset):
    assert recipe(preset) == recipe(preset, ())


def test_the_paper_is_as_it_was_published():
    paper = recipe("paper")
    rhythm, beat = paper.objective.rhythm, paper.objective.beat
    assert (rhythm.form, rhythm.soft.exponent, rhythm.temperature) == ("soft_1", 50, 0.1)
    assert (beat.form, beat.targets, beat.weight) == ("hard", "classes", 1)
    assert (paper.views.rank, paper.views.rotation, paper.views.time_mask) == ("low", 1, 1)


def test_changes_change_what_they_name():
    changed = recipe("beatssl", ["objective.rhythm.soft.kernel=gaussian", "views.noise=0", "objective.beat.weight=0.5"])
    assert changed.objective.rhythm.soft.kernel == "gaussian"
    assert changed.views.noise == 0
    assert changed.objective.beat.weight == 0.5
    assert changed.objective.beat.soft == recipe("beatssl").objective.beat.soft


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("objective.rythm.weight=1", "changes no value of a recipe.*objective.rhythm.weight"),
        ("objective.rhythm=1", "changes no value"),
        ("objective.rhythm.weight", "changes no value"),
        ("objective.rhythm.weight=-1", "objective.rhythm.weight: .*greater than or equal to 0"),
        ("objective.rhythm.form=soft", "objective.rhythm.form"),
        ("objective.rhythm.targets=classes", "are of beats"),
        ("views.noise=2", "views.noise"),
    ],
)
def test_changes_that_make_no_recipe(change, message):
    with pytest.raises(ValueError, match=message):
        recipe("beatssl", [change])


def test_unknown_presets():
    with pytest.raises(ValueError, match="there is no preset 'papers'; choose one of beatssl"):
        recipe("papers")


def test_configs_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="no multiple of log_every"):
        PretrainConfig(stores=(tmp_path,), out=tmp_path, save_every=7)
    with pytest.raises(ValueError, match="no store to train on"):
        PretrainConfig(stores=(), out=tmp_path)
