"""Settings of the demo."""

from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device

LEAST_RECORDS = 128
"""Of fewer, some training, validation or test fold has no diagnosis."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DemoConfig:
    """Analyze a record by the bundled weights, prepare a synthetic cohort, pretrain a small encoder; all on a page.

    Writes OUT/analysis.html, OUT/index.html, OUT/pictures/*.svg, OUT/store, which any other verb can read,
    OUT/pretraining, a run that `--encoder` takes, OUT/probes, and OUT/segmenter, which `--segmenter` takes.
    """

    out: Path = Path("demo")
    """Folder to write. What an earlier demo left there is replaced."""
    records: Annotated[int, Field(ge=8)] = 1024
    """Number of synthetic records."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Processes that prepare; None: one a core."""
    epochs: Annotated[int, Field(ge=0)] = 12
    """Passes of pretraining over the records; 0: no pretraining, and nothing that needs it."""
    segment_updates: Annotated[int, Field(ge=0)] = 150
    """Weight updates of the segmenter on the pretrained encoder; 0: no segmenter."""
    device: Device = "auto"
    """Where networks run; auto: on a GPU where there is one."""
    overwrite: bool = False
    """Write into a folder that holds something else than an earlier demo."""

    def __post_init__(self) -> None:
        if self.epochs and self.records < LEAST_RECORDS:
            raise ValueError(
                f"{self.records} records are too few to pretrain and probe; make {LEAST_RECORDS} at least, or leave "
                "pretraining out with epochs 0"
            )
