"""The page in a browser: console free of errors (`open_page` sees to it), controls, caliper, keys, themes, print."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from playwright.sync_api import Page

from beatssl.analysis.result import Analysis, Flag, Similar, SimilarRecord
from beatssl.signals.filters import bandpass

PAGE = re.compile(rb"/Type\s*/Page[^s]")
NASTY = "</script><script>window.hit=1</script>\"'><img src=x onerror=window.hit=1><!--\u2028{{7*7}}"
WIDE = {"viewport": {"width": 1280, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "is_mobile": True, "has_touch": True}

Open = Callable[..., Page]


def place(page: Page, lead: str, time_s: float, mv: float) -> tuple[float, float]:
    """Where a time and a voltage of a lead are, in the window."""
    x, y = page.evaluate(
        """([lead, timeS, mv]) => {
          const {view} = window.page;
          const cell = view.cells.find((one) => one.lead === lead && one.startS <= timeS && timeS <= one.stopS);
          const {x, y} = view.point(cell, timeS, mv), box = view.canvas.getBoundingClientRect();
          return [x + box.left, y + box.top];
        }""",
        [lead, time_s, mv],
    )
    return x, y


def colours_at(page: Page, lead: str, time_s: float, mv: float) -> set[tuple[int, int, int]]:
    """Colours of the canvas within a pixel of there."""
    found = page.evaluate(
        """([lead, timeS, mv]) => {
          const {view} = window.page;
          const cell = view.cells.find((one) => one.lead === lead && one.startS <= timeS && timeS <= one.stopS);
          const {x, y} = view.point(cell, timeS, mv);
          const at = [Math.round(x * view.ratio) - 1, Math.round(y * view.ratio) - 1];
          return Array.from(view.context.getImageData(...at, 3, 3).data);
        }""",
        [lead, time_s, mv],
    )
    return {tuple(found[at : at + 3]) for at in range(0, len(found), 4)}


def drag(page: Page, lead: str, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.locator("#canvas").scroll_into_view_if_needed()
    page.mouse.move(*place(page, lead, *start))
    page.mouse.down()
    page.mouse.move(*place(page, lead, *end), steps=4)
    page.mouse.up()


def reading(page: Page) -> tuple[float, float]:
    """Milliseconds and millivolts that the caliper reads."""
    found = page.evaluate("window.page.caliper.reading")
    return found["ms"], found["mv"]


def test_paper_is_to_scale_and_in_whole_pixels(twelve: Analysis, open_analysis: Open) -> None:
    page = open_analysis(twelve, **WIDE)
    mm, ratio, shown = page.evaluate("[page.view.mm, page.view.ratio, page.view.shownS]")
    assert mm == int(mm) >= 3
    assert shown == 10
    a, b = place(page, "II", 1.0, 0.0), place(page, "II", 2.0, 1.0)
    assert (b[0] - a[0], a[1] - b[1]) == (pytest.approx(25 * mm / ratio), pytest.approx(10 * mm / ratio))


def test_the_signal_stands_where_it_was_measured(twelve: Analysis, open_analysis: Open) -> None:
    page = open_analysis(twelve, **WIDE)
    assert twelve.signal is not None
    part = page.evaluate(
        "(([one]) => [one.startS, one.stepS, one.values[0], one.values.length])(page.source.read('I', 0, 2, 99))"
    )
    assert part[:2] == [0, pytest.approx(1 / twelve.signal.fs_hz)]
    assert part[3] == twelve.signal.ecg_mv.shape[1]
    shown, kept = page.evaluate("(([one]) => Array.from(one.values))(page.source.read('V5', 0, 2, 99))"), twelve.signal
    filtered = bandpass(kept.ecg_mv, kept.fs_hz, 0.5, 80.0)[kept.leads.index("V5")]
    assert max(abs(filtered - shown)) < 2e-4


def test_layouts_speeds_and_gains_switch(twelve: Analysis, open_analysis: Open) -> None:
    page = open_analysis(twelve, **WIDE)
    rows = "[page.view.cells.length, page.view.columnCount, page.view.shownS]"
    assert page.evaluate(rows) == [13, 4, 10]
    page.select_option("#layout", "6x2")
    page.evaluate("page.view.render()")
    assert page.evaluate(rows) == [13, 2, 10]
    page.select_option("#layout", "12x1")
    page.select_option("#speed", "50")
    page.evaluate("page.view.render()")
    assert page.evaluate(rows) == [12, 1, 5]
    height = page.evaluate("page.view.canvas.height")
    page.select_option("#gain", "20")
    page.evaluate("page.view.render()")
    assert page.evaluate("page.view.canvas.height") > 1.3 * height
    mm, ratio = page.evaluate("[page.view.mm, page.view.ratio]")
    a, b = place(page, "V5", 1.0, 0.0), place(page, "V5", 2.0, 1.0)
    assert (b[0] - a[0], a[1] - b[1]) == (pytest.approx(50 * mm / ratio), pytest.approx(20 * mm / ratio))


def test_waves_are_coloured_and_can_be_switched_off(twelve: Analysis, open_analysis: Open) -> None:
    page = open_analysis(twelve, **WIDE)
    page.select_option("#layout", "12x1")
    page.evaluate("page.view.render()")
    wave = page.evaluate("page.view.waves.V5.find((one) => one.kind === 'QRS')")
    at = page.evaluate(
        """(wave) => {
          const [part] = window.page.source.read("V5", 0, 10, 99);
          let best = Math.round(wave.onsetS / part.stepS);
          for (let k = best; k < wave.offsetS / part.stepS; k++) if (part.values[k] > part.values[best]) best = k;
          return [best * part.stepS, part.values[best]];
        }""",
        wave,
    )
    orange = lambda rgb: rgb[0] > 180 and 60 < rgb[1] < 150 and rgb[2] < 90  # noqa: E731
    assert any(map(orange, colours_at(page, "V5", *at)))
    page.uncheck("#waves")
    page.evaluate("page.view.render()")
    assert not any(map(orange, colours_at(page, "V5", *at)))


def test_the_caliper_reads_a_calibration_pulse(twelve: Analysis, open_analysis: Open) -> None:
    page = open_analysis(twelve, **WIDE)
    drag(page, "I", (1.0, 0.0), (1.2, 1.0))
    ms, mv = reading(page)
    assert ms == pytest.approx(200, abs=11)  # a pixel is 10 ms here
    assert mv == pytest.approx(1.0, abs=0.03)
    assert "Lead I: " in page.inner_text("#reading")
    assert " mV" in page.inner_text("#reading")
    page.mouse.click(*place(page, "II", 1.0, 0.0))
    assert page.evaluate("window.page.caliper.reading") is None
    assert page.inner_text("#reading") == ""


def test_the_caliper_is_moved_by_keys(twelve: Analysis, open_analysis: Open) -> None:
    page = open_analysis(twelve, **WIDE)
    page.focus("#canvas")
    page.keyboard.press("c")
    ms, mv = reading(page)
    assert (ms, mv) == (200, 0)
    for _ in range(2):
        page.keyboard.press("Shift+ArrowRight")
    for _ in range(2):
        page.keyboard.press("Shift+ArrowUp")
    assert reading(page) == (600, pytest.approx(1.0))
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowRight")
    assert reading(page)[0] == 590
    page.keyboard.press("c")
    assert page.evaluate("window.page.caliper.reading.lead") != "I"
    page.keyboard.press("Escape")
    assert page.evaluate("window.page.caliper.reading") is None


def test_the_caliper_follows_a_finger_where_asked(twelve: Analysis, open_analysis: Open) -> None:
    page = open_analysis(twelve, **PHONE)
    touch = """([from, to]) => {
      const canvas = document.getElementById("canvas");
      const send = (type, [x, y]) => canvas.dispatchEvent(new PointerEvent(type, {
        pointerType: "touch", pointerId: 1, button: 0, clientX: x, clientY: y, bubbles: true}));
      canvas.setPointerCapture = () => {};
      send("pointerdown", from); send("pointermove", to); send("pointerup", to);
    }"""
    ends = [place(page, "I", 0.5, 0.0), place(page, "I", 0.7, 0.5)]
    page.evaluate(touch, ends)
    assert page.evaluate("window.page.caliper.reading") is None
    page.check("#touch")
    page.evaluate(touch, [place(page, "I", 0.5, 0.0), place(page, "I", 0.7, 0.5)])
    ms, mv = reading(page)
    assert (ms, mv) == (pytest.approx(200, abs=8), pytest.approx(0.5, abs=0.02))


def test_light_and_dark_follow_the_system_and_the_switch(twelve: Analysis, open_analysis: Open) -> None:
    back = "getComputedStyle(document.documentElement).backgroundColor"
    paper = "Array.from(page.view.context.getImageData(1 + page.view.mm, page.view.mm + 1, 1, 1).data)"
    page = open_analysis(twelve, color_scheme="dark", **WIDE)
    dark, dark_paper = page.evaluate(back), page.evaluate(paper)
    assert sum(dark_paper[:3]) < 250
    page.click("#theme")
    page.evaluate("page.view.render()")
    assert page.evaluate(back) != dark
    assert sum(page.evaluate(paper)[:3]) > 500


@pytest.mark.parametrize("kind", ["twelve", "day"])
def test_a_phone_needs_no_scrolling_aside(kind: str, open_analysis: Open, request: pytest.FixtureRequest) -> None:
    page = open_analysis(request.getfixturevalue(kind), **PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("page.view.mm / page.view.ratio") >= 2


@pytest.mark.parametrize("kind", ["twelve", "day", "many", "alike"])
def test_it_prints_on_two_pages(kind: str, twelve: Analysis, day: Analysis, open_analysis: Open) -> None:
    statements = tuple(replace(one, probability=0.9, threshold=0.1) for one in twelve.diagnoses.statements)
    many = replace(
        twelve,
        diagnoses=replace(twelve.diagnoses, statements=statements),
        flags=tuple(Flag(f"flag_{at}", "something that the reader of the result should know " * 2) for at in range(3)),
    )
    some = tuple(SimilarRecord(f"record {at}", 0.5, ("a label of several words",) * 9) for at in range(10))
    alike = replace(many, similar=Similar(some, ""))
    page = open_analysis({"twelve": twelve, "day": day, "many": many, "alike": alike}[kind], **WIDE)
    printed = page.pdf(prefer_css_page_size=True)
    assert len(PAGE.findall(printed)) in (1, 2)
    assert b"/MediaBox [0 0 841" in printed


@pytest.mark.parametrize("layout", ["3x4", "6x2", "12x1"])
def test_every_layout_prints_to_scale(layout: str, twelve: Analysis, open_analysis: Open) -> None:
    page = open_analysis(twelve, **WIDE)
    page.select_option("#layout", layout)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    width = page.evaluate("parseFloat(page.view.canvas.style.width)")
    assert width * 25.4 / 96 == pytest.approx(262, abs=0.1)  # 250 mm of time, and the margins
    assert page.evaluate("parseFloat(page.view.canvas.style.height)") * 25.4 / 96 < 150
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert len(PAGE.findall(page.pdf(prefer_css_page_size=True))) == 2


def test_a_day_is_small_and_its_events_can_be_gone_to(day: Analysis, open_analysis: Open) -> None:
    assert len(day.to_html().encode()) < 10e6
    page = open_analysis(day, **WIDE)
    page.locator(".jump", has_text="1:00:00").first.click()
    start = page.evaluate("page.view.startS")
    assert start < 3600 < start + page.evaluate("page.view.shownS")
    read = "page.source.read('V1', page.view.startS, page.view.startS + 10, 999)"
    parts = page.evaluate(f"{read}.map((one) => !!one.values)")
    assert parts == [True]  # all samples about an event
    between = page.evaluate("page.source.read('V1', 40000, 40010, 1000).map((one) => [!!one.min, one.stepS])")
    assert between[0][0] is True
    assert between[0][1] < 0.3
    page.focus("#canvas")
    page.keyboard.press("End")
    assert page.evaluate("page.view.startS") == pytest.approx(86390, abs=0.1)
    page.keyboard.press("Shift+ArrowLeft")
    assert page.evaluate("page.view.startS") == pytest.approx(86380, abs=0.1)
    assert page.input_value("#position") == "86380"
    page.locator("#overview").click(position={"x": 300, "y": 20})
    assert 10000 < page.evaluate("page.view.startS") < 40000
    page.select_option("#speed", "1")
    page.evaluate("page.view.render()")
    drawn_in = "(() => { const t = performance.now(); page.view.render(); return performance.now() - t })()"
    assert page.evaluate(drawn_in) < 250


def test_what_a_file_says_stays_text(twelve: Analysis, open_analysis: Open, tmp_path: Path) -> None:
    assert twelve.signal is not None
    leads = ("</script>I", NASTY, *twelve.record.leads[2:])
    nasty = replace(
        twelve,
        record=replace(twelve.record, id=NASTY, source=NASTY, leads=leads, sex=NASTY),
        diagnoses=replace(
            twelve.diagnoses,
            statements=tuple(replace(one, text=NASTY) for one in twelve.diagnoses.statements),
            trained_on=NASTY,
        ),
        flags=(Flag(NASTY, NASTY),),
        provenance=replace(twelve.provenance, notes=(NASTY,)),
        quality=replace(twelve.quality, leads=tuple(replace(one, lead=NASTY) for one in twelve.quality.leads)),
        lead_measures={NASTY: next(iter(twelve.lead_measures.values()))},
        waves=replace(twelve.waves, leads=leads),
        signal=twelve.signal.replace(leads=leads),
    )
    page = open_analysis(nasty)
    page.wait_for_timeout(100)
    assert page.evaluate("window.hit") is None
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 2
    assert page.inner_text("h1").replace("\u2028", "") == NASTY.replace("\u2028", "")


def test_no_request_leaves_the_page_and_no_other_script_runs(twelve: Analysis, tmp_path: Path, open_page: Open) -> None:
    text = twelve.to_html(tmp_path / "page.html")
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", text)
    (tmp_path / "page.html").write_text(text.replace("</main>", "<script>window.hit=1</script></main>"), "utf-8")
    page = open_page((tmp_path / "page.html").as_uri())
    assert page.evaluate("window.hit") is None
    errors = open_page.errors  # type: ignore[attr-defined]
    assert any("Content Security Policy" in one for one in errors)
    errors.clear()


def test_everything_has_a_name_for_screen_readers(day: Analysis, open_analysis: Open) -> None:
    page = open_analysis(day, **WIDE)
    assert page.locator("main, header, footer").count() == 3
    assert page.evaluate("[...document.querySelectorAll('table')].every((one) => one.querySelector('th[scope=col]'))")
    assert page.evaluate("[...document.querySelectorAll('input, select')].every((one) => one.closest('label'))")
    assert page.evaluate(
        "[...document.querySelectorAll('svg')].every((one) => one.ariaHidden === 'true' || one.ariaLabel)"
    )
    words = page.get_attribute("#canvas", "aria-label")
    assert words is not None
    assert words.startswith("ECG of 24 h 0 min in 3 leads, ")
    assert "heart rate" in words
    headings = page.evaluate("[...document.querySelectorAll('h1, h2, h3')].map((one) => Number(one.tagName[1]))")
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))
