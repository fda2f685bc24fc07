import json

import pytest

from beatssl.training.config import RunConfig
from beatssl.training.run import Log, read_log


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
