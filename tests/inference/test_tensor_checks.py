"""Networks refuse tensors that are no prepared records: another shape, too short, values that are not finite."""

import re
from typing import Any

import numpy as np
import pytest
import torch

from beatssl import BeatEncoder, EcgClassifier, EcgSegmenter
from beatssl.inference.model_folder import SavedModel
from beatssl.inference.segmenter import slots
from beatssl.inference.tensor_checks import check_shape, check_tensors
from beatssl.records.record import RecordError
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.leads import LEADS

SIGNAL, MASK = torch.zeros(2, 12, 1000), torch.ones(2, 12, dtype=torch.bool)
GAP = SIGNAL.index_fill(2, torch.tensor([7]), torch.nan)

WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "array": ({"ecg_mv": SIGNAL.numpy()}, "unreadable", "ecg_mv is a ndarray; pass a torch.Tensor"),
    "one record": ({"ecg_mv": SIGNAL[0]}, "unreadable", "ecg_mv of shape (12, 1000); pass prepared records as (record"),
    "units of a store": ({"ecg_mv": SIGNAL.short()}, "unreadable", "ecg_mv holds torch.int16; pass floating-point"),
    "eleven leads": ({"ecg_mv": SIGNAL[:, :11]}, "unreadable", "(2, 11, 1000) has 11 leads, the network takes 12; `p"),
    "transposed": ({"ecg_mv": SIGNAL.mT}, "unreadable", "the network takes 12; pass ecg_mv.transpose(1, 2)"),
    "ten samples": ({"ecg_mv": SIGNAL[:, :, :10]}, "too-short", "10 samples are 0.1 s at the network's 100 Hz; at lea"),
    "mask of one": ({"lead_mask": MASK[0]}, "unreadable", "lead_mask of shape (12,); pass (2, 12): (record, lead)"),
    "no mask": ({"lead_mask": None}, "unreadable", "lead_mask is a NoneType; pass a torch.Tensor of shape (2, 12)"),
    "mask of 0 and 1": ({"lead_mask": MASK.float()}, "unreadable", "lead_mask holds torch.float32; pass torch.bool"),
    "NaN": ({"ecg_mv": GAP}, "nan", "record 0, lead 0 holds values that are not finite though lead_mask says"),
    "infinite": ({"ecg_mv": SIGNAL / 0 + torch.inf}, "nan", "record 0, lead 0 holds values that are not finite"),
    "one valid": ({"valid": torch.tensor([1000])}, "unreadable", "valid of shape (1,); pass (2,): (record,)"),
    "valid beyond": ({"valid": torch.tensor([9, 1001])}, "unreadable", "valid=[9, 1001] with 1000 samples; pass how m"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_prepared_record_is_refused(change: dict[str, Any], reason: str, said: str) -> None:
    given = {"ecg_mv": SIGNAL, "lead_mask": MASK, "valid": None} | change
    with pytest.raises(RecordError, match=re.escape(said)) as caught:
        check_tensors(given["ecg_mv"], given["lead_mask"], 100.0, 12, given["valid"])
    assert caught.value.reason == reason


def test_what_is_not_measured_may_hold_anything_and_values_are_not_looked_at_in_training() -> None:
    mask = MASK.clone()
    mask[:, 3] = False
    signal = SIGNAL.clone()
    signal[:, 3] = torch.nan
    check_tensors(signal, mask, 100.0, 12, torch.tensor([1000, 500]))
    check_tensors(GAP[:, :, :100], MASK, 100.0, 12, values=False)
    check_tensors(SIGNAL[:, :2], MASK[:, :2], 100.0, None)


@pytest.fixture(scope="module", params=(BeatEncoder, EcgClassifier, EcgSegmenter), ids=lambda model: model.kind.name)
def model(request: pytest.FixtureRequest) -> SavedModel:
    """The bundled weights; not to be changed."""
    return request.param.from_pretrained("default")


def test_every_model_asks(model: Any) -> None:
    place = (torch.from_numpy(slots(LEADS)).expand(2, -1),) if isinstance(model, EcgSegmenter) else ()
    made = synthetic_record(0)
    signal, mask = model.on_device(model.prepared(np.stack([made.ecg_mv, made.ecg_mv]), made.leads, made.fs_hz))
    calls = [model, model.probabilities, model.embed] if isinstance(model, EcgClassifier) else [model]
    broken = signal.clone()
    broken[1, 4, 5] = torch.nan
    for call in calls:
        with torch.no_grad():
            call(signal, mask, *place)
        with pytest.raises(RecordError, match="record 1, lead 4 holds values that are not finite"):
            call(broken, mask, *place)
        with pytest.raises(RecordError, match="10 samples are"):
            call(signal[:, :, :10], mask, *place)
        if not place:
            with pytest.raises(RecordError, match="has 3 leads, the network takes 12"):
                call(signal[:, :3], mask[:, :3])


def test_a_segmenter_asks_for_finite_values_and_names(model: Any) -> None:
    if not isinstance(model, EcgSegmenter):
        return
    ecg_mv = synthetic_record(0).ecg_mv[:, :2000].copy()
    with pytest.raises(RecordError, match=re.escape("shape (12, 2000) with 2 lead names (I, II)")):
        model.of_prepared(ecg_mv, ("I", "II"), model.takes)
    ecg_mv[3, 9] = np.inf
    with pytest.raises(RecordError, match="the records: holds infinite values; mark what was not measured as NaN"):
        model.of_prepared(ecg_mv, LEADS, model.takes)
    with pytest.raises(RecordError, match=re.escape("slot of shape (1, 3); pass (1, 2): each lead's place")):
        check_shape("slot", torch.zeros(1, 3), (1, 2), "each lead's place among the twelve or -1 (`slots`)")
