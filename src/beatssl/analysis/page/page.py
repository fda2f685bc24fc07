"""An analysis as one HTML page: text and figures made here, the ECG drawn by `ecg.js` from data within the page."""

import base64
import hashlib
import json
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import jinja2
import numpy as np
from markupsafe import Markup

from beatssl.analysis.output.picture import BAND_HZ
from beatssl.analysis.page import figures, tables
from beatssl.analysis.page.events import Event, Kind, events
from beatssl.analysis.page.median_beats import MedianBeats, median_beats, twelve_names
from beatssl.analysis.page.signal_data import AFTER_S, BEFORE_S, SignalData, signal_data
from beatssl.analysis.result import Analysis
from beatssl.files import write_bytes
from beatssl.signals.waves import WAVE_CLASSES

SCRIPTS = ("ecg.js", "caliper.js", "page.js")
LONG_S = 20.0
"""A longer record gets an overview and a list of events."""

_QUALITY_BINS = 240
_KINDS: tuple[Kind, ...] = ("pause", "rhythm", "run", "group", "rate", "V", "F", "S")
"""That samples are kept about, in turn."""
_PLANES = (
    ("Frontal plane", 0, 1, ("left", "feet")),
    ("Horizontal plane, from above", 0, 2, ("left", "back")),
    ("Sagittal plane, from the left", 2, 1, ("back", "feet")),
)


def page(a: Analysis, path: Path | None = None) -> str:
    """The page as text, UTF-8, and written to `path` where one is given: no request leaves it, and no text runs in it.

    A record whose samples take over 4 MB keeps lowest and highest values of short bins, and all samples (at up to 250
    Hz) of its first minute and about its events, so that the page of 24 hours stays under 10 MB.

    Raises ValueError for an analysis that was kept without its signal.
    """
    if a.signal is None:
        raise ValueError("this analysis was kept without its signal; analyze the record again to make its page")
    content = _content(a)
    signal = signal_data(a.signal, [one.start_s for one in _weighted(content["events"])])
    script = "\n".join(asset(name) for name in SCRIPTS)
    text = environment().get_template("page.html.jinja").render(
        content, use=a.use, signal=signal, csp=csp(script), style=Markup(asset("page.css")), script=Markup(script),
        data=Markup(_data(a, signal)), kept=_kept(a, signal), band=BAND_HZ,
    )  # fmt: skip
    if path is not None:
        write_bytes(path, text.encode("utf-8", "replace"))
    return text


def panels(a: Analysis, block: Literal["summary", "panels"]) -> str:
    """A part of the page as HTML without script: what stands above the ECG, or all that stands below it."""
    template = environment().get_template("page.html.jinja")
    return "".join(template.blocks[block](template.new_context(_content(a))))


def _content(a: Analysis) -> dict[str, Any]:
    """What the template shows of an analysis but for its signal."""
    long = a.record.duration_s > LONG_S
    return {
        "a": a, "tables": tables, "figures": figures, "clock": tables.clock, "long": long,
        "events": [one for one in events(a) if long or one.kind != "rate"],
        "overview": figures.overview_svg(a) if long and len(a.beats) else None,
        "beats": _beats(median_beats(a)), "without": _without(a),
        "quality": [(lead, figures.quality_svg(lead, _QUALITY_BINS)) for lead in a.quality.leads],
    }  # fmt: skip


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """Templates of this folder; all that they are given is escaped."""
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(asset), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """The text of a file of this folder."""
    return files("beatssl.analysis.page").joinpath(name).read_text(encoding="utf-8")


