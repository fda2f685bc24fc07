"""Whether a stated sampling rate can be true, by the widths of QRS and QT beside the heart rate.

A file that states twice the true rate shows twice the heart rate, half the QRS and half the QT: 128 per minute, 45 ms
and 195 ms for 64, 90 and 390. Each alone is found in some patient, all three together hardly. A record is doubtful
where it is much likelier (`rate_likelihood`) at another usual rate, at which it is prepared and measured anew: for half
and twice the rate by the widths at both, for 2.5, 4, 5 and 10 times by those at each. Only rates at which the stated
widths leave a chance of that are measured.

Where the gain in log likelihood begins to count for half and twice was chosen on the sets that the distributions were
fitted to, one left out at a time: the least in steps of 0.5 at which none of them has more than 0.5 % of true rates
doubted. `check --what sampling-rates` measures how often true rates are doubted and wrong ones found.

On records that neither that fit nor that choice has seen, true rates doubted: none of PTB-XL fold 9 (2,183; the
distribution of the widths at one rate has seen some of them), of the Brugada (363) and the PTB set (62); 3 of QTDB's
1,492 rows (0.2 %), of sel36 (QT 570 ms, QRS 180 ms) and sel50 (38 beats a minute, QT 500 ms), though QTDB's figures
were in view when the form of the rule was settled; 8 of 237 of CinC 2011 (3.4 %), a set of recordings of which many
are poor. Rates stated twice as high are found in 88 % of PTB-XL fold 9 and 69 % of QTDB, half as high in 96 and 82 %,
360 for 500 Hz or the other way round in none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rate_check import DIGITS, USUAL_HZ
from beatssl.beats.rate_likelihood import (
    PAIRED,
    Widths,
    log_likelihood,
    log_likelihood_ratio,
    log_likelihood_ratio_of_stated,
)
from beatssl.beats.rules.fiducials import Fiducials, find_fiducials
from beatssl.beats.windows import beats_of_rows, median_beats
from beatssl.signals.filters import bandpass, resample

_LEAST_GAIN, _LEAST_GAIN_PAIRED = 3.5, 5.0
# The same from the stated widths alone, by which rates are measured at all: half and twice the rate, 2.5 times, a
# 2.5th, and beyond on both sides, where beats are hardly told apart and widths say little; there the stated widths have
# to be unlikely themselves.
_LEAST_CHANCE_PAIRED, _LEAST_CHANCE_HIGHER, _LEAST_CHANCE_LOWER, _LEAST_CHANCE_FAR = -0.5, -4.0, -6.0, -9.0
_MOST_LIKELY_FAR = -6.5
_MEASURED_HZ, _LONGEST_S, _SHORTEST_S = 100.0, 20.0, 2.0
_GROSS = 4.0
_LIKELY = -2.0  # log likelihood of a person's widths, relative to the mode


@dataclass(frozen=True, slots=True)
class RateDoubt:
    """A sampling rate at which heart rate and widths are hardly a person's, and one at which they are."""

    fs_hz: float
    stated: Widths
    likely_hz: float
    likely: Widths

    @property
    def gross(self) -> bool:
        """Whether the likely rate is four times another, or more, and heart rate and widths there are usual ones."""
        factor = max(self.fs_hz / self.likely_hz, self.likely_hz / self.fs_hz)
        return factor >= _GROSS and log_likelihood(self.likely) >= _LIKELY

    def __str__(self) -> str:
        return (
            f"the stated {self.fs_hz:g} Hz are doubted: they make {self.stated}, hardly a person's; "
            f"{self.likely_hz:g} Hz would fit: {self.likely}"
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
    if not -np.inf < own < -_LEAST_GAIN:  # no other rate can be likelier than the mode, 0
        return None
    factors = [
        factor
        for factor in _other_factors(fs_hz)
        if signal_mv.shape[1] / (signal_hz * factor) >= _SHORTEST_S and _has_a_chance(stated, factor)
    ]
    if not factors:
        return None
    others = dict(zip(factors, _widths_at(signal_mv, [signal_hz * factor for factor in factors]), strict=True))
    better = [factor for factor in factors if _is_better(others[factor], stated, factor)]
    if not better:
        return None
    best = max(better, key=lambda factor: log_likelihood(others[factor]))
    return RateDoubt(fs_hz, stated, fs_hz * best, others[best])


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


def _other_factors(fs_hz: float) -> Iterator[float]:
    """Usual rates through the stated one."""
    for digits in DIGITS:
        for factor in (1 / digits, digits):
            if any(abs(fs_hz * factor - usual) < 1 for usual in USUAL_HZ):
                yield factor


def _has_a_chance(stated: Widths, factor: float) -> bool:
    """Whether the stated widths alone leave it possible that another rate is much likelier."""
    if factor in PAIRED:
        return log_likelihood_ratio_of_stated(stated, factor) > _LEAST_CHANCE_PAIRED
    own = log_likelihood(stated)
    chance = log_likelihood(stated.times(1 / factor)) - own
    if 1 / _GROSS < factor < _GROSS:
        return chance > (_LEAST_CHANCE_HIGHER if factor > 1 else _LEAST_CHANCE_LOWER)
    return own < _MOST_LIKELY_FAR and chance > _LEAST_CHANCE_FAR


def _is_better(other: Widths, stated: Widths, factor: float) -> bool:
    if factor in PAIRED:
        return log_likelihood_ratio(stated, other, factor) > _LEAST_GAIN_PAIRED
    return log_likelihood(other) - log_likelihood(stated) > _LEAST_GAIN


def _widths_at(signal_mv: Float32[np.ndarray, "lead time"], rates_hz: Sequence[float]) -> list[Widths]:
    """Widths of the first seconds of a record if each of these were its rate."""
    measured_mv = signal_mv[np.isfinite(signal_mv).any(axis=1)]
    parts = [(measured_mv[:, : round(_LONGEST_S * hz)], hz) for hz in rates_hz]
    ready = [resample(bandpass(part, hz), hz, _MEASURED_HZ) for part, hz in parts]
    return widths_of(ready, _MEASURED_HZ, [find_r_peaks(ecg_mv, _MEASURED_HZ) for ecg_mv in ready])
