"""Whether a stated sampling rate can be true, by what it makes of the heart rate."""

import numpy as np
from jaxtyping import Float64

from beatssl.records.record import RecordError

USUAL_HZ = (
    100.0,
    125.0,
    128.0,
    200.0,
    240.0,
    250.0,
    256.0,
    300.0,
    360.0,
    400.0,
    500.0,
    512.0,
    600.0,
    800.0,
    1000.0,
    2000.0,
)
"""Sampling rates of recorders and of published sets."""

DIGITS = (2.0, 2.5, 4.0, 5.0, 10.0)
"""Factors between two usual rates that are likeliest where one is stated for the other."""

PERSON = (20.0, 350.0)
"""Heart rates of a living person, per minute."""

_RESTING = (50.0, 100.0)


def likely_rates(beats_per_min: float, fs_hz: float) -> tuple[float, ...]:
    """Usual sampling rates at which a heart rate that no person has would be a resting one; none for one that some has.

    A file that states 100 Hz for 500 Hz shows 12 beats a minute where the person had 60. Multiples of the stated rate
    by 2, 2.5, 4, 5 and 10 (or their inverses) come first: a wrong digit is likelier than a wrong recorder.
    """
    if PERSON[0] <= beats_per_min <= PERSON[1]:
        return ()
    fits = [hz for hz in USUAL_HZ if _RESTING[0] <= beats_per_min * hz / fs_hz <= _RESTING[1]]
    digits = [hz for hz in fits if max(hz / fs_hz, fs_hz / hz) in DIGITS]
    return tuple(digits or fits)


def check_heart_rate(
    r_times_s: Float64[np.ndarray, " beat"],
    duration_s: float,
    fs_hz: float,
    where: str,
    remedy: str,
    limits: tuple[float, float] = PERSON,
) -> None:
    """Raises RecordError "no-beats" or "impossible-rate" where beats are not those of a person.

    One beat alone has no interval: the longest that the record leaves room for stands in.
    """
    if r_times_s.size == 0:
        raise RecordError("no-beats", f"{where}: no R peak found; if {fs_hz:g} Hz is wrong, {remedy}")
    rate = 60.0 / (float(np.median(np.diff(r_times_s))) if r_times_s.size > 1 else duration_s)
    if limits[0] <= rate <= limits[1]:
        return
    others = likely_rates(rate, fs_hz)[:1]
    raise RecordError(
        "impossible-rate",
        f"{where}: median rate {rate:.0f} per minute at {fs_hz:g} Hz, outside {limits[0]:g}–{limits[1]:g}"
        + "".join(f"; at {hz:g} Hz it would be {rate * hz / fs_hz:.0f}: {remedy}" for hz in others),
    )
