"""Settings of `serve`."""

from dataclasses import field
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device
from beatssl.records.formats.options import FileOptions


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ServeConfig:
    """A viewer on this machine: see and correct the waves, beat classes and labels of records in the browser.

    It answers at 127.0.0.1 only, and only to the address that it prints. Research, not for diagnosis.
    """

    folder: Path | None = None
    """Folder of ECG files to choose from; files may be dropped on the page too."""
    corrections: Path = Path("corrections")
    """Folder that corrections are saved in: corrected records with their marks, and labels.csv."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8765
    """Port to answer at; 0: any that is free."""
    segmenter: str = "default"
    """Folder of a segmenter or of the run that made it, or a repository; "default": the bundled weights."""
    classifier: str = "default"
    """Folder of a classifier or of the run that made it, or a repository; "default": the bundled weights."""
    files: FileOptions = field(default_factory=FileOptions)
    """What CSV and .npy files do not say."""
    device: Device = "auto"
    """Where the networks run; auto: on a GPU where there is one."""
    max_mb: Annotated[int, Field(ge=1)] = 256
    """Largest file that may be dropped, in MB; what a zip holds may be four times as large."""
    max_samples: Annotated[int, Field(ge=1000)] = 100_000_000
    """Most samples of a record, all leads together: 24 hours of four leads at 250 Hz are 86 million."""
    time_limit_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 600.0
    """Longest time that one record may take to be read and analysed."""
    kept: Annotated[int, Field(ge=1)] = 20
    """Records that are kept in memory; older ones are closed."""
