import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from beatssl.metrics.calibration import Calibration, LabelCalibration, Reliability, ReliabilityBins
from beatssl.metrics.classification import report
from beatssl.reports.classification_pictures import COLOURS, draw_classification
from beatssl.results import write_result
from beatssl.training.diagnosis.figures import DiagnosisFigures, Folds, RecordCounts


def made(folder, labels=3, records=400, draws=1, unknown=0.0):
    """The files of a probe: two folds of records, informative scores, and figures of the test fold."""
    rng = np.random.default_rng(0)
    names = [f"L{k}" for k in range(labels)]
    true = rng.random((2 * records, labels)) < np.linspace(0.5, 0.1, labels)
    parts = []
    for draw in range(draws):
        chance = 1 / (1 + np.exp(-(3 * true - 1.5 + rng.normal(size=true.shape))))
        table = pd.DataFrame(
            {"row": np.arange(2 * records), "record_id": np.arange(2 * records).astype(str), "draw": draw}
            | {"patient": np.arange(2 * records).astype(str), "fold": np.repeat([8, 9], records)}
            | {f"p_{name}": chance[:, k] for k, name in enumerate(names)}
        )
        for k, name in enumerate(names):
            table[f"true_{name}"] = pd.arrays.BooleanArray(true[:, k], rng.random(2 * records) < unknown)
        parts.append(table)
    pd.concat(parts).to_parquet(folder / "predictions.parquet")
    test = slice(records, None)
    scores = parts[0][[f"p_{name}" for name in names]].to_numpy()
    figures = report(true[test], scores[test], np.full(labels, 0.5), np.arange(records), names, rng, 5)
    bins = ReliabilityBins((0.1, 0.9), (0.2, 0.8), (10, 20))
    written = DiagnosisFigures(
        **vars(figures), by_group={}, encoder="random", config_hash="0", seed=0, labels="superclass", label_share=1.0,
        folds=Folds((1,), valid=8, test=9), records=RecordCounts(0, records, records, 0),
        calibration=Calibration(0.12, 0.03, {name: LabelCalibration(1.0, 0.12, 0.03) for name in names}),
        reliability={name: Reliability(bins, bins) for name in names}, chosen=(), pretraining={},
    )  # fmt: skip
    write_result(folder / "metrics.json", written)
    return written


def text_of(path):
    return " ".join(element.text for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text") if element.text)


def test_three_small_pictures_with_the_figures_of_metrics_json(tmp_path):
    figures = made(tmp_path)
    written = draw_classification(tmp_path)
    assert {path.name for path in written.values()} == {"roc.svg", "precision-recall.svg", "reliability.svg"}
    for path in written.values():
        assert path.stat().st_size < 60_000
        assert "L0" in text_of(path)
    for kind, name in (("auroc", "roc"), ("auprc", "precision-recall")):
        for label, own in figures.per_class.items():
            assert f"{label}  {getattr(own, kind):.3f}" in text_of(written[name])
    assert "fold 9" in text_of(written["roc"])
    assert "off by 0.120" in text_of(written["reliability"])
    assert "off by 0.030" in text_of(written["reliability"])


def test_of_many_labels_the_commonest_are_drawn_and_that_is_said(tmp_path):
    made(tmp_path, labels=11)
    written = draw_classification(tmp_path)
    assert f"{len(COLOURS)} of 11 labels" in text_of(written["roc"])
    assert "L0" in text_of(written["roc"])
    assert "L10" not in text_of(written["roc"])


def test_draws_and_unknown_labels(tmp_path):
    made(tmp_path, draws=2, unknown=0.3)
    assert "draw 1 of 2" in text_of(draw_classification(tmp_path)["roc"])


def test_a_label_that_nobody_has_is_left_out(tmp_path):
    made(tmp_path)
    table = pd.read_parquet(tmp_path / "predictions.parquet")
    table["true_L1"] = pd.array([False] * len(table), dtype="boolean")
    table.to_parquet(tmp_path / "predictions.parquet")
    text = text_of(draw_classification(tmp_path)["roc"])
    assert "2 of 3 labels" in text
    assert "L1" not in text


def test_the_same_folder_gives_the_same_pictures(tmp_path):
    made(tmp_path)
    first = {name: path.read_bytes() for name, path in draw_classification(tmp_path).items()}
    assert {name: path.read_bytes() for name, path in draw_classification(tmp_path).items()} == first


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"has no metrics.json"):
        draw_classification(tmp_path)
    made(tmp_path)
    (tmp_path / "predictions.parquet").unlink()
    with pytest.raises(ValueError, match=r"has no predictions.parquet"):
        draw_classification(tmp_path)
