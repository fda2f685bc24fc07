"""One record and what every view makes of it, as a page for the eye."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import torch

from beatssl._version import __version__
from beatssl.beats.windows import BEFORE_S
from beatssl.checks.view_measuring import MeasuredAgain, leads_of, marks_s, measure_again, signals_of_rows
from beatssl.checks.views import made_views
from beatssl.drawing.ecg_paper import BeatTick, WaveSpan, ecg_paper
from beatssl.drawing.figures import vcg_loops
from beatssl.features import DEFINITIONS
from beatssl.reports.page import Section, figure, page, table, tabs
from beatssl.reports.store_pictures import BOUNDARIES, KEY_FEATURES
from beatssl.store.store import Store
from beatssl.views.registry import VIEWS
from beatssl.views.view import Signals, View


@dataclass(frozen=True, slots=True)
class _Seen:
    """One record through one view."""

    ecg: str
    vcg: str
    values: Mapping[str, float]


def views_page(store: Store, record: str, out: Path, strength: float = 1.0, seed: int = 0) -> Path:
    """Write a page that needs nothing but a browser: the record, its VCG loops, and each view and preset of it.

    Args:
        store: a prepared store of twelve leads.
        record: id of the record; of one with several rows the first is shown.
        out: the file to write.
        strength: of each view shown on its own.
        seed: decides what each view draws.

    Raises:
        ValueError: for a record that is not in the store, or a store that has not the twelve leads.
    """
    row = _row_of(store, record)
    signals = signals_of_rows(store, np.array([row]))
    before = _seen(signals, store, record)
    panes: list[tuple[str, str]] = []
    for place, (name, view) in enumerate(made_views(signals, (strength,)).items(), start=1):
        # Of one seed the first draw is the same for all: views of one number would all be weak, or all strong.
        seen = view(signals, torch.Generator().manual_seed(1000 * seed + place))
        title = name.removesuffix(f" {strength:g}").replace("_", " ")
        panes.append((title.capitalize(), _pane(_about(view), before, _seen(seen, store, f"{record}: {title}"))))
    labels = ", ".join(dict.fromkeys(store.labels.loc[store.labels["row"] == row, "label"])) or "no labels"
    sections = [
        Section("record", "The record", f"{record}: {labels}.", _pictures(before, "As stored.")),
        Section("views", "Its views", f"Strength {strength:g}, seed {seed}; presets have their own strengths.",
                tabs("view", panes)),
    ]  # fmt: skip
    foot = f"Made by beatssl {__version__}. A research tool, no medical device: not for diagnosis or treatment."
    out.parent.mkdir(parents=True, exist_ok=True)
    summary = "What training sees of one record. Triangles stand at the beat marks, which move with time."
    out.write_text(page(f"Views of record {record}", summary, sections, foot), encoding="utf-8")
    return out


def _row_of(store: Store, record: str) -> int:
    rows = np.flatnonzero(store.records["record_id"].astype(str) == record)
    if rows.size == 0:
        some = ", ".join(store.records["record_id"].astype(str).head(3))
        raise ValueError(f"record {record!r} is not in {store.path}; its first ones are {some}")
    return int(rows[0])


def _seen(signals: Signals, store: Store, title: str) -> _Seen:
    """The pictures of a batch of one record; its waves are those of its median beat, found again."""
    found = measure_again(signals, marks_s(signals))
    beats = [BeatTick(float(t)) for t in marks_s(signals)[0]]
    ecg = ecg_paper(leads_of(signals)[0], store.fs_hz, beats=beats, title=title, note=f"{store.fs_hz:g} samples/s")
    values = {name: float(found.features.iloc[0][name]) for name in KEY_FEATURES if name in found.features.columns}
    return _Seen(ecg, vcg_loops(found.median_mv[0], store.fs_hz, _spans(found)), values)


def _spans(found: MeasuredAgain) -> list[WaveSpan]:
    """Waves of the median beat, in seconds from its first sample."""
    of_median = found.median_fiducials
    return [
        WaveSpan(wave, BEFORE_S + float(getattr(of_median, onset)[0]), BEFORE_S + float(getattr(of_median, offset)[0]))
        for wave, onset, offset in BOUNDARIES
    ]


def _pane(about: str, before: _Seen, after: _Seen) -> str:
    rows = [
        (KEY_FEATURES[name], before.values[name], after.values[name], DEFINITIONS[name].unit) for name in before.values
    ]
    moved = table(("measurement", "record", "view", "unit"), rows, "dense")
    return f"<p>{escape(about)}</p>" + _pictures(after, "Through the view.") + moved


def _pictures(seen: _Seen, caption: str) -> str:
    loops = f"{caption} VCG of the median beat (inverse Dower); dots stand every 10 ms."
    return figure(seen.ecg, caption) + figure(seen.vcg, loops)


def _about(view: View) -> str:
    """The first sentence of what a view says of itself."""
    if type(view) not in VIEWS.values():
        return "Several views, one after another."
    return inspect.cleandoc(type(view).__doc__ or "").split("\n\n")[0].replace("\n", " ")
