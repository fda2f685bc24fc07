"""Whether a stated sampling rate can be true, by the widths of QRS and QT beside the heart rate.

A file that states twice the true rate shows twice the heart rate, half the QRS and half the QT: 128 per minute, 45 ms
and 195 ms for 64, 90 and 390. Each alone is found in some patient, all three together hardly.

RR, QRS and QT of true rates follow a Student t distribution of their logarithms (4 degrees of freedom), fitted to every
other record of PTB-XL (1,000), LUDB, MIT-BIH (8 × 10 s of each) and CinC 2021, each set with the same weight. A record
is doubtful where it is `_LEAST_GAIN` (in natural logarithms of likelihood) likelier at another usual rate, at which it
is prepared and measured anew: widths at a rate that is ten times wrong are no widths. `check --what sampling-rates`
measures how often true rates are doubted and wrong ones found. Of a third of PTB-XL (6,534 records) 0.06 %
are doubted; of QTDB, which the fit has not seen, 1.3 % of the rows, all long QT with a wide QRS.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rate_check import DIGITS, USUAL_HZ
from beatssl.beats.rules.fiducials import Fiducials, find_fiducials
from beatssl.beats.windows import beats_of_rows, median_beats
from beatssl.signals.filters import bandpass, resample

_MEAN = np.array([-0.180594, -2.420867, -0.96215])  # logarithms of RR, QRS and QT in seconds
_SCALE = np.array([[0.045214, 0.00185, 0.014158], [0.00185, 0.03171, 0.005434], [0.014158, 0.005434, 0.010109]])
_FREEDOM = 4.0
_NO_QT = 2.0  # log likelihood that a T wave without an end costs
_LEAST_GAIN = 3.5
_MEASURED_HZ, _LONGEST_S, _SHORTEST_S = 100.0, 20.0, 2.0
_GROSS = 4.0


@dataclass(frozen=True, slots=True)
class Widths:
    """Median RR interval of a record, and QRS and QT of its median beat; NaN where not measurable."""

    rr_s: float
    qrs_s: float
    qt_s: float

    def __str__(self) -> str:
        qt = f", QT {1000 * self.qt_s:.0f} ms" if np.isfinite(self.qt_s) else ""
        return f"{60 / self.rr_s:.0f}/min, QRS {1000 * self.qrs_s:.0f} ms{qt}"


@dataclass(frozen=True, slots=True)
class RateDoubt:
    """A sampling rate at which heart rate and widths are hardly a person's, and one at which they are."""

    fs_hz: float
    stated: Widths
    likely_hz: float
    likely: Widths

    @property
    def gross(self) -> bool:
        """Whether the likely rate is four times another, or more: so 1 of the 6,534 records of PTB-XL is taken."""
        return max(self.fs_hz / self.likely_hz, self.likely_hz / self.fs_hz) >= _GROSS

    def __str__(self) -> str:
        return (
            f"{self.stated} at {self.fs_hz:g} Hz are hardly a person's; at {self.likely_hz:g} Hz they are {self.likely}"
        )


def doubt_of_rate(
    stated: Widths, signal_mv: Float32[np.ndarray, "lead time"], signal_hz: float, fs_hz: float
) -> RateDoubt | None:
    """The doubt in a stated rate, or None where there is none, or widths are not measurable.

    Args:
        stated: the widths if the stated rate is true.
        signal_mv: the record, filtered or not, for a look at other rates; NaN where not measured.
        signal_hz: its sampling rate if the stated rate is true.
        fs_hz: the stated rate, of the record's source.
    """
    own = log_likelihood(stated)
    if not np.isfinite(own) or own > -_LEAST_GAIN:  # no other can be that much likelier: the mode is 0
        return None
    rates = [hz for hz in _other_rates(fs_hz) if signal_mv.shape[1] / (signal_hz * hz / fs_hz) >= _SHORTEST_S]
    others = _widths_at(signal_mv, [signal_hz * hz / fs_hz for hz in rates])
    best = max(range(len(rates)), key=lambda n: log_likelihood(others[n]), default=None)
    if best is None or log_likelihood(others[best]) - own <= _LEAST_GAIN:
        return None
    return RateDoubt(fs_hz, stated, rates[best], others[best])


def widths_of(
    ecg_mv: Sequence[Float32[np.ndarray, "lead _time"]],
    fs_hz: float,
    r_times_s: Sequence[Float64[np.ndarray, " _beat"]],
) -> list[Widths]:
    """RR, QRS and QT of each of some records, band-passed from 0.5 Hz, of as many leads; the last two of the median of
    all its beats."""
    if not ecg_mv:
        return []
    beats = beats_of_rows(ecg_mv, r_times_s, fs_hz)
    median_mv = median_beats(beats, len(ecg_mv), np.ones(len(beats), bool))
    rr_s = np.array([np.median(np.diff(times)) if len(times) > 1 else np.nan for times in r_times_s], np.float32)
    found = find_fiducials(median_mv, fs_hz, beats.r_index, rr_s, rr_s)
    return widths_from(rr_s, found)


def widths_from(rr_s: Float32[np.ndarray, " record"], median_beat: Fiducials) -> list[Widths]:
    """Widths of some records from their median RR intervals and the boundaries of their median beats."""
    qrs_s = median_beat.qrs_offset_s - median_beat.qrs_onset_s
    qt_s = median_beat.t_offset_s - median_beat.qrs_onset_s
    return [Widths(*map(float, values)) for values in zip(rr_s, qrs_s, qt_s, strict=True)]


def log_likelihood(of: Widths) -> float:
    """How likely a true rate gives such widths: 0 at the mode, −∞ where QRS or RR is not measurable."""
    values = np.array([of.rr_s, of.qrs_s, of.qt_s])
    known = np.isfinite(values) & (values > 0)
    if not known[:2].all():
        return -np.inf
    count = int(known.sum())
    off = np.log(values[:count]) - _MEAN[:count]
    distance = float(off @ np.linalg.solve(_SCALE[:count, :count], off))
    return -(_FREEDOM + count) / 2 * float(np.log1p(distance / _FREEDOM)) - (0.0 if count == 3 else _NO_QT)


def _other_rates(fs_hz: float) -> Iterator[float]:
    for factor in DIGITS:
        for hz in (fs_hz / factor, fs_hz * factor):
            if any(abs(hz - usual) < 1 for usual in USUAL_HZ):
                yield hz


def _widths_at(signal_mv: Float32[np.ndarray, "lead time"], rates_hz: Sequence[float]) -> list[Widths]:
    """Widths of the first seconds of a record if each of these were its rate."""
    measured_mv = signal_mv[np.isfinite(signal_mv).any(axis=1)]
    parts = [(measured_mv[:, : round(_LONGEST_S * hz)], hz) for hz in rates_hz]
    ready = [resample(bandpass(part, hz), hz, _MEASURED_HZ) for part, hz in parts]
    return widths_of(ready, _MEASURED_HZ, [find_r_peaks(ecg_mv, _MEASURED_HZ) for ecg_mv in ready])
