"""The tables of a page and of a PDF: rows of text, made of an analysis."""

from collections.abc import Sequence
from dataclasses import dataclass

from beatssl.analysis.measurement import Measurement
from beatssl.analysis.result import PACED_BEAT, Analysis, Diagnosis
from beatssl.analysis.rhythms.ectopy import groups_in_words
from beatssl.beats.classes.classifier import CLASSES
from beatssl.features.wave_intervals import global_name
from beatssl.store.labels import SUPERCLASSES
from beatssl.store.vocabularies.statements import statements

INTERVALS = {
    "PR interval": global_name("pr_interval_ms"),
    "QRS duration": global_name("qrs_duration_ms"),
    "QT interval": global_name("qt_interval_ms"),
} | {f"QTc, {name}": global_name(f"qtc_{name.lower()}_ms") for name in ("Bazett", "Fridericia", "Framingham", "Hodges")}
AXES = {"P axis": "p_axis_deg", "QRS axis": "qrs_axis_deg", "T axis": "t_axis_deg"}
OF_LEADS = {"ST, J + 60 ms": "st_mv", "T": "t_mv", "R": "r_mv", "S": "s_mv"}
LEAST_TOP = 5
"""Statements that are shown first even where none reaches its threshold."""

_UNITS = {"deg": "°", "1/min": "/min", "1": ""}
_SETS = ("Superclasses", "Diagnostic statements", "Form", "Rhythm statements", "Subclasses and other labels")


@dataclass(frozen=True, slots=True)
class Line:
    """A measure as text."""

    name: str
    value: str
    """"–" where not determinable."""
    spread: str
    count: str
    reason: str


def measure_lines(a: Analysis) -> list[Line]:
    """Rate, intervals and axes."""
    rhythm = a.rhythm
    of_rhythm = {
        "Heart rate": rhythm.rate_bpm, "Lowest rate, over four beats": rhythm.rate_min_bpm,
        "Highest rate, over four beats": rhythm.rate_max_bpm, "RR, standard deviation": rhythm.rr_sd_ms,
        "RR, RMSSD": rhythm.rr_rmssd_ms,
    }  # fmt: skip
    named = of_rhythm | {title: a.intervals[name] for title, name in (INTERVALS | AXES).items()}
    return [_line(title, one) for title, one in named.items()]


def value_text(one: Measurement) -> str:
    """Value and unit, "–" where there is none."""
    if one.value is None:
        return "–"
    digits = 2 if one.unit in ("mV", "1") else 0
    number = f"{one.value:.{digits}f}".replace("-", "−")
    unit = _UNITS.get(one.unit, f"\u202f{one.unit}")
    return f"{number}{unit}"


def _line(title: str, one: Measurement) -> Line:
    digits = 2 if one.unit in ("mV", "1") else 0
    spread = "" if one.spread is None or one.value is None else f"{one.spread:.{digits}f}"
    return Line(title, value_text(one), spread, f"{one.count:,}" if one.count else "", one.reason)


def lead_lines(a: Analysis) -> list[tuple[str, list[tuple[str, str]]]]:
    """Of each usable lead, value and spread in mV of ST, T, R and S; without a value, "–" and why."""
    out: list[tuple[str, list[tuple[str, str]]]] = []
    for lead, own in a.lead_measures.items():
        cells: list[tuple[str, str]] = []
        for name in OF_LEADS.values():
            one = own[name]
            spread = one.reason if one.value is None else "" if one.spread is None else f"{one.spread:.2f}"
            cells.append(("–" if one.value is None else _signed(one.value), spread))
        out.append((lead, cells))
    return out


def _signed(mv: float) -> str:
    return f"{mv:+.2f}".replace("-", "−") if round(mv, 2) else "0.00"


