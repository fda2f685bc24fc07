import pytest

from beatssl.reports.tables import TablesConfig, tables


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
