"""Waves and beats of an analysis as WFDB annotation files, which LightWAVE, PhysioNet's tools and `wfdb` read.

As LUDB does, one file a lead, the lead's name as its ending (`record.ii`, `record.v1`): "(" at the onset, "p", "N" or
"t" at the peak, ")" at the offset. The `num` of a bracket is that of its wave, 0 for P, 1 for QRS and 2 for T, as
PhysioNet's `ecgpuwave` and QTDB write it. `record.beats` holds the beats over all leads by the MIT codes N, S, V and F
("Q" where not classified). Samples are at the record's own rate.
"""

import re
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from beatssl.analysis.result import Analysis
from beatssl.files import write_bytes
from beatssl.records.formats.saved_marks import BEATS_ENDING, annotator_of

_CODES = {"N": 1, "V": 5, "F": 6, "S": 9, "Q": 13, "t": 27, "p": 24, "(": 39, ")": 40}
_NUM, _SKIP, _AUX, _NOTE = 60, 59, 63, 22
_PEAKS = {1: "p", 2: "N", 3: "t"}
_LONGEST = 1023

Mark = tuple[int, str, int]
"""Sample, symbol and number."""


def save_annotations(a: Analysis, path: Path, leads: Sequence[str] | None = None) -> tuple[Path, ...]:
    """Write `path`.LEAD for every lead (or those named) and `path`.beats; returns what was written.

    Raises ValueError for a name that is none of a WFDB record, and for a lead that the analysis has not.
    """
    name = path.name.removesuffix(".hea")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ValueError(f"{name!r} is no name of a WFDB record; use letters, digits, '-' and '_' alone")
    wanted = a.waves.leads if leads is None else tuple(leads)
    if strange := [lead for lead in wanted if lead not in a.waves.leads]:
        raise ValueError(f"{strange[0]!r} is no lead of the analysis; it has {', '.join(a.waves.leads)}")
    written: list[Path] = []
    for lead in wanted:
        out = path.with_name(f"{name}.{annotator_of(lead)}")
        write_bytes(out, encoded(_wave_marks(a, a.waves.leads.index(lead)), a.record.fs_hz))
        written.append(out)
    samples = np.round(a.beats.time_s * a.record.fs_hz).astype(np.int64).tolist()
    beats = [(sample, label or "Q", 0) for sample, label in zip(samples, a.beats.labels, strict=True)]
    out = path.with_name(f"{name}.{BEATS_ENDING}")
    write_bytes(out, encoded(beats, a.record.fs_hz))
    return (*written, out)


def _wave_marks(a: Analysis, lead: int) -> list[Mark]:
    waves, fs_hz = a.waves, a.record.fs_hz
    last = round(a.record.duration_s * fs_hz) - 1
    marks: list[Mark] = []
    for at in np.flatnonzero(waves.lead == lead):
        number = int(waves.wave[at]) - 1
        for time_s, symbol in ((waves.onset_s[at], "("), (waves.peak_s[at], ""), (waves.offset_s[at], ")")):
            if np.isfinite(time_s):
                sample = min(max(round(float(time_s) * fs_hz), 0), last)
                marks.append((sample, symbol or _PEAKS[number + 1], number if symbol else 0))
    return sorted(marks, key=lambda mark: mark[0])


def encoded(marks: Sequence[Mark], fs_hz: float) -> bytes:
    """An annotation file in the MIT format (WFDB Applications Guide, annot(5)), its rate in a note at its start."""
    note = f"## time resolution: {fs_hz:.10g}".encode()
    words = [_NOTE << 10, _AUX << 10 | len(note)]
    out = struct.pack("<2H", *words) + note + b"\0" * (len(note) % 2)
    now, number = 0, 0
    for sample, symbol, own in marks:
        step = sample - now
        if step > _LONGEST:
            out += struct.pack("<3H", _SKIP << 10, step >> 16, step & 0xFFFF)
            step = 0
        out += struct.pack("<H", _CODES[symbol] << 10 | step)
        if own != number:
            out += struct.pack("<H", _NUM << 10 | own & 0xFF)
        now, number = sample, own
    return out + b"\0\0"
