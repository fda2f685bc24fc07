"""Records with reference beats: MIT-BIH, LUDB, INCART and CPSC 2019 as recorded, MIT-BIH changed, and drawn ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.beats.global_beats import global_beats
from beatssl.checks.r_peaks.noise_stress import SNRS_DB, START_S, with_electrode_motion
from beatssl.metrics.boundaries import Score, mark_span
from beatssl.records.annotations import read_annotations
from beatssl.records.ludb import LudbReader
from beatssl.records.mitdb import DS1, DS2, PACED, MitdbReader, aami_class
from beatssl.records.record import Record
from beatssl.records.synthetic.drawn import drawn_ecg, regular
from beatssl.records.wfdb_files import read_wfdb
from beatssl.signals.filters import resample
from beatssl.signals.leads import LEADS
from beatssl.signals.matching import match_times

BEATS_TOLERANCE_S, WAVES_TOLERANCE_S = 0.150, 0.075
_EDGE_S = 0.5  # CPSC 2019 leaves out half a second at each end
_CPSC_HZ = 500.0
_STRESSED = ("118", "119")
_CHANGED = tuple(name for name in DS2 if name.startswith("1"))
_CHANGED_S = 600.0
_DRAWN_HZ = 500.0


@dataclass(frozen=True)
class PeakCase:
    """One record as a detector takes it, and its reference beats."""

    data: str
    record: str
    ecg_mv: Float32[np.ndarray, "lead time"]
    fs_hz: float
    lead: int
    """The one that detectors of one lead take: the first, or II of twelve."""
    reference_s: Float64[np.ndarray, " beat"]
    tolerance_s: float
    span_s: tuple[float, float]
    """Beats count, found or in the reference, strictly inside."""
    rated: bool = False
    """Whether the reliability of the confidence counts it: as recorded, and no record of the fit."""

    def score(self, found_s: Float64[np.ndarray, " found"]) -> Score:
        """What was found against the reference: all are matched one to one, those inside the span count."""
        reference_at, found_at = match_times(self.reference_s, found_s, self.tolerance_s)
        matched = self._inside(self.reference_s[reference_at])
        left = self._inside(np.delete(found_s, found_at))
        return Score(matched, self._inside(self.reference_s) - matched, left)

    def _inside(self, times_s: Float64[np.ndarray, " time"]) -> int:
        return int(np.count_nonzero((times_s > self.span_s[0]) & (times_s < self.span_s[1])))


def peak_cases(folder: Path) -> Iterator[PeakCase]:
    """All records of the sets that `folder` holds: mitdb, ludb, incartdb, cpsc2019, each as published; of mitdb changed
    ones too. Then drawn ones.

    Raises FileNotFoundError where it holds none of them.
    """
    of_set = {"mitdb": _mitdb, "ludb": _ludb, "incartdb": _incart, "cpsc2019": _cpsc}
    there = [name for name in of_set if (folder / name).is_dir()]
    if not there:
        raise FileNotFoundError(f"{folder} holds none of {', '.join(of_set)}; pass the folder that these lie in")
    for name in there:
        yield from of_set[name](folder / name)
    yield from _drawn()


def _mitdb(root: Path) -> Iterator[PeakCase]:
    reader = MitdbReader()
    records = [reader.read(root, source) for source in reader.sources(root)]
    for one in records:
        yield _whole("MIT-BIH", one.id, one.ecg_mv, one.fs_hz, _beats(one), rated=one.id not in DS1)
    for one in (each for each in records if each.id in _STRESSED):
        for snr_db in SNRS_DB:
            noisy_mv = with_electrode_motion(one.ecg_mv, one.fs_hz, _beats(one), snr_db, seed=int(one.id))
            data, span_s = f"noise stress {snr_db:g} dB", (START_S, np.inf)
            yield PeakCase(data, one.id, noisy_mv, one.fs_hz, 0, _beats(one), BEATS_TOLERANCE_S, span_s)
    yield from _changed([one for one in records if one.id in _CHANGED])
    for one in (each for each in records if each.id in PACED):
        yield _whole("paced", one.id, one.ecg_mv, one.fs_hz, _beats(one))


def _changed(records: Sequence[Record]) -> Iterator[PeakCase]:
    """Ten minutes of DS2's 100 series as recorded, at other rates, and upside down."""
    for one in records:
        fs_hz, beat_s = one.fs_hz, _beats(one)
        ecg_mv, beat_s = one.ecg_mv[:, : round(_CHANGED_S * fs_hz)], beat_s[beat_s < _CHANGED_S]
        yield _whole("ten minutes", one.id, ecg_mv, fs_hz, beat_s)
        for to_hz in (50.0, 1000.0):
            yield _whole(f"ten minutes, {to_hz:g} Hz", one.id, resample(ecg_mv, fs_hz, to_hz), to_hz, beat_s)
        yield _whole("ten minutes, inverted", one.id, -ecg_mv, fs_hz, beat_s)


