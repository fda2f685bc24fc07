"""Analyses whose pages are tested: made once for all tests."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page

import beatssl
from beatssl.analysis.result import Analysis, Beats, RecordInfo, WavesOfLeads
from beatssl.analysis.rhythms.result import Pause
from beatssl.beats.global_beats import GlobalBeats
from beatssl.records.record import Record
from beatssl.records.synthetic import synthetic_record

HOURS = 24


@pytest.fixture(scope="session")
def twelve() -> Analysis:
    """Ten seconds of twelve leads."""
    return beatssl.load(device="cpu").analyze(synthetic_record(1), without_leads=True, embeddings=False)


@pytest.fixture(scope="session")
def day() -> Analysis:
    """A day of three leads at 250 Hz: the beats of ten seconds over and over, some called ectopic, and a pause."""
    short = synthetic_record(1, fs_hz=250.0)
    leads = ("II", "V1", "V5")
    rows = [short.leads.index(lead) for lead in leads]
    a = beatssl.load(device="cpu").analyze(
        Record(short.ecg_mv[rows], leads, 250.0, "day", "synthetic"), without_leads=True, embeddings=False
    )
    times = HOURS * 360
    shift = np.arange(times) * 10.0
    mv = np.tile(short.ecg_mv[rows], (1, times))
    mv[:, 3600 * 250 : 3605 * 250] = 0.0
    probability = np.tile(a.beats.class_probability, (times, 1))
    probability[5::997] = np.array([0.05, 0.05, 0.85, 0.05], np.float32)
    time_s = (shift[:, None] + a.beats.time_s).ravel()
    marks = GlobalBeats(
        **{name: (shift[:, None] + getattr(a.beats.marks, name)).ravel() for name in GlobalBeats.__dataclass_fields__}
    )
    beats = Beats(
        time_s, np.diff(time_s, prepend=np.nan), probability, np.tile(a.beats.lead_share, times), marks,
        np.tile(a.beats.p_share, times), np.tile(a.beats.t_share, times),
        np.tile(a.beats.paced, times),
        np.tile(a.beats.r_confidence, times),
    )  # fmt: skip
    waves = a.waves
    own = [waves.lead == lead for lead in range(len(leads))]
    spread = {
        name: np.concatenate([(shift[:, None] + getattr(waves, name)[which]).ravel() for which in own])
        for name in ("onset_s", "peak_s", "offset_s")
    }
    same = {
        name: np.concatenate([np.tile(getattr(waves, name)[which], times) for which in own])
        for name in ("lead", "wave", "onset_confidence", "offset_confidence", "confidence")
    }
    quality = replace(
        a.quality, leads=tuple(replace(lead, seconds=np.tile(lead.seconds, times)) for lead in a.quality.leads)
    )
    return replace(
        a,
        record=RecordInfo("day", "synthetic", leads, 250.0, HOURS * 3600.0, None, None),
        beats=beats,
        waves=WavesOfLeads(leads, **same, **spread),
        quality=quality,
        rhythm=replace(a.rhythm, pauses=(Pause(3600.0, 5.0),)),
        signal=Record(mv, leads, 250.0, "day", "synthetic"),
    )


@pytest.fixture
def open_analysis(open_page: Callable[..., Page], tmp_path: Path) -> Callable[..., Page]:
    """`open_analysis(a, **context)`: the page of an analysis from disk, without network."""

    def opened(a: Analysis, **context: object) -> Page:
        a.to_html(tmp_path / "page.html")
        return open_page((tmp_path / "page.html").as_uri(), **({"offline": True} | context))

    return opened
