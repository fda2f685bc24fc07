from dataclasses import asdict

import pytest

from beatssl.training.config import RunConfig
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.objectives import METHODS, PRESETS
from beatssl.training.pretraining.presets import from_values, preset


@pytest.mark.parametrize("name", PRESETS)
def test_presets_come_back_from_their_values(name):
    found = preset(name)
    assert found == PRESETS[name] == from_values(asdict(found))
    assert isinstance(found.objective, METHODS[found.method].settings)


def test_the_paper_is_as_it_was_published():
    paper = preset("paper")
    rhythm, beat = paper.objective.rhythm, paper.objective.beat
    assert (rhythm.form, rhythm.soft.exponent, rhythm.temperature) == ("soft_1", 50, 0.1)
    assert (beat.form, beat.targets, beat.weight) == ("hard", "classes", 1)
    assert (paper.views.rank, paper.views.rotation, paper.views.time_mask) == ("low", 1, 1)


def test_changes_change_what_they_name():
    changed = preset("beatssl", ["objective.rhythm.soft.kernel=gaussian", "views.noise=0", "objective.beat.weight=0.5"])
    assert changed.objective.rhythm.soft.kernel == "gaussian"
    assert changed.views.noise == 0
    assert changed.objective.beat.weight == 0.5
    assert changed.objective.beat.soft == preset("beatssl").objective.beat.soft


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("objective.rythm.weight=1", "changes no value of a preset.*objective.rhythm.weight"),
        ("objective.rhythm=1", "changes no value"),
        ("objective.rhythm.weight", "changes no value"),
        ("objective.rhythm.weight=-1", "objective.rhythm.weight: .*greater than or equal to 0"),
        ("objective.rhythm.form=soft", "objective.rhythm.form"),
        ("objective.rhythm.targets=classes", "are of beats"),
        ("views.noise=2", "views.noise"),
        ("window_share=2", "window_share"),
        ("method=cmsc", "changes no value"),
    ],
)
def test_changes_that_make_no_preset(change, message):
    with pytest.raises(ValueError, match=message):
        preset("beatssl", [change])


def test_unknown_presets():
    with pytest.raises(ValueError, match="there is no preset 'papers'; choose one of beatssl"):
        preset("papers")


def test_configs_that_cannot_be(tmp_path):
    with pytest.raises(ValueError, match="no multiple of log_every"):
        PretrainConfig(stores=(tmp_path,), out=tmp_path, run=RunConfig(save_every=7))
    with pytest.raises(ValueError, match="no store to train on"):
        PretrainConfig(stores=(), out=tmp_path)
