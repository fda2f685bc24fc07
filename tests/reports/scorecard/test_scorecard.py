import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from beatssl.reports.scorecard import scorecard as module
from beatssl.reports.scorecard.lines import TITLES, scorecard_lines
from beatssl.reports.scorecard.page import scorecard_page
from beatssl.reports.scorecard.pictures import bars_of_tasks, draw_bars
from beatssl.reports.scorecard.scorecard import scorecard
from beatssl.reports.tables import figures_table
from beatssl.results import read_result, to_json, write_result
from beatssl.studies.scorecard import encoders
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.scores import Measured, Score, Scorecard, scorecard_of

RESULTS = Path(__file__).resolve().parents[3] / "results"
VALUES = {"ours": 0.9, "random": 0.8}


@pytest.fixture
def config(tmp_path, monkeypatch):
    def measured(source, task, config):
        if source not in VALUES:
            return [Measured("ecg-fm", task, "AUROC", None, None, 0, True, True, "weights not at hand")]
        value = VALUES[source]
        auroc = Measured(
            source, task, "AUROC", value, (0.7, 0.95), 100, True, task == "superclass", "", (value - 0.2, value)
        )
        return [auroc, Measured(source, task, "F1", 0.5, None, 100, True, False)]

    monkeypatch.setattr(encoders, "measure", measured)
    return ScorecardConfig(
        ("ours", "random", "ecg-fm:nowhere"), out=tmp_path / "card", stores=tmp_path, tasks=("superclass", "lead-II")
    )


def test_a_scorecard_is_written_as_json_and_as_a_table(config):
    card = scorecard(config)
    assert read_result(config.out / "scorecard.json", Scorecard) == card
    assert json.loads((config.out / "scorecard.json").read_text()) == to_json(card)
    assert card.mean_rank == {"ours": 1.0, "random": 2.0, "ecg-fm": None}
    table = pd.read_csv(config.out / "scorecard.csv")
    assert len(table) == len(card.scores) == 10
    assert table.loc[table["encoder"] == "ecg-fm", "reason"].tolist() == ["weights not at hand"] * 2
    assert table["ci95_low"].max() == 0.7


def test_a_scorecard_goes_on_with_other_encoders_and_tasks_and_refuses_other_options(config):
    scorecard(replace(config, encoders=("ours",), tasks=("superclass",)))
    assert len(scorecard(config).encoders) == 3
    with pytest.raises(ValueError, match=r"another config .*scorecard.test: False against True"):
        scorecard(replace(config, test=True))
    assert scorecard(replace(config, test=True, overwrite=True)).folds == "test"


def test_what_is_refused_leaves_no_folder_and_no_card(config):
    for wrong in ({"tasks": ("ages",)}, {"encoders": ("ours", "ours")}, {"tasks": ()}):
        with pytest.raises(ValueError, match=r"no task|twice|none of the stores"):
            scorecard(replace(config, **wrong))
        assert not config.out.exists()
    with pytest.raises(ValueError, match="no score came of it"):
        scorecard(replace(config, encoders=("ecg-fm:nowhere",)))
    assert not (config.out / "scorecard.json").exists()


def test_what_is_done_is_written_after_every_task(config, monkeypatch):
    written = []
    monkeypatch.setattr(module, "write_result", lambda path, card: written.append({one.task for one in card.scores}))
    scorecard(config)
    assert written == [{"superclass"}, {"superclass", "lead-II"}]


def test_the_page_has_the_ranks_every_figure_and_what_is_missing(config):
    card = scorecard(config)
    html = (config.out / "scorecard.html").read_text(encoding="utf-8")
    assert html == scorecard_page(card)
    assert "Figures are of the validation folds" in html
    assert re.search(r"<b>1.00</b><span>ours</span>.*<b>2.00</b><span>random</span>", html)
    assert "0.9 (0.7 to 0.95)" in html
    assert "<td>ecg-fm</td><td>lead-II</td><td>weights not at hand</td>" in html
    assert card.pretrained_on.startswith(
        "Pretrained on: random: not pretrained, random weights; ecg-fm: ECG-FM (McKeen"
    )
    assert f"<p>{card.pretrained_on}</p>" in html
    assert html.count("Lead II") == 1  # the panel of the picture
    monochrome = replace(card, scores=tuple(one for one in card.scores if not one.reason))
    assert 'id="missing"' not in scorecard_page(monochrome)


