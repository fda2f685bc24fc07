"""The demo with its pretraining, on a cohort as small as it may be: every section, picture and figure is there."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from beatssl.analysis.result import USE
from beatssl.demo import segmenting as demo_segmenting
from beatssl.demo import training as demo_training
from beatssl.demo.analyzing import analyze_demo
from beatssl.demo.config import LEAST_RECORDS, DemoConfig
from beatssl.demo.demo import demo
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.models.config import EncoderConfig
from beatssl.training.run import read_log

SECTIONS = (
    "One record analysed",
    "Targets of the contrastive loss",
    "Pretraining loss",
    "Embeddings before and after pretraining",
    "Waves found in each lead",
)
PICTURES = ("targets", "loss", "embedding-map", "probe", "waves-best", "waves-median", "waves-worst")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_segmenting, "TRAINING_ROWS", 4)
        patch.setattr(demo_segmenting, "TEST_ROWS", 3)
        patch.setattr(demo_training, "NETWORK", EncoderConfig(width=0.25, depth=0.5))
        path = demo(DemoConfig(folder, records=LEAST_RECORDS, workers=1, epochs=1, segment_updates=2))
    assert path == folder / "index.html"
    return folder


def test_the_page_has_the_sections_and_needs_nothing_else(made: Path) -> None:
    text = (made / "index.html").read_text(encoding="utf-8")
    assert all(f"<h2>{title}</h2>" in text for title in SECTIONS)
    assert not re.search(r'(src|href)="(?!#|data:|analysis.html")', text)
    assert "nan" not in re.sub(r"<[^>]*>", " ", text).lower().split()


def test_it_begins_with_a_record_analysed_by_the_bundled_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    section = analyze_demo(tmp_path, said.append, "cpu")
    shown = capsys.readouterr().out
    assert USE in shown
    assert "synthetic" in shown
    assert '<a href="analysis.html">' in section.body
    page = (tmp_path / "analysis.html").read_text(encoding="utf-8")
    assert page.lower().startswith("<!doctype html>")
    assert USE in page
    assert "analysis.html" in said[-1]


@pytest.mark.parametrize("name", PICTURES)
def test_every_picture_is_a_file_too_and_stands_on_white(made: Path, name: str) -> None:
    text = (made / "pictures" / f"{name}.svg").read_text(encoding="utf-8")
    root = ET.fromstring(text)
    assert "#fff" in root.attrib["style"]
    assert len(list(root.itertext())) > 5


def test_targets_on_the_page_are_hard_flat_and_sharp(made: Path) -> None:
    text = (made / "pictures" / "targets.svg").read_text(encoding="utf-8")
    positives = [float(value) for value in re.findall(r"effective positives: ([\d.]+) of 127", text)]
    hard, flat, sharp, trained = positives
    assert hard == 1
    assert flat > 0.75 * 127
    assert hard <= sharp < trained < flat


def test_the_run_is_one_that_any_verb_can_take(made: Path) -> None:
    assert (made / "pretraining" / "checkpoint" / "config.json").exists()
    assert EcgSegmenter.from_pretrained(made / "segmenter").preparation.fs_hz == 100
    assert read_log(made / "pretraining")[-1]["epoch"] == 1


def test_figures_on_the_page_are_those_of_the_probes(made: Path) -> None:
    text = (made / "index.html").read_text(encoding="utf-8")
    for name in ("random", "pretrained"):
        figures = json.loads((made / "probes" / name / "metrics.json").read_text(encoding="utf-8"))
        assert figures["folds"]["test"] == 9
        assert f">{figures['macro_auroc']:.3f}<" in text
        assert np.isfinite(figures["macro_auroc"])


def test_too_few_records_to_pretrain_on_are_refused() -> None:
    with pytest.raises(ValueError, match="epochs 0"):
        DemoConfig(Path("demo"), records=LEAST_RECORDS - 1)
    assert DemoConfig(Path("demo"), records=8, epochs=0).records == 8


def test_a_folder_that_is_no_run_is_spared(made: Path, tmp_path: Path) -> None:
    mine = tmp_path / "pretraining" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("keep", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a folder with mine.txt; pretrain writes to an empty one"):
        demo_training.train_demo(made / "store", tmp_path, 1, lambda step: None)
    assert mine.read_text(encoding="utf-8") == "keep"
