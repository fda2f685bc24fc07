"""A record of any length as pieces that overlap, so that memory does not grow with it, and none of its beats is cut."""

from typing import NamedTuple

WINDOW_S = 60.0
"""Longest stretch that goes through the network at once."""

_STEP_S = 56.0
"""From one window of the network to the next; pieces begin at multiples, so that all pieces cut time alike."""
_LEAD_SECONDS = 7200.0  # of a piece: about 100 MB
_LEAST_STEPS, _MOST_STEPS = 10, 64


class Piece(NamedTuple):
    """A stretch of a record: samples that are worked on, and the seconds of it whose beats and waves count."""

    start: int
    stop: int
    core_start_s: float
    core_stop_s: float


def pieces(samples: int, fs_hz: float, leads: int) -> list[Piece]:
    """The pieces of a record. Their cores follow one another; margins of 56 s lie about each.

    In a margin filters, local levels, blended windows and the order of the waves settle, so that a core's results are
    those of the whole record.
    """
    steps = min(max(round(_LEAD_SECONDS / max(leads, 1) / _STEP_S), _LEAST_STEPS), _MOST_STEPS)
    core_s, duration_s = steps * _STEP_S, samples / fs_hz
    count = max(1, round(duration_s / core_s))
    edges_s = [0.0, *(core_s * number for number in range(1, count)), duration_s]
    out: list[Piece] = []
    for number in range(count):
        begin_s, end_s = edges_s[number], edges_s[number + 1]
        start = round(max(begin_s - _STEP_S, 0) * fs_hz)
        stop = min(round((end_s + _STEP_S) * fs_hz), samples)
        last = number == count - 1
        out.append(Piece(start, stop, begin_s if number else -1.0, end_s + 1.0 if last else end_s))
    return out
