"""Pictures of pretraining are well-formed, name what they show, and are the same every time."""

import xml.etree.ElementTree as ET

import numpy as np

from beatssl.reports.pretrain_pictures import (
    GROUP_COLOURS,
    EmbeddingMap,
    Interval,
    LossCurve,
    TargetMap,
    embedding_maps,
    interval_rows,
    loss_curves,
    target_maps,
)


def texts(svg: str) -> str:
    return " ".join(text.strip() for text in ET.fromstring(svg).itertext() if text.strip())


def test_losses_have_units_and_a_level_where_there_is_one() -> None:
    epoch = np.arange(1.0, 5)
    curves = [LossCurve("Record", "loss (nats)", epoch, 5 - epoch, 0.5, "lowest"), LossCurve("Beat", "x", epoch, epoch)]
    found = texts(loss_curves(curves))
    assert all(word in found for word in ("Record", "Beat", "loss (nats)", "epoch", "lowest 0.50"))
    assert "nan" not in found


def test_targets_name_every_run_of_a_class_once_below_each_map() -> None:
    groups = ["NORM", "NORM", "MI", "CD", "CD"]
    svg = target_maps([TargetMap("Hard", np.eye(5), "one"), TargetMap("Soft", np.full((5, 5), 0.5), "two")], groups)
    found = texts(svg)
    assert found.count("NORM") == 3  # below both, and left of the first
    assert all(word in found for word in ("Hard", "Soft", "one", "two", "target"))
    assert svg == target_maps(
        [TargetMap("Hard", np.eye(5), "one"), TargetMap("Soft", np.full((5, 5), 0.5), "two")], groups
    )


def test_maps_colour_records_by_class() -> None:
    groups = np.array(["NORM", "MI", "none"])
    svg = embedding_maps([EmbeddingMap("Random", np.eye(3)[:, :2], "note")], groups)
    assert all(GROUP_COLOURS[name] in svg for name in groups)
    assert GROUP_COLOURS["HYP"] not in svg
    assert "NORM: normal" in texts(svg)


def test_intervals_name_rows_and_columns() -> None:
    one = {"mean": Interval(0.9, 0.8, 1.0), "MI": Interval(0.7, 0.6, 0.8)}
    found = texts(interval_rows({"random": one, "pretrained": one}, "AUROC"))
    assert all(word in found for word in ("random", "pretrained", "mean", "MI", "AUROC"))
