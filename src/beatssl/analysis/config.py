"""Settings of `analyze` and `inspect`."""

from dataclasses import field
from pathlib import Path

import tyro
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device
from beatssl.records.formats.options import FileOptions


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class AnalyzeConfig:
    """P, QRS and T waves in every lead of any records, and the intervals measured from them.

    Records may have any leads, named or not, any length and any rate. One that the network cannot use is listed with
    its reason, and the others go on.
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """ECG files, folders of them, and prepared stores."""
    out: Path
    """Folder for waves.parquet, intervals.parquet and refused.parquet."""
    segmenter: str = "default"
    """Folder of a segmenter or of the run that made it, or a repository; "default": the bundled weights."""
    files: FileOptions = field(default_factory=FileOptions)
    """What CSV and .npy files do not say."""
    device: Device = "auto"
    """Where the network runs; auto: on a GPU where there is one."""
    keep_going: bool = False
    """End with status 0 although records were refused; by default with 1. The others are analysed either way."""
    overwrite: bool = False
    """Replace the results of another command in `out`."""

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("no paths given; pass ECG files, folders of them, or prepared stores")


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class InspectConfig:
    """What ECG files hold: leads, rate, length, source, what was assumed or left out, or the reason of a refusal.

    A folder is summed up by format. Nothing is written unless `out` is given.
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """ECG files and folders of them."""
    out: Path | None = None
    """File for all lines as JSON."""
    files: FileOptions = field(default_factory=FileOptions)
    """What files do not say, or say wrongly."""
    overwrite: bool = False
    """Replace a file that is there already."""
