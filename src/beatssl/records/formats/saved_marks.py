"""Marks that stand with a plain WFDB record: waves in a file for each lead, as LUDB names them, and beats.

`Analysis.save_annotations` and the viewer write them; `FilesReader` reads them, so that what was corrected is learnt.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from beatssl.records.annotations import BEATS, Wave, read_annotations, wave_marks, waves_of
from beatssl.records.record import BeatMarks, WaveMarks

BEATS_ENDING = "beats"
"""Ending of the file of beats."""

_TAKEN = frozenset([BEATS_ENDING, "hea", "dat", "atr"])


def annotator_of(lead: str) -> str:
    """The ending of a lead's file: its name in small letters and digits, as LUDB names them."""
    name = re.sub(r"[^a-z0-9]", "", lead.lower()) or "lead"
    return f"{name}lead" if name in _TAKEN else name


def saved_marks(
    root: Path, name: str, leads: Sequence[str], fs_hz: float, cut_s: float = 0.0
) -> tuple[WaveMarks | None, BeatMarks | None]:
    """Waves and beats of the record `name` below `root`; None where there is no such file.

    A file without any mark counts: the lead was marked, and has no waves. `cut_s` was cut off the signal's start.

    Raises RecordError for a file that is damaged.
    """
    folder = root / Path(name).parent
    base = Path(name).name
    marked = [lead for lead in leads if (folder / f"{base}.{annotator_of(lead)}").is_file()]
    waves: list[Wave] = []
    for lead in marked:
        waves += waves_of(read_annotations(root, name, annotator_of(lead)), lead)
    shifted = [wave._replace(onset=wave.onset - cut_s * fs_hz, peak=wave.peak - cut_s * fs_hz,
                             offset=wave.offset - cut_s * fs_hz) for wave in waves]  # fmt: skip
    beats = None
    if (folder / f"{base}.{BEATS_ENDING}").is_file():
        found = read_annotations(root, name, BEATS_ENDING)
        own = [at for at, symbol in enumerate(found.symbol) if symbol in BEATS]
        beats = BeatMarks(found.sample[own] / fs_hz - cut_s, tuple(found.symbol[at] for at in own))
    return (wave_marks(shifted, fs_hz) if marked else None), beats
