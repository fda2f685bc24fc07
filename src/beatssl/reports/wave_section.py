"""Waves that a segmenter found, over the true ones: records on ECG paper, and the figures."""

from dataclasses import dataclass

import pandas as pd

from beatssl.metrics.segmentation import SegmentationFigures
from beatssl.reports.page import Section, cards, decimal, figure, table, tabs
from beatssl.reports.segment_pictures import choose_examples, draw_record
from beatssl.store.store import Store

_HEAD = ("boundary", "F1 within 150 ms", "within 40 ms", "mean error (ms)", "SD (ms)")
_NAMES = {
    "P_on": "P onset",
    "P_off": "P offset",
    "QRS_on": "QRS onset",
    "QRS_off": "QRS offset",
    "T_on": "T onset",
    "T_off": "T offset",
}


@dataclass(frozen=True, slots=True)
class FoundWaves:
    """Waves found in records never seen, a line a wave, and their figures against the truth."""

    waves: pd.DataFrame
    figures: SegmentationFigures
    training_rows: int
    test_rows: int


def wave_section(store: Store, found: FoundWaves) -> tuple[Section, dict[str, str]]:
    """The section, and its pictures by name: the best, the median and the worst of the records tried."""
    pictures: dict[str, str] = {}
    panes: list[tuple[str, str]] = []
    for name, (record_id, f1) in choose_examples(store, found.waves).items():
        svg = draw_record(
            store, found.waves, record_id, f"{name.capitalize()}: {record_id}", "coloured: found; bars: true"
        )
        pictures[f"waves-{name}"] = svg
        caption = f"Colours on the trace: waves found. Bars beneath: the true ones. Sample F1 {f1:.3f}."
        panes.append((f"{name.capitalize()} record", figure(svg, caption, 60)))
    f1 = found.figures.sample_f1
    facts = [(f"{f1[name]:.3f}", f"sample F1 of {of}") for name, of in (
        ("P", "P waves"), ("QRS", "QRS complexes"), ("T", "T waves"), ("macro", "all three, their mean"),
    )]  # fmt: skip
    lead = (
        f"A decoder on top of the pretrained encoder learns P, QRS and T waves from {found.training_rows} records with "
        f"their true waves, then marks every lead of {found.test_rows} records of patients never seen."
    )
    caption = (
        "Sample F1 counts every instant: 1 where all that is a wave was found, and nothing else. A boundary is found "
        "where one lies within 150 (or 40) ms of the true one. Errors are found less true."
    )
    body = cards(facts) + tabs("waves", panes) + table(_HEAD, _rows(found), "dense", "Boundaries, all leads together")
    return Section("waves", "Waves found in single leads", lead, body + f"<p>{caption}</p>"), pictures


def _rows(found: FoundWaves) -> list[list[str]]:
    boundaries = found.figures.boundaries
    return [
        [
            name,
            f"{boundaries[key].within['150'].f1:.3f}",
            f"{boundaries[key].within['40'].f1:.3f}",
            decimal(boundaries[key].mean_ms),
            decimal(boundaries[key].sd_ms),
        ]
        for key, name in _NAMES.items()
    ]
