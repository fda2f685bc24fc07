"""WFDB records of any format, in mV, with length and checksum verified.

Plain 16-bit samples in one file (formats 16 and 61: PTB-XL, LUDB, CinC's `.mat`) are read here, many times faster than
through wfdb and equal to it bit for bit; all other formats (8, 80, 160, 212, 24, 310, 311, 32, FLAC) go through wfdb.
Multi-segment records are put together from their segments, each read either way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.records.formats.channels import Choice, choose
from beatssl.records.reader import inside, read_inside
from beatssl.records.record import RecordError
from beatssl.records.units import BY_FORMAT, UnitPolicy, check_amplitude, mv_per
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
    """The ECG of one WFDB record, with what its header says besides."""

    ecg_mv: Float32[np.ndarray, "lead time"]
    leads: tuple[str, ...]  # as the header spells them
    fs_hz: float
    comments: tuple[str, ...]
    metadata: dict[str, Any]  # unit_assumed, implausible_amplitude; left_out: names of the signals that are no ECG


def read_wfdb(root: Path, name: str, policy: UnitPolicy = BY_FORMAT, units_per_mv: float | None = None) -> WfdbSignals:
    """The ECG of the record `name` (path below `root`, without `.hea`), in mV; NaN where not measured.

    Of its signals those are kept that `channels.choose` takes for ECG; the others are named in `metadata["left_out"]`.
    A signal without unit or gain is in mV, 200 units each (header(5)), unless the policy says error. `units_per_mv`
    overrules the gains and baselines of a header that is known to state wrong ones (baseline 0).

    Raises `RecordError`: "unreadable" (missing file, bad header, undecodable), "truncated" (fewer samples than the
    header says), "checksum", "unit" (no stated unit or gain and the policy says error; no signal in volts), "no-ecg",
    "amplitude", "nan", "unsafe-path" (a file or segment outside the record's folder).
    """
    folder, _, base = name.rpartition("/")
    at = _Place(root, folder, base, name)
    header = at.header()
    if units_per_mv is not None:
        signals = tuple(line._replace(gain=units_per_mv, unit="mV", baseline=0) for line in header.signals)
        header = replace(header, signals=signals)
    read = (_read_segments if header.segments else _read_segment)(at, header, policy)
    metadata: dict[str, Any] = {"unit_assumed": True} if read.assumed else {}
    if read.left_out:
        metadata["left_out"] = ", ".join(read.left_out)
    metadata |= check_amplitude(read.ecg_mv, read.leads, read.fs_hz, name, policy)
    return WfdbSignals(read.ecg_mv, read.leads, read.fs_hz, header.comments, metadata)


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


class _Read(NamedTuple):
    """What one segment holds."""

    ecg_mv: Float32[np.ndarray, "lead time"]
    leads: tuple[str, ...]
    fs_hz: float
    assumed: bool  # a unit or gain
    left_out: tuple[str, ...]


def record_names(root: Path) -> list[str]:
    """The lines of the folder's `RECORDS` file, each once. Raises FileNotFoundError that says what is missing."""
    path = root / "RECORDS"
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; {root} is not the folder of a PhysioNet database")
    return list(dict.fromkeys(line.strip() for line in path.read_text().splitlines() if line.strip()))


# ---------------------------------------------------------------------------------------------- one segment


def _read_segment(at: _Place, header: Header, policy: UnitPolicy) -> _Read:
    signals = header.signals
    choice = _chosen(header, at.where, policy)
    chosen, factors = list(choice.kept), _mv_per_unit(signals)
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
    leads = tuple(names[i] for i in chosen)
    return _Read(ecg_mv, leads, header.fs_hz * per_frame, choice.assumed, choice.left_out)


def lead_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The header's own names, made unlike each other only where they have to be."""
    return names if len(set(names)) == len(names) and "" not in names else canonical_leads(names)


def _chosen(header: Header, where: str, policy: UnitPolicy) -> Choice:
    """The signals that are ECG; see `channels.choose`. A missing gain counts as a missing unit."""
    signals = header.signals
    names = tuple(line.name for line in signals)
    units = tuple(None if line.gain is None and mv_per(line.unit or "mV") else line.unit for line in signals)
    rates = tuple(header.fs_hz * line.samples_per_frame for line in signals)
    try:
        return choose(names, units, rates, policy.missing != "error", _ASSUME)
    except RecordError as error:
        raise RecordError(error.reason, f"{where}: {error}") from None


_ASSUME = f"no_unit='assume' for WFDB's default (mV, {DEFAULT_GAIN:g} units per mV where no gain stands)"


def _mv_per_unit(signals: tuple[SignalLine, ...]) -> Float64[np.ndarray, " signal"]:
    """mV per digital unit; NaN for a signal that is no voltage."""
    mv = [mv_per(line.unit) if line.unit is not None else 1.0 for line in signals]
    return np.array(
        [np.nan if v is None else v / (line.gain or DEFAULT_GAIN) for v, line in zip(mv, signals, strict=True)]
    )


def _read_plain(
    at: _Place, header: Header, factors: Float64[np.ndarray, " signal"]
) -> Float32[np.ndarray, "lead time"]:
    signals, count, offset = header.signals, len(header.signals), header.signals[0].byte_offset
    samples = _samples(header, at.where)
    expected = offset + 2 * count * samples if samples else 0
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
    if not any(line.checksum for line in signals):
        return  # what writers put there that compute none (CinC 2017)
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

    absent = _check_files(at, header)
    there = [i for i in chosen if header.signals[i].file not in absent]
    try:
        record: Any = wfdb.rdrecord(
            str(inside(at.root, at.folder) / at.base), physical=False, smooth_frames=False, channels=there
        )
        digital = [np.asarray(signal, np.int64) for signal in record.e_d_signal]
    except Exception as error:  # wfdb raises whatever its decoding runs into
        raise RecordError("unreadable", f"{at.where}: wfdb cannot decode it ({type(error).__name__})") from None
    lines = [header.signals[i] for i in there]
    if all(line.skew == 0 for line in lines):  # a skewed signal is shifted by wfdb and loses samples at its ends
        _check_sums([int(lead.sum()) for lead in digital], lines, at.where)
    out = np.full((len(chosen), len(digital[0])), np.nan, np.float32)
    for line, lead, i in zip(lines, digital, there, strict=True):
        row = out[chosen.index(i)]
        # mV, in wfdb's order of operations
        gain = line.gain or DEFAULT_GAIN
        row[:] = (lead - line.baseline) / gain * (factors[i] * gain)
        if (lost := _NOT_MEASURED.get(line.format)) is not None:
            row[lead == lost] = np.nan
    return out, lines[0].samples_per_frame


def _check_files(at: _Place, header: Header) -> set[str]:
    """That each signal file is in the folder, and, if uncompressed, as long as the header says; those that are absent.

    wfdb does not tell a short file from a bad one, and follows a link wherever it leads. Where some files are there,
    the leads of the others are missing; where none is, that is an error.
    """
    samples = _samples(header, at.where)
    absent: set[str] = set()
    names = list(dict.fromkeys(line.file for line in header.signals if line.file != "~"))
    for name in names:
        try:
            size = len(at.read(name, 2**20))
        except RecordError as error:
            if error.reason != "unreadable" or len(absent) == len(names) - 1:
                raise
            absent.add(name)
            continue
        lines = [line for line in header.signals if line.file == name]
        if (per_sample := _BYTES_PER_SAMPLE.get(lines[0].format)) is None:
            if samples > _SAMPLES_PER_BYTE * size:
                raise _truncated(at.where, name, _SAMPLES_PER_BYTE * size, samples)
            continue
        frame = per_sample * sum(line.samples_per_frame for line in lines)
        if (held := (size - lines[0].byte_offset) / frame) < samples:
            raise _truncated(at.where, name, int(held), samples)
    return absent


# -------------------------------------------------------------------------------------------- many segments


def _read_segments(at: _Place, header: Header, policy: UnitPolicy) -> _Read:
    """All segments end to end; NaN in gaps and where a segment lacks a lead. Fixed and variable layouts alike.

    Gaps are `~`, and segments without any ECG in volts.
    """
    parts: list[tuple[int, _Read]] = []
    start, per_frame, without = 0, 1, RecordError("unreadable", f"{at.where}: none of its segments holds samples")
    for name, length in header.segments:
        if name != "~" and length:  # length 0: the layout of a variable-layout record, which holds no samples
            try:
                part = _read_part(at, name, header.fs_hz, policy)
            except RecordError as error:
                if error.reason not in ("unit", "no-ecg") or policy.missing == "error":
                    raise
                without = error
            else:
                if parts and part.fs_hz != parts[0][1].fs_hz:
                    raise RecordError(
                        "unreadable",
                        f"{at.where}: the ECG of segment {name} is sampled at {part.fs_hz:g} Hz, that before at "
                        f"{parts[0][1].fs_hz:g} Hz; convert it to one rate",
                    )
                per_frame = round(part.fs_hz / header.fs_hz)
                if part.ecg_mv.shape[1] != length * per_frame:
                    raise _truncated(at.where, name, part.ecg_mv.shape[1], length * per_frame)
                parts.append((start, part))
        start += length
    if header.samples not in (None, start):
        raise RecordError(
            "truncated",
            f"{at.where}: its header announces {header.samples} samples a signal, its segments hold {start}; fetch the "
            "header and all segments again",
        )
    if not parts:
        raise without
    held = sum(part.ecg_mv.shape[1] for _, part in parts) // per_frame
    if not held <= start <= (1 + _LARGEST_GAPS) * held:
        raise RecordError(
            "unreadable",
            f"{at.where}: its header announces {start} samples and {held} are there; gaps may be {_LARGEST_GAPS} times "
            "as long as what was measured: split the record at its gaps",
        )
    leads = tuple(dict.fromkeys(lead for _, part in parts for lead in part.leads))
    out = np.full((len(leads), start * per_frame), np.nan, np.float32)
    for begin, part in parts:
        columns = slice(begin * per_frame, begin * per_frame + part.ecg_mv.shape[1])
        out[[leads.index(lead) for lead in part.leads], columns] = part.ecg_mv
    left_out = tuple(dict.fromkeys(name for _, part in parts for name in part.left_out))
    return _Read(out, leads, header.fs_hz * per_frame, any(part.assumed for _, part in parts), left_out)


def _read_part(at: _Place, name: str, fs_hz: float, policy: UnitPolicy) -> _Read:
    part = _Place(at.root, at.folder, name, f"{at.where}, segment {name}")
    header = part.header()
    if header.segments:
        raise RecordError("unreadable", f"{at.where}: segment {name} is made of segments itself")
    if header.fs_hz != fs_hz:
        raise RecordError(
            "unreadable",
            f"{at.where}: segment {name} is sampled at {header.fs_hz:g} Hz, the record at {fs_hz:g} Hz; "
            "convert it to one rate",
        )
    return _read_segment(part, header, policy)
