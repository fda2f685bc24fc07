import json
import re
import shutil
from pathlib import Path

import pytest

from beatssl.reports.rows.encoder_rows import other_encoders_lines
from beatssl.reports.rows.wave_rows import group_lines
from beatssl.reports.tables import TablesConfig, figures_table, tables

REPO = Path(__file__).resolve().parents[2]


def test_the_table_in_the_docs_is_that_of_the_results():
    assert f"-->\n{figures_table(REPO / 'results')}\n<!--" in (REPO / "docs" / "results.md").read_text(encoding="utf-8")


def test_the_page_in_the_docs_is_the_default(tmp_path, monkeypatch):
    text = (REPO / "docs" / "results.md").read_text(encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "results.md").write_text(text.replace("| check", "| old check"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert tables(TablesConfig(REPO / "results")) == Path("docs/results.md")
    assert Path("docs/results.md").read_text(encoding="utf-8") == text


def test_a_page_without_marks_is_refused(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# nothing here\n", encoding="utf-8")
    with pytest.raises(ValueError, match="figures: begin"):
        tables(TablesConfig(tmp_path, page))
    assert page.read_text(encoding="utf-8") == "# nothing here\n"


def test_missing_results_are_named_and_the_page_is_left_alone(tmp_path):
    page = tmp_path / "page.md"
    text = "<!-- figures: begin -->\nold\n<!-- figures: end -->\n"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"check-peaks\.json"):
        tables(TablesConfig(tmp_path, page))
    assert page.read_text(encoding="utf-8") == text


def test_rows_of_encoded_features_are_there_where_they_were_measured(tmp_path: Path) -> None:
    shutil.copytree(REPO / "results", tmp_path / "results", ignore=shutil.ignore_patterns("encoded-features"))
    file = tmp_path / "results" / "ptb-xl" / "check-encoded-features.json"
    file.unlink(missing_ok=True)
    assert "encoded-features" not in figures_table(tmp_path / "results")
    group = {"features": 2, "median_r2": 0.5, "share_below": 1.0}
    worst = [{"name": "p_area_mvms_II", "r2": 0.25}]
    file.write_text(json.dumps({"all_features": group, "groups": {"P": group}, "worst": worst}))
    (*_, every, groups, least) = [
        line for line in figures_table(tmp_path / "results").splitlines() if "encoded" in line
    ]
    assert "0.50; 100% of 2" in every
    assert "P 0.50, 100%" in groups
    assert "p_area_mvms_II 0.25" in least


def test_what_other_encoders_know_of_the_features_is_one_table(tmp_path: Path) -> None:
    group = {"features": 2, "median_r2": 0.5, "share_below": 1.0}
    unknown = group | {"median_r2": None}
    folder = tmp_path / "ptb-xl"
    (folder / "encoded-features").mkdir(parents=True)
    for name, of_p in (("check-encoded-features", group), ("encoded-features/other", unknown)):
        (folder / f"{name}.json").write_text(json.dumps({"all_features": group, "groups": {"P": of_p}}))
    assert other_encoders_lines(tmp_path)[2:] == [
        "| features | number | default | other |", "| --- | --- | --- | --- |",
        "| all | 2 | 0.50 | 0.50 |", "| P | 2 | 0.50 | – |",
    ]  # fmt: skip
    (folder / "encoded-features" / "other.json").unlink()
    assert not other_encoders_lines(tmp_path)


def test_waves_that_are_marked_nowhere_in_a_group_have_no_f1() -> None:
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in group_lines(REPO / "results")}
    f1, errors = lines["Atrial fibrillation"].split(" | ")[2:4]
    assert re.fullmatch(r"– / [01]\.\d{3} / [01]\.\d{3}", f1)
    assert errors.startswith("– / – / ")
    assert re.fullmatch(r"[01]\.\d{3} / [01]\.\d{3} / [01]\.\d{3}", lines["QRS under 100 ms"].split(" | ")[2])
    assert {"I degree AV block", "III degree AV block"} <= lines.keys()


def test_published_figures_say_that_they_were_not_measured() -> None:
    found = [line for line in figures_table(REPO / "results").splitlines() if "openecg" in line]
    assert len(found) == 2
    assert all("not measured here" in line for line in found)
