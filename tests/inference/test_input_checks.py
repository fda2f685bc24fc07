"""Models refuse what cannot be an ECG, in the words of `prepare`, and warn of what is doubtful."""

import re
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from beatssl import BeatEncoder, EcgClassifier, EcgSegmenter
from beatssl.inference.input_checks import InputWarning
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.model_folder import SavedModel
from beatssl.records.record import Record, RecordError
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.leads import LEADS


@pytest.fixture(scope="module", params=(BeatEncoder, EcgClassifier, EcgSegmenter), ids=lambda model: model.kind.name)
def model(request: pytest.FixtureRequest) -> SavedModel:
    """The bundled weights; not to be changed."""
    return request.param.from_pretrained("default")


@pytest.fixture(scope="module")
def record() -> Record:
    """Ten seconds of twelve leads at 500 Hz, in sinus rhythm."""
    made = synthetic_record(0)
    assert (made.fs_hz, made.leads, made.ecg_mv.shape) == (500.0, LEADS, (12, 5000))
    return made


def noise(ecg_mv: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, ecg_mv.shape).astype(np.float32)


FAULTS = {
    "all zeros": (lambda x: 0 * x, LEADS, 500.0, "missing-leads", "none of its 12 leads ever changes"),
    "ten samples": (lambda x: x[:, :10], LEADS, 500.0, "too-short", "10 samples at 500 Hz are 0.02 s; at least 2 s"),
    "microvolts": (lambda x: 1000 * x, LEADS, 500.0, "amplitude", "an ECG ranges over 0.02 to 100 mV"),
    "volts": (lambda x: x / 1000, LEADS, 500.0, "amplitude", "pass the signal in mV"),
    "50 for 500 Hz": (lambda x: x, LEADS, 50.0, "no-beats", "no R peak found; if 50 Hz is wrong, pass the true fs_hz"),
    "5000 for 500 Hz": (lambda x: np.tile(x, 3), LEADS, 5000.0, "no-beats|sampling-rate|impossible-rate", "5000 Hz"),
    "transposed": (lambda x: x.T, LEADS, 500.0, "unreadable", "(5000, 12) with 12 lead names is (time, lead)"),
    "NaN rate": (lambda x: x, LEADS, np.nan, "sampling-rate", "fs_hz=nan; pass the sampling rate of ecg_mv in Hz"),
    "0 Hz": (lambda x: x, LEADS, 0.0, "sampling-rate", "fs_hz=0; pass the sampling rate of ecg_mv in Hz"),
    "30 Hz": (lambda x: x, LEADS, 30.0, "sampling-rate", "no QRS can be seen below 50 Hz"),
    "all NaN": (lambda x: x * np.float32(np.nan), LEADS, 500.0, "nan", "holds no finite sample in any lead"),
    "infinite": (lambda x: np.where(x > 0.9 * x.max(), np.inf, x), LEADS, 500.0, "nan", "holds infinite values"),
    "no lead names": (lambda x: x[:2], ("resp", "ABP"), 500.0, "no-ecg", "'resp', 'ABP' is no name of an ECG lead"),
    "one name twice": (lambda x: x[:2], ("II", "II"), 500.0, "unreadable", "lead name 'II' stands twice in II, II"),
    "one name too few": (lambda x: x, LEADS[:11], 500.0, "unreadable", "shape (12, 5000) with 11 lead names"),
    "noise": (noise, LEADS, 500.0, "no-beats", "no R peak found"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "leads", "fs_hz", "reason", "said"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_an_ecg_is_refused_with_its_reason(
    model: Any, record: Record, change: Any, leads: tuple[str, ...], fs_hz: float, reason: str, said: str
) -> None:
    ecg_mv = change(record.ecg_mv).astype(np.float32)
    one = re.escape(said)
    with pytest.raises(RecordError, match=one) as caught:
        model.predict(ecg_mv, leads, fs_hz)
    assert caught.value.reason in reason.split("|")
    with pytest.raises(RecordError, match=one):
        model.predict_batch(np.stack([ecg_mv, ecg_mv]), leads, fs_hz)


def test_unknown_names_are_refused_where_the_network_knows_the_twelve(model: Any, record: Record) -> None:
    if isinstance(model, EcgSegmenter):
        return
    with pytest.raises(RecordError, match="'a', 'b' is no name of an ECG lead; leave such signals out") as caught:
        model.predict(record.ecg_mv[:3], ("a", "b", "II"), 500.0)
    assert caught.value.reason == "no-ecg"


@pytest.mark.parametrize("name", ["microvolts", "noise"])
def test_with_warn_it_answers_and_says_why_not(model: Any, record: Record, name: str) -> None:
    change, leads, fs_hz, reason, _ = FAULTS[name]
    with pytest.warns(InputWarning, match=rf"\[{reason}\]"):
        model.predict(change(record.ecg_mv), leads, fs_hz, check="warn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(change(record.ecg_mv), leads, fs_hz, check="off")


def test_the_record_of_a_batch_is_named(model: Any, record: Record) -> None:
    batch = np.stack([record.ecg_mv, record.ecg_mv, 1000 * record.ecg_mv])
    with pytest.raises(RecordError, match=r"record 2: lead .* ranges over"):
        model.predict_batch(batch, LEADS, 500.0)


def test_a_rate_that_the_beats_contradict_is_flagged(model: Any, record: Record) -> None:
    with pytest.warns(
        InputWarning,
        match=r"stated 250 Hz are doubted: .* QRS .* hardly a person's; 500 Hz would fit: .*is fs_hz=250 right",
    ):
        model.predict(record.ecg_mv, LEADS, 250.0)


def test_good_input_gets_the_same_answer_and_no_warning(model: Any, record: Record) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checked = model.predict(record.ecg_mv, LEADS, 500.0)
    free = model.predict(record.ecg_mv, LEADS, 500.0, check="off")
    if isinstance(checked, pd.DataFrame):
        pd.testing.assert_frame_equal(checked, free)
    else:
        assert np.array_equal(*(list(x.values()) if isinstance(x, dict) else x for x in (checked, free)))


def test_a_segmenter_takes_the_rate_or_the_preparation_and_refuses_another(record: Record) -> None:
    segmenter = EcgSegmenter.from_pretrained("default")
    ready = segmenter.prepared(record.ecg_mv[None], LEADS, 500.0)[0]
    of_raw = segmenter.probabilities(record.ecg_mv, LEADS, 500.0)
    np.testing.assert_array_equal(of_raw, segmenter.of_prepared(ready, LEADS, segmenter.takes))
    with pytest.raises(TypeError):
        segmenter.probabilities(record.ecg_mv, LEADS)
    encoder = BeatEncoder.from_pretrained("default")
    with pytest.raises(CheckpointError, match=r"the record was prepared otherwise .*fs_hz: 100.0 against 200.0"):
        segmenter.of_prepared(record.ecg_mv, LEADS, encoder.preparation)
