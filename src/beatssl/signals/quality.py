"""Quality flags of a raw record: what is wrong with a lead, and whether electrodes were exchanged.

The thresholds were set on PTB-XL's folds 1–9 by looking at what they pick out; the tests say how much that is.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32

from beatssl.signals.electrodes import LIMB_EXCHANGES, misplaced
from beatssl.signals.leads import canonical_leads

_WINDOW_S = 1.0  # long enough for a beat at 60/min, and for a wave of any beat
_FLAT_MV = 0.015  # range of a window without ECG: amplifier noise alone reaches it
_FLAT_SHARE = 0.5  # of a lead's windows

_CLIP_RUN_S = 0.04  # longer at the very same extreme value than any peak stays
_CLIP_TOTAL_S = 0.10
_CLIP_MV = 0.5  # from the lead's mean: the edge of an input range, not the turn of a baseline

_OFF_LEVEL_MV = 3.0  # mean of a lead: an electrode offset that its amplifier never settled
_OFF_JUMP_MV = 5.0  # between means of windows: the whole input range of a diagnostic recorder

_NOISE_MV = 0.03  # SD of the noise between QRS complexes
_NOISE_SHARE = 0.05  # of the median range of a window, which is that of its QRS

_IDENTITY_MV = 0.02  # RMS of II − I − III and its like; rounding leaves 0.0005


@dataclass(frozen=True, slots=True)
class Quality:
    """Flags per lead and of the record. A missing lead carries no other flag, a flat one only `lead_off`."""

    missing: Bool[np.ndarray, " lead"]  # no sample at all
    flat: Bool[np.ndarray, " lead"]  # no activity in half of its seconds
    clipped: Bool[np.ndarray, " lead"]  # rests at its extreme value
    lead_off: Bool[np.ndarray, " lead"]  # saturated offset, or a baseline that jumps by an input range
    noisy: Bool[np.ndarray, " lead"]  # high frequencies, absolutely and against its QRS
    swapped_limb_leads: bool  # limb electrodes exchanged
    reversed_chest_leads: bool  # chest electrodes exchanged
    identities_violated: bool  # I, II, III, aVR, aVL, aVF do not belong to one recording

    def record_flags(self) -> dict[str, bool]:
        """Each flag by name, true where any lead has it."""
        per_lead = {name: bool(getattr(self, name).any()) for name in _PER_LEAD}
        return per_lead | {
            "swapped_limb_leads": self.swapped_limb_leads,
            "reversed_chest_leads": self.reversed_chest_leads,
            "identities_violated": self.identities_violated,
        }


_PER_LEAD = ("missing", "flat", "clipped", "lead_off", "noisy")


def quality_flags(ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str], fs_hz: float) -> Quality:
    """Flags of a raw signal: unfiltered, as recorded, NaN where not measured. About 0.5 ms for 10 s at 100 Hz.

    - flat: range under 0.015 mV in half of the 1 s windows.
    - clipped: at the lead's highest or lowest value, 0.5 mV or more from its mean, for 40 ms at a stretch, and twice so
      or for 100 ms in all.
    - lead_off: mean beyond ±3 mV, or means of 1 s windows more than 5 mV apart.
    - noisy: SD of the noise above 0.03 mV and above 5 % of the median range of a window. The noise is the median of
      |x(t−10 ms) − 2x(t) + x(t+10 ms)|, a high pass with its maximum at 50 Hz, over 0.6745·√6, its value for white
      noise. The median passes over QRS complexes, which fill a tenth of a record.
    - swapped limb leads, reversed chest leads: an exchange of limb or of chest electrodes that `electrodes.misplaced`
      finds; both where all leads have the wrong sign. Left arm and left leg exchanged is not found, nor V5 and V6.
    - identities: RMS of II − I − III, or of the augmented leads' relations, above 0.02 mV.
    """
    measured = np.isfinite(ecg_mv)
    missing = np.asarray(~measured.any(axis=1))
    x = ecg_mv if measured.all() else _filled(ecg_mv, measured)
    window = min(max(round(_WINDOW_S * fs_hz), 1), max(x.shape[1], 1))
    windows = x[:, : x.shape[1] // window * window].reshape(len(x), -1, window)
    ranges = np.asarray(windows.max(axis=2) - windows.min(axis=2))
    means = np.asarray(windows.mean(axis=2))
    size = _middle(ranges)
    flat = ~missing & ((ranges < _FLAT_MV).mean(axis=1) >= _FLAT_SHARE)
    alive = ~missing & ~flat
    level = means.mean(axis=1)
    noise = _noise_mv(x, fs_hz)
    lead_off = (np.abs(level) > _OFF_LEVEL_MV) | (np.ptp(means, axis=1) > _OFF_JUMP_MV)
    exchange = misplaced(ecg_mv, leads, fs_hz)
    row = {lead: i for i, lead in enumerate(canonical_leads(tuple(leads))) if not missing[i]}
    return Quality(
        missing=missing,
        flat=flat,
        clipped=alive & _clipped(x, level, fs_hz),
        lead_off=~missing & lead_off,
        noisy=alive & (noise > _NOISE_MV) & (noise > _NOISE_SHARE * size),
        swapped_limb_leads=exchange in (*LIMB_EXCHANGES, "inverted"),
        reversed_chest_leads=exchange is not None and exchange not in LIMB_EXCHANGES,
        identities_violated=_identities_violated(ecg_mv, row),
    )


def _filled(
    ecg_mv: Float32[np.ndarray, "lead time"], measured: Bool[np.ndarray, "lead time"]
) -> Float32[np.ndarray, "lead time"]:
    """What was not measured, at the lead's mean: a gap then adds neither noise nor a level of its own."""
    total = np.where(measured, ecg_mv, 0).sum(axis=1, dtype=np.float64)
    mean = total / np.maximum(measured.sum(axis=1), 1)
    return np.where(measured, ecg_mv, mean[:, None]).astype(np.float32)


