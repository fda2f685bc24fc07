"""The demo: a record analysed, a synthetic cohort prepared, an encoder pretrained on it, all on one page.

It needs no data and no network.
"""

import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from beatssl.demo.analyzing import analyze_demo
from beatssl.demo.config import DemoConfig
from beatssl.demo.segmenting import segment_demo
from beatssl.demo.training import train_demo
from beatssl.reports.page import Section
from beatssl.reports.pretrain_page import pretraining_sections
from beatssl.reports.store_page import example_rows, store_page
from beatssl.reports.store_pictures import draw_rows
from beatssl.reports.wave_section import wave_section
from beatssl.store.config import PrepareConfig
from beatssl.store.layout import MANIFEST, PLAN, read_manifest
from beatssl.store.outputs import open_folder
from beatssl.store.prepare import prepare
from beatssl.store.store import Store

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

_NOTE = "This is a demo of a minute; real runs take hours and real records."
_SHARD_RECORDS = 64  # small, so that a small cohort keeps several cores busy


def demo(config: DemoConfig) -> Path:
    """Make the demo and return the path of its page; each step is named on standard error.

    Raises:
        StoreError: where OUT/store holds something that is no store.
        ValueError: where OUT/pretraining holds something that is no run.
    """
    open_folder(config.out, {"demo": {}}, config.overwrite)
    _say("analyzing one synthetic record by the bundled weights")
    analysed = analyze_demo(config.out, _say, config.device)
    _say(f"preparing {config.records:,} synthetic records: beats, waves, measurements")
    store, seconds = _prepare(config)
    _say("drawing records")
    drawn = draw_rows(store, example_rows(store, EXAMPLES))
    pictures = {f"ecg-{_stem(name)}": shown.ecg for name, shown in drawn.items()}
    pictures |= {f"vcg-{_stem(name)}": shown.vcg for name, shown in drawn.items()}
    sections, more = _train(config, store) if config.epochs else ([], {})
    _write_pictures(config.out / "pictures", {**pictures, **more})
    path = config.out / "index.html"
    html = store_page(
        store,
        drawn,
        "Beat-SSL demo: from ECG records to " + ("a pretrained encoder" if config.epochs else "a prepared store"),
        f"{config.records:,} synthetic twelve-lead records, made from a moving dipole with known truth, read, "
        "filtered, marked, measured and stored by one command"
        + (", and an encoder pretrained on them." if config.epochs else "."),
        seconds,
        [analysed, *sections],
    )
    path.write_text(html, encoding="utf-8")
    return path


def _prepare(config: DemoConfig) -> tuple[Store, float]:
    """The cohort as a store, in place of one that was there, and how many seconds it took."""
    folder = config.out / "store"
    if begun := [folder / name for name in (MANIFEST, PLAN) if (folder / name).exists()]:
        if (kind := read_manifest(begun[0])["config"].get("kind")) != "synthetic":
            raise ValueError(f"{folder} is a store of kind {kind}, not of an earlier demo; pass another out= folder")
        shutil.rmtree(folder)
    began = time.perf_counter()
    source = Path(str(config.records))
    prepare(PrepareConfig("synthetic", source, folder, shard_records=_SHARD_RECORDS, workers=config.workers))
    return Store(folder), time.perf_counter() - began


def _train(config: DemoConfig, store: Store) -> tuple[list[Section], dict[str, str]]:
    """Pretraining, probes and segmenter, as sections and pictures by name."""
    run = train_demo(store.path, config.out, config.epochs, _say, config.device)
    made = pretraining_sections(store, run, _NOTE)
    if config.segment_updates:
        made.append(wave_section(store, segment_demo(store, run, config.out, config.segment_updates, _say)))
    return [section for section, _ in made], {name: svg for _, drawn in made for name, svg in drawn.items()}


def _write_pictures(folder: Path, pictures: Mapping[str, str]) -> None:
    """Each as NAME.svg on white, so that a viewer with a dark background shows it as the page does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in pictures.items():
        on_white = svg.replace("<svg ", '<svg style="background: #fff" ', 1)
        (folder / f"{name}.svg").write_text(on_white, encoding="utf-8")


def _stem(name: str) -> str:
    return name.lower().replace(" ", "-")


def _say(step: str) -> None:
    print(f"demo: {step}", file=sys.stderr, flush=True)
