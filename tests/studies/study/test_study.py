import json
import shutil
import time
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pandas as pd
import pytest

from beatssl.console_output import show_study
from beatssl.files import write_json
from beatssl.inference.encoder import BeatEncoder
from beatssl.results import read_result, to_json, write_result
from beatssl.store.outputs import what_is
from beatssl.studies.scorecard.scores import Measured
from beatssl.studies.study import evaluation, work
from beatssl.studies.study import study as module
from beatssl.studies.study.config import StudyConfig
from beatssl.studies.study.evaluation import Figure
from beatssl.studies.study.plan import plan
from beatssl.studies.study.plan_file import read_study_file
from beatssl.studies.study.result import StudyResult
from beatssl.studies.study.study import study
from beatssl.training.diagnosis.figures import DiagnosisFigures

FILE = """
[base]
changes = ["network.width=0.25", "network.depth=0.5", "optim.batch_size=4", "objective.kernel.coordinates=0"]
stores = ["small"]
tasks = ["superclass", "lead-II"]
[budgets.small]
rows = 8
epochs = 1
[[contrasts]]
name = "beats against none"
group = "levels"
a = "both"
b = "rhythm"
[groups.levels]
seeds = 2
[groups.levels.variants]
both = []
rhythm = ["objective.beat.weight=0"]
[groups.others]
[groups.others.variants]
"in two groups" = []
broken = ["objective.beat.targets=classes"]
untrained = ["source=random"]
"another store" = ["stores=absent"]
"""


def scored(run, task, folder, study):
    """A task's score is a number of the weights, or of the seed of an untrained network."""
    value = run.seed + 0.5
    if run.kind == "pretrain":
        weights = BeatEncoder.from_pretrained(folder / evaluation.PRETRAINED).encoder.state_dict()
        value = float(sum(weight.double().abs().mean() for weight in weights.values()))
    return [Figure("AUROC", value, 8), Figure("F1", value / 2, 8, chooses=False)]


@pytest.fixture(scope="module")
def stores(store, copied_with, tmp_path_factory) -> Path:
    """Two stores alike, whose beats have no class that is known."""
    folder = tmp_path_factory.mktemp("stores")
    folds = pd.factorize(store.records["patient_id"])[0] % 8 + 1
    made = copied_with(store, records=store.records.assign(fold=folds), beats=store.beats.assign(**{"class": "Q"}))
    for name in ("small", "ptb-xl"):  # what is trained on, and the store of all tasks
        shutil.copytree(made.path, folder / name)
    return folder


def config_in(folder: Path, stores: Path) -> StudyConfig:
    (folder / "study.toml").write_text(FILE, encoding="utf-8")
    return StudyConfig(str(folder / "study.toml"), out=folder / "out", stores=stores)


@pytest.fixture(scope="module")
def ran(stores, tmp_path_factory) -> tuple[StudyConfig, StudyResult, str]:
    """A study that was run, what came of it, and what it said meanwhile."""
    config = config_in(tmp_path_factory.mktemp("ran"), stores)
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(StringIO()) as said:
        patch.setattr(evaluation, "_frozen", scored)
        return config, study(config), said.getvalue()


@pytest.fixture
def config(stores, tmp_path, monkeypatch) -> StudyConfig:
    monkeypatch.setattr(evaluation, "_frozen", scored)
    return config_in(tmp_path, stores)


def test_from_a_file_to_one_table(ran) -> None:
    config, made, said = ran
    assert (made.planned, made.finished) == (7, 5)
    assert read_result(config.out / "study.json", StudyResult).costs == made.costs
    table = pd.read_csv(config.out / "study.csv")
    assert list(table.columns[:7]) == ["group", "variant", "seed", "budget", "task", "figure", "value"]
    lines = table.groupby(["group", "variant"]).size().to_dict()
    assert lines == {
        ("levels", "both"): 8, ("levels", "rhythm"): 8, ("others", "in two groups"): 8, ("others", "untrained"): 4,
    }  # fmt: skip
    both, shared = (
        table[(table["variant"] == name) & (table["seed"] == 0)]["hash"].unique() for name in ("both", "in two groups")
    )
    assert list(both) == list(shared)
    assert (table[table["variant"] != "untrained"]["seconds"] > 0).all()
    (aside,) = made.set_aside
    assert (aside.variant, aside.seed) == ("others/broken", 0)
    assert "no beat has one of the classes" in aside.reason
    assert made.lacking == (str(config.stores / "absent"),)
    assert "set aside: others/broken" in str(made)
    assert "no store" in str(made)
    assert said.count(" s, AUROC ") == 5
    assert what_is(config.out) == "a folder that study wrote"


