"""A reader's records without the slow baseline: two running medians taken off, as for beat classification."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import median_filter

from beatssl.records.reader import Reader, Source
from beatssl.records.record import Record

QRS_S, T_S = 0.2, 0.6
"""Windows of the medians: the first takes out QRS and P, the second what is left, the T wave."""


@dataclass(frozen=True, slots=True)
class WithoutBaseline:
    """The records of `reader`, the baseline of `median_baseline` subtracted at their own rate."""

    reader: Reader

    @property
    def kind(self) -> str:
        """That of the reader."""
        return self.reader.kind

    def sources(self, root: Path) -> list[Source]:
        """Those of the reader."""
        return self.reader.sources(root)

    def read(self, root: Path, source: Source) -> Record:
        """The reader's record without its baseline."""
        record = self.reader.read(root, source)
        return record.replace(ecg_mv=record.ecg_mv - median_baseline(record.ecg_mv, record.fs_hz))


def median_baseline(ecg_mv: Float32[np.ndarray, "lead time"], fs_hz: float) -> Float32[np.ndarray, "lead time"]:
    """The running median over `T_S` of that over `QRS_S`; NaN where no sample was measured.

    Gaps are filled by linear interpolation before the medians. Windows have the nearest odd number of samples; ends are
    mirrored. Source: de Chazal et al., IEEE TBME 2004, II.B.
    """
    out = np.stack([_filled(lead) for lead in ecg_mv.astype(np.float32)])
    for seconds in (QRS_S, T_S):
        size = 2 * round(seconds * fs_hz / 2 - 0.5) + 1
        out = np.stack([median_filter(lead, size=max(size, 1), mode="reflect") for lead in out])
    return np.where(np.isfinite(ecg_mv), out, np.float32(np.nan)).astype(np.float32)


def _filled(lead: Float32[np.ndarray, " time"]) -> Float32[np.ndarray, " time"]:
    """The lead with its gaps bridged by straight lines; 0 where nothing was measured."""
    there = np.isfinite(lead)
    if not there.any():
        return np.zeros_like(lead)
    place = np.arange(len(lead))
    return np.where(there, lead, np.interp(place, place[there], lead[there])).astype(np.float32)
