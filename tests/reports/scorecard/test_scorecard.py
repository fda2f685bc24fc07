import json
from dataclasses import replace

import pandas as pd
import pytest

from beatssl.reports.scorecard import scorecard as module
from beatssl.reports.scorecard.scorecard import scorecard
from beatssl.results import read_result, to_json
from beatssl.studies.scorecard import encoders
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.scores import Score, Scorecard

VALUES = {"ours": 0.9, "random": 0.8}


@pytest.fixture
def config(tmp_path, monkeypatch):
    def measured(source, task, config):
        if source not in VALUES:
            return [Score("ecg-fm", task, "AUROC", None, None, 0, True, True, "weights not at hand")]
        auroc = Score(source, task, "AUROC", VALUES[source], (0.7, 0.95), 100, True, task == "superclass")
        return [auroc, Score(source, task, "F1", 0.5, None, 100, True, False)]

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


def test_what_is_done_is_written_after_every_task(config, monkeypatch):
    written = []
    monkeypatch.setattr(module, "write_result", lambda path, card: written.append({one.task for one in card.scores}))
    scorecard(config)
    assert written == [{"superclass"}, {"superclass", "lead-II"}]
