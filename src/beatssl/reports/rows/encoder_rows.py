"""Rows of the table of figures for what an encoder knows of the record features."""

from collections.abc import Mapping
from typing import Any

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


SOURCES = (
    (
        "ptb-xl/check-encoded-features.json", "PTB-XL, fold 8", "check STORE --what encoded-features",
        (
            ("record features predicted linearly from the embedding: median R²; share under 0.8", _all),
            ("the same by group", _groups),
            ("R² of those that matter most to trees of the superclasses and are known least", _worst),
        ),
    ),
)  # fmt: skip
OPTIONAL = frozenset(file for file, *_ in SOURCES)
"""Files whose rows are left out where they are not there."""
