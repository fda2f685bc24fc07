"""How a database's records were recorded, as far as its store shows it, and records changed to be like them."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64

from beatssl.records.datasets.baseline import median_baseline
from beatssl.signals.filters import Filter, resample, zero_phase
from beatssl.signals.leads import INDEPENDENT, LEADS
from beatssl.signals.preparation import Preparation
from beatssl.signals.vcg import TWELVE_FROM_EIGHT
from beatssl.store.layout import UNITS_PER_MV
from beatssl.store.store import Store
from beatssl.studies.shift.questions import Database
from beatssl.studies.shift.result import PROPERTIES

_QRS_T_HZ = (3.0, 15.0)
"""Band that amplitude spectra are relative to."""
_NOISE_HZ = 20.0
"""Above it a lead's median absolute value is that of its noise: QRS complexes fill a tenth of a record."""
_WANDER_HZ = (0.1, 0.7)
_SMOOTH_HZ = 2.0
_LEAST_LOSS, _HIGHER = 0.99, 1.05
_ROLL_OFF = 4
"""A Butterworth filter of second order, run forwards and backwards, divides power by 1 + (f / edge)^4, twice."""
_MAD = 0.6745
"""Median absolute value of a normal variable of SD 1."""

Levels = Float64[np.ndarray, "_record 12"]
"""Of each lead, in mV; NaN where it was not recorded."""


@dataclass(frozen=True)
class Recording:
    """Properties of recordings; None, or False: as they are."""

    fs_hz: float | None = None
    """Sampling rate before preparation."""
    leads: Bool[np.ndarray, "_record 12"] | None = None
    """Which were recorded; a record is given the leads of one of these, drawn at random."""
    step_mv: float | None = None
    """Of the amplitudes before preparation."""
    gain: Float64[np.ndarray, " frequency"] | None = None
    """At whole numbers of Hz from 0: what the band takes away, at most 1."""
    noise_mv: Levels | None = None
    wander_mv: Levels | None = None
    """Of the baseline below 0.7 Hz, after preparation."""
    medians: bool = False
    """Whether the baseline was taken off by running medians."""
    seconds: Float64[np.ndarray, " _record"] | None = None
    """Lengths; one is drawn for each record."""


_FIELDS = (("fs_hz",), ("leads",), ("step_mv",), ("gain",), ("noise_mv",), ("wander_mv", "medians"), ("seconds",))
"""Of `Recording`, that are changed together: those of each of `PROPERTIES`."""


def single(recording: Recording) -> dict[str, Recording]:
    """By property that differs, a recording that differs in it alone."""
    plain = Recording()
    out: dict[str, Recording] = {}
    for name, fields in zip(PROPERTIES, _FIELDS, strict=True):
        own = {field: getattr(recording, field) for field in fields}
        if any(value is not None and value is not False for value in own.values()):
            out[name] = replace(plain, **own)
    return out


@dataclass(frozen=True)
class Measured:
    """What signals of a store show of how they were recorded, a line a row."""

    there: Bool[np.ndarray, "row 12"]
    noise_mv: Levels
    wander_mv: Levels
    spectrum: Float64[np.ndarray, "12 frequency"]
    """Median over rows of the amplitude spectrum of each lead relative to that of 3 to 15 Hz; NaN without rows."""


def measured(ecg_mv: Float32[np.ndarray, "row 12 time"], fs_hz: float) -> Measured:
    """Levels and spectra of prepared rows without padding; a lead with a gap counts as not recorded."""
    there = np.asarray(np.isfinite(ecg_mv).all(axis=2))
    x = np.where(there[:, :, None], ecg_mv, 0).astype(np.float64)
    x -= x.mean(axis=2, keepdims=True)
    fast = _above(x.reshape(-1, x.shape[2]), fs_hz).reshape(x.shape)
    noise = np.median(np.abs(fast), axis=2) / _MAD
    hz, window = np.fft.rfftfreq(x.shape[2], 1 / fs_hz), np.hanning(x.shape[2])
    power = np.abs(np.fft.rfft(x * window, axis=2)) ** 2
    slow = (hz >= _WANDER_HZ[0]) & (hz < _WANDER_HZ[1])
    wander = np.sqrt(2 * power[:, :, slow].sum(axis=2) / (x.shape[2] * (window**2).sum()))
    middle = power[:, :, (hz >= _QRS_T_HZ[0]) & (hz < _QRS_T_HZ[1])].mean(axis=2, keepdims=True)
    usable = there & (middle[:, :, 0] > 0)
    bands = np.stack(
        [power[:, :, np.abs(hz - at) <= _SMOOTH_HZ].mean(axis=2) for at in range(int(fs_hz / 2) + 1)], axis=2
    )
    relative = np.where(usable[:, :, None], np.sqrt(bands / np.where(middle > 0, middle, 1)), np.nan)
    spectrum = np.full(relative.shape[1:], np.nan)
    some = usable.any(axis=0)
    spectrum[some] = np.nanmedian(relative[:, some], axis=0)
    return Measured(there, np.where(there, noise, np.nan), np.where(there, wander, np.nan), spectrum)


