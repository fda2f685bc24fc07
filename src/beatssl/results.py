"""Results as typed dataclasses with one JSON form: the fields by name, a number that is not finite as null."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import BeforeValidator, TypeAdapter, ValidationError

from beatssl.files import read_json, write_json

Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A figure that may be unknown: NaN in Python, null in JSON."""

Read = TypeVar("Read")

FOR_FILES = {"beatssl": "for files"}
"""`field(metadata=FOR_FILES)`: a part of a result that its file holds and the command line does not print: a curve."""


INLINE = {"beatssl inline": "entries"}
"""`field(metadata=INLINE)`: a mapping whose entries stand in the JSON object beside the other fields, without a name of
their own: figures at several tolerances beside those at none. Such a result is not read back by `read_result`."""


_PLAIN = frozenset((str, int, bool, type(None)))


def to_json(value: Any) -> Any:
    """A result as JSON takes it: dataclasses and mappings as objects, arrays as lists, NaN and infinity as null."""
    kind: type[Any] = type(value)
    if kind in _PLAIN:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return _entries(value, fields(value), to_json)
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, np.generic):
        return to_json(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_json(one) for key, one in value.items()}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(one) for one in value]
    return value


def printed(result: Any) -> Any:
    """What the command line prints of a result: its JSON without the fields that are `FOR_FILES`, at any depth."""
    if is_dataclass(result) and not isinstance(result, type):
        return _entries(result, [one for one in fields(result) if "beatssl" not in one.metadata], printed)
    if isinstance(result, Mapping):
        return {str(key): printed(one) for key, one in result.items()}
    return to_json(result)


def _entries(value: Any, kept: Sequence[Field[Any]], form: Callable[[Any], Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for one in kept:
        inner = form(getattr(value, one.name))
        out |= inner if "beatssl inline" in one.metadata else {one.name: inner}
    return out


def write_result(path: Path, result: Any) -> None:
    """Write a result's JSON form to a file, in one step."""
    write_json(path, to_json(result))


def read_result(path: Path, kind: type[Read]) -> Read:
    """The result of a kind that `write_result` wrote. Raises ValueError where the file holds something else."""
    try:
        return TypeAdapter(kind).validate_python(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{path} holds no {kind.__name__}: {place}: {first['msg']}; make it again") from None
