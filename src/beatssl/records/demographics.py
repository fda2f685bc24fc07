"""Age, sex and diagnosis codes as files write them."""

import math
import re
from collections.abc import Iterable
from typing import Literal

from beatssl.records.record import Label

Sex = Literal["female", "male"]

_SEXES: dict[str, Sex] = {"f": "female", "female": "female", "m": "male", "male": "male"}

OVER_89_YEARS = 90.0
"""Age given to a person whom a file calls just "over 89" (PTB-XL's 300, LUDB's ">89"); metadata says `age_over_89`."""

_FIELD = re.compile(r"(?:^|\s)<?(age|sex|dx)>?\s*:\s*(.*?)(?=\s+<?(?:age|sex|dx)>?\s*:|$)", re.IGNORECASE)
_SNOMED_CODE = re.compile(r"\d{6,18}")


def sex_of(text: str) -> Sex | None:
    """The sex that "F", "female", "M", "Male" … mean; None for anything else ("Unknown", "NaN", "")."""
    return _SEXES.get(text.strip().lower())


def age_of(text: str) -> float | None:
    """Years, or None where the text holds no age of a person ("NaN", "-1", "Unknown")."""
    try:
        years = float(text)
    except ValueError:
        return None
    return years if math.isfinite(years) and 0 <= years <= 120 else None


def comment_fields(comments: Iterable[str]) -> dict[str, str]:
    """What the comments of a WFDB header say of "age", "sex" and "dx", and nothing else of them.

    They are free text and may hold names and dates. The grammars are CinC's ("Age: 74"), LUDB's ("<sex>: F") and
    QTDB's ("Age: 52  Sex: M").
    """
    found: dict[str, str] = {}
    for comment in comments:
        for key, value in _FIELD.findall(comment):
            found.setdefault(key.lower(), value.strip())
    return found


def snomed_labels(dx: str) -> tuple[Label, ...]:
    """Labels of the set "snomed" from codes with commas between, each once; what is no code is left out."""
    codes = (code.strip() for code in dx.split(","))
    return tuple(Label("snomed", code) for code in dict.fromkeys(codes) if _SNOMED_CODE.fullmatch(code))
