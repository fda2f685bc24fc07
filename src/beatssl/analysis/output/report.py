"""An analysis as a short text."""

from collections import Counter

import numpy as np

from beatssl.analysis.measurement import Measurement
from beatssl.analysis.result import PACED_BEAT, Analysis, Similar
from beatssl.analysis.rhythms.ectopy import groups_in_words
from beatssl.beats.classes.classifier import CLASSES
from beatssl.features.wave_intervals import global_name
from beatssl.store.labels import SUPERCLASSES

_INTERVALS = {
    "PR": global_name("pr_interval_ms"), "QRS": global_name("qrs_duration_ms"), "QT": global_name("qt_interval_ms"),
}  # fmt: skip
_CORRECTED = {name: global_name(f"qtc_{name.lower()}_ms") for name in ("Bazett", "Fridericia", "Framingham", "Hodges")}
_AXES = {"P": "p_axis_deg", "QRS": "qrs_axis_deg", "T": "t_axis_deg"}
_MOST = 4


def report(a: Analysis) -> str:
    """About twenty-five lines: record, quality, rhythm, intervals, ST and T, diagnoses, flags, and the sentence of use.

    Intervals are those over the leads together, as recorders print them.
    """
    record = a.record
    person = ", ".join(
        text for text in (f"age {record.age_years:g}" if record.age_years is not None else "", record.sex or "") if text
    )
    lines = [
        f"{record.id}: {len(record.leads)} lead{'s' * (len(record.leads) > 1)} ({' '.join(record.leads)})",
        f"  {record.fs_hz:g} Hz, {_duration(record.duration_s)}, {record.source}{', ' if person else ''}{person}",
        _line("Quality", _quality(a)),
        _line("Beats", _beats(a)),
        _line("Rate", _rate(a)),
        _line("Rhythm", _rhythm(a)),
        *(_line(title, str(a.intervals[name])) for title, name in _INTERVALS.items()),
        _line("QTc", _several(a, _CORRECTED)),
        _line("Axes", _several(a, _AXES)),
        *_line_of_leads(a, "ST", "st_mv"),
        *_line_of_leads(a, "T", "t_mv"),
        *_diagnoses(a),
        *_alike(a),
        *(_line("Note", f"{flag.name}: {flag.message}") for flag in a.flags),
        *(_line("Source", note) for note in a.provenance.notes[:_MOST]),
        a.use,
    ]
    return "\n".join(lines)


def _line(title: str, text: str) -> str:
    return f"  {title:<9}{text}"


