"""Settings of a study."""

from pathlib import Path
from typing import Annotated

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class StudyConfig:
    """Pretrain and evaluate every variant that a TOML file names, and put all figures into one table.

    Each variant and seed is a run with a folder named by the hash of all that its weights depend on: what two groups
    have in common is run once, and what is finished is not run again. Any number of these commands may work on one
    `out` at the same time.
    """

    file: tyro.conf.Positional[str]
    """A TOML file, or "default": the one of this package."""
    out: Path
    """Folder for the runs, study.json and study.csv."""
    stores: Path = Path("stores")
    """Folder of the prepared stores that the file names."""
    budget: str = "small"
    """A budget of the file: how many records a run sees."""
    groups: tuple[str, ...] = ()
    """Groups of the file to run, in this order; empty: all of this budget, in the file's order."""
    seeds: Annotated[int, Field(ge=1)] | None = None
    """Seeds of each variant, 0 and up; None: as many as the file says."""
    tasks: tuple[str, ...] = ()
    """Tasks of the scorecard to evaluate by, on validation folds; empty: those of the file."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Processes; each takes the next run that nobody has taken."""
    retry: bool = False
    """Try again what failed before."""
    earlier: Path | None = None
    """Folder with the study.csv and study.json of an earlier study of the same file, made on another machine, say: runs
    whose figures they hold are not run again. The data and the version behind them are not checked."""
    only_table: bool = False
    """Run nothing: make the table of what is finished."""
    minutes: Annotated[float, Field(gt=0)] | None = None
    """Begin no run after this many minutes; None: go on until all are done."""
    device: Device = "auto"
    """Where the networks run."""
