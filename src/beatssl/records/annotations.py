"""Annotation files in the MIT format (`.atr`, `.q1c`, LUDB's `.ii` …), and the waves that their marks delimit.

wfdb reads them too, and the tests hold the two against each other; it takes 5 ms for a lead of LUDB, this a twentieth.
Format: WFDB Applications Guide, annot(5).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from beatssl.records.reader import read_inside
from beatssl.records.record import RecordError, WaveMarks

# Symbols of the codes 0 to 49; "" where none is defined.
_SYMBOLS = (
    "", "N", "L", "R", "a", "V", "F", "J", "A", "S", "E", "j", "/", "Q", "~", "", "|", "", "s", "T", "*", "D", '"', "=",
    "p", "B", "^", "t", "+", "u", "?", "!", "[", "]", "e", "n", "@", "x", "f", "(", ")", "r",
)  # fmt: skip
_SKIP, _NUM, _SUB, _CHN, _AUX = 59, 60, 61, 62, 63

BEATS = frozenset("NLRaVFJASEj/QBenfr?")
"""Symbols that mark a beat (its R peak) in the MIT format."""

_WAVES = {"p": "P", "t": "T", "u": "U"} | dict.fromkeys(BEATS, "QRS")


@dataclass(frozen=True, slots=True)
class Annotations:
    """Marks in order of time: sample number at the annotation file's rate, symbol, text ("(AFIB"; often "")."""

    sample: Int64[np.ndarray, " mark"]
    symbol: tuple[str, ...]
    text: tuple[str, ...]


def read_annotations(root: Path, name: str, extension: str) -> Annotations:
    """The file `name.extension` below `root`. Raises `RecordError` ("unreadable", "truncated", "unsafe-path")."""
    folder, _, base = name.rpartition("/")
    content = read_inside(root, folder, f"{base}.{extension}")
    words = np.frombuffer(content, "<u2", count=len(content) // 2).tolist()
    samples: list[int] = []
    symbols: list[str] = []
    texts: list[str] = []
    now, at = 0, 0
    try:
        while word := words[at]:  # a zero word ends the file
            code, value = word >> 10, word & 0x3FF
            at += 1
            if code == _SKIP:  # a long interval: 32 bits, high word first
                interval = words[at] << 16 | words[at + 1]
                now += interval - (1 << 32 if interval >> 31 else 0)
                at += 2
            elif code == _AUX:  # a text of `value` bytes for the mark before, padded to whole words
                if texts:
                    texts[-1] = content[2 * at : 2 * at + value].decode("latin-1").strip("\0")
                at += (value + 1) // 2
            elif code not in (_NUM, _SUB, _CHN):
                now += value
                samples.append(now)
                symbols.append(_SYMBOLS[code] if code < len(_SYMBOLS) else "")
                texts.append("")
    except IndexError:
        raise RecordError(
            "truncated", f"{name}.{extension}: ends without the mark of its end; fetch it again"
        ) from None
    return Annotations(np.array(samples, np.int64), tuple(symbols), tuple(texts))


class Wave(NamedTuple):
    """One wave in samples; NaN where a mark was not set."""

    lead: str
    wave: str
    onset: float
    peak: float
    offset: float


def waves_of(annotations: Annotations, lead: str = "") -> list[Wave]:
    """P, QRS and T waves by the grammar "( peak )", in samples; NaN where the onset or the offset was not marked.

    An onset is a "(" directly before the peak, an offset the first ")" after it and before the next peak. Several
    marks of one wave in a row (the two peaks of a biphasic T, or a wave marked several times over in LUDB's record
    116) are one wave, and its peak is the middle one (of two, the first). A "( )" without a peak is no wave here.
    """
    symbols, samples = annotations.symbol, annotations.sample.tolist()
    out: list[Wave] = []
    at = 0
    while at < len(symbols):
        kind = _WAVES.get(symbols[at])
        if kind is None:
            at += 1
            continue
        last = at
        while last + 1 < len(symbols) and symbols[last + 1] == symbols[at]:
            last += 1
        onset = samples[at - 1] if at and symbols[at - 1] == "(" else np.nan
        offset = np.nan
        for after in range(last + 1, len(symbols)):
            if symbols[after] in _WAVES:
                break
            if symbols[after] == ")":
                offset = samples[after]
                break
        if kind != "U":
            out.append(Wave(lead, kind, onset, samples[(at + last) // 2], offset))
        at = last + 1
    return out


def wave_marks(waves: Sequence[Wave], fs_hz: float) -> WaveMarks:
    """Waves in samples at `fs_hz` as columns, in seconds."""
    lead, wave, onset, peak, offset = zip(*waves, strict=True) if waves else ((),) * 5
    return WaveMarks(
        lead=lead,
        wave=wave,
        onset_s=np.array(onset, np.float64) / fs_hz,
        peak_s=np.array(peak, np.float64) / fs_hz,
        offset_s=np.array(offset, np.float64) / fs_hz,
    )
