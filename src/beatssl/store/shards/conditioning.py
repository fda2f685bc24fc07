"""One record from its file to the prepared signal with its R peaks, or set aside with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rate_check import check_heart_rate
from beatssl.records.reader import Reader, Source
from beatssl.records.record import Record
from beatssl.signals.quality import quality_flags
from beatssl.store.config import PrepareConfig
from beatssl.store.shards.duplicates import refuse_held
from beatssl.store.shards.reading import Limits, Reject, prepare_record, read_record

_FLAGS_OF_READERS = ("unit_assumed", "implausible_amplitude")


@dataclass(frozen=True, slots=True)
class Conditioned:
    """A record ready to be cut into rows."""

    record: Record  # its own signal dropped
    ecg_mv: Float32[np.ndarray, "lead time"]  # at the store's rate; NaN where not measured
    lead_names: tuple[str, ...]  # "" for a lead that is missing
    flags: tuple[dict[str, bool], ...]  # of each row
    r_times_s: Float64[np.ndarray, " beat"]

    @property
    def rows(self) -> int:
        """Number of rows it is cut into."""
        return len(self.flags)


def condition(reader: Reader, source: Source, config: PrepareConfig) -> Conditioned | Reject:
    """Read and prepare one record, and find its beats. What goes wrong with one record never stops the others."""
    return read_record(reader, config.root, source, lambda record: _with_beats(record, config))


def _with_beats(record: Record, config: PrepareConfig) -> Conditioned:
    limits = Limits(config.missing_leads_allowed, config.max_missing_share)
    ready = prepare_record(record, config.preparation, limits)
    r_times_s = find_r_peaks(ready.ecg_mv, config.fs_hz)
    limits_bpm = (config.min_rate, config.max_rate)
    check_heart_rate(
        r_times_s, record.duration_s, record.fs_hz, f"record {record.id}", "see fs_hz_override", limits_bpm
    )
    rows = row_count(ready.ecg_mv.shape[1], r_times_s, config)
    refuse_held(record, ready.ecg_mv, rows, config.row_samples, config.distinct_from)
    flags = row_flags(ready.raw_mv, ready.leads, record, rows, config.duration_s)
    return Conditioned(ready.record, ready.ecg_mv, ready.lead_names, flags, r_times_s)


def row_count(samples: int, r_times_s: Float64[np.ndarray, " beat"], config: PrepareConfig) -> int:
    """Rows of a record. A last, incomplete one is kept, padded, if a beat lies in it: no beat is lost."""
    whole, rest = divmod(samples, config.row_samples)
    last_beat = int(r_times_s[-1] * config.fs_hz)
    return max(whole + (rest > 0 and last_beat >= whole * config.row_samples), 1)


def row_flags(
    raw_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str], record: Record, rows: int, duration_s: float
) -> tuple[dict[str, bool], ...]:
    """For each row the quality flags of its raw signal, and what the reader said of the whole record."""
    of_reader = {f"flag_{name}": bool(record.metadata.get(name, False)) for name in _FLAGS_OF_READERS}
    edges = [round(row * duration_s * record.fs_hz) for row in range(rows + 1)]
    parts = [quality_flags(raw_mv[:, start:end], leads, record.fs_hz) for start, end in pairwise(edges)]
    return tuple({f"flag_{name}": on for name, on in part.record_flags().items()} | of_reader for part in parts)