def _whole(
    data: str,
    record: str,
    ecg_mv: Float32[np.ndarray, "lead time"],
    fs_hz: float,
    beat_s: Float64[np.ndarray, " beat"],
    rated: bool = False,
) -> PeakCase:
    return PeakCase(data, record, ecg_mv, fs_hz, 0, beat_s, BEATS_TOLERANCE_S, (-np.inf, np.inf), rated)


def _drawn() -> Iterator[PeakCase]:
    """Twelve leads of regular hearts: the slowest, the fastest, and T taller than R at ordinary rates."""
    kinds = [("20/min", 20, 0.3, seed) for seed in range(4)] + [("250/min", 250, 0.3, seed) for seed in range(4)]
    kinds += [("T taller than R", rate, t_ratio, 0) for t_ratio in (1.5, 2.0, 3.0) for rate in (50, 75, 100)]
    for data, rate, t_ratio, seed in kinds:
        seconds, qrs_s = max(60.0, 2400 / rate), (0.08, 0.12)[seed % 2]
        r_s = regular(rate, seconds)
        ecg_mv = drawn_ecg(r_s, seconds, qrs_s=qrs_s, t_ratio=t_ratio, noise_mv=0.02, to_hz=_DRAWN_HZ, seed=seed)
        lead, span_s = LEADS.index("II"), (-np.inf, np.inf)
        yield PeakCase(
            data, f"{rate}/min, T {t_ratio:g}, {seed}", ecg_mv, _DRAWN_HZ, lead, r_s, WAVES_TOLERANCE_S, span_s
        )


def _beats(record: Record) -> Float64[np.ndarray, " beat"]:
    assert record.beats is not None
    is_beat = [aami_class(symbol) is not None for symbol in record.beats.symbol]
    return np.sort(record.beats.time_s[is_beat])


def _ludb(root: Path) -> Iterator[PeakCase]:
    reader = LudbReader()
    for source in reader.sources(root):
        record = reader.read(root, source)
        waves = record.waves
        assert waves is not None
        times = (waves.onset_s, waves.peak_s, waves.offset_s)
        reference_s, span_s = np.sort(global_beats(list(waves.wave), *times).r_peak_s), mark_span(*times)
        lead, odd = record.leads.index("II"), int(record.id) % 2 == 1
        yield PeakCase(
            "LUDB", record.id, record.ecg_mv, record.fs_hz, lead, reference_s, WAVES_TOLERANCE_S, span_s, not odd
        )


def _incart(root: Path) -> Iterator[PeakCase]:
    for path in sorted(root.glob("*.hea")):
        signals, marks = read_wfdb(root, path.stem), read_annotations(root, path.stem, "atr")
        beat_s = marks.sample[[aami_class(symbol) is not None for symbol in marks.symbol]] / signals.fs_hz
        yield _whole("INCART", path.stem, signals.ecg_mv, signals.fs_hz, beat_s, rated=True)


def _cpsc(root: Path) -> Iterator[PeakCase]:
    from scipy.io import loadmat

    for path in sorted((root / "data").glob("data_*.mat")):
        ecg_mv = loadmat(path)["ecg"].reshape(1, -1).astype(np.float32)
        beat_s = loadmat(root / "ref" / path.name.replace("data", "R"))["R_peak"].ravel() / _CPSC_HZ
        span_s = (_EDGE_S, ecg_mv.shape[1] / _CPSC_HZ - _EDGE_S)
        yield PeakCase("CPSC 2019", path.stem, ecg_mv, _CPSC_HZ, 0, np.sort(beat_s), WAVES_TOLERANCE_S, span_s, True)
