"""The TOML file of a study: what may stand in it, checked before anything runs."""

import tomllib
from collections.abc import Mapping
from dataclasses import field
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

Changes = tuple[str, ...]
"""Values to change, each "path=value"."""

DEFAULT = "default"
ALL_PRESETS = "all presets"
"""`variants` of a group that has every registered preset as a variant."""

_STRICT = ConfigDict(extra="forbid")
_Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=_STRICT)
class Base:
    """What all variants begin with."""

    changes: Changes = ()
    stores: tuple[str, ...] = ("ptb-xl",)
    """Stores to pretrain on, by their folder's name."""
    folds: str = "1-7"
    """Folds to pretrain on."""
    seeds: _Count = 1
    tasks: tuple[str, ...] = ("superclass",)


@dataclass(frozen=True, config=_STRICT)
class Budget:
    """How many records a run sees: `rows` different ones, each `epochs` times."""

    rows: Annotated[int, Field(ge=2)]
    epochs: _Count
    changes: Changes = ()


@dataclass(frozen=True, config=_STRICT)
class Group:
    """Variants that belong into one table."""

    variants: Mapping[str, Changes] | str
    about: str = ""
    changes: Changes = ()
    """What all variants of the group begin with, after those of `Base`."""
    each: Mapping[str, Changes] = field(default_factory=dict[str, Changes])
    """Where given, every variant once with each of these changes, named "VARIANT, NAME"."""
    seeds: _Count | None = None
    budgets: tuple[str, ...] = ("small",)
    """Budgets at which the group is run unless it is asked for by name."""

    def names(self) -> tuple[str, ...] | None:
        """Names of the variants; None where they are those of all presets."""
        if isinstance(self.variants, str):
            return None
        return (
            tuple(f"{name}, {one}" for name in self.variants for one in self.each)
            if self.each
            else tuple(self.variants)
        )


@dataclass(frozen=True, config=_STRICT)
class NamedContrast:
    """Two variants of a group that are compared seed by seed: `a` less `b`."""

    name: str
    group: str
    a: str
    b: str
    tasks: tuple[str, ...] = ()
    """Tasks that it is about; empty: all."""


@dataclass(frozen=True, config=_STRICT)
class StudyFile:
    """A study as its file states it."""

    budgets: Mapping[str, Budget]
    groups: Mapping[str, Group]
    base: Base = field(default_factory=Base)
    starts: Mapping[str, Changes] = field(default_factory=dict[str, Changes])
    """Lists of changes by name, for which "start=NAME" stands."""
    contrasts: tuple[NamedContrast, ...] = ()

    def __post_init__(self) -> None:
        for name, group in self.groups.items():
            if isinstance(group.variants, str) and group.variants != ALL_PRESETS:
                raise ValueError(f'groups.{name}.variants is {group.variants!r}; give a table, or "{ALL_PRESETS}"')
            if unknown := [budget for budget in group.budgets if budget not in self.budgets]:
                raise ValueError(f"groups.{name} names no budget {unknown[0]!r}; there are {', '.join(self.budgets)}")
        for contrast in self.contrasts:
            known = self.groups[contrast.group].names() if contrast.group in self.groups else ()
            for name in (contrast.a, contrast.b):
                if known is not None and name not in known:
                    raise ValueError(f"contrast {contrast.name!r}: groups.{contrast.group} has no variant {name!r}")


def read_study_file(file: str) -> StudyFile:
    """The study of a TOML file, or of the package's own ("default").

    Raises FileNotFoundError where there is none, ValueError where it is no TOML or states something unknown.
    """
    text = _text(file)
    try:
        return TypeAdapter(StudyFile).validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is no TOML: {error}") from None
    except ValidationError as error:
        first: Any = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(
            f"{file}: {place + ': ' if place else ''}{first['msg'].removeprefix('Value error, ')}"
        ) from None


def _text(file: str) -> str:
    if file == DEFAULT:
        return (files("beatssl") / "studies" / "study" / "beatssl.toml").read_text(encoding="utf-8")
    if not Path(file).is_file():
        raise FileNotFoundError(f"there is no file {file}; pass a TOML file, or {DEFAULT!r} for the package's study")
    return Path(file).read_text(encoding="utf-8")
