"""Views that change sizes: of the whole record, of its chest leads, of its P and T waves."""

from dataclasses import dataclass, replace
from math import log1p

import torch
from jaxtyping import Float
from torch import Tensor

from beatssl.views.beat_phase import beat_phase
from beatssl.views.view import Graded, Signals, uniform


@dataclass(frozen=True)
class AmplitudePerturbation(Graded):
    """All leads larger or smaller by one factor, and each chest lead by one more of its own.

    The six limb leads share their factor, so that III = II − I and the rest of the lead algebra still hold.
    Factors lie between 1/(1 + limit) and 1 + limit, evenly in their logarithm.
    """

    limit: float = 0.3
    """For the record as a whole."""
    chest_limit: float = 0.15
    """For each chest lead on its own."""

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with every lead times its factor."""
        ecg = signals.ecg_mv
        whole, chest = self.strength * log1p(self.limit), self.strength * log1p(self.chest_limit)
        log_gain = uniform((len(ecg), 1), -whole, whole, ecg, generator).repeat(1, ecg.shape[1])
        log_gain[:, 6:] += uniform((len(ecg), max(ecg.shape[1] - 6, 0)), -chest, chest, ecg, generator)
        return replace(signals, ecg_mv=ecg * log_gain.exp()[:, :, None])


@dataclass(frozen=True)
class WaveAmplitude(Graded):
    """The T waves of a record larger or smaller by one factor, its P waves by another; QRS is left alone.

    T is looked for from 0.08 s after R to 0.5·√RR (RR in s, at most 0.75 RR), P from 0.30 s (at most 0.38 RR) to 0.05 s
    before R. The factor rises smoothly over a quarter of the window at either end, and never changes a wave's sign.
    """

    limit: float = 0.5
    """Factors lie between 1/(1 + limit) and 1 + limit at strength 1, evenly in their logarithm."""

    def change(self, signals: Signals, generator: torch.Generator) -> Signals:
        """The batch with its T and P waves changed; marks stay where they are."""
        ecg, fs = signals.ecg_mv, signals.fs_hz
        phase = beat_phase(signals.beat_at, signals.beat_record, len(ecg), ecg.shape[2], fs)
        reach = self.strength * log1p(self.limit)
        t_log, p_log = uniform((2, len(ecg), 1), -reach, reach, ecg, generator)
        t_end = torch.minimum(0.5 * (phase.rr / fs).sqrt() * fs, 0.75 * phase.rr)
        p_begin = (0.38 * phase.rr).clamp(max=0.30 * fs)
        # A T wave that reaches under the next P: where both windows meet, both factors apply.
        log_gain = t_log * window(phase.since, 0.08 * fs, t_end) + p_log * window(phase.until, 0.05 * fs, p_begin)
        return replace(signals, ecg_mv=ecg * log_gain.exp()[:, None])


def window(
    at: Float[Tensor, "record time"], begin: float, end: Float[Tensor, "record time"]
) -> Float[Tensor, "record time"]:
    """0 outside begin … end, 1 in the middle half, smooth (u²(3 − 2u)) over a quarter at either end."""
    edge = ((end - begin) / 4).clamp(min=1e-3)
    u = (torch.minimum(at - begin, end - at) / edge).clamp(0, 1)
    return u * u * (3 - 2 * u)
