"""One measure of a record: a value with its spread, or why there is none."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """One measure: its median over beats and their interquartile range, or why there is none."""

    value: float | None
    unit: str
    spread: float | None = None
    """Interquartile range over the beats (of intervals within leads: over the beats of all leads)."""
    count: int = 0
    """Beats it was measured in; RR intervals for what is of the rhythm."""
    reason: str = ""
    """Why `value` is None: "not determinable, because …"."""

    def __str__(self) -> str:
        if self.value is None:
            return self.reason
        digits = 2 if self.unit == "mV" else 0
        spread = "" if self.spread is None else f" (spread {self.spread:.{digits}f})"
        return f"{self.value:.{digits}f} {_UNITS.get(self.unit, self.unit)}{spread}"


_UNITS = {"deg": "°", "1/min": "/min"}


def not_determinable(unit: str, because: str, count: int = 0) -> Measurement:
    """A measure without a value."""
    return Measurement(None, unit, None, count, f"not determinable, because {because}")
