from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beatssl.models.config import EncoderConfig
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.records import DRAWS
from beatssl.studies.study.changes import Settings, settings
from beatssl.studies.study.config import StudyConfig
from beatssl.studies.study.plan import Run, changed, plan, variants_of
from beatssl.studies.study.plan_file import StudyFile, read_study_file
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.objective import Preset
from beatssl.training.pretraining.presets import PRESETS

CONFIG = StudyConfig("default", out=Path("out"))
SMALL = """
[base]
changes = ["network.width=0.25"]
[budgets.small]
rows = 8
epochs = 2
[starts]
plain = ["objective.regression=0", "objective.kernel.coordinates=0"]
[groups.first.variants]
one = []
two = ["start=plain", "share=0.5", "epochs=3"]
[groups.second]
seeds = 2
[groups.second.variants]
same = []
other = ["objective.beat.weight=0.5"]
"""


@pytest.fixture(scope="module")
def shipped() -> StudyFile:
    return read_study_file("default")


def written(folder: Path, text: str) -> str:
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return str(folder / "study.toml")


@pytest.fixture(scope="module", params=["small", "full"])
def planned(shipped: StudyFile, request: pytest.FixtureRequest) -> tuple[str, list[tuple[Run, PretrainConfig, Preset]]]:
    """A budget with its runs, and what they pretrain."""
    groups = tuple(shipped.groups) if request.param == "small" else ()
    runs = plan(shipped, replace(CONFIG, budget=request.param, groups=groups, seeds=2))
    made = [run.pretraining(Path("run"), CONFIG) for run in runs]
    return request.param, [(run, one, one.values()) for run, one in zip(runs, made, strict=True)]


def test_every_variant_of_the_packages_file_gives_a_frozen_config(
    shipped: StudyFile, planned: tuple[str, list[tuple[Run, PretrainConfig, Preset]]]
) -> None:
    budget, found = planned
    runs = [run for run, _, _ in found]
    named = [(run.seed, *name) for run in runs for name in run.names]
    assert len(named) == len(set(named)) >= len(runs)
    assert len({run.hash for run in runs}) == len(runs)
    for run, made, values in found:
        assert values.method
        assert made.folds == "1-7"
        seen = shipped.budgets[budget].rows * shipped.budgets[budget].epochs * run.settings.epochs
        assert made.rows * made.epochs == pytest.approx(seen, rel=1e-3)


def test_the_packages_file_has_the_rows_of_the_paper_and_every_preset(shipped: StudyFile) -> None:
    rows = variants_of(shipped, "paper", CONFIG)
    assert len(rows) == 14
    for name, run in rows.items():
        rhythm, beat, exponent = name.split(" / ")
        made = run.pretraining(Path("run"), CONFIG).values().objective
        assert made.rhythm.form == rhythm
        assert beat == (made.beat.form if made.beat.weight else "-")
        soft = [part.soft.exponent for part in (made.rhythm, made.beat) if part.weight and part.targets == "features"]
        assert set(soft) <= {float(exponent)}
    assert set(variants_of(shipped, "rivals", CONFIG)) == set(PRESETS)


def test_all_variants_of_a_budget_see_windows_of_one_length(
    planned: tuple[str, list[tuple[Run, PretrainConfig, Preset]]],
) -> None:
    budget, found = planned
    windows = {(values.window_s, values.window_share) for run, _, values in found if run.kind == "pretrain"}
    assert windows == {(5.0, 1.0 if budget == "small" else 0.8)}


def test_groups_of_targets_vary_similarities_as_they_are(shipped: StudyFile) -> None:
    soft = variants_of(shipped, "contrasts", CONFIG)["soft"].hash
    links = {"weighting": "soft_2", "kernel": "cosine", "exponent": "15"}
    for group, link in ((group, f"{name}, own weight 0.5") for group, name in links.items()):
        made = variants_of(shipped, group, CONFIG)
        assert made[link].hash == soft
        for name, run in made.items():
            parts = run.pretraining(Path("run"), CONFIG).values().objective
            for part in (parts.rhythm, parts.beat):
                assert part.soft.own_weight is None or name == link or part.targets != "features", (group, name)
    assert (
        variants_of(shipped, "weighting", CONFIG)["hard"].hash == variants_of(shipped, "contrasts", CONFIG)["hard"].hash
    )