def test_the_page_has_the_first_encoder_against_the_others_where_there_are_any(config):
    card = scorecard(config)
    html = scorecard_page(card)
    assert "<td>superclass</td><td>AUROC</td><td>+0.100 (+0.100 to +0.100)</td><td>–</td>" in html
    assert "<td>lead-II</td><td>F1</td><td>+0.000</td><td>–</td>" in html
    assert 'id="differences"' not in scorecard_page(scorecard(replace(config, encoders=("ours",))))


def bars(axes):
    return [(bar.get_x(), bar.get_width()) for bar in axes.patches]


def test_bars_end_at_the_value_and_the_best_is_dark():
    axes = Figure().add_subplot()
    draw_bars(axes, [Score("a", "age", "MAE (years)", 8.0, None, 9, False, False),
                     Score("b", "age", "MAE (years)", 6.0, (5.0, 7.0), 9, False, False)], ("a", "b"))  # fmt: skip
    assert bars(axes) == [(0, 8.0), (0, 6.0)]
    pale, dark = (sum(bar.get_facecolor()[:3]) for bar in axes.patches)
    assert dark < pale
    assert tuple(axes.lines[0].get_xdata()) == (5.0, 7.0)
    assert axes.get_xlabel() == "MAE (years), less is better"
    axes = Figure().add_subplot()
    draw_bars(axes, [Score("b", "lead-II", "AUROC", 0.9, None, 9, True, True)], ("a", "b"))
    assert bars(axes) == [(0.5, pytest.approx(0.4))]
    assert axes.get_xlabel() == "AUROC"
    assert bars_of_tasks(scorecard_of([], ("a",), True, 0, 10)).startswith("<svg")


def test_a_scorecard_among_the_results_is_below_the_table_of_figures(config, tmp_path):
    card = scorecard(config)
    lines = scorecard_lines(card, TITLES["validation"])
    assert lines[0] == "Scorecard, validation folds, to choose by (`beatssl scorecard`):"
    assert "| superclass | AUROC | **0.900 (0.700–0.950)** | **0.800 (0.700–0.950)** | weights not at hand |" in lines
    assert "| lead-II | F1 | 0.500 | 0.500 | – |" in lines
    before = scorecard_lines(replace(card, first_less_other=()), TITLES["validation"])
    assert before[-3:] == ["| mean rank | 1 tasks | 1.00 | 2.00 | – |", "", card.pretrained_on]
    assert scorecard_lines(replace(card, first_less_other=(), pretraining={}), TITLES["validation"]) == before[:-2]
    assert lines[: len(before)] == before
    assert lines[-1] == "| superclass | AUROC | +0.100 (+0.100 to +0.100) | – |"
    results = tmp_path / "results"
    shutil.copytree(RESULTS, results)
    for optional in ("scorecard", "shift", "study"):
        shutil.rmtree(results / optional, ignore_errors=True)
    plain = figures_table(results)
    write_result(results / "scorecard" / "validation.json", card)
    write_result(results / "scorecard" / "test.json", replace(card, folds="test"))
    table = figures_table(results)
    assert table.startswith(plain + "\n\n")
    assert table.count("| mean rank |") == 2
    assert "(`beatssl scorecard --test`)" in table
    less = Score("ours", "ptbdb-finetuned", "AUROC less frozen", -0.002, (-0.044, 0.043), 9, True, False)
    finetuned = replace(card, folds="test", ranks={}, scores=(*card.scores, less))
    write_result(results / "scorecard" / "further-finetuned.json", finetuned)
    added = figures_table(results).removeprefix(table + "\n\n").splitlines()
    assert added[0].startswith("Linear probes and fine-tuning on further databases")
    assert "mean rank" not in "".join(added)
    assert "| ptbdb-finetuned | AUROC less frozen | -0.002 (-0.044 to 0.043) | – | – |" in added
