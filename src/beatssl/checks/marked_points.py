"""A segmenter on a database that it was not trained on, whose marks name no lead and cover some beats only (QTDB)."""

from dataclasses import dataclass

import pandas as pd

from beatssl.analysis.waves import of_store
from beatssl.checks.delineation_rivals import rule_waves
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.metrics.marked_points import MarkedPointFigures, marked_point_figures
from beatssl.store.store import Store


@dataclass(frozen=True)
class MarkedPointsCheck:
    """A segmenter, and the package's rules on single leads, at the same marked points."""

    records: int
    segmenter: MarkedPointFigures
    rules_each_lead: MarkedPointFigures


def check_marked_points(store: Store, segmenter: str = "default", device: Device = "auto") -> MarkedPointsCheck:
    """Sensitivity and error at the marked points of a store such as QTDB's, prepared with its leads as recorded.

    Args:
        store: whose marks name no lead.
        segmenter: "default", the folder of one, or of a run that has one.
        device: where it runs.

    Raises:
        ValueError: the store has no such marks.
        CheckpointError: there is no such segmenter, or it expects signals prepared otherwise.
    """
    if store.waves.empty or (store.waves["lead"] != "").any():
        raise ValueError(f"{store.path} has no marks that name no lead; prepare qtdb, or pass what='delineation'")
    network = EcgSegmenter.from_pretrained(segmenter).to(torch_device(device))
    segmented = pd.concat([found.waves for found in of_store(network, store)], ignore_index=True)
    ruled = rule_waves(store, each_lead=True)
    about = store.records.drop_duplicates("record_id")
    first = {str(record): str(names[0]) for record, names in zip(about["record_id"], about["lead_names"], strict=True)}
    return MarkedPointsCheck(
        records=int(store.waves["record_id"].nunique()),
        segmenter=marked_point_figures(store.waves, segmented, first),
        rules_each_lead=marked_point_figures(store.waves, ruled, dict.fromkeys(first, store.leads[0])),
    )
