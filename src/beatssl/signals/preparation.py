"""From a recorded signal to one that a store keeps and a network takes: lead order, band-pass, resampling, scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Shaped
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.signals.filters import bandpass, resample
from beatssl.signals.leads import LEADS, canonical_lead, to_twelve, without_constant

UNIT = "mV"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Preparation:
    """Leads in order, then a zero-phase band-pass at the recorded rate, then resampling; in mV throughout."""

    fs_hz: float
    """Sampling rate of the result."""
    low_hz: float
    """Lower edge of the band-pass."""
    high_hz: float
    """Upper edge of the band-pass."""
    leads: tuple[str, ...] = LEADS
    """Leads of the result, in order. The canonical twelve: found by any of their names, limb leads derived, the others
    NaN. Any other names: those that must be given. None: the leads as recorded, all of them, in their own order."""
    unit: str = UNIT

    def apply(
        self,
        ecg_mv: Float[np.ndarray, "lead time"],
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
    ) -> Float32[np.ndarray, "prepared_lead prepared_time"]:
        """One record as a file gives it, in mV, NaN where not measured, prepared.

        With `already_filtered` it has been through the band-pass, as the rows of a store have.

        Raises ValueError where shape, lead names and rate do not fit together, or the leads cannot be those wanted.
        """
        check_record(ecg_mv.shape, leads, fs_hz)
        ordered = self.in_order(np.asarray(ecg_mv, np.float32), leads)
        if self.leads == LEADS and not any(canonical_lead(name) in LEADS for name in leads):
            raise ValueError(
                f"none of the leads given ({', '.join(leads)}) is one of the twelve; name each as the lead it was "
                f"recorded at ({', '.join(LEADS)}), or use a model that takes any lead"
            )
        return resample(ordered, fs_hz, self.fs_hz) if already_filtered else self.filtered(ordered, fs_hz)

    def apply_batch(
        self,
        ecg_mv: Float[np.ndarray, "record lead time"],
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
    ) -> Float32[np.ndarray, "record prepared_lead prepared_time"]:
        """As `apply`, several records of one length and the same leads."""
        if ecg_mv.ndim != 3:
            raise ValueError(f"ecg_mv of shape {ecg_mv.shape}; pass several records as (record, lead, time)")
        if not len(ecg_mv):
            raise ValueError(f"ecg_mv of shape {ecg_mv.shape} holds no record; pass one at least")
        return np.stack([self.apply(one, leads, fs_hz, already_filtered) for one in ecg_mv])

    def in_order(
        self, ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str]
    ) -> Float32[np.ndarray, "prepared_lead time"]:
        """The leads of the result, neither filtered nor resampled. Raises ValueError where others than wanted come."""
        ecg_mv = without_constant(ecg_mv)
        if self.leads == LEADS:
            return to_twelve(ecg_mv, leads)
        if self.leads and tuple(leads) != self.leads:
            raise ValueError(f"leads {', '.join(leads)} given; pass those that are known here, {', '.join(self.leads)}")
        return ecg_mv

    def filtered(
        self, ordered_mv: Float32[np.ndarray, "lead time"], fs_hz: float
    ) -> Float32[np.ndarray, "lead prepared_time"]:
        """Leads that are in order already, through the band-pass and resampled."""
        return resample(bandpass(ordered_mv, fs_hz, self.low_hz, self.high_hz), fs_hz, self.fs_hz)

    def lead_names(self, leads: Sequence[str]) -> tuple[str, ...]:
        """Names of the leads of the result for a record with these, each canonical where it has a place."""
        return self.leads or tuple(canonical_lead(name) for name in leads)


Signals = Any
"""An array, a tensor or lists of numbers in mV: (lead, time), or (record, lead, time) where several are taken."""


def as_array(ecg_mv: Signals) -> Shaped[np.ndarray, "..."]:
    """The signals as an array. Raises ValueError for what holds no numbers."""
    if isinstance(ecg_mv, np.ndarray):
        return ecg_mv
    try:
        return np.asarray(ecg_mv.detach().cpu().float() if hasattr(ecg_mv, "detach") else ecg_mv, np.float32)
    except (TypeError, ValueError):
        what = f"a {type(ecg_mv).__name__}, which is no array of numbers"
        raise ValueError(f"ecg_mv is {what}; pass (lead, time) in mV, such as record.ecg_mv") from None


def as_batch(ecg_mv: Signals) -> Shaped[np.ndarray, "1 lead time"]:
    """One record as a batch of one. Raises ValueError for another shape than (lead, time)."""
    array = as_array(ecg_mv)
    if array.ndim != 2:
        raise ValueError(f"ecg_mv of shape {array.shape}; pass one record as (lead, time)")
    return array[None]


def resample_rows(
    ecg_mv: Float32[np.ndarray, "row lead time"], fs_hz: float, to_hz: float
) -> Float32[np.ndarray, "row lead new_time"]:
    """`signals.filters.resample` of prepared rows of one length."""
    return resample(ecg_mv.reshape(-1, ecg_mv.shape[2]), fs_hz, to_hz).reshape(*ecg_mv.shape[:2], -1)


def check_record(shape: tuple[int, ...], leads: Sequence[str], fs_hz: float) -> None:
    """Raises ValueError, naming what is wrong and what to pass, for a record that is not (lead, time) at a rate."""
    if isinstance(leads, str):
        raise ValueError(f"leads={leads!r} is one text; pass a name for each lead, such as ('I', 'II')")
    if len(shape) != 2:
        raise ValueError(f"ecg_mv of shape {shape}; pass one record as (lead, time)")
    if len(leads) == shape[1] != shape[0]:
        raise ValueError(f"ecg_mv of shape {shape} with {len(leads)} lead names is (time, lead); pass ecg_mv.T")
    if len(leads) != shape[0]:
        raise ValueError(
            f"ecg_mv of shape {shape} with {len(leads)} lead names ({', '.join(leads)}); pass a name for each lead"
        )
    if shape[1] < 2:
        raise ValueError(f"ecg_mv of shape {shape} has {shape[1]} samples; pass a record of some seconds")
    if not (np.isfinite(fs_hz) and fs_hz > 0):
        raise ValueError(f"fs_hz={fs_hz:g}; pass the sampling rate of ecg_mv in Hz")
