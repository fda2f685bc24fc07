"""A store as one page: its contents, some of its rows drawn, found against reference marks, every feature."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from beatssl._version import __version__
from beatssl.beats.classes.classifier import CLASSES
from beatssl.beats.classes.matching import matched_classes
from beatssl.checks.fiducials import boundary_errors_s
from beatssl.checks.r_peaks.peaks import check_peaks
from beatssl.drawing.figures import Panel, boxes_by_group, error_boxes
from beatssl.features import DEFINITIONS
from beatssl.metrics.beat_classes import class_counts
from beatssl.reports.page import Section, bars, cards, decimal, figure, fold, number, page, table, tabs
from beatssl.reports.store_pictures import (
    DrawnRow,
    all_measurements,
    key_measurements,
    lead_measurements,
)
from beatssl.signals.leads import LEADS
from beatssl.store.store import Store

DRAWN = ("rate_bpm", "pr_interval_ms", "qrs_duration_ms", "qtc_fridericia_ms", "qrs_axis_deg", "sokolow_lyon_mv")
"""Features drawn over the whole store."""

_TITLES = {
    "rate_bpm": "Heart rate",
    "pr_interval_ms": "PR interval",
    "qrs_duration_ms": "QRS duration",
    "qtc_fridericia_ms": "QTc (Fridericia)",
    "qrs_axis_deg": "QRS axis, frontal",
    "sokolow_lyon_mv": "Sokolow–Lyon index",
}
_MARK_NAMES = {
    "p_onset_s": "P onset",
    "p_peak_s": "P peak",
    "p_offset_s": "P offset",
    "qrs_onset_s": "QRS onset",
    "r_peak_s": "R peak",
    "qrs_offset_s": "QRS offset (J)",
    "t_onset_s": "T onset",
    "t_peak_s": "T peak",
    "t_offset_s": "T offset",
}


def store_page(
    store: Store,
    drawn: Mapping[str, DrawnRow],
    title: str,
    summary: str,
    seconds: float | None = None,
    more: Sequence[Section] = (),
) -> str:
    """The page of a store as HTML.

    Args:
        store: a prepared store of twelve leads.
        drawn: rows that are shown, by the name of their tab; at least one.
        title: heading of the page.
        summary: one sentence below it.
        seconds: how long the preparation took, where that is known.
        more: sections on runs on the store; they come before the list of features.
    """
    sections = [_cohort(store, seconds), _drawn(store, drawn)]
    if len(store.waves):
        sections.append(_truth(store))
    sections += [_spread(store), *more, _features(store, next(iter(drawn.values())).row), _aside(store)]
    foot = f"Made by beatssl {__version__}. A research tool, no medical device: not for diagnosis or treatment."
    return page(title, summary, sections, foot)


def example_rows(store: Store, examples: Mapping[str, Collection[str]]) -> dict[str, int]:
    """For each name the row that shows its labels best: the one with the fewest others, the earliest of them.

    A name whose labels no row has together is left out; no row is shown twice.
    """
    statements = store.labels.groupby("row")["label"].agg(set)
    rows: dict[str, int] = {}
    for name, labels in examples.items():
        having = statements[[found.issuperset(labels) and at not in rows.values() for at, found in statements.items()]]
        if len(having):
            rows[name] = int(str(having.map(len).idxmin()))
    return rows


def _cohort(store: Store, seconds: float | None) -> Section:
    records, beats = store.records, store.beats
    facts = [
        (f"{records['record_id'].nunique():,}", "records"),
        (f"{records['patient_id'].nunique():,}", "patients"),
        (f"{len(beats):,}", "beats"),
        (f"{store.features.shape[1]:,}", "features a record"),
        (f"{len(store.rejects):,}", "records set aside"),
    ]
    if seconds is not None:
        facts.append((f"{len(store) / seconds:,.0f} /s", f"records prepared, {seconds:.1f} s in all"))
    sets = [
        bars(f"Labels: {name}", [(str(k), int(v)) for k, v in part["label"].value_counts().items()])
        for name, part in store.labels.groupby("label_set", sort=False)
    ]
    classes = bars("Beats by class found", [(str(k), int(v)) for k, v in beats["class"].value_counts().items()])
    flags = [str(name) for name in records.columns if str(name).startswith("flag_")]
    raised = bars("Quality flags", [(f.removeprefix("flag_").replace("_", " "), int(records[f].sum())) for f in flags])
    columns = [*sets, classes + raised]
    body = cards(facts) + '<div class="three">' + "".join(f"<div>{column}</div>" for column in columns) + "</div>"
    return Section("cohort", "The cohort", _describe(store), body)


def _describe(store: Store) -> str:
    config, ages = store.manifest["config"], store.records["age_years"]
    sex = Counter(store.records["sex"].dropna())
    who = ", ".join(f"{count:,} {name}" for name, count in sex.most_common())
    age = f", median age {ages.median():.0f} years" if ages.notna().any() else ""
    return (
        f"{len(store):,} rows of {store.duration_s:g} s, {store.fs_hz:g} samples/s, "
        f"{config['low_hz']:g}–{config['high_hz']:g} Hz: {who}{age}."
    )


def _drawn(store: Store, drawn: Mapping[str, DrawnRow]) -> Section:
    panes: list[tuple[str, str]] = []
    for name, shown in drawn.items():
        row = shown.row
        record = store.records.iloc[row]
        labels = store.labels[store.labels["row"] == row]["label"].tolist()
        caption = (
            f"{record['record_id']}: {', '.join(labels)}. Colours show the waves found, letters the class of each "
            f"beat; one that the record's end cuts has neither. {shown.note}".strip()
        )
        vcg = figure(
            shown.vcg,
            "VCG of the median beat (inverse Dower). Dots stand every 10 ms; the large one is a loop's start.",
            38,
        )
        key = table(
            ["measurement", "value"],
            [(name, _with_unit(v, unit)) for name, v, unit in key_measurements(store, row)],
            "key",
        )
        leads = table(["mV", *LEADS], lead_measurements(store, row), "dense leads", "Amplitudes by lead")
        panes.append(
            (
                name,
                figure(shown.ecg, caption, 60) + f'<div class="two"><div>{vcg}{leads}</div><div>{key}</div></div>',
            )
        )
    return Section(
        "records",
        "Records, as prepared",
        "Twelve leads on ECG paper at 25 mm/s and 10 mm/mV, the vectorcardiogram, the measurements.",
        tabs("record", panes),
    )


def _with_unit(value: float, unit: str) -> str:
    if not np.isfinite(value):
        return number(value)
    return f"{number(value)}{unit}" if unit == "°" else f"{number(value)} {unit}".strip()


def _truth(store: Store) -> Section:
    errors_ms = {mark: 1000 * error for mark, error in boundary_errors_s(store).items()}
    measured = {_MARK_NAMES[mark]: error for mark, error in errors_ms.items() if error.size}
    rows = [
        [name, error.size, *map(decimal, (np.median(error), np.median(np.abs(error)), error.std()))]
        for name, error in measured.items()
    ]
    head = ["mark", "matched", "bias", "|error|", "SD"]
    pairs = matched_classes(store.beats, store.reference_beats)
    counts = class_counts(pairs["true"].to_numpy(), pairs["found"].to_numpy(), len(CLASSES) + 1)
    classes = table(
        ["true", *CLASSES, "missed"],
        [[name, *line] for name, line in zip([*CLASSES, "no beat"], counts.tolist(), strict=True)],
        "dense",
        "Beats by true class (rows) and class found",
    )
    boxes = "Boxes: quartiles; whiskers: 5th to 95th percentile. Of beats whose R was found within 75 ms."
    times = table(head, rows, "dense", "Errors in ms: median, median magnitude, SD")
    body = f'<div class="two"><div>{figure(error_boxes(measured), boxes, 30)}</div><div>{times}{classes}</div></div>'
    return Section(
        "truth",
        "Found against true",
        "Every mark of every beat against the marks that came with the records. " + _beat_score(store),
        body,
    )


def _beat_score(store: Store) -> str:
    peaks = check_peaks(store)
    return (
        f"R peaks: {100 * peaks.sensitivity:.2f} % of the true ones found, {100 * peaks.ppv:.2f} % of the found "
        f"ones true, within {peaks.tolerance_ms:.0f} ms."
    )


def _spread(store: Store) -> Section:
    labels = store.labels[store.labels["label_set"] == "superclass"]
    groups = {
        str(name): labels["row"][labels["label"] == name].tolist() for name in labels["label"].value_counts().index
    }
    panels = [
        Panel(
            _TITLES[name],
            DEFINITIONS[name].unit.replace("1/min", "per minute").replace("deg", "degrees"),
            store.features[name].to_numpy(np.float64),
        )
        for name in DRAWN
    ]
    drawn = figure(
        boxes_by_group(panels, groups or {"all": range(len(store))}),
        "Boxes: quartiles; whiskers: 5th to 95th percentile; a point a record. A record may have several labels.",
        48,
    )
    return Section(
        "spread", "Measurements over the cohort", "By diagnostic superclass, as the records are labelled.", drawn
    )


def _features(store: Store, row: int) -> Section:
    every = all_measurements(store, row)
    whole = [line for line in every if line[0].rsplit("_", 1)[-1] not in LEADS]
    by_lead = [line for line in every if line[0].rsplit("_", 1)[-1] in LEADS]
    head = ["feature", "value", "unit", "definition"]
    record = str(store.records["record_id"].iloc[row])
    return Section(
        "features",
        "Every feature",
        f"The record features of {record}. What cannot be measured is missing (–), never zero.",
        table(head, whole, "tall") + fold(f"{len(by_lead)} more, lead by lead", table(head, by_lead, "tall")),
    )


def _aside(store: Store) -> Section:
    rejects = store.rejects
    lines = rejects[["record_id", "reason", "message"]].astype(str).head(50).to_numpy().tolist()
    body = table(["record", "reason", "what was wrong"], lines, "tall") if lines else "<p>None.</p>"
    return Section(
        "aside",
        "Set aside",
        f"{len(rejects):,} records could not be used; the run goes on without them and says why.",
        body,
    )
