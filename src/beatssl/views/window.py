"""A stretch of each record: half the work of a step for the same beats' shapes."""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from beatssl.views.view import Signals


def window(signals: Signals, seconds: float, generator: torch.Generator) -> Signals:
    """Each record from a place of its own on, `seconds` long; marks move along, those of beats outside lie outside.

    The place is drawn evenly from those where the window is full; a record shorter than the window is seen from its
    beginning. Windows as long as the rows, or of 0 seconds, leave every bit as it was, and draw no number.

    Raises ValueError for a negative length.
    """
    if seconds < 0:
        raise ValueError(f"a window of {seconds} s; pass 0 for whole rows, or a length above it")
    length, time = round(seconds * signals.fs_hz), signals.ecg_mv.shape[2]
    if not 0 < length < time:
        return signals
    device = signals.ecg_mv.device
    places = (signals.valid - length + 1).clamp(min=1)
    luck = torch.rand(len(places), generator=generator, device=device, dtype=torch.float64)
    return cut(signals, torch.minimum((luck * places).long(), places - 1), length)


def cut(signals: Signals, begin: Int[Tensor, " record"], length: int) -> Signals:
    """`length` samples of each record from sample `begin` on, which must lie within the row; marks move along."""
    at = begin[:, None] + torch.arange(length, device=begin.device)
    return replace(
        signals,
        ecg_mv=signals.ecg_mv.gather(2, at[:, None].expand(-1, signals.ecg_mv.shape[1], -1)),
        valid=(signals.valid - begin).clamp(0, length),
        beat_at=signals.beat_at - begin[signals.beat_record],
    )