def test_contrasts_are_differences_seed_by_seed(ran) -> None:
    config, made, _ = ran
    table = pd.read_csv(config.out / "study.csv")
    of = table[(table["group"] == "levels") & (table["task"] == "lead-II") & (table["figure"] == "AUROC")]
    wide = of.pivot(index="seed", columns="variant", values="value")
    (found,) = [one for one in made.contrasts if (one.task, one.figure) == ("lead-II", "AUROC")]
    assert found.difference.seeds == 2
    assert found.difference.mean == pytest.approx((wide["both"] - wide["rhythm"]).mean())
    assert [one.task for one in made.contrasts].count("lead-II") == 2
    ranked = made.ranks[0]
    assert ranked.group == "levels"
    assert ranked.ranks.tasks == ("lead-II", "superclass")
    assert sorted(ranked.ranks.mean_rank.values()) == [1.0, 2.0]


def test_what_an_earlier_study_found_is_not_run_again(ran, tmp_path, monkeypatch) -> None:
    """Its folder is another machine's: only its two files are here. What it set aside is tried, and new runs are."""
    asked, first, _ = ran
    for name in ("study.csv", "study.json"):
        (tmp_path / "earlier").mkdir(exist_ok=True)
        shutil.copy(asked.out / name, tmp_path / "earlier")
    here = replace(asked, out=tmp_path / "out", earlier=tmp_path / "earlier")
    tried = []
    monkeypatch.setattr(work, "pretrain", lambda given: tried.append(given.out.parent.name) or 1 / 0)
    monkeypatch.setattr(evaluation, "_frozen", None)
    with redirect_stderr(StringIO()) as said:
        made = study(here)
    assert "has the figures of 5 of 7 runs" in said.getvalue()
    assert set(tried) == {first.set_aside[0].hash}
    assert made.finished == first.finished
    assert (to_json(made.means), to_json(made.contrasts)) == (to_json(first.means), to_json(first.contrasts))
    pd.testing.assert_frame_equal(*(pd.read_csv(one.out / "study.csv") for one in (here, asked)))
    monkeypatch.setattr(evaluation, "_frozen", lambda *of: [Figure("AUROC", 1.0, 8)])
    more = study(replace(here, groups=("others",), tasks=("age",)))
    assert {one.task for one in more.means} == {"superclass", "lead-II", "age"}


def test_what_is_finished_is_not_run_again(ran, monkeypatch) -> None:
    asked, first, _ = ran
    monkeypatch.setattr(work, "pretrain", None)
    monkeypatch.setattr(evaluation, "_frozen", None)
    assert to_json(study(asked)) == to_json(first)
    assert to_json(study(replace(asked, only_table=True, groups=("levels",))).means) == to_json(first.means)
    monkeypatch.setattr(evaluation, "_frozen", lambda *of: [Figure("MAE", 1.0, 8, higher_is_better=False)])
    more = study(replace(asked, groups=("levels",), tasks=("superclass", "lead-II", "age")))
    assert {one.task for one in more.means} == {"superclass", "lead-II", "age"}


def test_an_earlier_study_without_its_table_or_with_another_is_refused(config, tmp_path) -> None:
    with pytest.raises(ValueError, match=r"has no study\.csv; --earlier takes the folder"):
        study(replace(config, earlier=tmp_path))
    (tmp_path / "study.csv").write_text("a,b\n1,2\n")
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(ValueError, match=r"study\.csv has columns a, b, not those of a study"):
        study(replace(config, earlier=tmp_path))
    assert not config.out.exists()