def _noise_mv(x: Float32[np.ndarray, "lead time"], fs_hz: float) -> Float[np.ndarray, " lead"]:
    """SD of the noise; above 100 Hz one sample in 10 ms is looked at, so that noise of any frequency counts."""
    y = x[:, :: max(1, round(0.01 * fs_hz))]
    if y.shape[1] < 3:
        return np.zeros(len(x))
    bend = np.abs(y[:, 2::2] - 2 * y[:, 1:-1:2] + y[:, :-2:2])  # every other one: as good a median at half the cost
    return _middle(bend) / (0.6745 * np.sqrt(6.0))


def _middle(x: Float[np.ndarray, "row time"]) -> Float[np.ndarray, " row"]:
    """The median of each row, the upper of two; np.median itself takes ten times as long on a few numbers."""
    middle = x.shape[1] // 2
    return np.partition(x, middle, axis=1)[:, middle]


def _clipped(
    x: Float32[np.ndarray, "lead time"], level: Float[np.ndarray, " lead"], fs_hz: float
) -> Bool[np.ndarray, " lead"]:
    shortest = max(round(_CLIP_RUN_S * fs_hz), 3)
    out = np.zeros(len(x), np.bool_)
    for extreme in (x.max(axis=1), x.min(axis=1)):
        at = x == extreme[:, None]
        # Few leads stay at an extreme at all: only these are looked at closely.
        for lead in np.flatnonzero((np.count_nonzero(at, axis=1) >= shortest) & (np.abs(extreme - level) >= _CLIP_MV)):
            edges = np.flatnonzero(np.diff(np.concatenate([[False], at[lead], [False]]).astype(np.int8)))
            runs = edges[1::2] - edges[::2]
            runs = runs[runs >= shortest]
            out[lead] |= len(runs) >= 2 or runs.sum() >= _CLIP_TOTAL_S * fs_hz
    return out


def _identities_violated(ecg_mv: Float32[np.ndarray, "lead time"], row: dict[str, int]) -> bool:
    if not {"I", "II"} <= row.keys():
        return False
    one, two = ecg_mv[row["I"]], ecg_mv[row["II"]]
    derived = {"III": two - one, "aVR": (one + two) / -2, "aVL": one - two / 2, "aVF": two - one / 2}
    errors = [ecg_mv[row[lead]] - signal for lead, signal in derived.items() if lead in row]
    return any(_rms(error) > _IDENTITY_MV for error in errors)


def _rms(x: Float32[np.ndarray, " time"]) -> float:
    total = float(x @ x)
    if np.isnan(total):  # a gap in one of the leads
        x = x[np.isfinite(x)]
        total = float(x @ x)
    return float(np.sqrt(total / max(len(x), 1)))
