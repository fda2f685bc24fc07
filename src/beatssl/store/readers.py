"""The reader that a config asks for, with the options it asks for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from beatssl.records.datasets.baseline import WithoutBaseline
from beatssl.records.reader import Reader
from beatssl.records.registry import READERS
from beatssl.records.units import UnitPolicy
from beatssl.store.config import PrepareConfig


def make_reader(config: PrepareConfig) -> Reader:
    """Raises ValueError for a kind that no reader has, or an option that its reader does not know."""
    if config.kind not in READERS:
        path = f"; {config.kind} is a path: write files before it" if Path(config.kind).exists() else ""
        raise ValueError(f"no reader for kind {config.kind!r}; there are {', '.join(READERS)}{path}")
    stated: dict[str, Any] = {
        "sampling": config.sampling,
        "csv_fs_hz": config.csv_fs_hz,
        "unit": config.unit,
        "leads": config.lead_names or None,
        "fs_hz_override": config.fs_hz_override,
        "correct_electrodes": config.correct_electrodes or None,
        "seed": config.seed,
    }
    options = {name: value for name, value in stated.items() if value is not None}
    if config.kind == "files":
        options |= {"keep_identifiers": config.keep_identifiers, "salt": config.salt_bytes(), "skip": config.out}
    try:
        reader = READERS[config.kind](**options)
    except TypeError as error:
        raise ValueError(f"kind {config.kind!r} does not take {' and '.join(options)}; leave it out") from error
    reader = _with_units(reader, config)
    return WithoutBaseline(reader) if config.baseline == "medians" else reader


def _with_units(reader: Any, config: PrepareConfig) -> Reader:
    """The reader with the unit policy that the config asks for; one that has none (synthetic) as it is."""
    if not hasattr(reader, "units"):
        return reader
    return replace(reader, units=UnitPolicy(config.no_unit, config.implausible))
