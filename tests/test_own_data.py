"""The page on own data: its script runs on a user's files, and its table of wrong inputs is what is said."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from beatssl.records.synthetic import synthetic_record

REPO = Path(__file__).resolve().parents[1]
PAGE = (REPO / "docs" / "own-data.md").read_text(encoding="utf-8")
SIDES = ("train", "train", "valid", "test")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder of CSV files, the table of them, and two new files."""
    (tmp_path / "my-ecgs").mkdir()
    (tmp_path / "new-ecgs").mkdir()
    lines, seen = ["record_id,patient_id,age,sex,split,MI"], {True: 0, False: 0}
    for index in range(32):
        record = synthetic_record(index)
        record.save(tmp_path / "my-ecgs" / f"ecg{index:02}.csv")
        true = any(label.name == "MI" for label in record.labels)
        lines.append(f"ecg{index:02},p{index},60,female,{SIDES[seen[true] % 4]},{'yes' if true else 'no'}")
        seen[true] += 1
    (tmp_path / "my.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for index in (100, 101):
        synthetic_record(index).save(tmp_path / "new-ecgs" / f"new{index}.csv")
    return tmp_path


def test_the_script_of_a_new_user_runs(files: Path, printed_by: Callable[[str], str]) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
    assert len([line for line in script.splitlines() if line.strip()]) <= 12
    printed = printed_by(script)
    figures = dict(re.findall(r"^(probe|finetune) ([\d.]+)$", printed, flags=re.MULTILINE))
    assert set(figures) == {"probe", "finetune"}
    assert all(0 <= float(value) <= 1 for value in figures.values())
    chances = dict(re.findall(r"^(new\d+\.csv) \{'MI': ([\d.e-]+)\}$", printed, flags=re.MULTILINE))
    assert set(chances) == {"new100.csv", "new101.csv"}
    assert all(0 < float(value) < 1 for value in chances.values())


def test_the_table_of_wrong_inputs_is_what_is_said() -> None:
    made = runpy.run_path(str(REPO / "docs" / "wrong_inputs.py"))
    table: str = made["table"]()
    assert len(made["CASES"]) >= 30
    assert f"{made['BEGIN']}\n{table}{made['END']}" in PAGE
    assert not re.search(r"csv_fs_hz=|lead_names=|out=", "".join(line.split(" | ")[-1] for line in table.splitlines()))
