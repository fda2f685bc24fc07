"""Hours in the viewer: any stretch comes from a few tiles, and the page draws it quickly."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

pytest.importorskip("fastapi")

from beatssl.analysis.model import load
from beatssl.analysis.output.picture import BAND_HZ
from beatssl.analysis.result import WavesOfLeads
from beatssl.records.record import Record
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.filters import bandpass
from beatssl.viewer.config import ServeConfig
from beatssl.viewer.pyramid import FACTOR, MISSING, STEP_MV, TILE, pyramid
from beatssl.viewer.worker import Job, Opened

HOURS, FS_HZ, LEADS = 6, 250.0, ("I", "II", "V2")


def repeated(times: int) -> tuple[Record, Any]:
    """Ten seconds of three leads, again and again, and their analysis likewise."""
    whole = synthetic_record(0, fs_hz=FS_HZ)
    some = whole.replace(ecg_mv=whole.ecg_mv[[whole.leads.index(lead) for lead in LEADS]], leads=LEADS)
    a = load(device="cpu").analyze(some, embeddings=False)
    long = some.replace(ecg_mv=np.tile(some.ecg_mv, times))
    starts_s = np.arange(times) * some.duration_s

    def later(values: np.ndarray) -> np.ndarray:
        return (starts_s[:, None] + values).ravel()

    order = np.argsort(np.tile(a.waves.lead, times), kind="stable")
    waves = {name: later(getattr(a.waves, name))[order] for name in ("onset_s", "peak_s", "offset_s")}
    waves |= {
        name: np.tile(getattr(a.waves, name), times)[order]
        for name in ("lead", "wave", "onset_confidence", "offset_confidence", "confidence")
    }
    beats = replace(
        a.beats, time_s=later(a.beats.time_s), rr_s=np.tile(a.beats.rr_s, times),
        class_probability=np.tile(a.beats.class_probability, (times, 1)),
        lead_share=np.tile(a.beats.lead_share, times), p_share=np.tile(a.beats.p_share, times),
        t_share=np.tile(a.beats.t_share, times), r_confidence=np.tile(a.beats.r_confidence, times),
        paced=np.tile(a.beats.paced, times),
        marks=type(a.beats.marks)(**{name: later(getattr(a.beats.marks, name)) for name in a.beats.marks.__slots__}),
    )  # fmt: skip
    info = replace(a.record, duration_s=float(long.duration_s))
    return long, replace(a, record=info, beats=beats, waves=WavesOfLeads(a.waves.leads, **waves), signal=long)


def test_bins_hold_the_lowest_and_highest_samples_and_gaps_stay_gaps() -> None:
    long, _ = repeated(30)
    mv = long.ecg_mv.copy()
    mv[1, 20_000:30_000] = np.nan
    found = pyramid(long.replace(ecg_mv=mv))
    samples = found.levels[0]
    assert found.leads == LEADS
    assert (samples[1, 20_000:30_000] == MISSING).all()
    for number, level in enumerate(found.levels[1:], start=1):
        each = FACTOR**number
        for at in (0, level.shape[1] // 2, level.shape[1] - 1):
            part = samples[:, at * each : (at + 1) * each]
            for lead, row in enumerate(part):
                there = row[row != MISSING]
                expected = [there.min(), there.max()] if len(there) else [MISSING, MISSING]
                assert level[lead, at].tolist() == expected
    assert found.levels[-1].shape[1] <= TILE
    tile = np.frombuffer(found.tile(0, 1), "<i2").reshape(3, TILE)
    np.testing.assert_array_equal(tile, samples[:, TILE : 2 * TILE])
    np.testing.assert_allclose(samples[0] * STEP_MV, bandpass(mv[:1], FS_HZ, *BAND_HZ)[0], atol=0.51 * STEP_MV)
    for level, number in ((0, 10**6), (-1, 0), (9, 0), (0, -1)):
        with pytest.raises(IndexError):
            found.tile(level, number)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory, running: Callable[..., Any]) -> Iterator[Any]:
    root = tmp_path_factory.mktemp("day")
    (root / "ecgs").mkdir()
    synthetic_record(0).save(root / "ecgs" / "day.csv")
    long, a = repeated(HOURS * 360)
    opened = Opened(a, pyramid(long), "0" * 64)

    def run(job: Job) -> Opened:
        return opened

    with running(ServeConfig(folder=root / "ecgs", corrections=root / "corrections", port=0), run) as found:
        yield found


def test_hours_scroll_and_zoom(
    day: Any, open_page: Callable[..., Page], shots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = open_page(day.viewer.address, viewport={"width": 1500, "height": 1000})
    page.locator("#files button").click()
    expect(page.locator(".pane .name")).to_have_text("day.csv", timeout=60000)
    page.locator(".pane[data-ready=true]").wait_for(timeout=60000)
    timings = """async (seconds) => {
      const pane = viewer.panes[0], view = pane.view, times = [];
      pane.setSpan(seconds);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      for (let step = 0; step < 60; step++) {
        view.startS = Math.min(view.startS + view.shownS / 40, view.source.durationS - view.shownS);
        const began = performance.now();
        view.render();
        times.push(performance.now() - began);
        await new Promise(requestAnimationFrame);
      }
      times.sort((one, two) => one - two);
      return [view.shownS, times[30], times[57]];
    }"""
    for seconds in (10, 60, 3600, 86400):
        shown, median_ms, slow_ms = page.evaluate(timings, seconds)
        with capsys.disabled():
            print(f" {shown:g} s shown: {median_ms:.1f} ms a frame (95 %: {slow_ms:.1f})", end="")
        assert shown == pytest.approx(min(seconds, HOURS * 3600))
        assert median_ms < 150
    assert page.evaluate("viewer.panes[0].source.tiles.size") < 200
    expect(page.locator("#overview")).to_be_visible(timeout=60000)
    page.screenshot(path=shots / "day.png", full_page=True)