def test_a_run_that_another_process_has_is_left_to_it_and_a_failed_one_to_a_retry(config, monkeypatch) -> None:
    asked = replace(config, groups=("others",))
    study(replace(asked, minutes=1e-9))
    first = study(asked)
    assert first.finished == 2
    tried = []
    monkeypatch.setattr(work, "pretrain", lambda given: tried.append(given.out) or 1 / 0)
    study(asked)
    assert tried == []
    made = study(replace(asked, retry=True))
    assert "ZeroDivisionError" in made.set_aside[0].reason
    assert len(tried) == 2  # once in each of the two rounds
    (tried[0].parent / "claim.json").write_text(json.dumps({"host": "elsewhere", "pid": 1}))
    study(replace(asked, retry=True))
    assert len(tried) == 2


def test_what_an_older_version_left_half_done_begins_anew(config) -> None:
    asked = replace(config, groups=("levels",), seeds=1)
    study(replace(asked, only_table=True))
    (run, _) = plan(read_study_file(config.file), asked)
    pretraining = work.folder_of(config.out, run) / evaluation.PRETRAINED
    write_json(pretraining / "config.json", {"pretrain": {"an option": "that there is no more"}})
    write_json(pretraining / "metrics.jsonl", {"update": 1})
    assert study(asked).set_aside == ()


def test_workers_share_the_runs(config, monkeypatch) -> None:
    """Threads stand in for the processes: what they have in common is the folder alone."""
    tried = []

    def attempt(run, tasks, folder, config, say):
        tried.append(run.hash)
        time.sleep(0.01)
        write_result(folder / work.DONE, work.Done(0.0, 0))
        for task in tasks:
            evaluation.score(replace(run, kind="source"), task, folder, config)

    threads = SimpleNamespace(Process=lambda target, args: Thread(target=target, args=args))
    monkeypatch.setattr(module.multiprocessing, "get_context", lambda kind: threads)
    monkeypatch.setattr(work, "_attempt", attempt)
    made = study(replace(config, workers=3))
    assert made.finished == 6
    assert len(tried) == len(set(tried)) == 6


def test_a_task_that_fails_leaves_the_others(config, monkeypatch) -> None:
    def scored(run, task, folder, study):
        if task == "superclass":
            raise ValueError("no labels")
        return [Figure("AUROC", 0.5, 8)]

    monkeypatch.setattr(evaluation, "_frozen", scored)
    made = study(replace(config, groups=("others",), seeds=1))
    assert {one.task for one in made.means} == {"lead-II"}
    reasons = {one.variant: one.reason for one in made.set_aside}
    assert reasons["others/untrained"] == "superclass: ValueError: no labels"


def test_a_task_that_the_scorecard_has_not_is_refused(config) -> None:
    with pytest.raises(ValueError, match="the scorecard has no task 'superclasses'; choose out of superclass, "):
        study(replace(config, tasks=("superclasses",)))
    assert not config.out.exists()


def test_an_encoder_is_scored_by_the_scorecard_and_a_missing_store_is_a_reason(config, tmp_path, monkeypatch) -> None:
    monkeypatch.undo()
    (run, *_) = plan(read_study_file(config.file), replace(config, groups=("others",)))
    untrained = replace(run, kind="source", source="random", stores=config.stores)
    seen, value = [], 0.75

    def measured(source, task, asked):
        seen.append((source, task, asked.stores, asked.network.width, asked.seed, asked.test))
        return [Measured(source, task, "AUROC", value, None, 8, True, True, "" if value else "too few records", (0.5,))]

    monkeypatch.setattr(evaluation, "measure", measured)
    monkeypatch.setitem(evaluation.TASKS, "lead-II", replace(evaluation.TASKS["lead-II"], store="small"))
    found = evaluation.score(replace(untrained, seed=3), "lead-II", config.out, config)
    assert seen == [("random", "lead-II", config.stores, 0.25, 3, False)]
    assert (found.figures[0].value, found.figures[0].chooses) == (0.75, True)
    assert to_json(evaluation.scores_of(config.out, "lead-II")) == to_json(found)
    assert found.figures[0].draws == ()  # of seed 3 patients are drawn otherwise than of 0
    assert evaluation.score(untrained, "lead-II", config.out, config).figures[0].draws == (0.5,)
    value = None
    with pytest.raises(ValueError, match="too few records"):
        evaluation.score(untrained, "lead-II", tmp_path, config)
    with pytest.raises(FileNotFoundError, match="ptb-xl; prepare it"):
        evaluation.score(replace(untrained, stores=tmp_path), "superclass", config.out, config)


