"""Settings of the study of other databases."""

from pathlib import Path
from typing import Annotated

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ShiftConfig:
    """Measure what a classifier of PTB-XL's labels loses on other databases, and to which property of theirs.

    Records of PTB-XL's test fold are changed in one property at a time to those of another database: the sampling rate
    before preparation, the leads, the step of the amplitudes, the band, noise, the baseline, the length; then in all of
    them. What the classifier loses by that is paired over the same patients. Its AUROC on the database itself, of the
    same labels, gives the rest: population and labels. Two models go through the same: a linear probe of the
    classifier's encoder, and boosted trees on measured features. Nothing is trained on another database, but for a
    linear probe within it, by cross-validation over patients. Writes `out`/shift.json.
    """

    stores: tyro.conf.Positional[Path]
    """Folder of the prepared stores: ptb-xl, and those of other databases."""
    source: Path
    """Folder of PTB-XL's files, those that the store ptb-xl was prepared from."""
    out: Path
    """Folder for shift.json."""
    classifier: str = "default"
    """Folder that probe or finetune wrote, a saved classifier, or "default"."""
    databases: tuple[str, ...] = ()
    """Names of stores below `stores`; none: all known ones that are there."""
    records: Annotated[int, Field(ge=2)] = 1000
    """Of PTB-XL's test fold, of patients in random order; all where there are fewer."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the records drawn, of noise and of the bootstrap."""
    bootstrap_draws: Annotated[int, Field(ge=1)] = 1000
    """Draws of patients behind each interval."""
    device: Device = "auto"
    """Where the classifier runs."""
    cache: bool = True
    """Keep embeddings in the user's cache, and take them from there; the numbers are the same."""
    overwrite: bool = False
    """Replace the results of another command in `out`."""
