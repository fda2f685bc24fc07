"""The settings of one variant, and changes to them as "path=value"."""

import json
from collections.abc import Sequence
from dataclasses import asdict, field
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from beatssl.models.config import EncoderConfig
from beatssl.training.config import OptimConfig

_OF_PRESET = ("objective", "views", "window_s", "window_share")
_PARTS = {"network": EncoderConfig, "optim": OptimConfig}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Settings:
    """What a variant may set."""

    preset: str = "beatssl"
    """Of pretraining."""
    set: tuple[str, ...] = ()
    """Changes to the preset's values."""
    source: str = ""
    """Instead of pretraining: an encoder that is evaluated as it is ("random", "default", a folder), or "scratch": the
    network is trained on labels alone."""
    network: EncoderConfig = field(default_factory=EncoderConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the budget's rows, each seen so many times more often."""
    epochs: Annotated[int, Field(ge=1)] = 1
    """Times the budget's epochs: longer training."""
    beats_per_record: Annotated[int, Field(ge=0)] = 4
    init: str | None = None
    """Encoder to begin from."""
    folds: str = "1-7"
    stores: tuple[str, ...] = ("ptb-xl",)
    folder: str = ""
    """Folder within that of the stores, such as one of stores at another rate."""


def settings(start: Settings, changes: Sequence[str]) -> Settings:
    """`start` with changes, in their order; where two change one value the last counts. Another preset drops what was
    changed of the one before.

        settings(Settings(), ["preset=simclr", "objective.rhythm.temperature=0.2", "network.width=0.5"])

    Raises ValueError for a path that is none, or a value that is out of range. Values of the preset are checked where
    the pretraining config is made.
    """
    values: dict[str, Any] = asdict(start)
    of_preset = dict(change.split("=", 1) for change in start.set)
    for change in changes:
        path, equals, text = (part.strip() for part in change.partition("="))
        if not equals:
            raise ValueError(f"{change!r} is no change; write path=value")
        first, _, rest = path.partition(".")
        if first in _OF_PRESET:
            of_preset[path] = text
        elif first in _PARTS and rest in values[first]:
            values[first][rest] = _value(text)
        elif path == "stores":
            values["stores"] = tuple(text.split())
        elif path in values and path not in ("set", *_PARTS):
            if path == "preset" and text != values["preset"]:
                of_preset.clear()
            values[path] = text if path in ("preset", "source", "folds", "folder", "init") else _value(text)
        else:
            raise ValueError(f"{change!r} changes no setting; choose a path out of {', '.join(_paths())}")
    return _checked(values | {"set": tuple(f"{path}={text}" for path, text in sorted(of_preset.items()))})


def _checked(values: dict[str, Any]) -> Settings:
    try:
        return TypeAdapter(Settings).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _paths() -> list[str]:
    plain = [name for name in asdict(Settings()) if name not in ("set", *_PARTS)]
    parts = [f"{name}.{one}" for name, kind in _PARTS.items() for one in asdict(kind())]
    return ["objective.…", "views.…", "window_s", "window_share", *plain, *parts]