def test_nothing_is_trained_where_the_store_of_a_task_is_missing(config, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(work, "pretrain", None)
    (tmp_path / "stores").mkdir()
    (tmp_path / "stores" / "small").symlink_to(config.stores / "small")
    made = study(replace(config, stores=tmp_path / "stores", groups=("levels",)))
    assert (made.finished, made.set_aside, made.complete) == (0, (), False)
    assert made.lacking == (str(tmp_path / "stores" / "ptb-xl"),)
    with pytest.raises(SystemExit) as status:
        show_study(made)
    assert status.value.code == 1


def test_a_score_without_a_value_counts_where_the_source_cannot_do_the_task_alone(config) -> None:
    (run, *_) = plan(read_study_file(config.file), replace(config, groups=("others",)))
    nothing = evaluation.Scored((Figure("AUROC", float("nan"), reason="CheckpointError"),))
    for task in ("superclass", "all-statements-attention", "retrieval", "brugada"):
        write_result(config.out / evaluation.SCORES / f"{task}.json", nothing)
    sources = {"features": "source", "scratch": "scratch", "": "pretrain", "random": "source"}
    counts = {
        source: [
            task
            for task in ("superclass", "all-statements-attention", "retrieval", "brugada")
            if evaluation.kept(replace(run, kind=kind, source=source), config.out, task) is not None
        ]
        for source, kind in sources.items()
    }
    assert counts == {
        "features": ["all-statements-attention", "brugada"],
        "scratch": ["all-statements-attention", "retrieval", "brugada"],
        "": ["brugada"],
        "random": ["brugada"],
    }


@pytest.mark.parametrize("stale", [{"version": "0.0.1"}, {"stores": {"small": "of others"}}], ids=["version", "store"])
def test_what_another_version_or_other_data_finished_begins_anew(config, monkeypatch, stale) -> None:
    (run, _) = plan(read_study_file(config.file), replace(config, groups=("levels",), seeds=1))
    folder = work.folder_of(config.out, run)
    made = SimpleNamespace(updates=1, figures={})
    tried = []
    monkeypatch.setattr(work, "pretrain", lambda given: tried.append(given.out) or made)
    monkeypatch.setattr(work, "_seconds", lambda out: 1.0)
    for task in ("superclass", "lead-II"):
        write_result(folder / evaluation.SCORES / f"{task}.json", evaluation.Scored((Figure("AUROC", 0.5),)))
    write_json(folder / work.DONE, {"seconds": 1.0, "updates": 1, "figures": {}})
    assert work.finished(config.out, run, ("superclass", "lead-II"))
    write_json(folder / work.DONE, {"seconds": 1.0, "updates": 1, "figures": {}} | stale)
    assert not work.finished(config.out, run, ("superclass", "lead-II"))
    work._train(run, folder, config)
    assert (len(tried), (folder / evaluation.SCORES).exists(), work.trained(config.out, run)) == (1, False, True)
    done = read_result(folder / work.DONE, work.Done)
    assert (done.version, list(done.stores)) == (work.__version__, ["small"])
    work._train(run, folder, config)
    assert len(tried) == 1


def test_figures_from_scratch_choose_where_the_task_does() -> None:
    found = object.__new__(DiagnosisFigures)
    vars(found).update(records=SimpleNamespace(valid=8), macro_auroc=0.7, macro_f1=0.5)
    for task in ("superclass", "superclass-10-percent"):
        figures = evaluation._figures(found, task)
        assert [one.chooses for one in figures] == [task == "superclass", False]
