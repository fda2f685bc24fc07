"""Waves that a segmenter found against reference waves: records on ECG paper, and the figures."""

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
    """Waves that a segmenter found in records it was not trained on, and their figures against the reference."""

    waves: pd.DataFrame
    """A line a wave: `record_id`, `lead`, `wave`, `onset_s`, `peak_s`, `offset_s`."""
    figures: SegmentationFigures
    training_records: int
    test_records: int


def wave_section(store: Store, found: FoundWaves) -> tuple[Section, dict[str, str]]:
    """The section, and its pictures by name: the best, the median and the worst of the records tried."""
    pictures: dict[str, str] = {}
    panes: list[tuple[str, str]] = []
    for name, (record_id, f1) in choose_examples(store, found.waves).items():
        svg = draw_record(
            store, found.waves, record_id, f"{name.capitalize()}: {record_id}", "coloured: found; bars: reference"
        )
        pictures[f"waves-{name}"] = svg
        caption = f"Colours on the trace: waves found. Bars beneath: reference. Sample F1 {f1:.3f}."
        panes.append((f"{name.capitalize()} record", figure(svg, caption, 60)))
    f1 = found.figures.sample_f1
    facts = [(f"{f1[name]:.3f}", f"sample F1 of {of}") for name, of in (
        ("P", "P waves"), ("QRS", "QRS complexes"), ("T", "T waves"), ("macro", "all three, their mean"),
    )]  # fmt: skip
    lead = (
        f"A decoder on the pretrained encoder, trained on {found.training_records} records with reference waves, finds "
        f"P, QRS and T in every lead of {found.test_records} records of other patients."
    )
    caption = (
        "Sample F1 counts samples: 1 where every sample of a wave was found, and no other. A boundary is found "
        "where one lies within 150 (or 40) ms of the reference. Errors are found less reference."
    )
    body = cards(facts) + tabs("waves", panes) + table(_HEAD, _rows(found), "dense", "Boundaries, all leads together")
    return Section("waves", "Waves found in each lead", lead, body + f"<p>{caption}</p>"), pictures


def _rows(found: FoundWaves) -> list[list[str]]:
    boundaries = {name: found.figures.boundaries[key] for key, name in _NAMES.items()}
    return [
        [name, f"{of.within['150'].f1:.3f}", f"{of.within['40'].f1:.3f}", decimal(of.mean_ms), decimal(of.sd_ms)]
        for name, of in boundaries.items()
    ]
