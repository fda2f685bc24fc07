"""The viewer in Debian's chromium: drop, scroll, zoom, correct, save, reload, download, compare, keys."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from beatssl.records.synthetic import synthetic_record

pytest.importorskip("fastapi")
Open = Callable[..., Page]
NASTY = "<script>window.hurt=1</script><img src=x onerror=window.hurt=1>"


@pytest.fixture
def page(viewer: Any, open_page: Open) -> Page:
    return open_page(viewer.viewer.address, viewport={"width": 1500, "height": 1000})


def choose(page: Page, name: str) -> None:
    page.locator("#files button", has_text=name).click()
    expect(page.locator(".pane .name")).to_have_text(name, timeout=60000)
    page.locator(".pane[data-ready=true]").wait_for()
    expect(page.locator(".panels")).to_contain_text("How this was made", timeout=60000)
    page.wait_for_function(
        "viewer.panes[viewer.active].source.tiles.size > 0 && !viewer.panes[viewer.active].source.running"
    )


def state(page: Page, expression: str) -> Any:
    return page.evaluate(f"(() => {{ const pane = viewer.panes[viewer.active]; return {expression}; }})()")


def test_choose_scroll_zoom_and_switch(page: Page, shots: Path) -> None:
    choose(page, "ward/ecg0.csv")
    page.screenshot(path=shots / "viewer.png")
    assert page.evaluate("location.hash") == ""
    assert "Research, not for diagnosis." in page.inner_text("body")
    expect(page.locator(".panels")).to_contain_text("PR interval")
    page.locator(".zoom-in").click()
    assert state(page, "pane.view.shownS") == pytest.approx(5)
    box = page.locator(".pane canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.wheel(0, 400)
    page.wait_for_function("viewer.panes[0].view.startS > 0.5")
    page.keyboard.press("-")
    assert state(page, "pane.view.shownS") == pytest.approx(10)
    assert state(page, "pane.view.startS") == 0
    page.locator(".leads input[value=V6]").uncheck()
    assert state(page, "[...pane.view.hidden]") == ["V6"]
    page.keyboard.press("w")
    assert state(page, "pane.view.showWaves") is False
    page.keyboard.press("]")
    expect(page.locator(".pane .name")).to_have_text("ward/ecg1.csv", timeout=60000)


def test_corrections_survive_a_reload_and_are_files(page: Page, viewer: Any, shots: Path) -> None:
    choose(page, "ward/ecg1.csv")
    page.locator(".layout-choice").select_option("12x1")
    page.keyboard.press("e")
    page.wait_for_function("viewer.panes[0].view.cells.length === 12")
    wave = state(page, "pane.view.waves.I.find((one) => one.kind === 'T')")
    drag(page, "I", wave["offsetS"], wave["offsetS"] + 0.04)
    moved = state(page, "pane.view.waves.I.find((one) => one.kind === 'T')")
    assert moved["off"] == pytest.approx(wave["off"] + 400, abs=40)
    click(page, "I", (moved["onsetS"] + moved["offsetS"]) / 2)
    page.screenshot(path=shots / "correcting.png")
    count = state(page, "pane.view.waves.II.length")
    page.locator(".pane canvas").focus()
    second = state(page, "pane.view.waves.II.find((one) => one.kind === 'QRS')")
    click(page, "II", (second["onsetS"] + second["offsetS"]) / 2)
    page.keyboard.press("v")
    page.keyboard.press("Delete")
    assert state(page, "pane.view.waves.II.length") == count - 1
    page.keyboard.press("Control+z")
    assert state(page, "pane.view.waves.II.length") == count
    page.locator(".add-label input").fill("AFIB")
    page.locator(".add-label button", has_text="Yes").click()
    beat = state(page, "pane.view.beats.findIndex((one) => one.label === 'V')")
    assert beat >= 0
    page.locator(".save").click()
    expect(page.locator(".status")).to_contain_text("Saved in corrections", timeout=20000)
    assert (viewer.corrections / "labels.csv").read_text().startswith("record_id,AFIB\n")
    page.reload()
    page.locator(".pane[data-ready=true]").wait_for()
    assert state(page, "pane.view.waves.I.find((one) => one.kind === 'T').off") == moved["off"]
    assert state(page, f"pane.view.beats[{beat}].label") == "V"
    expect(page.locator(".label button.yes[aria-pressed=true]")).to_have_attribute("aria-label", "AFIB: yes")
    with page.expect_download() as got:
        page.locator("[data-kind=json]").click()
    found = json.loads(Path(got.value.path()).read_text())
    assert found["beats"][beat]["class"] == "V"
    assert "corrected" in [flag["name"] for flag in found["flags"]]


def test_a_wave_is_added_by_dragging_over_the_baseline_and_by_keys_moved(page: Page) -> None:
    choose(page, "ward/ecg0.csv")
    page.locator(".layout-choice").select_option("12x1")
    page.locator(".correct").click()
    page.locator(".zoom-in").click()
    page.wait_for_function("viewer.panes[0].view.cells.length === 12")
    waves = state(page, "pane.view.waves.II")
    gap = next(
        (one["offsetS"], two["onsetS"]) for one, two in pairwise(waves)
        if two["onsetS"] - one["offsetS"] > 0.15 and one["offsetS"] > 3
    )  # fmt: skip
    drag(page, "II", gap[0] + 0.05, gap[0] + 0.12)
    assert len(state(page, "pane.view.waves.II")) == len(waves) + 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert state(page, "pane.marks.wave.one.off - pane.marks.steps[0].after[1]") == 40
    page.locator(".undo").click()
    page.locator(".undo").click()
    page.locator(".undo").click()
    assert state(page, "pane.view.waves.II.length") == len(waves)
    assert page.locator(".save").is_disabled()


def test_a_dropped_file_with_a_hostile_name_and_leads_is_text(page: Page, csv_file: Any, shots: Path) -> None:
    record = synthetic_record(5)
    leads = (NASTY.replace("/", ""), *record.leads[1:])
    path = csv_file("plain.csv", 5, leads=leads)
    name = f"{NASTY}.csv".replace("/", "")
    page.locator("#choose").set_input_files({"name": name, "mimeType": "text/html", "buffer": path.read_bytes()})
    expect(page.locator(".pane .name")).to_contain_text("<script>window.hurt=1", timeout=60000)
    page.locator(".pane[data-ready=true]").wait_for()
    expect(page.locator(".panels")).to_contain_text("Signal quality")
    assert page.evaluate("window.hurt") is None
    assert page.locator(".pane img, .pane script").count() == 0
    page.screenshot(path=shots / "hostile.png")


def test_dropping_opens_and_refusals_say_why(page: Page, csv_file: Any) -> None:
    text = csv_file("x.csv", 4).read_text()
    drop = """([name, text]) => { const data = new DataTransfer(); data.items.add(new File([text], name));
      window.dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true})); }"""
    page.evaluate(drop, ["dropped.csv", text])
    expect(page.locator(".pane .name")).to_have_text("dropped.csv", timeout=60000)
    page.evaluate(drop, ["photo.dcm", "no ECG at all"])
    expect(page.locator("#open .refused")).to_contain_text("photo.dcm", timeout=60000)
    expect(page.locator("#message")).not_to_be_empty()


def test_a_wfdb_pair_is_sent_as_one(page: Page, tmp_path: Path) -> None:
    synthetic_record(6).save(tmp_path / "pair.hea")
    page.locator("#choose").set_input_files([tmp_path / "pair.hea", tmp_path / "pair.dat"])
    expect(page.locator(".pane .name")).to_have_text("pair.zip", timeout=60000)


def test_two_records_are_compared(page: Page, shots: Path) -> None:
    choose(page, "ward/ecg0.csv")
    page.locator("#files button", has_text="ecg1").click()
    expect(page.locator(".pane .name")).to_have_text("ward/ecg1.csv", timeout=60000)
    page.locator("#compare").click()
    expect(page.locator(".pane")).to_have_count(2)
    page.locator(".pane[data-ready=true]").nth(1).wait_for()
    names = page.locator(".pane .name").all_inner_texts()
    assert sorted(names) == ["ward/ecg0.csv", "ward/ecg1.csv"]
    page.wait_for_timeout(500)
    page.screenshot(path=shots / "compare.png")
    page.locator("#compare").click()
    expect(page.locator(".pane")).to_have_count(1)


def test_without_the_token_nothing_is_shown(viewer: Any, open_page: Any) -> None:
    page = open_page(viewer.viewer.address.partition("#")[0])
    expect(page.locator("#message")).to_contain_text("token")
    assert page.locator("#files button").count() == 0
    open_page.errors.clear()  # the browser writes refused requests to its console


def place(page: Page, lead: str, time_s: float) -> tuple[float, float]:
    box = page.locator(".pane canvas").bounding_box()
    assert box is not None
    cell = f"pane.view.cells.find((one) => one.lead === '{lead}')"
    point = state(page, f"pane.view.point({cell}, {time_s}, 0)")
    return box["x"] + point["x"], box["y"] + point["y"]


def drag(page: Page, lead: str, from_s: float, to_s: float) -> None:
    page.locator(".pane canvas").scroll_into_view_if_needed()
    page.mouse.move(*place(page, lead, from_s))
    page.mouse.down()
    page.mouse.move(*place(page, lead, (from_s + to_s) / 2))
    page.mouse.move(*place(page, lead, to_s))
    page.mouse.up()


def click(page: Page, lead: str, time_s: float) -> None:
    page.mouse.click(*place(page, lead, time_s))
