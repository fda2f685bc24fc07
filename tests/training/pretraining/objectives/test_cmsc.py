import numpy as np
import torch

from beatssl.store.splits import patients
from beatssl.targets.soft import hard_targets
from beatssl.training.pretraining.columns import load_rows
from beatssl.training.pretraining.objective import ViewMaker
from beatssl.training.pretraining.objectives.cmsc import METHOD, CmscSettings
from beatssl.views.config import ViewsConfig
from beatssl.views.registry import build_views

from .test_contract import objective_on


def test_views_are_the_halves_of_what_was_recorded(rows):
    objective, batch, (first, second) = objective_on(rows, METHOD.presets["cmsc"])
    whole = batch.signals()
    half = whole.ecg_mv.shape[2] // 2
    assert torch.equal(first.ecg_mv, whole.ecg_mv[:, :, :half])
    assert torch.equal(second.ecg_mv, whole.ecg_mv[:, :, half:])
    short = whole.valid.clone()
    short[0] = 300
    signals = whole.__class__(**(vars(whole) | {"valid": short}))
    make = ViewMaker(signals, build_views(ViewsConfig()), 0.0, torch.Generator())
    one, two = objective.views(make)
    assert one.valid[0] == two.valid[0] == 150
    assert torch.equal(one.ecg_mv[0, :, :150], whole.ecg_mv[0, :, :150])
    assert torch.equal(two.ecg_mv[0, :, :150], whole.ecg_mv[0, :, 150:300])
    assert not one.ecg_mv[0, :, 150:].any()
    assert not two.ecg_mv[0, :, 150:].any()


def test_records_of_one_patient_are_positives(rows):
    patient = METHOD.columns(rows, CmscSettings()).record["patient"]
    people = patients(rows.records).to_numpy()
    assert len(np.unique(patient)) == len(set(people))
    objective, batch, views = objective_on(rows, METHOD.presets["cmsc"], at=range(24))
    pairs = objective(batch, views).details["cmsc"]
    assert torch.equal(pairs.targets, hard_targets(torch.from_numpy(patient)))
    same = torch.from_numpy(people[:, None] == people[None])
    assert torch.equal(pairs.targets.bool(), same)


def test_equal_ids_in_two_data_sets_are_two_patients(store, rows, copied_with):
    other = copied_with(store, records=store.records.assign(source="elsewhere"))
    both = load_rows([store.path, other.path])
    patient = METHOD.columns(both, CmscSettings()).record["patient"]
    assert set(both.records["patient_id"][: len(rows)]) == set(both.records["patient_id"][len(rows) :])
    assert not set(patient[: len(rows)]) & set(patient[len(rows) :])