def sets_of(found: Sequence[Diagnosis]) -> list[tuple[str, list[Diagnosis]]]:
    """Statements by kind, the likeliest first; only kinds that there are."""
    known = statements()

    def kind(one: Diagnosis) -> str:
        if one.name in SUPERCLASSES:
            return _SETS[0]
        kinds = known[one.name].kinds if one.name in known else frozenset[str]()
        named = {"diagnostic": _SETS[1], "form": _SETS[2], "rhythm": _SETS[3]}
        return next((title for name, title in named.items() if name in kinds), _SETS[4])

    grouped = {title: [one for one in found if kind(one) == title] for title in _SETS}
    return [(title, sorted(some, key=lambda one: -one.probability)) for title, some in grouped.items() if some]


def top_statements(a: Analysis, least: int = LEAST_TOP) -> list[Diagnosis]:
    """Those that reach their threshold, the likeliest first, and the next likeliest until there are `least`."""
    ranked = sorted(a.diagnoses.statements, key=lambda one: (not one.above, -one.probability))
    return ranked[: max(least, sum(one.above for one in ranked))]


def probability_text(value: float) -> str:
    """Two digits; nothing is rounded to 0 or to 1."""
    return "<0.01" if value < 0.005 else ">0.99" if value >= 0.995 else f"{value:.2f}"


def hundredths(change: float) -> str:
    """A change of a probability."""
    whole = round(100 * change)
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def rhythm_text(a: Analysis) -> str:
    """Regularity, the likeliest rhythms, and what interrupts them, as a sentence."""
    rhythm = a.rhythm
    parts = [rhythm.regularity or "regularity not determinable"]
    parts += [f"{one.name} {one.probability:.0%}" for one in rhythm.classes]
    names = {"S": "supraventricular", "V": "ventricular", "F": "fusion"}
    parts += [
        f"{count:,} {names[kind]} beat{'s' * (count > 1)}" for kind, count in rhythm.ectopic_beats.items() if count
    ]
    for many, word in (
        (rhythm.paced_beats, "paced beat"),
        (len(rhythm.pauses), "pause"),
        (len(rhythm.runs), "ectopic run"),
    ):
        if many:
            parts.append(f"{many:,} {word}{'s' * (many > 1)}")
    parts += groups_in_words(rhythm.groups)
    return ", ".join(parts)


def about_lines(a: Analysis) -> list[tuple[str, str]]:
    """What was analysed."""
    record = a.record
    person = [f"{record.age_years:g} years" if record.age_years is not None else "", record.sex or ""]
    labels = a.beats.labels
    kinds = ", ".join(f"{labels.count(kind):,} {kind}" for kind in (*CLASSES, PACED_BEAT) if kind in labels)
    return [
        ("Record", record.id),
        ("Source", record.source),
        ("Length", duration_text(record.duration_s)),
        ("Sampling rate", f"{record.fs_hz:g} Hz"),
        ("Leads", " ".join(record.leads)),
        ("Person", ", ".join(text for text in person if text) or "age and sex not stated"),
        ("Beats", f"{len(labels):,}" + (f" ({kinds})" if kinds else "")),
        ("Signal quality", f"{a.quality.score:.2f} of 1"),
    ]


def duration_text(seconds: float) -> str:
    """A length of time in words."""
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:.4g} s"
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def clock(seconds: float) -> str:
    """A time from the record's start, as the paper writes it."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02d}" if whole < 3600 else f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def ecg_in_words(a: Analysis) -> str:
    """A text alternative of the ECG: what a listener needs instead of the picture."""
    lines = {one.name: one for one in measure_lines(a)}
    measured = [f"{name} {lines[name].value}" for name in ("PR interval", "QRS duration", "QT interval", *AXES)
                if lines[name].value != "–"]  # fmt: skip
    without = [name for name in ("PR interval", "QRS duration", "QT interval") if lines[name].value == "–"]
    above = [one.text for one in top_statements(a) if one.above]
    sentences = [
        f"ECG of {duration_text(a.record.duration_s)} in {len(a.record.leads)} leads, {len(a.beats):,} beats",
        f"heart rate {lines['Heart rate'].value}, {rhythm_text(a)}",
        ", ".join(measured) or "no interval determinable",
        *([f"not determinable: {', '.join(without)}"] if without and measured else []),
        f"above their thresholds: {', '.join(above)}" if above else "no statement reaches its threshold",
    ]
    return "; ".join(sentences) + "."
