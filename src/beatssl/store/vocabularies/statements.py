"""PTB-XL's 71 statements: what each code means, and what kind of statement it is.

Source: scp_statements.csv of PTB-XL 1.0.3 (Wagner et al., Scientific Data 2020; CC BY 4.0).
"""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

KINDS = ("diagnostic", "form", "rhythm")


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of SCP-ECG as PTB-XL uses it. Some are of two kinds."""

    code: str
    name: str
    kinds: frozenset[str]
    superclass: str
    """Of a diagnostic statement; "" for others, as `subclass` is."""
    subclass: str


@cache
def statements() -> dict[str, Statement]:
    """All, by code."""
    path = files("beatssl.store.vocabularies") / "ptbxl_statements.csv"
    with path.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return {
        line["code"]: Statement(
            line["code"], line["name"], frozenset(line["kinds"].split()), line["superclass"], line["subclass"]
        )
        for line in lines
    }
