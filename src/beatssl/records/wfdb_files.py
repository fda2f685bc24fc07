"""WFDB records of any format, in mV, with length and checksum verified.

Plain 16-bit samples in one file (formats 16 and 61: PTB-XL, LUDB, CinC's `.mat`) are read here, many times faster than
through wfdb and equal to it bit for bit; all other formats (8, 80, 160, 212, 24, 310, 311, 32, FLAC) go through wfdb.
Multi-segment records are put together from their segments, each read either way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.records.reader import inside, read_inside
from beatssl.records.record import RecordError
from beatssl.records.units import STRICT, UnitPolicy, check_amplitude, mv_per
from beatssl.records.wfdb_header import DEFAULT_GAIN, Header, SignalLine, parse_header
from beatssl.signals.leads import canonical_leads

# Bytes a sample of each uncompressed format, and the value that means "not measured".
_BYTES_PER_SAMPLE = {
    8: 1.0, 16: 2.0, 24: 3.0, 32: 4.0, 61: 2.0, 80: 1.0, 160: 2.0, 212: 1.5, 310: 4 / 3, 311: 4 / 3,
}  # fmt: skip
_NOT_MEASURED = {
    16: -(2**15), 24: -(2**23), 32: -(2**31), 61: -(2**15), 80: -128, 160: -(2**15), 212: -2048, 310: -512, 311: -512,
    508: -128, 516: -(2**15), 524: -(2**23),
}  # fmt: skip
_PLAIN = {16: "<i2", 61: ">i2"}
_LONGEST = 10**10  # samples; a header that announces more is garbage
_LARGEST_GAPS = 100  # times the samples that are there: a header's `~` alone must not ask for unbounded memory
_SAMPLES_PER_BYTE = 4096  # more than any compressed format reaches: FLAC needs some bytes for a block of 4096 samples


@dataclass(frozen=True, slots=True)
class WfdbSignals:
    """The signals of one WFDB record that are voltages, with what its header says besides."""

    ecg_mv: Float32[np.ndarray, "lead time"]
    leads: tuple[str, ...]  # as the header spells them
    fs_hz: float
    comments: tuple[str, ...]
    metadata: dict[str, Any]  # flags: unit_assumed, implausible_amplitude


def read_wfdb(root: Path, name: str, policy: UnitPolicy = STRICT, units_per_mv: float | None = None) -> WfdbSignals:
    """The record `name` (path below `root`, without `.hea`), in mV; NaN where not measured.

    `units_per_mv` overrules the gains and baselines of a header that is known to state wrong ones (baseline 0).

    Raises `RecordError`: "unreadable" (missing file, bad header, undecodable), "truncated" (fewer samples than the
    header says), "checksum", "unit" (no stated unit or gain and the policy does not assume them; no signal in volts),
    "amplitude", "nan", "unsafe-path" (a file or segment outside the record's folder).
    """
    folder, _, base = name.rpartition("/")
    at = _Place(root, folder, base, name)
    header = at.header()
    if units_per_mv is not None:
        signals = tuple(line._replace(gain=units_per_mv, unit="mV", baseline=0) for line in header.signals)
        header = replace(header, signals=signals)
    ecg_mv, leads, assumed, fs_hz = (_read_segments if header.segments else _read_segment)(at, header, policy)
    metadata = {"unit_assumed": True} if assumed else {}
    return WfdbSignals(ecg_mv, leads, fs_hz, header.comments, metadata | check_amplitude(ecg_mv, leads, name, policy))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a record or segment stands, and how errors name it."""

    root: Path
    folder: str
    base: str
    where: str

    def read(self, file: str, expected_bytes: int = 2**16) -> bytes:
        try:
            return read_inside(self.root, self.folder, file, expected_bytes)
        except RecordError as error:
            raise RecordError(error.reason, f"{self.where}: {error}") from None

    def header(self) -> Header:
        return parse_header(self.read(f"{self.base}.hea").decode("utf-8", errors="replace"), self.where)


_Read = tuple[Float32[np.ndarray, "lead time"], tuple[str, ...], bool, float]
"""Signals in mV, lead names, whether a unit or gain was assumed, rate in Hz."""


def record_names(root: Path) -> list[str]:
    """The lines of the folder's `RECORDS` file, each once. Raises FileNotFoundError that says what is missing."""
    path = root / "RECORDS"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {root} is not the folder of a PhysioNet database")
    return list(dict.fromkeys(line.strip() for line in path.read_text().splitlines() if line.strip()))


# ---------------------------------------------------------------------------------------------- one segment


def _read_segment(at: _Place, header: Header, policy: UnitPolicy) -> _Read:
    signals = header.signals
    chosen, factors, assumed = _voltages(signals, at.where, policy)
    names = lead_names(tuple(line.name for line in signals))
    first = signals[0]
    layout = (first.file, first.format, 1, 0, first.byte_offset)
    if first.format in _PLAIN and all(
        (line.file, line.format, line.samples_per_frame, line.skew, line.byte_offset) == layout for line in signals
    ):
        ecg_mv, per_frame = _read_plain(at, header, factors), 1
        if len(chosen) < len(signals):
            ecg_mv = ecg_mv[chosen]
    else:
        ecg_mv, per_frame = _read_other(at, header, chosen, factors)
    return ecg_mv, tuple(names[i] for i in chosen), assumed, header.fs_hz * per_frame


def lead_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The header's own names, made unlike each other only where they have to be."""
    return names if len(set(names)) == len(names) and "" not in names else canonical_leads(names)


def _voltages(
    signals: tuple[SignalLine, ...], where: str, policy: UnitPolicy
) -> tuple[list[int], Float64[np.ndarray, " signal"], bool]:
    """Positions of the signals in volts, mV per digital unit of every signal (NaN: no voltage), and if any is assumed.

    A signal in another unit (mmHg, bpm, NU) is no ECG and is left out. One that states no gain or no unit is WFDB's
    default of 200 units per mV by policy only: a file whose writer forgot the gain looks the same.
    """
    factors = np.full(len(signals), np.nan)
    unstated = [i for i, line in enumerate(signals) if line.unit is None or line.gain is None]
    for i, line in enumerate(signals):
        mv = mv_per(line.unit) if line.unit is not None else 1.0
        factors[i] = np.nan if mv is None else mv / (line.gain or DEFAULT_GAIN)
    chosen = np.flatnonzero(np.isfinite(factors)).tolist()
    if not chosen:
        raise RecordError("unit", f"{where}: no signal is in volts; its units are {[line.unit for line in signals]}")
    unstated = [i for i in unstated if i in chosen]
    if unstated and policy.missing == "error":
        line = signals[unstated[0]]
        missing = "gain" if line.gain is None else "unit"
        raise RecordError(
            "unit",
            f"{where}: signal {line.name!r} states no {missing}; state it in the header, or pass "
            f"no_unit='assume' for WFDB's default (mV, {DEFAULT_GAIN:g} units per mV where no gain stands)",
        )
    return chosen, factors, bool(unstated)


def _read_plain(
    at: _Place, header: Header, factors: Float64[np.ndarray, " signal"]
) -> Float32[np.ndarray, "lead time"]:
    signals, count, offset = header.signals, len(header.signals), header.signals[0].byte_offset
    expected = offset + 2 * count * _samples(header, at.where)
    content = at.read(signals[0].file, expected or 2**20)
    if len(content) < expected or (not expected and (len(content) - offset) % (2 * count)) or len(content) <= offset:
        raise _truncated(at.where, signals[0].file, (len(content) - offset) // (2 * count), header.samples)
    digital = np.frombuffer(
        content, _PLAIN[signals[0].format], count=((expected or len(content)) - offset) // 2, offset=offset
    )
    digital = digital.reshape(-1, count)
    # int64 sums cannot overflow; the header keeps the low 16 bits.
    _check_sums(digital.sum(axis=0, dtype=np.int64).tolist(), signals, at.where)
    # In this order of operations, and in float64, the result equals wfdb's to the last bit.
    gains = np.array([line.gain or DEFAULT_GAIN for line in signals], np.float64)
    mv = digital - np.array([line.baseline for line in signals], np.float64)
    mv /= gains
    if not np.array_equal(scale := factors * gains, np.ones(count)):
        mv *= scale
    out = np.ascontiguousarray(mv.T, dtype=np.float32)
    if (lost := digital == _NOT_MEASURED[16]).any():
        out[lost.T] = np.nan
    return out


def _samples(header: Header, where: str) -> int:
    """Samples a signal that the header announces, 0 where it does not say."""
    samples = header.samples or 0
    if not 0 <= samples <= _LONGEST:
        raise RecordError("unreadable", f"{where}: the header announces {samples} samples")
    return samples


def _check_sums(sums: Sequence[int], signals: Sequence[SignalLine], where: str) -> None:
    for total, line in zip(sums, signals, strict=True):
        if line.checksum is not None and (total - line.checksum) & 0xFFFF:
            raise RecordError(
                "checksum",
                f"{where}: the samples of signal {line.name!r} add up to {total & 0xFFFF}, its header says "
                f"{line.checksum & 0xFFFF} (low 16 bits); the file is damaged, fetch it again",
            )


def _truncated(where: str, file: str, found: int, expected: int | None) -> RecordError:
    wanted = "whole frames" if expected is None else f"{expected} samples a signal"
    return RecordError("truncated", f"{where}: {file} holds {found} samples a signal, its header says {wanted}")


def _read_other(
    at: _Place, header: Header, chosen: list[int], factors: Float64[np.ndarray, " signal"]
) -> tuple[Float32[np.ndarray, "lead time"], int]:
    """Every other format, through wfdb, as digital samples, so that the checksums can be verified here too."""
    import wfdb  # half a second, and needed for few data sets

    frames = {header.signals[i].samples_per_frame for i in chosen}
    if len(frames) > 1:
        raise RecordError(
            "unreadable",
            f"{at.where}: leads are sampled at different rates, {sorted(header.fs_hz * n for n in frames)} Hz; "
            "convert the record to one rate",
        )
    _check_files(at, header)
    try:
        record: Any = wfdb.rdrecord(str(inside(at.root, at.folder) / at.base), physical=False, smooth_frames=False)
        digital = [np.asarray(record.e_d_signal[i], np.int64) for i in chosen]
    except Exception as error:  # wfdb raises whatever its decoding runs into
        raise RecordError("unreadable", f"{at.where}: wfdb cannot decode it ({type(error).__name__})") from None
    lines = [header.signals[i] for i in chosen]
    if all(line.skew == 0 for line in lines):  # a skewed signal is shifted by wfdb and loses samples at its ends
        _check_sums([int(lead.sum()) for lead in digital], lines, at.where)
    out = np.empty((len(chosen), len(digital[0])), np.float32)
    for row, line, lead, i in zip(out, lines, digital, chosen, strict=True):
        # mV, in wfdb's order of operations
        gain = line.gain or DEFAULT_GAIN
        row[:] = (lead - line.baseline) / gain * (factors[i] * gain)
        if (lost := _NOT_MEASURED.get(line.format)) is not None:
            row[lead == lost] = np.nan
    return out, frames.pop()


def _check_files(at: _Place, header: Header) -> None:
    """That each signal file is there, in the folder, and, if uncompressed, as long as the header says.

    wfdb does not tell a short file from a bad one, and follows a link wherever it leads.
    """
    samples = _samples(header, at.where)
    for name in dict.fromkeys(line.file for line in header.signals if line.file != "~"):
        size = len(at.read(name, 2**20))
        lines = [line for line in header.signals if line.file == name]
        if (per_sample := _BYTES_PER_SAMPLE.get(lines[0].format)) is None:
            if samples > _SAMPLES_PER_BYTE * size:
                raise _truncated(at.where, name, _SAMPLES_PER_BYTE * size, samples)
            continue
        frame = per_sample * sum(line.samples_per_frame for line in lines)
        if (held := (size - lines[0].byte_offset) / frame) < samples:
            raise _truncated(at.where, name, int(held), samples)


# -------------------------------------------------------------------------------------------- many segments


def _read_segments(at: _Place, header: Header, policy: UnitPolicy) -> _Read:
    """All segments end to end; NaN in gaps (`~`) and where a segment lacks a lead. Fixed and variable layouts alike."""
    parts: list[tuple[int, Float32[np.ndarray, "lead time"], tuple[str, ...]]] = []
    start, assumed = 0, False
    for name, length in header.segments:
        if name != "~" and length:  # length 0: the layout of a variable-layout record, which holds no samples
            ecg_mv, names, guessed, fs_hz = _read_part(at, name, policy)
            if fs_hz != header.fs_hz:
                raise RecordError(
                    "unreadable",
                    f"{at.where}: segment {name} is sampled at {fs_hz:g} Hz, the record at {header.fs_hz:g} Hz; "
                    "convert it to one rate",
                )
            if ecg_mv.shape[1] != length:
                raise _truncated(at.where, name, ecg_mv.shape[1], length)
            parts.append((start, ecg_mv, names))
            assumed |= guessed
        start += length
    if not parts:
        raise RecordError("unreadable", f"{at.where}: none of its {len(header.segments)} segments holds samples")
    held = sum(ecg_mv.shape[1] for _, ecg_mv, _ in parts)
    if not held <= start <= (1 + _LARGEST_GAPS) * held:
        raise RecordError(
            "unreadable",
            f"{at.where}: its header announces {start} samples and {held} are there; gaps may be {_LARGEST_GAPS} times "
            "as long as what was measured: split the record at its gaps",
        )
    leads = list(dict.fromkeys(lead for _, _, names in parts for lead in names))
    out = np.full((len(leads), start), np.nan, np.float32)
    for begin, ecg_mv, names in parts:
        out[[leads.index(lead) for lead in names], begin : begin + ecg_mv.shape[1]] = ecg_mv
    return out, tuple(leads), assumed, header.fs_hz


def _read_part(at: _Place, name: str, policy: UnitPolicy) -> _Read:
    part = _Place(at.root, at.folder, name, f"{at.where}, segment {name}")
    header = part.header()
    if header.segments:
        raise RecordError("unreadable", f"{at.where}: segment {name} is made of segments itself")
    return _read_segment(part, header, policy)
