"""What a model asks of an array before it answers: the checks of `prepare`, as errors, as warnings, or not at all.

1. Form: shape, lead names and rate fit together. Always an error: there is nothing to compute.
2. Signal: lead names are those of an ECG, no infinite values, at least two seconds, a rate that a QRS can be seen at,
   an amplitude that an ECG has.
3. Beats: R peaks are found in the prepared signal, at a heart rate of a living person, with widths that fit the rate.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Float32, Float64

from beatssl.beats.peaks import find_r_peaks
from beatssl.beats.rate_check import check_heart_rate
from beatssl.beats.rate_doubt import doubt_of_rate, widths_of
from beatssl.beats.rate_likelihood import Widths
from beatssl.records.record import Reason, RecordError
from beatssl.records.units import UnitPolicy, check_amplitude
from beatssl.signals.leads import LEADS, lead_kind
from beatssl.signals.preparation import Preparation, check_record
from beatssl.store.config import MIN_DURATION_S, RATES_HZ
from beatssl.store.shards.reading import Limits

Check = Literal["error", "warn", "off"]
"""What becomes of input that cannot be an ECG: an error, a warning and an answer all the same, or neither."""

_BATCH = 128  # records whose beats are measured at once

_KEPT = "check='warn' answers all the same"


class InputWarning(UserWarning):
    """A model answered, but its input is doubtful: flagged, or with check="warn" what would be refused."""


class InputChecks:
    """The checks of some records of one length and the same leads, for a model that prepares them as `takes` says."""

    def __init__(self, takes: Preparation, leads: Sequence[str], fs_hz: float, check: Check) -> None:
        if check not in ("error", "warn", "off"):
            raise ValueError(f"check={check!r}; pass 'error', 'warn' or 'off'")
        self.takes, self.leads, self.fs_hz, self.check = takes, leads, fs_hz, check

    def recorded(self, ecg_mv: Float[np.ndarray, "record lead time"]) -> None:
        """Form and signal of records as they come. Raises RecordError, and warns of an unlikely amplitude."""
        if ecg_mv.ndim != 3:
            raise RecordError(
                "unreadable", f"ecg_mv of shape {ecg_mv.shape}; pass several records as (record, lead, time)"
            )
        if not len(ecg_mv):
            raise RecordError("unreadable", f"ecg_mv of shape {ecg_mv.shape} holds no record; pass one at least")
        check_form(ecg_mv, self.leads, self.fs_hz)
        if self.check == "off":
            return
        self._try(self._check_names)
        self._try(self._check_times, ecg_mv.shape[2])
        for number, one in enumerate(ecg_mv):
            self._try(self._check_signal, one, _where(number, len(ecg_mv)))

    def prepared(
        self, ready: Float32[np.ndarray, "record known_lead known_time"], ecg_mv: Float[np.ndarray, "record lead time"]
    ) -> None:
        """Beats of records once they are prepared. Raises RecordError, and warns where widths contradict the rate."""
        if self.check == "off":
            return
        for start in range(0, len(ready), _BATCH):
            part = slice(start, start + _BATCH)
            r_times_s = [find_r_peaks(one, self.takes.fs_hz) for one in ready[part]]
            widths = widths_of(list(ready[part]), self.takes.fs_hz, r_times_s)
            for number, (times_s, stated) in enumerate(zip(r_times_s, widths, strict=True), start):
                where = _where(number, len(ready))
                if np.isfinite(ready[number]).any():
                    self._try(self._check_beats, times_s, stated, ecg_mv[number], where)

    def _check_names(self) -> None:
        twice = [name for place, name in enumerate(self.leads) if name.strip() and name in self.leads[:place]]
        if twice:
            _refuse(
                "unreadable", f"lead name {twice[0]!r} stands twice in {', '.join(self.leads)}", "name each lead once"
            )
        refused = ("no-ecg", "unknown") if self.takes.leads == LEADS else ("no-ecg",)
        if strange := [name for name in self.leads if name.strip() and lead_kind(name) in refused]:
            _refuse(
                "no-ecg",
                f"{', '.join(map(repr, strange))} is no name of an ECG lead",
                "leave such signals out, or name each as the lead it was recorded at",
            )

    def _check_times(self, samples: int) -> None:
        if self.fs_hz < RATES_HZ[0]:
            _refuse(
                "sampling-rate",
                f"fs_hz={self.fs_hz:g}: no QRS can be seen below {RATES_HZ[0]:g} Hz",
                "pass the true rate",
            )
        if samples < MIN_DURATION_S * self.fs_hz:
            _refuse(
                "too-short",
                f"{samples} samples at {self.fs_hz:g} Hz are {samples / self.fs_hz:.3g} s; "
                f"at least {MIN_DURATION_S:g} s are needed",
                "pass more, or the true fs_hz",
            )

    def _check_signal(self, ecg_mv: Float[np.ndarray, "lead time"], where: str) -> None:
        check_finite(ecg_mv, where, f" ({_KEPT})")
        flags = check_amplitude(
            np.asarray(ecg_mv, np.float32), tuple(self.leads), self.fs_hz, where, UnitPolicy(),
            remedy=f"pass the signal in mV ({_KEPT})",
        )  # fmt: skip
        if flags:
            _warn(f"{where}: beats are higher than any ECG's; is the signal in mV?")
        measured = np.isfinite(ecg_mv)
        share = 1 - float(measured[measured.any(axis=1)].mean())
        if share > (allowed := Limits().max_missing_share):
            _warn(f"{where}: {share:.0%} of the samples not measured; `prepare` takes up to {allowed:.0%}")

    def _check_beats(
        self,
        r_times_s: Float64[np.ndarray, " beat"],
        stated: Widths,
        ecg_mv: Float[np.ndarray, "lead time"],
        where: str,
    ) -> None:
        duration_s = ecg_mv.shape[1] / self.fs_hz
        check_heart_rate(r_times_s, duration_s, self.fs_hz, where, f"pass the true fs_hz ({_KEPT})")
        doubt = doubt_of_rate(stated, np.asarray(ecg_mv, np.float32), self.fs_hz, self.fs_hz)
        if doubt is None:
            return
        if doubt.gross:
            _refuse("sampling-rate", f"{where}: {doubt}", "pass the true fs_hz")
        _warn(f"{where}: {doubt}; is fs_hz={self.fs_hz:g} right?")

    def _try(self, check: Any, *arguments: Any) -> None:
        try:
            check(*arguments)
        except RecordError as error:
            if self.check == "error":
                raise
            _warn(f"{str(error).split(f' ({_KEPT})')[0]} [{error.reason}]")


def check_finite(ecg_mv: Float[np.ndarray, "..."], where: str, remedy: str = "") -> None:
    """Raises RecordError where a signal holds infinite values; NaN says that nothing was measured."""
    if np.isinf(ecg_mv).any():
        raise RecordError("nan", f"{where}: holds infinite values; mark what was not measured as NaN{remedy}")


def check_form(ecg_mv: Float[np.ndarray, "record lead time"], leads: Sequence[Any], fs_hz: Any) -> None:
    """Raises RecordError where shape, lead names and rate do not fit together."""
    if isinstance(fs_hz, bool) or not isinstance(fs_hz, (int, float, np.integer, np.floating)):
        raise RecordError("sampling-rate", f"fs_hz={fs_hz!r} is no number; pass the sampling rate of ecg_mv in Hz")
    if strange := [name for name in leads if not isinstance(name, str)]:
        raise RecordError("unreadable", f"lead name {strange[0]!r} is no text; pass names such as 'II' and 'V1'")
    if not np.issubdtype(ecg_mv.dtype, np.number) or np.iscomplexobj(ecg_mv):
        raise RecordError("unreadable", f"ecg_mv holds {ecg_mv.dtype}; pass numbers in mV")
    try:
        check_record(ecg_mv.shape[1:], leads, float(fs_hz))
    except ValueError as error:
        usable = bool(np.isfinite(fs_hz) and fs_hz > 0)
        raise RecordError("unreadable" if usable else "sampling-rate", str(error)) from None


def _where(number: int, count: int) -> str:
    return f"record {number}" if count > 1 else "the record"


def _refuse(reason: Reason, what: str, remedy: str) -> None:
    raise RecordError(reason, f"{what}; {remedy} ({_KEPT})")


def _warn(text: str) -> None:
    warnings.warn(text, InputWarning, stacklevel=6)
