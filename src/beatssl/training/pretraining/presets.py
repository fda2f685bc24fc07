"""Named recipes: which views are contrasted, by which losses and targets. A study varies their values, not code."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from beatssl.targets.kernel import KernelTargets
from beatssl.targets.soft import SoftTargets
from beatssl.training.pretraining.objectives.beatssl import Contrast, ObjectiveConfig
from beatssl.views.registry import ViewsConfig
from beatssl.views.registry import preset as views_preset

Preset = Literal["beatssl", "paper", "simclr", "regression"]
PRESETS: tuple[Preset, ...] = get_args(Preset)


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Recipe:
    """What is asked of the encoder, and of which views."""

    views: ViewsConfig
    objective: ObjectiveConfig
    window_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds of a row that a step sees, at a place drawn for each row and view; 0: whole rows."""
    window_share: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share of the updates, from the first on, that see such windows; the last ones see whole rows."""


_OFF = Contrast(weight=0.0)
_SOFT = SoftTargets("cosine", 15.0, own_weight=0.5)
_RECIPES: dict[Preset, Recipe] = {
    "beatssl": Recipe(
        views_preset("beatssl"),
        ObjectiveConfig(
            rhythm=Contrast(weight=0.1, soft=_SOFT, components=64),
            beat=Contrast(weight=0.05, soft=_SOFT),
            anchor="self",
            regression=1.0,
            kernel=KernelTargets(256),
        ),
        window_s=5.0,
    ),
    "paper": Recipe(
        views_preset("3kg"),
        ObjectiveConfig(
            rhythm=Contrast(form="soft_1", soft=SoftTargets("cosine", 50.0)),
            beat=Contrast(form="hard", targets="classes"),
        ),
    ),
    "simclr": Recipe(views_preset("3kg"), ObjectiveConfig(rhythm=Contrast(form="hard", targets="identity"), beat=_OFF)),
    "regression": Recipe(
        views_preset("none"), ObjectiveConfig(rhythm=_OFF, beat=_OFF, regression=1.0, regress_from="signal")
    ),
}


def recipe(preset: str, changes: Sequence[str] = ()) -> Recipe:
    """A named recipe with some values changed, each as "path=value".

    - beatssl: measured features, and the coordinates of records' soft similarity by them, told from the embedding; soft
      contrast of records and of beats by the same features, at weights that leave that its way; one view of each
      record, for most of the updates of five seconds, so that twice as many updates fit into the same time.
    - paper: soft_1 rhythm, hard beats by class, exponent 50, 3KG views of rank three, temperature 0.1, λ = 1.
    - simclr: 3KG views, every record like itself alone, no beats.
    - regression: the measured features told from the untouched signal, no contrast.

        recipe("beatssl", ["objective.beat.weight=0.5", "objective.rhythm.soft.exponent=30", "views.time_mask=0"])

    Raises ValueError for an unknown preset, path or value.
    """
    if preset not in PRESETS:
        raise ValueError(f"there is no preset {preset!r}; choose one of {', '.join(PRESETS)}")
    values = asdict(_RECIPES[preset])
    for change in changes:
        _change(values, change)
    return from_values(values)


def from_values(values: Mapping[str, Any]) -> Recipe:
    """A recipe from nested values, as `asdict` gives them. Raises ValueError for a value out of range."""
    try:
        return TypeAdapter(Recipe).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'recipe'}: {first['msg']}") from None


def _change(values: dict[str, Any], change: str) -> None:
    path, equals, text = change.partition("=")
    *parents, last = path.strip().split(".")
    place: Any = values
    for parent in parents:
        place = place.get(parent) if isinstance(place, dict) else None
    if not equals or not isinstance(place, dict) or last not in place or isinstance(place[last], dict):
        known = ", ".join(_paths(values))
        raise ValueError(f"{change!r} changes no value of a recipe; write path=value, with a path out of {known}")
    try:
        place[last] = json.loads(text)
    except json.JSONDecodeError:
        place[last] = text.strip()


def _paths(values: Mapping[str, Any], prefix: str = "") -> list[str]:
    paths: list[str] = []
    for name, value in values.items():
        paths += _paths(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"]
    return paths