def recording_of(
    store: Store,
    rows: Int64[np.ndarray, " row"],
    database: Database,
    reference: Measured,
    own_fs_hz: float,
) -> Recording:
    """How the records of some rows were recorded, each property None where it is that of the reference.

    `reference` is measured on the reference's prepared rows, whose files have `own_fs_hz` and steps of 1 µV. Levels
    that are no higher than the reference's in the median change nothing: noise is added, never taken away.
    """
    records = store.records.iloc[rows]
    samples = records["samples"].to_numpy(np.int64)
    full = round(store.duration_s * store.fs_hz)
    found = measured(store.ecg_mv(rows[samples == full]), store.fs_hz)
    fs_hz = float(records["source_fs_hz"].median())
    leads = np.array([[name in names for name in LEADS] for names in map(list, records["lead_names"])])
    return Recording(
        fs_hz=fs_hz if fs_hz != own_fs_hz else None,
        leads=None if leads.all() else leads,
        step_mv=database.step_mv if database.step_mv > 1 / UNITS_PER_MV else None,
        gain=_gain(found, reference, store.preparation),
        noise_mv=found.noise_mv if _higher(found.noise_mv, reference.noise_mv) else None,
        wander_mv=found.wander_mv if _higher(found.wander_mv, reference.wander_mv) else None,
        medians=database.medians,
        seconds=samples / store.fs_hz if (samples < full).any() else None,
    )


def _higher(found: Levels, reference: Levels) -> bool:
    """Whether the median level is by a twentieth, over the leads that both have."""
    both = np.isfinite(found).any(axis=0) & np.isfinite(reference).any(axis=0)
    return bool(both.any() and np.nanmedian(found[:, both]) > _HIGHER * np.nanmedian(reference[:, both]))


def _gain(found: Measured, reference: Measured, preparation: Preparation) -> Float64[np.ndarray, " frequency"] | None:
    """Ratio of the spectra within the band of preparation, the median over leads; 1 where the reference has less, and
    None where it has less everywhere."""
    ratio = found.spectrum / reference.spectrum
    ratio = np.nanmedian(ratio[np.isfinite(ratio).all(axis=1)], axis=0)
    hz = np.arange(len(ratio))
    gain = np.where((hz >= preparation.low_hz) & (hz <= preparation.high_hz), np.minimum(ratio, 1.0), 1.0)
    return gain if gain.min() < _LEAST_LOSS else None


@dataclass(frozen=True)
class Ranks:
    """Where each reference record stands among the others, from 0 to 1, lead by lead."""

    noise: Float64[np.ndarray, "record 12"]
    wander: Float64[np.ndarray, "record 12"]
    own: Measured

    @classmethod
    def of(cls, own: Measured) -> "Ranks":
        return cls(_ranks(own.noise_mv), _ranks(own.wander_mv), own)


def _ranks(levels: Levels) -> Float64[np.ndarray, "record 12"]:
    order = np.argsort(np.argsort(np.where(np.isfinite(levels), levels, -1), axis=0, kind="stable"), axis=0)
    return (order + 0.5) / len(levels)


def _added(
    levels: Levels, ranks: Float64[np.ndarray, " 12"], own: Float64[np.ndarray, " 12"]
) -> Float[np.ndarray, "8"]:
    """SD to add to the eight independent leads, so that a record has the level of its rank in the database."""
    of_lead = [column[np.isfinite(column)] for column in levels.T]
    every = np.concatenate(of_lead)
    wanted = np.array([np.quantile(of_lead[k] if len(of_lead[k]) else every, ranks[k]) for k in INDEPENDENT])
    there = np.nan_to_num(own[list(INDEPENDENT)])
    return np.sqrt(np.maximum(wanted**2 - there**2, 0))


