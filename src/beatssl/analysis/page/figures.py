"""The figures of a page as SVG, coloured by `page.css`: bars, median beats, loops, quality, the overview."""

from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float32, Float64
from markupsafe import Markup

from beatssl.analysis.page.median_beats import MedianBeats
from beatssl.analysis.result import Analysis, Diagnosis, LeadQuality
from beatssl.analysis.rhythms.truth import RHYTHMS

_MM_S, _MM_MV = 50.0, 10.0  # of median beats
_MOST_SINGLE = 10
_THIN = 3  # every third sample of single beats is drawn
_LEVELS = 5
_WIDE = 1000
"""Units of the overview from left to right."""


def bar(one: Diagnosis) -> Markup:
    """A probability as a bar from 0 to 1, its threshold as a line; the numbers stand beside it in the table."""
    kind = "bar above" if one.above else "bar"
    return Markup(
        '<svg class="bars" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="ground" width="100" height="10"/>'
        f'<rect class="{kind}" width="{max(100 * one.probability, 0.8):.1f}" height="10"/>'
        f'<rect class="mark" x="{min(100 * one.threshold, 99):.1f}" width="1" height="10"/></svg>'
    )


def beat_svg(beats: MedianBeats, lead: str) -> Markup:
    """The median beat of a lead over single beats, 50 mm/s and 10 mm/mV, on paper, its waves coloured."""
    at = beats.leads.index(lead)
    median = beats.median_mv[at]
    single = beats.single_mv[:_MOST_SINGLE, at]
    return _beats_svg(beats, [median], single, f"Median beat of lead {lead}")


def butterfly_svg(beats: MedianBeats) -> Markup:
    """The median beats of all leads over each other."""
    return _beats_svg(beats, list(beats.median_mv), beats.median_mv[:0], "Median beats of all leads over each other")


def _beats_svg(
    beats: MedianBeats, medians: Sequence[Float32[np.ndarray, " time"]], single: Float32[np.ndarray, "beat time"],
    label: str,
) -> Markup:  # fmt: skip
    values = np.concatenate([one[np.isfinite(one)] for one in medians] + [np.zeros(1, np.float32)])
    high, low = max(float(values.max()), 0.4), min(float(values.min()), -0.3)
    zero = 5 * np.ceil((high * _MM_MV + 1) / 5)
    height = zero + 5 * np.ceil((1 - low * _MM_MV) / 5)
    kind = " all" if len(medians) > 1 else ""
    x = (beats.time_s - beats.time_s[0]) * _MM_S
    width = 5 * np.ceil(x[-1] / 5)
    parts = [_grid(width, height)]
    for name, (onset_s, offset_s) in beats.waves_s.items():
        left = (onset_s - beats.time_s[0]) * _MM_S
        parts.append(
            f'<rect class="span {name}" x="{left:.2f}" width="{(offset_s - onset_s) * _MM_S:.2f}" height="{height:g}"/>'
        )
    parts += [f'<path class="single" d="{_path(x[::_THIN], zero - one[::_THIN] * _MM_MV)}"/>' for one in single]
    parts += [f'<path class="median{kind}" d="{_path(x, zero - one * _MM_MV)}"/>' for one in medians]
    return _figure(width, height, parts, label)


def _grid(width: float, height: float) -> str:
    across = "".join(f"M0 {y}H{width:g}" for y in range(0, int(height) + 1, 5))
    down = "".join(f"M{x} 0V{height:g}" for x in range(0, int(width) + 1, 5))
    return f'<rect class="paper" width="{width:g}" height="{height:g}"/><path class="grid" d="{across}{down}"/>'


