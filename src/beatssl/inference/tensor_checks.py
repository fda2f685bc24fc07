"""What a network asks of prepared tensors before it answers; what it asks of recorded arrays is in `input_checks`."""

from typing import Any

import torch
from torch import Tensor

from beatssl.records.record import RecordError
from beatssl.store.config import MIN_DURATION_S

_REMEDY = "`prepared` and `on_device` make such tensors, and `predict` takes records as they were recorded"


def check_tensors(
    ecg_mv: Any, lead_mask: Any, fs_hz: float, leads: int | None, valid: Any = None, values: bool = True
) -> None:
    """Whether tensors can be records prepared for a network: (record, lead, time), 2 s at least, finite.

    Args:
        ecg_mv: signals in mV at `fs_hz`.
        lead_mask: which leads are measured; what the others hold does not count.
        leads: how many leads the network takes; None: any number.
        valid: samples of each record before the padding; None: all.
        values: whether to look at length and values too, which waits for a GPU; False while training.

    Raises RecordError. Says nothing while a network is compiled or exported, where values are not known.
    """
    if torch.compiler.is_compiling():
        return
    _check_signals(ecg_mv, leads)
    records, _, samples = ecg_mv.shape
    check_shape("lead_mask", lead_mask, tuple(ecg_mv.shape[:2]), "(record, lead), True where a lead is measured")
    if lead_mask.dtype != torch.bool:
        raise RecordError("unreadable", f"lead_mask holds {lead_mask.dtype}; pass torch.bool, True where measured")
    if valid is not None:
        check_shape("valid", valid, (records,), "(record,), the samples of each before its padding")
    if not values:
        return
    if samples < MIN_DURATION_S * fs_hz:
        raise RecordError(
            "too-short",
            f"ecg_mv of shape {tuple(ecg_mv.shape)}: {samples} samples are {samples / fs_hz:.3g} s at the network's "
            f"{fs_hz:g} Hz; at least {MIN_DURATION_S:g} s are needed",
        )
    if valid is not None and bool(((valid < 0) | (valid > samples)).any()):
        raise RecordError(
            "unreadable", f"valid={valid.tolist()} with {samples} samples; pass how many of them are not padding"
        )
    if not bool(ecg_mv.isfinite().all()):
        _refuse_gaps(ecg_mv, lead_mask)


def _check_signals(ecg_mv: Any, leads: int | None) -> None:
    if not isinstance(ecg_mv, Tensor):
        raise RecordError("unreadable", f"ecg_mv is a {type(ecg_mv).__name__}; pass a torch.Tensor: {_REMEDY}")
    shape = tuple(ecg_mv.shape)
    if len(shape) != 3:
        raise RecordError("unreadable", f"ecg_mv of shape {shape}; pass prepared records as (record, lead, time)")
    if not ecg_mv.is_floating_point():
        raise RecordError("unreadable", f"ecg_mv holds {ecg_mv.dtype}; pass floating-point numbers in mV")
    if leads is not None and shape[1] != leads:
        turned = "; pass ecg_mv.transpose(1, 2)" if shape[2] == leads else ""
        raise RecordError(
            "unreadable", f"ecg_mv of shape {shape} has {shape[1]} leads, the network takes {leads}{turned}; {_REMEDY}"
        )


def check_shape(name: str, given: Any, shape: tuple[int, ...], meaning: str) -> None:
    """Raises RecordError where what goes with the signals is no tensor of a shape."""
    if not isinstance(given, Tensor):
        raise RecordError("unreadable", f"{name} is a {type(given).__name__}; pass a torch.Tensor of shape {shape}")
    if tuple(given.shape) != shape:
        raise RecordError("unreadable", f"{name} of shape {tuple(given.shape)}; pass {shape}: {meaning}")


def _refuse_gaps(ecg_mv: Tensor, lead_mask: Tensor) -> None:
    bad = (~ecg_mv.isfinite().all(dim=2) & lead_mask).nonzero()
    if len(bad):
        record, lead = bad[0].tolist()
        raise RecordError(
            "nan",
            f"record {record}, lead {lead} holds values that are not finite though lead_mask says that it is measured; "
            f"pass 0 where nothing was measured, and False for a lead without any; {_REMEDY}",
        )