def csp(script: str = "") -> str:
    """A content security policy under which nothing loads or runs but the page's own style and this script."""

    def hashed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    scripts = hashed(script) if script else "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src {hashed(asset('page.css'))}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def inert(value: Any) -> str:
    """JSON that may stand within a script element: nothing in it ends the element or a line."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _weighted(found: list[Event]) -> list[Event]:
    """The events in the order in which samples are kept about them: of each kind in turn, so that none is left out."""
    ranks = dict.fromkeys(_KINDS, 0)
    keyed: list[tuple[int, int, Event]] = []
    for one in found:
        keyed.append((ranks[one.kind], _KINDS.index(one.kind), one))
        ranks[one.kind] += 1
    return [one for _, _, one in sorted(keyed, key=lambda entry: entry[:2])]


def _data(a: Analysis, signal: SignalData) -> str:
    """What the scripts read: signal, beats and waves."""
    beats = np.round(a.beats.time_s * 1000).astype("<i4")
    return inert(
        signal.content
        | {
            "beats": {
                "timesMs": base64.b64encode(beats.tobytes()).decode(),
                "labels": "".join(label or "-" for label in a.beats.labels),
            },
            "waves": _waves(a, signal),
            "beforeS": BEFORE_S,
        }
    )


def _waves(a: Analysis, signal: SignalData) -> dict[str, dict[str, Any]]:
    """Waves of each lead that lie in what is kept with all samples, in ms."""
    waves = a.waves
    inside = np.zeros(len(waves), np.bool_)
    for one in signal.stretches:
        inside |= (waves.offset_s > one.start_s) & (waves.onset_s < one.stop_s)
    letters = np.array([name[0] for name in WAVE_CLASSES], object)
    out: dict[str, dict[str, Any]] = {}
    for at, lead in enumerate(waves.leads):
        own = np.flatnonzero(inside & (waves.lead == at))
        own = own[np.argsort(waves.onset_s[own], kind="stable")]
        if lead in signal.leads and len(own):
            out[lead] = {
                "kinds": "".join(letters[waves.wave[own]]),
                "onsetMs": np.round(waves.onset_s[own] * 1000).astype(int).tolist(),
                "offsetMs": np.round(waves.offset_s[own] * 1000).astype(int).tolist(),
            }
    return out


def _beats(found: MedianBeats | None) -> dict[str, Any] | None:
    if found is None:
        return None
    loops = [] if found.loops_mv is None else [
        (title, figures.loop_svg(found, across, down, f"{title}: loops of P, QRS and T", ends))
        for title, across, down, ends in _PLANES
    ]  # fmt: skip
    return {
        "label": found.label, "count": found.count, "loops": loops, "butterfly": figures.butterfly_svg(found),
        "leads": [(name, figures.beat_svg(found, name)) for name in twelve_names(found.leads)],
    }  # fmt: skip


def _without(a: Analysis) -> dict[str, Any] | None:
    """The change of the first statements without each lead, in hundredths, and a word for how large it is."""
    found = a.without_leads
    if found is None:
        return None
    shown = tables.top_statements(a)
    columns = [found.names.index(one.name) for one in shown]
    return {
        "leads": found.leads,
        "lines": [
            (one, [(tables.hundredths(change), _size(change)) for change in found.change[:, at].tolist()])
            for one, at in zip(shown, columns, strict=True)
        ],
    }  # fmt: skip


def _size(change: float) -> str:
    if abs(change) < 0.05:
        return "small"
    return ("up" if change > 0 else "down") + (" large" if abs(change) >= 0.2 else "")


def _kept(a: Analysis, signal: SignalData) -> str:
    """What of the signal the page holds, in a sentence."""
    if signal.envelope_s is None:
        return f"All samples are in this page, at {signal.stretch_hz:g} Hz."
    minutes = sum(one.stop_s - one.start_s for one in signal.stretches) / 60
    return (
        f"Of {tables.duration_text(a.record.duration_s)} this page holds the lowest and highest value of every "
        f"{signal.envelope_s * 1000:.0f} ms, and all samples at {signal.stretch_hz:g} Hz of {minutes:.0f} minutes: "
        f"the first, and {BEFORE_S:g} s before to {AFTER_S:g} s after events."
    )
