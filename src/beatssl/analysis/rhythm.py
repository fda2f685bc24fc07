"""Rate, regularity, pauses and what ectopic beats do together, from the beats of a record."""

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.analysis.measurement import Measurement, not_determinable
from beatssl.analysis.result import PACED_BEAT
from beatssl.analysis.rhythms.ectopy import ectopic_groups, ectopic_runs
from beatssl.analysis.rhythms.result import Pause, Rhythm, Rhythms
from beatssl.beats.windows import Beats as BeatWindows
from beatssl.features import rhythm as features

PAUSE_S = 2.0
"""An RR interval of this length is a pause."""

_OVER = 4  # RR intervals that lowest and highest rate are taken over
_REGULAR, _IRREGULAR = 0.05, 0.12
"""Of `rr_irregularity`: sinus rhythm of LUDB and PTB-XL stays below the first, atrial fibrillation above the second."""


def rhythm_of(
    time_s: Float64[np.ndarray, " beat"],
    rr_s: Float64[np.ndarray, " beat"],
    class_probability: Float32[np.ndarray, "beat 4"],
    labels: tuple[str, ...],
    rhythms: Rhythms,
) -> Rhythm:
    """Rhythm of the beats of one record; `rr_s` is NaN where an interval is unknown; `rhythms` names it."""
    known = rr_s[np.isfinite(rr_s)]
    found = row_features(time_s, rr_s, class_probability)
    longest, shortest = _over_four(rr_s) if len(known) else (np.nan, np.nan)

    def measured(name: str, unit: str, value: float) -> Measurement:
        if np.isfinite(value):
            return Measurement(float(value), unit, None, len(known))
        beats = len(time_s)
        return not_determinable(unit, f"it takes more RR intervals than {len(known)} (beats: {beats})", len(known))

    quartiles = np.percentile(60 / known, (25, 75)) if len(known) else np.zeros(2)
    rate = measured("rate_bpm", "1/min", found["rate_bpm"])
    if rate.value is not None:
        rate = Measurement(rate.value, rate.unit, float(quartiles[1] - quartiles[0]), rate.count)
    irregularity = found["rr_irregularity"]
    word = "regular" if irregularity < _REGULAR else "irregular" if irregularity > _IRREGULAR else "slightly irregular"
    return Rhythm(
        rate_bpm=rate,
        rate_mean_bpm=measured("rate_mean_bpm", "1/min", 60 / known.mean() if len(known) else np.nan),
        rate_min_bpm=measured("rate_min_bpm", "1/min", 60 / longest),
        rate_max_bpm=measured("rate_max_bpm", "1/min", 60 / shortest),
        rr_sd_ms=measured("rr_sd_ms", "ms", found["rr_sd_ms"]),
        rr_rmssd_ms=measured("rr_rmssd_ms", "ms", found["rr_rmssd_ms"]),
        rr_irregularity=measured("rr_irregularity", "1", irregularity),
        regularity=word if np.isfinite(irregularity) else None,
        ectopic_beats={kind: labels.count(kind) for kind in ("S", "V", "F")},
        paced_beats=labels.count(PACED_BEAT),
        pauses=tuple(
            Pause(float(at - rr), float(rr)) for at, rr in zip(time_s, rr_s, strict=True) if rr >= PAUSE_S
        ),
        runs=ectopic_runs(time_s, rr_s, labels),
        groups=ectopic_groups(time_s, rr_s, labels),
        classes=rhythms.classes,
        classes_reason=rhythms.reason,
        episodes=rhythms.episodes,
        stretches=rhythms.stretches,
        af_burden=rhythms.af_burden,
    )  # fmt: skip


def row_features(
    time_s: Float64[np.ndarray, " beat"], rr_s: Float64[np.ndarray, " beat"], probability: Float32[np.ndarray, "beat 4"]
) -> dict[str, float]:
    """The features' own measures of rhythm, the whole record as one row."""
    count = len(time_s)
    nothing = np.zeros((count, 1, 1), np.float32)
    interval = rr_s.astype(np.float32)
    following = np.append(interval[1:], np.float32(np.nan))[:count]
    beats = BeatWindows(np.zeros(count, np.int32), time_s, interval, following, nothing, 100.0, 0)
    return {name: float(value[0]) for name, value in features.measure(beats, 1, probability).items()}


def _over_four(rr_s: Float64[np.ndarray, " beat"]) -> tuple[float, float]:
    """Longest and shortest mean of four RR intervals in a row; of all known ones where no four are."""
    if len(rr_s) > _OVER:
        means = np.lib.stride_tricks.sliding_window_view(rr_s, _OVER).mean(axis=1)
        if np.isfinite(means).any():
            return float(np.nanmax(means)), float(np.nanmin(means))
    mean = float(np.nanmean(rr_s))
    return mean, mean