def as_recorded(
    ecg_mv: Float32[np.ndarray, "12 time"],
    fs_hz: float,
    preparation: Preparation,
    recording: Recording,
    number: int,
    ranks: Ranks,
    seed: int,
) -> Float32[np.ndarray, "12 prepared_time"]:
    """A raw record of twelve leads, prepared as if it had been recorded so; NaN where not recorded, or cut off.

    Resampling, steps and leads come before preparation; band, noise and baseline, which are measured on prepared
    signals, after it. `number` is the record's in `ranks`. What is drawn depends on `seed` and `number` alone, so
    that it is the same in every recording.
    """
    draws = [np.random.default_rng([seed, number, of]) for of in range(4)]
    x = ecg_mv if recording.fs_hz is None else resample(ecg_mv, fs_hz, recording.fs_hz)
    rate = fs_hz if recording.fs_hz is None else recording.fs_hz
    if recording.step_mv is not None:
        x = (np.rint(x / recording.step_mv) * recording.step_mv).astype(np.float32)
    if recording.leads is not None:
        x = np.where(recording.leads[draws[0].integers(len(recording.leads))][:, None], x, np.float32(np.nan))
    if recording.medians:
        x = x - median_baseline(x, rate)
    out = preparation.apply(x, LEADS, rate)
    hz = np.fft.rfftfreq(out.shape[1], 1 / preparation.fs_hz)
    if recording.gain is not None:
        gain = np.interp(hz, np.arange(len(recording.gain)), recording.gain)
        filled = np.fft.irfft(np.fft.rfft(np.nan_to_num(out), axis=1) * gain, out.shape[1], axis=1)
        out = np.where(np.isfinite(out), filled, np.nan).astype(np.float32)
    if recording.noise_mv is not None:
        sd = _added(recording.noise_mv, ranks.noise[number], ranks.own.noise_mv[number])
        drawn = _noise(_of_noise(hz, preparation), out.shape[1], draws[1])
        out = out + _twelve(drawn, sd, _above(drawn, preparation.fs_hz).std(axis=1))
    if recording.wander_mv is not None:
        sd = _added(recording.wander_mv, ranks.wander[number], ranks.own.wander_mv[number])
        slow = ((hz >= _WANDER_HZ[0]) & (hz < _WANDER_HZ[1])).astype(np.float64)
        drawn = _noise(slow, out.shape[1], draws[2])
        out = out + _twelve(drawn, sd, drawn.std(axis=1))
    if recording.seconds is not None:
        kept = round(recording.seconds[draws[3].integers(len(recording.seconds))] * preparation.fs_hz)
        out[:, kept:] = np.nan
    return out


def _of_noise(hz: Float64[np.ndarray, " frequency"], preparation: Preparation) -> Float64[np.ndarray, " frequency"]:
    """Amplitude spectrum of white noise after preparation."""
    low = 1 / (1 + (preparation.low_hz / np.maximum(hz, 1e-6)) ** _ROLL_OFF)
    return low / (1 + (hz / preparation.high_hz) ** _ROLL_OFF)


def _noise(
    spectrum: Float64[np.ndarray, " frequency"], samples: int, rng: np.random.Generator
) -> Float64[np.ndarray, "8 time"]:
    """Normal noise of an amplitude spectrum."""
    return np.fft.irfft(np.fft.rfft(rng.normal(size=(len(INDEPENDENT), samples)), axis=1) * spectrum, samples, axis=1)


def _twelve(
    drawn: Float64[np.ndarray, "8 time"], sd_mv: Float64[np.ndarray, " 8"], own: Float64[np.ndarray, " 8"]
) -> Float32[np.ndarray, "12 time"]:
    """Noise of SD `own` in the eight independent leads brought to `sd_mv`, in twelve: the lead algebra holds."""
    eight = drawn * (sd_mv / np.where(own > 0, own, 1))[:, None]
    return (TWELVE_FROM_EIGHT @ eight).astype(np.float32)


def _above(x: Float64[np.ndarray, "row time"], fs_hz: float) -> Float64[np.ndarray, "row time"]:
    """Without what lies below 20 Hz. A steeper filter would ring after every QRS, and the median with it."""
    return zero_phase(x, Filter.butterworth(2, _NOISE_HZ, "highpass", fs_hz), round(fs_hz))
