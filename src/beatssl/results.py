"""Results as typed dataclasses with one JSON form: the fields by name, a number that is not finite as null."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
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


def to_json(value: Any) -> Any:
    """A result as JSON takes it: dataclasses and mappings as objects, arrays as lists, NaN and infinity as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_json(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, np.ndarray):
        return to_json(value.tolist())
    if isinstance(value, np.generic):
        return to_json(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_json(one) for key, one in value.items()}  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [to_json(one) for one in value]
    return value


def printed(result: Any) -> Any:
    """What the command line prints of a result: its JSON without the fields that are `FOR_FILES`, at any depth."""
    if is_dataclass(result) and not isinstance(result, type):
        kept = (one for one in fields(result) if "beatssl" not in one.metadata)
        return {one.name: printed(getattr(result, one.name)) for one in kept}
    if isinstance(result, Mapping):
        return {str(key): printed(one) for key, one in result.items()}  # pyright: ignore[reportUnknownArgumentType]
    return to_json(result)


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
