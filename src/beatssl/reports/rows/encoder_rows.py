"""Rows of the table of figures for what an encoder knows of the record features."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from beatssl.files import read_json
from beatssl.reports.markdown import table_lines

Json = Mapping[str, Any]

SHOWN = 8
"""Of the features that the check lists."""


def _all(f: Json) -> str:
    of = f["all_features"]
    return f"{of['median_r2']:.2f}; {of['share_below']:.0%} of {of['features']}"


def _groups(f: Json) -> str:
    return "; ".join(
        f"{name} {of['median_r2']:.2f}, {of['share_below']:.0%}" for name, of in f["groups"].items() if of["features"]
    )


def _worst(f: Json) -> str:
    return "; ".join(f"{one['name']} {one['r2']:.2f}" for one in f["worst"][:SHOWN])


PRESENT = "ptb-xl/check-encoded-features.json"
OTHERS = "ptb-xl/encoded-features"
"""Folder with the same file of other encoders, by their names."""

SOURCES = (
    (
        PRESENT, "PTB-XL, fold 8", "check STORE --what encoded-features",
        (
            ("record features predicted linearly from the embedding: median R²; share under 0.8", _all),
            ("the same by group", _groups),
            ("R² of those that matter most to trees of the superclasses and are known least", _worst),
        ),
    ),
)  # fmt: skip
OPTIONAL = frozenset(file for file, *_ in SOURCES)
"""Files whose rows are left out where they are not there."""


def other_encoders_lines(results: Path) -> list[str]:
    """Median R² of each group of features: of the bundled encoder, then of those of `OTHERS`; nothing without these."""
    others = sorted((results / OTHERS).glob("*.json"))
    if not others or not (results / PRESENT).is_file():
        return []
    files = {"default": results / PRESENT} | {file.stem: file for file in others}
    found: dict[str, Json] = {name: read_json(file) for name, file in files.items()}
    groups = {"all": [one["all_features"] for one in found.values()]}
    groups |= {name: [one["groups"][name] for one in found.values()] for name in found["default"]["groups"]}
    title = (
        "Record features predicted linearly from the embedding, median R² on PTB-XL's fold 8 "
        "(`check STORE --what encoded-features --encoder NAME`):"
    )
    return [title, "", *table_lines(("features", "number", *found), (_line(name, of) for name, of in groups.items()))]


def _line(name: str, of: Sequence[Json]) -> tuple[str, ...]:
    shown = ("–" if one["median_r2"] is None else f"{one['median_r2']:.2f}" for one in of)
    return (name, str(of[0]["features"]), *shown)
