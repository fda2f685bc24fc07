"""The demo: a synthetic cohort prepared, drawn and shown as one page. Needs no data and no network."""

import shutil
import time
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from beatssl.dataset.config import PrepareConfig
from beatssl.dataset.layout import MANIFEST, PLAN
from beatssl.dataset.prepare import prepare
from beatssl.dataset.store import Store
from beatssl.evaluation.store_page import example_rows, store_page
from beatssl.evaluation.store_pictures import draw_rows

EXAMPLES = {
    "Normal": ("normal", "sinus-rhythm"),
    "Anterior infarct": ("anterior-infarct", "sinus-rhythm"),
    "Left bundle branch block": ("lbbb",),
    "Left ventricular hypertrophy": ("lvh",),
    "Atrial fibrillation": ("atrial-fibrillation",),
    "Ventricular ectopy": ("pvc", "sinus-rhythm"),
    "ST depression": ("st-depression",),
    "First-degree AV block": ("av-block-1",),
}
"""What is drawn of the synthetic cohort: names of tabs, and the labels a record must have."""

_SHARD_RECORDS = 64  # small, so that a small cohort keeps several cores busy


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DemoConfig:
    """Prepare a synthetic cohort and show it: pictures, and a page that needs nothing but a browser.

    Writes OUT/index.html, OUT/pictures/*.svg (to scale) and OUT/store, which any other verb can read.
    """

    out: Path = Path("demo")
    """Folder to write. A store that an earlier demo left there is replaced."""
    records: Annotated[int, Field(ge=8)] = 512
    """Number of synthetic records."""
    workers: Annotated[int, Field(ge=1)] | None = None
    """Processes; None: one a core."""


def demo(config: DemoConfig) -> Path:
    """Make the demo and return the path of its page.

    Raises:
        StoreError: where OUT/store holds something that is no store.
    """
    folder = config.out / "store"
    if any((folder / name).exists() for name in (MANIFEST, PLAN)):
        shutil.rmtree(folder)
    began = time.perf_counter()
    source = Path(str(config.records))
    prepare(PrepareConfig("synthetic", source, folder, shard_records=_SHARD_RECORDS, workers=config.workers))
    seconds = time.perf_counter() - began
    store = Store(folder)
    drawn = draw_rows(store, example_rows(store, EXAMPLES))
    pictures = config.out / "pictures"
    pictures.mkdir(exist_ok=True)
    for name, shown in drawn.items():
        stem = name.lower().replace(" ", "-")
        (pictures / f"ecg-{stem}.svg").write_text(shown.ecg, encoding="utf-8")
        (pictures / f"vcg-{stem}.svg").write_text(shown.vcg, encoding="utf-8")
    path = config.out / "index.html"
    html = store_page(
        store,
        drawn,
        "Beat-SSL demo: from ECG records to a prepared store",
        f"{config.records:,} synthetic twelve-lead records, made from a moving dipole with known truth, read, "
        "filtered, marked, measured and stored by one command.",
        seconds,
    )
    path.write_text(html, encoding="utf-8")
    return path