def test_no_variant_is_evaluated_through_a_layer_that_it_does_not_train(
    shipped: StudyFile, planned: tuple[str, list[tuple[Run, PretrainConfig, Preset]]]
) -> None:
    for run, made, values in planned[1]:
        if run.kind == "pretrain" and values.method == "beatssl":
            of = values.objective
            assert of.rhythm.weight or of.regression or made.encoder.embedding == 0, run.names
    levels = variants_of(shipped, "levels", CONFIG)
    assert levels["λ 1, pooled map"].settings.network == levels["beat only"].settings.network
    assert variants_of(shipped, "beat-pairs", CONFIG)["all, beats only"].hash == levels["beat only"].hash


def test_every_variant_can_be_had_with_each_of_several_changes(shipped: StudyFile) -> None:
    made = variants_of(shipped, "rival-rates", CONFIG)
    assert len(made) == 3 * len(PRESETS)
    assert made["simclr, 1e-3"].settings.optim.rate == 0.001
    plain = variants_of(shipped, "rivals", CONFIG)
    assert [name for name in PRESETS if made[f"{name}, 3e-3"].hash == plain[name].hash] == list(PRESETS)


def test_contrasts_come_first_with_five_seeds(shipped: StudyFile) -> None:
    assert next(iter(shipped.groups)) == "contrasts"
    runs = plan(shipped, replace(CONFIG, groups=("contrasts",)))
    assert [run.seed for run in runs] == [seed for seed in range(5) for _ in range(9)]


def test_a_run_of_two_groups_stands_once(tmp_path: Path) -> None:
    runs = plan(read_study_file(written(tmp_path, SMALL)), CONFIG)
    assert [run.names for run in runs] == [
        (("first", "one"), ("second", "same")), (("first", "two"),), (("second", "other"),),
        (("second", "same"),), (("second", "other"),),
    ]  # fmt: skip
    assert [run.seed for run in runs] == [0, 0, 0, 1, 1]
    assert (runs[1].rows, runs[1].epochs) == (4, 12)
    assert all(run.settings.network == EncoderConfig(width=0.25) for run in runs)


def test_hashes_follow_from_what_counts_alone(tmp_path: Path) -> None:
    def hashes(text: str, config: StudyConfig = CONFIG) -> list[str]:
        return [run.hash for run in plan(read_study_file(written(tmp_path, text)), config)]

    once = hashes(SMALL)
    assert hashes(SMALL.replace("first", "renamed"), replace(CONFIG, out=Path("x"), stores=Path("y"))) == once
    assert hashes(SMALL.replace("one = []", 'one = ["objective.regression=1.0"]')) == once
    other = hashes(SMALL.replace('"objective.beat.weight=0.5"', '"objective.beat.weight=0.6"'))
    assert [a == b for a, b in zip(once, other, strict=True)] == [True, True, False, True, False]
    assert not set(hashes(SMALL.replace("epochs = 2", "epochs = 3"))) & set(once)


def test_what_stands_at_its_default_is_left_out_of_the_hash() -> None:
    assert changed(EncoderConfig()) == {}
    assert changed(EncoderConfig(width=0.5)) == {"width": 0.5}


