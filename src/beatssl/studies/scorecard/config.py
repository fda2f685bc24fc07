"""Settings of the scorecard."""

from dataclasses import field
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device
from beatssl.models.config import EncoderConfig


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ScorecardConfig:
    """Score encoders on everything that they are used for, with their weights frozen.

    Records: PTB-XL's superclasses and all statements, with few labels and few leads, age, sex, and retrieval. Beats:
    the classes of MIT-BIH. Waves: LUDB with a sixteenth of the subjects. The mean rank over the tasks that choose is
    the one number to choose an encoder by. Finished scores are kept in `out`/scores: a scorecard that was stopped goes
    on, and one with more encoders or tasks measures only these.
    """

    encoders: tyro.conf.Positional[tuple[str, ...]]
    """Runs, checkpoints, "default" (the bundled weights), "random" (an untrained network), "features" (what was
    measured, without an encoder), or NAME:PATH, the weights of an encoder that others published."""
    out: Path
    """Folder for scorecard.json, scorecard.csv and scorecard.html."""
    stores: Path = Path("stores")
    """Folder of the prepared stores ptb-xl, mitdb and ludb200, and with test of those of further databases; a task
    whose store is missing is left out."""
    tasks: tuple[str, ...] = ()
    """Tasks to measure; none: all but those that fine-tune (brugada-finetuned, …), which take many minutes."""
    names: tuple[str, ...] = ()
    """Names of the encoders, in their order; none: the last part of each path."""
    test: bool = False
    """Score the test folds (PTB-XL's fold 9, DS2, each LUDB fold once), for what was chosen; else the validation folds,
    for choosing."""
    network: EncoderConfig = field(default_factory=EncoderConfig)
    """Name and size of the network where an encoder is random."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of draws of labels and beats, the bootstrap, a random encoder, and the training on LUDB."""
    device: Device = "auto"
    """Where the encoders run."""
    bootstrap_draws: Annotated[int, Field(ge=1)] = 1000
    """Draws of patients behind each interval."""
    cache: bool = True
    """Keep embeddings in the user's cache, and take them from there; the numbers are the same."""
    overwrite: bool = False
    """Replace the results of another command in `out`."""

    def __post_init__(self) -> None:
        if not self.encoders:
            raise ValueError("encoders=() names none; name an encoder, such as default or random")
