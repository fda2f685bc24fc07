"""Settings of `analyze` and `inspect`."""

from dataclasses import field
from pathlib import Path
from typing import Annotated

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.inference.device_name import Device
from beatssl.records.formats.options import FileOptions


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class AnalyzeConfig:
    """Beats, rhythm, waves, intervals, classes and quality of any records. Research, not for diagnosis.

    Records may have any leads, named or not, any length from 2 s and any rate from 50 Hz. One record is reported in
    full, several as a table with a line each. One that cannot be used is listed with its reason, and the others go on.
    """

    paths: tyro.conf.Positional[tuple[Path, ...]]
    """ECG files, folders of them, and prepared stores."""
    out: Path | None = None
    """Folder for records.parquet (a line a record), waves.parquet, intervals.parquet and refused.parquet."""
    json: bool = False
    """The whole result as JSON: of each record a file in `out`, without `out` a line on the terminal."""
    csv: bool = False
    """A table of the beats of each record in `out`."""
    html: bool = False
    """A page of each record in `out` that needs no network, and index.html with a line for each."""
    pdf: bool = False
    """A PDF of each record in `out`: two A4 sheets, the ECG to scale."""
    annotations: bool = False
    """WFDB annotations of waves and beats of each record in `out`."""
    segmenter: str = "default"
    """Folder of a segmenter or of the run that made it, or a repository; "default": the bundled weights."""
    classifier: str = "default"
    """Folder of a classifier or of the run that made it, or a repository; "default": the bundled weights."""
    similar_to: Path | None = None
    """A prepared store, or ECG files, among whose records the ten most alike are found."""
    files: FileOptions = field(default_factory=FileOptions)
    """What CSV and .npy files do not say."""
    device: Device = "auto"
    """Where the networks run; auto: on a GPU where there is one."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Processes; none given: one for each core, and one for up to 50 records."""
    dask: str | None = None
    """Address of a Dask scheduler, whose workers see the same folders, instead of processes here."""
    keep_going: bool = False
    """End with status 0 although records were refused; by default with 1. The others are analysed either way."""
    overwrite: bool = False
    """Replace the results of another command in `out`."""

    def __post_init__(self) -> None:
        if not self.paths:
            raise ValueError("no paths given; pass ECG files, folders of them, or prepared stores")
        for name in ("csv", "html", "pdf", "annotations"):
            if getattr(self, name) and self.out is None:
                raise ValueError(f"{name}=True writes a file for each record; pass a folder as out=")
        if self.similar_to and self.dask and self.out is None:
            raise ValueError("similar_to= with dask= hands a file to the workers; pass a folder that all see as out=")


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
