"""Whether a stated sampling rate can be true, by what it makes of the heart rate."""

_USUAL_HZ = (
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
_PERSON = (20.0, 350.0)  # heart rates of a living person, per minute
_RESTING = (50.0, 100.0)


def likely_rates(beats_per_min: float, fs_hz: float) -> tuple[float, ...]:
    """Usual sampling rates at which a heart rate that no person has would be a resting one; none for one that some has.

    A file that states 100 Hz for 500 Hz shows 12 beats a minute where the person had 60. Multiples of the stated rate
    by 2, 2.5, 4, 5 and 10 (or their inverses) come first: a wrong digit is likelier than a wrong recorder.
    """
    if _PERSON[0] <= beats_per_min <= _PERSON[1]:
        return ()
    fits = [hz for hz in _USUAL_HZ if _RESTING[0] <= beats_per_min * hz / fs_hz <= _RESTING[1]]
    digits = [hz for hz in fits if max(hz / fs_hz, fs_hz / hz) in (2.0, 2.5, 4.0, 5.0, 10.0)]
    return tuple(digits or fits)