def loop_svg(beats: MedianBeats, across: int, down: int, label: str, ends: tuple[str, str]) -> Markup:
    """The loops of P, QRS and T in a plane of the vectorcardiogram, an axis to the right and one downwards.

    `ends` names the directions that the axes point to. Dots on the QRS loop are 10 ms apart.
    """
    assert beats.loops_mv is not None
    xy = beats.loops_mv[[across, down]]
    spans = {name: (beats.time_s >= on) & (beats.time_s <= off) for name, (on, off) in beats.waves_s.items()}
    shown: Bool[np.ndarray, " time"] = np.any(list(spans.values()), axis=0) if spans else np.ones(xy.shape[1], np.bool_)
    reach = max(float(np.abs(xy[:, shown]).max(initial=0.0)) * 1.12, 0.3)
    scale = 45 / reach
    parts = [
        '<rect class="paper" x="-50" y="-50" width="100" height="100"/><path class="axis" d="M-48 0H48M0 -48V48"/>',
        f'<text x="48" y="-2" text-anchor="end">{escape(ends[0])}</text><text x="2" y="47">{escape(ends[1])}</text>',
        f'<text x="-48" y="-44">{reach:.1f} mV to the edge</text>',
    ]
    for name, inside in spans.items():
        points = xy[:, inside] * scale
        parts.append(f'<path class="loop {name}" d="{_path(points[0], points[1])}"/>')
        if name == "QRS":
            step = max(1, round(0.01 / float(beats.time_s[1] - beats.time_s[0])))
            parts += [f'<circle class="dot" cx="{px:.2f}" cy="{py:.2f}" r=".9"/>' for px, py in points[:, ::step].T]
    return Markup(
        f'<svg class="loops" viewBox="-50 -50 100 100" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )


def quality_svg(lead: LeadQuality, bins: int) -> Markup:
    """A lead's score over time, five shades from poor to clean; of a bin, the worst second."""
    count = len(lead.seconds)
    edges = np.unique(np.linspace(0, count, min(bins, count) + 1).astype(np.int64))
    worst = np.minimum.reduceat(lead.seconds, edges[:-1]) if count else lead.seconds
    level = np.clip((worst * _LEVELS).astype(np.int64), 0, _LEVELS - 1)
    parts: list[str] = []
    first = 0
    for last in [*(np.flatnonzero(np.diff(level)) + 1).tolist(), len(level)]:
        left, right = edges[first], edges[last]
        parts.append(f'<rect class="q{level[first]}" x="{left}" width="{right - left}" height="1"/>')
        first = last
    return Markup(
        f'<svg class="quality" viewBox="0 0 {max(count, 1)} 1" preserveAspectRatio="none" aria-hidden="true">'
        f"{''.join(parts)}</svg>"
    )


def overview_svg(a: Analysis) -> tuple[Markup, tuple[float, float]]:
    """Rate, rhythms, ectopic beats, pauses and quality over the whole record; and the rates at both ends."""
    duration_s = a.record.duration_s
    rate = 60 / a.beats.rr_s
    known = np.isfinite(rate)
    low, high = _rate_ends(rate[known])
    x = a.beats.time_s / duration_s * _WIDE
    parts = [f'<rect class="paper" width="{_WIDE}" height="100"/>']
    for one in a.rhythm.episodes:
        left, right = (at / duration_s * _WIDE for at in (one.start_s, one.stop_s))
        kind = f"rhythm{RHYTHMS.index(one.name)}"
        parts.append(f'<rect class="{kind}" x="{left:.1f}" width="{right - left:.1f}" height="100"/>')
    for value in range(int(np.ceil(low / 20)) * 20, int(high) + 1, 20):
        y = 100 - (value - low) / (high - low) * 100
        parts.append(f'<path class="grid" d="M0 {y:.1f}H{_WIDE}"/>')
    parts += _rate_paths(x[known], 100 - (np.clip(rate[known], low, high) - low) / (high - low) * 100)
    labels = np.array(a.beats.labels, object)
    for row, kind in enumerate(("S", "V", "F")):
        parts += _ticks(x[labels == kind], 104 + row * 8, 7, kind)
    parts += _ticks(np.array([one.start_s for one in a.rhythm.pauses]) / duration_s * _WIDE, 0, 100, "pause")
    parts += _quality_row(a.quality.leads, duration_s)
    parts.append('<rect id="shown" class="shown" y="0" width="2" height="140"/>')
    return Markup(
        f'<svg id="overview" class="overview" viewBox="0 0 {_WIDE} 140" preserveAspectRatio="none" role="img" '
        'aria-label="Heart rate, rhythms, ectopic beats, pauses and signal quality over the whole record">'
        f"{''.join(parts)}</svg>"
    ), (low, high)


def _rate_ends(rate: Float64[np.ndarray, " beat"]) -> tuple[float, float]:
    if not rate.size:
        return 40.0, 120.0
    low, high = np.percentile(rate, (0.5, 99.5))
    return float(max(np.floor(low / 10) * 10 - 10, 0)), float(min(np.ceil(high / 10) * 10 + 10, 320))


def _rate_paths(x: Float64[np.ndarray, " beat"], y: Float64[np.ndarray, " beat"]) -> list[str]:
    """Lowest to highest as a band, the median as a line; a point a beat where there are few."""
    if not x.size:
        return []
    bins = min(600, max(1, len(x) // 3))
    which = np.minimum((x / _WIDE * bins).astype(np.int64), bins - 1)
    of_bin = [y[which == one] for one in range(bins)]
    middle, band, down = "", "", False
    each = _WIDE / bins
    for at, some in enumerate(of_bin):
        if not some.size:
            down = False
            continue
        middle += f"{'L' if down else 'M'}{(at + 0.5) * each:.1f} {np.median(some):.1f}"
        band += f"M{(at + 0.5) * each:.1f} {some.min():.1f}V{max(some.max(), some.min() + 0.5):.1f}"
        down = True
    return [f'<path class="band" d="{band}"/>', f'<path class="rate" d="{middle}"/>']


def _ticks(x: Float64[np.ndarray, " mark"], top: float, height: float, kind: str) -> list[str]:
    places = np.unique(np.round(x, 0).astype(np.int64))
    if not places.size:
        return []
    return [f'<path class="tick {kind}" d="{"".join(f"M{at} {top:g}v{height:g}" for at in places.tolist())}"/>']


def _quality_row(leads: Iterable[LeadQuality], duration_s: float) -> list[str]:
    seconds = np.stack([lead.seconds for lead in leads]).mean(axis=0)
    edges = np.unique(np.linspace(0, len(seconds), min(500, len(seconds)) + 1).astype(np.int64))
    level = np.clip((np.minimum.reduceat(seconds, edges[:-1]) * _LEVELS).astype(np.int64), 0, _LEVELS - 1)
    scale = _WIDE / duration_s
    changes = [0, *(np.flatnonzero(np.diff(level)) + 1).tolist(), len(level)]
    return [
        f'<rect class="q{level[first]}" x="{edges[first] * scale:.1f}" y="130" height="10" '
        f'width="{(edges[last] - edges[first]) * scale:.1f}"/>'
        for first, last in pairwise(changes)
    ]  # fmt: skip


def _path(
    x: Float64[np.ndarray, " point"] | Float32[np.ndarray, " point"],
    y: Float32[np.ndarray, " point"] | Float64[np.ndarray, " point"],
) -> str:
    parts: list[str] = []
    down = False
    for px, py in zip(x.tolist(), y.tolist(), strict=True):
        if py != py:
            down = False
            continue
        parts.append(f"{'L' if down else 'M'}{px:.2f} {py:.2f}")
        down = True
    return "".join(parts)


def _figure(width: float, height: float, parts: Sequence[str], label: str) -> Markup:
    return Markup(
        f'<svg class="beats" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )
