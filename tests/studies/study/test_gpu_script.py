import re
import shlex
import subprocess
from pathlib import Path

import tyro

from beatssl import StudyConfig
from beatssl.studies.study.plan import plan
from beatssl.studies.study.plan_file import read_study_file

SCRIPT = Path(__file__).resolve().parents[3] / "studies" / "gpu.sh"


def test_it_is_bash_and_refuses_a_part_that_is_none() -> None:
    assert subprocess.run(["bash", "-n", str(SCRIPT)]).returncode == 0
    done = subprocess.run(["bash", str(SCRIPT), "4"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, "part 4 is none; pass 1, 2 or 3\n")


def test_its_parts_take_under_ten_minutes_each_and_25_in_all() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    limits_s = re.findall(r"^timeout (?:--signal=INT --kill-after=(\d+) )?(\d+) ", text, flags=re.MULTILINE)
    assert len(limits_s) == text.count('"$beatssl" study')
    part_s = sum(int(kill or 0) + int(limit) for kill, limit in limits_s)
    assert part_s < 600
    assert 3 * part_s <= 25 * 60
    (minutes,) = re.findall(r"--minutes (\d+)", text)
    assert 60 * int(minutes) < int(limits_s[0][1])


def test_its_commands_are_the_finalists_seed_by_seed() -> None:
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", SCRIPT.read_text(encoding="utf-8").replace("\\\n", ""))
    commands = re.findall(r'"\$beatssl" study (.*?)(?: \|\| .*)?$', text, flags=re.MULTILINE)
    assert len(commands) == 2
    asked = [tyro.cli(StudyConfig, args=shlex.split(line.replace('"$part"', "2"))) for line in commands]
    assert [one.only_table for one in asked] == [False, True]
    assert asked[0].out == asked[1].out
    runs = plan(read_study_file(asked[0].file), asked[0])
    assert {run.seed for run in runs} == {0, 1}
    assert {run.names[0][0] for run in runs} == {"finalists"}
