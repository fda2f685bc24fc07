"""Named values of pretraining: a method with its settings and its views. A study varies values, not code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError

from beatssl.training.pretraining.objective import Preset
from beatssl.training.pretraining.objectives import METHODS, PRESETS
from beatssl.views.config import ViewsConfig


def preset(name: str, changes: Sequence[str] = ()) -> Preset:
    """A named preset with some values changed, each as "path=value".

        preset("beatssl", ["objective.beat.weight=0.5", "objective.rhythm.soft.exponent=30", "views.time_mask=0"])

    Raises ValueError for an unknown name, path or value.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}")
    values = asdict(PRESETS[name])
    for change in changes:
        _change(values, change)
    return from_values(values)


def from_values(values: Mapping[str, Any]) -> Preset:
    """A preset from nested values, as `asdict` gives them. Raises ValueError for a value out of range."""
    kinds: dict[str, Any] = {"views": ViewsConfig, "objective": METHODS[values["method"]].settings}
    made = {name: _valid(kind, values[name], name) for name, kind in kinds.items()}
    return _valid(Preset, {**values, **made}, "")


def _valid(kind: Any, values: Any, place: str) -> Any:
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(str(part) for part in (place, *first["loc"]) if part)
        raise ValueError(f"{path or 'preset'}: {first['msg']}") from None


def _change(values: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    *parents, last = path.strip().split(".")
    place = values
    for parent in parents:
        inner = place.get(parent)
        place = inner if isinstance(inner, dict) else {}
    changeable = last in place and not isinstance(place[last], dict)
    if not equals or not changeable or path.strip() == "method":
        known = ", ".join(_paths(values))
        raise ValueError(f"{change!r} changes no value of a preset; write path=value, with a path out of {known}")
    try:
        place[last] = json.loads(text)
    except json.JSONDecodeError:
        place[last] = text.strip()


def _paths(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    paths: list[str] = []
    for name, value in values.items():
        paths += _paths(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return [path for path in paths if path != "method"]