@pytest.mark.parametrize(
    ("was", "now", "message"),
    [
        ("one = []", 'one = ["objective.beta.weight=1"]', r"groups.first, variant 'one': .*objective.beta.weight"),
        ("one = []", 'one = ["objective.beat.weight=-1"]', r"groups.first, variant 'one': .*objective.beat.weight"),
        ("one = []", 'one = ["network.name=xresnet"]', "no network 'xresnet'; choose one of xresnet1d"),
        ("one = []", 'one = ["network.width=thin"]', "network.width"),
        ("one = []", 'one = ["preset=beetssl"]', "no preset 'beetssl'"),
        ("one = []", 'one = ["start=simple"]', "no start 'simple'; choose one of plain"),
        ("one = []", 'one = ["objective.regression"]', "write path=value"),
        ("one = []", 'one = ["weight=1"]', "changes no setting; choose a path out of objective"),
        ("rows = 8", "rows = 8\nrecords = 3", "budgets.small.records"),
        ("seeds = 2", 'seeds = 2\nbudgets = ["large"]', "no budget 'large'; there are small"),
        ("epochs = 2", "epochs =", "is no TOML"),
    ],
    ids=["path", "value", "network", "size", "preset", "start", "change", "setting", "key", "budget", "toml"],
)
def test_what_cannot_be_run_fails_before_anything_is(tmp_path: Path, was: str, now: str, message: str) -> None:
    file = written(tmp_path, SMALL.replace(was, now))
    with pytest.raises(ValueError, match=message):
        plan(read_study_file(file), CONFIG)


def test_a_contrast_names_variants_that_exist(tmp_path: Path) -> None:
    contrast = '[[contrasts]]\nname = "n"\ngroup = "first"\na = "one"\nb = "three"\n'
    with pytest.raises(ValueError, match=r"contrast 'n': groups.first has no variant 'three'"):
        read_study_file(written(tmp_path, SMALL + contrast))


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"groups": ("third",)}, "no group 'third'"), ({"budget": "huge"}, "budget 'huge' is not in the file")],
    ids=["group", "budget"],
)
def test_what_the_file_has_not_is_refused(tmp_path: Path, asked: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(read_study_file(written(tmp_path, SMALL)), replace(CONFIG, **asked))


@given(st.permutations(["objective.beat.weight=0.5", "optim.rate=0.01", "network.depth=0.5", "views.noise=0.1"]))
def test_the_order_of_changes_to_different_values_does_not_count(changes: list[str]) -> None:
    assert settings(Settings(), changes) == settings(Settings(), sorted(changes))


def test_the_last_change_of_a_value_counts_and_another_preset_drops_those_before() -> None:
    assert settings(Settings(), ["optim.rate=1", "optim.rate=2"]).optim.rate == 2
    made = settings(Settings(), ["objective.regression=0", "preset=simclr", "views.noise=0.1"])
    assert (made.preset, made.set) == ("simclr", ("views.noise=0.1",))


def test_what_is_there_already_does_not_depend_on_the_budget(shipped: StudyFile) -> None:
    def untrained(budget: str) -> list[Run]:
        return plan(shipped, replace(CONFIG, budget=budget, groups=("untrained",)))

    assert [run.kind for run in untrained("small")] == ["source", "source", "scratch", "source"]
    same = [a.hash == b.hash for a, b in zip(untrained("small"), untrained("full"), strict=True)]
    assert same == [False, True, False, True]  # the network of the small budget is smaller


def test_every_seed_from_scratch_learns_from_the_labels_of_the_probes_and_its_hash_holds_the_precision(
    shipped: StudyFile,
) -> None:
    runs = plan(shipped, replace(CONFIG, groups=("contrasts",), seeds=2))
    scratch = [run.supervised(Path("run"), CONFIG, 0.01) for run in runs if run.kind == "scratch"]
    probes = ScorecardConfig(("random",), Path("out"))
    assert [(one.seed, one.seed_of_draws, one.draws) for one in scratch] == [
        (0, probes.seed, DRAWS), (1, probes.seed, DRAWS),
    ]  # fmt: skip
    precise = replace(shipped, base=replace(shipped.base, changes=("optim.precision=float32",)))
    made = [variants_of(study, "contrasts", CONFIG)["from scratch"].hash for study in (shipped, precise)]
    assert made[0] != made[1]


def test_a_file_that_is_not_there_is_refused_with_the_remedy() -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file mine\.toml; pass a TOML file, or 'default'"):
        read_study_file("mine.toml")
