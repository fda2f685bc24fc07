"""The page's parts: escaped, self-contained, well-formed."""

from html.parser import HTMLParser

from beatssl.reports.page import Section, bars, cards, decimal, figure, fold, number, page, table, tabs

VOID = {"meta", "input", "br", "link"}


class Balance(HTMLParser):
    """Every tag that is opened is closed, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def whole() -> str:
    body = (
        cards([("1,200", "records <all>")])
        + bars("Labels", [("NORM", 3), ("M<I", 0)])
        + tabs("t", [("one & two", table(["a<", "b"], [["x", 1.5], [None, float("nan")]]))])
        + figure("<svg></svg>", "caption <b>")
        + fold("more", "<p>text</p>")
    )
    return page("Title <script>", "summary", [Section("a", "A & B", "lead <i>", body)], "<p>foot</p>")


def test_it_is_balanced_and_escaped() -> None:
    parser = Balance()
    parser.feed(whole())
    assert parser.open == []
    assert "<script" not in whole()
    assert "records &lt;all&gt;" in whole()


def test_nothing_is_fetched() -> None:
    text = whole()
    assert not any(part in text for part in ("src=", "url(http", "@import", "<link", "//cdn"))


def test_numbers() -> None:
    assert [number(v) for v in (None, float("nan"), 1234, 123.4, 0.01234, -5.25)] == [
        "–", "–", "1,234", "123", "0.0123", "−5.25",
    ]  # fmt: skip


def test_bars_of_nothing() -> None:
    assert "<i" not in bars("Labels", [])


def test_columns_of_like_numbers_have_one_decimal() -> None:
    assert [decimal(v) for v in (-0.0308, 12.345, -5.0, float("nan"))] == ["0.0", "12.3", "−5.0", "–"]


def test_a_wide_picture_scrolls_in_its_own_box() -> None:
    assert '<div class="scroll" tabindex="0"><div style="min-width:60rem"><svg>' in figure("<svg></svg>", "c", 60)