def _duration(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{seconds:.4g} s"


def _quality(a: Analysis) -> str:
    worst = min(a.quality.leads, key=lambda lead: lead.score, default=None)
    return f"{a.quality.score:.2f} of 1" + (f"; worst lead {worst.lead} {worst.score:.2f}" if worst else "")


def _beats(a: Analysis) -> str:
    labels = a.beats.labels
    kinds = [f"{labels.count(kind):,} {kind}" for kind in (*CLASSES, PACED_BEAT) if kind in labels]
    if not labels:
        return "none found"
    no_p = int(np.isnan(a.beats.marks.p_peak_s).sum())
    without = f"; no P wave before {no_p:,}" if no_p else ""
    return f"{len(labels):,}: {', '.join(kinds) or 'not classified'}{without}"


def _rate(a: Analysis) -> str:
    rhythm = a.rhythm
    if rhythm.rate_bpm.value is None:
        return rhythm.rate_bpm.reason
    ends = [f"{one.value:.0f}" for one in (rhythm.rate_min_bpm, rhythm.rate_max_bpm) if one.value is not None]
    return f"{rhythm.rate_bpm.value:.0f}/min (over four beats {' to '.join(ends)})"


def _rhythm(a: Analysis) -> str:
    rhythm = a.rhythm
    parts = [rhythm.regularity or "regularity not determinable"]
    parts += [f"{one.name} {one.probability:.0%}" for one in rhythm.classes]
    if rhythm.classes_reason:
        parts.append(f"kind not determinable, because {rhythm.classes_reason}")
    if rhythm.af_burden.value:
        parts.append(f"atrial fibrillation or flutter {rhythm.af_burden.value:.0f} % of the time")
    if rhythm.pauses:
        longest = max(rhythm.pauses, key=lambda pause: pause.duration_s)
        count = len(rhythm.pauses)
        parts.append(
            f"{count:,} pause{'s' * (count > 1)}, longest {longest.duration_s:.1f} s at {longest.start_s:.0f} s"
        )
    if rhythm.runs:
        longest_run = max(rhythm.runs, key=lambda run: run.beats)
        count = len(rhythm.runs)
        parts.append(
            f"{count:,} ectopic run{'s' * (count > 1)}, longest {longest_run.beats} {longest_run.kind} "
            f"at {longest_run.start_s:.0f} s"
        )
    parts += groups_in_words(rhythm.groups)
    return "; ".join(parts)


def _several(a: Analysis, names: dict[str, str]) -> str:
    found: dict[str, Measurement] = {title: a.intervals[name] for title, name in names.items()}
    reasons = {one.reason for one in found.values()}
    if len(reasons) == 1 and (reason := reasons.pop()):
        return reason
    unit = " ms" if "qtc" in next(iter(names.values())) else "°"
    known = [f"{title} {one.value:.0f}{unit}" for title, one in found.items() if one.value is not None]
    return ", ".join(known + [f"{title}: {one.reason}" for title, one in found.items() if one.value is None])


def _alike(a: Analysis) -> list[str]:
    """The labels that most look-alikes have, and the first of these; why there are none where some were asked for."""
    if not a.similar.records:
        return [] if a.similar == Similar() else [_line("Alike", f"none, because {a.similar.reason}")]
    counts = Counter(name for one in a.similar.records for name in one.labels)
    labels = ", ".join(f"{name} {count}" for name, count in counts.most_common(_MOST))
    first = ", ".join(f"{one.record_id} ({one.similarity:.2f})" for one in a.similar.records[:_MOST])
    return [_line("Alike", f"{first}; of the first {len(a.similar.records)}: {labels or 'no labels'}")]


def _line_of_leads(a: Analysis, title: str, name: str) -> list[str]:
    known = {lead: own[name].value for lead, own in a.lead_measures.items()}
    values = [f"{lead} {value:+.2f}" for lead, value in known.items() if value is not None]
    if values:
        return [_line(f"{title} (mV)", ", ".join(values))]
    reason = next(
        (own[name].reason for own in a.lead_measures.values()), "not determinable, because no lead is measured"
    )
    return [_line(f"{title} (mV)", reason)]


def _diagnoses(a: Analysis) -> list[str]:
    found = a.diagnoses
    if not found.statements:
        return [_line("Classes", f"not determinable, because {found.reason}")]
    lines = ["  Classes  probability (threshold), share in training, AUROC on the test fold"]
    shown = [one for one in found.statements if one.above or one.name in SUPERCLASSES]
    width = max(24, *(len(one.text) + 2 for one in shown)) if shown else 24
    for one in sorted(shown, key=lambda one: -one.probability):
        basis = [f"{one.prevalence:.{0 if one.prevalence >= 0.1 else 1}%}" if one.prevalence is not None else "–"]
        basis.append(f"{one.auroc:.3f}" if one.auroc is not None else "–")
        mark = "*" if one.above else " "
        lines.append(f"  {mark} {one.text:<{width}}{one.probability:.2f} ({one.threshold:.2f}), {', '.join(basis)}")
    if rest := len(found.statements) - len(shown):
        lines.append(_line("", f"and {rest} others below their thresholds"))
    if found.leads_missing:
        lines.append(_line("", f"without {', '.join(found.leads_missing)}, which makes the classes less sure"))
    return lines
