import pytest

from beatssl.studies.scorecard import encoders as module
from beatssl.studies.scorecard.encoders import score_encoders

TASKS = ("superclass", "age")


def test_all_encoders_on_all_tasks_and_the_card_so_far(config):
    cards = []
    card = score_encoders(config("random", "features", "ecg-fm:nowhere", tasks=TASKS), cards.append)
    assert [len({one.task for one in one.scores}) for one in cards] == [1, 2]
    assert cards[-1] == card
    assert card.encoders == ("random", "features", "ecg-fm")
    assert list(card.ranks) == ["superclass"]
    assert sorted(card.ranks["superclass"]) == ["features", "random"]
    assert card.mean_rank["ecg-fm"] is None
    assert [one.reason for one in card.scores if one.encoder == "ecg-fm"] == ["weights not at hand"] * 2


def test_tasks_are_those_whose_store_is_there_and_further_ones_with_test_folds(config, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        module, "measure", lambda source, task, config: asked.append(task) or measured(source, task, config)
    )
    measured = lambda source, task, config: [module.Measured(source, task, "AUROC", 1.0, None, 1, True, True)]  # noqa: E731
    score_encoders(config("random"))
    there = [name for name, task in module.TASKS.items() if task.store in ("ptb-xl", "mitdb")]
    assert asked == there
    for name in ("ptb-xl", "mitdb", "ptbdb"):
        (tmp_path / name).mkdir()
    for test in (False, True):
        asked.clear()
        score_encoders(config("random", stores=tmp_path, test=test))
        assert asked == there + ["ptbdb"] * test


def test_what_leads_to_no_score_is_refused(config, tmp_path):
    with pytest.raises(ValueError, match="no task 'ages'; choose tasks= from superclass, "):
        score_encoders(config("random", tasks=("ages",)))
    with pytest.raises(ValueError, match=r"none of the stores ptb-xl.* is in .*; prepare one there"):
        score_encoders(config("random", stores=tmp_path))
    with pytest.raises(ValueError, match="no score came of it; ecg-fm, age: weights not at hand"):
        score_encoders(config("ecg-fm:nowhere", tasks=("age",)))
