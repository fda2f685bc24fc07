import json

import pytest

from beatssl.training.run import Log, RunConfig, open_run, read_log


def test_a_run_is_resumed_with_the_same_config_alone(tmp_path):
    out = tmp_path / "run"
    open_run(out, {"task": {"rate": 0.1, "sizes": (1, 2)}})
    open_run(out, {"task": {"rate": 0.1, "sizes": (1, 2)}})
    with pytest.raises(ValueError, match=r"another config.*task.rate: 0.1 against 0.2"):
        open_run(out, {"task": {"rate": 0.2, "sizes": (1, 2)}})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="is no run"):
        open_run(tmp_path / "other", {})


def test_lines_of_lost_work_are_dropped(tmp_path):
    log = Log(tmp_path, 0)
    for update in (0, 1, 2):
        log.write(update, {"loss": 1 / 3})
    with log.path.open("a") as file:
        file.write('{"update": 3, "lo')
    Log(tmp_path, 1)
    assert [json.loads(line)["update"] for line in log.path.read_text().splitlines()] == [0, 1]
    assert read_log(tmp_path)[0]["loss"] == 0.333333
    Log(tmp_path, 0)
    assert read_log(tmp_path) == []
    with pytest.raises(ValueError, match=r"has no metrics\.jsonl"):
        read_log(tmp_path / "none")


def test_states_are_saved_where_lines_are_whole():
    with pytest.raises(ValueError, match="no multiple of log_every"):
        RunConfig(log_every=10, save_every=15)
