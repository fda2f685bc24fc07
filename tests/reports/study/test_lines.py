import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

from beatssl.reports.study.lines import difference_text, study_lines
from beatssl.reports.tables import figures_table
from beatssl.results import read_result
from beatssl.studies.study.result import JSON, PairedDifference, StudyResult

REPO = Path(__file__).resolve().parents[3]


def test_a_table_for_contrasts_and_for_each_group(studied: Path) -> None:
    lines = study_lines(read_result(studied / JSON, StudyResult))
    (contrast,) = [line for line in lines if line.startswith("| both against rhythm ")]
    assert contrast.startswith("| both against rhythm | small | lead-II | AUROC | +0.0")
    assert contrast.endswith(" | 5 |")
    at = next(i for i, line in enumerate(lines) if line.startswith("Study, group levels, budget small"))
    assert re.search(r"; Friedman p (< )?[.0-9]+ over 3 tasks, critical difference of mean ranks", lines[at])
    head = "| variant | superclass, AUROC | lead-II, AUROC | age, error | mean rank | training, s | seeds |"
    assert lines[at + 2] == head
    assert lines[at + 6].startswith("| both | 0.8")
    assert lines[at + 6].endswith("| 7.000 ± 0.000 | 1.00 | 30 | 5 |")
    assert all(line.count("|") == head.count("|") for line in lines[at + 2 : at + 7])


def test_the_interval_over_patients_has_a_column_where_a_contrast_has_one(studied: Path) -> None:
    result = read_result(studied / JSON, StudyResult)
    assert "over patients" not in "\n".join(study_lines(result))
    (one,) = (one for one in result.contrasts if one.chooses and one.figure == "AUROC")
    known = replace(one, patients=(0.0123, 0.05))
    lines = study_lines(replace(result, contrasts=(known, one)))
    assert lines[2] == "| contrast | budget | task | figure | difference | over patients | seeds |"
    assert "| +0.012 to +0.050 | 5 |" in lines[4]
    assert lines[5].endswith(" | – | 5 |")
    assert str(known) == f"{one}, over patients +0.0123 to +0.0500"
    assert str(one).endswith(" over 5 seeds)")


def test_a_single_seed_has_no_interval() -> None:
    assert difference_text(PairedDifference(0.01234, float("nan"), float("nan"), 1)) == "+0.012"
    assert difference_text(PairedDifference(-0.01234, -0.03, 0.01, 3)) == "-0.012 (-0.030 to +0.010)"


def test_the_table_of_figures_has_the_study_where_there_is_one(studied: Path, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(REPO / "results", results, ignore=lambda folder, names: [n for n in names if n == "study"])
    assert "Study, " not in figures_table(results)
    (results / "study").mkdir()
    shutil.copy(studied / JSON, results / "study" / "study.json")
    text = figures_table(results)
    assert "Study, named contrasts" in text
    assert "Study, group data, budget small" in text
    assert json.loads((results / "study" / "study.json").read_text())["file"] == "default"
