"""Probabilities of a classifier for a record of any length, and what they rest on; embeddings by an encoder."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64
from torch import Tensor

from beatssl.analysis.examine import COARSE, OPENING_S
from beatssl.analysis.result import Diagnoses, Diagnosis, Embeddings, WithoutLeads
from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.encoder import BeatEncoder
from beatssl.models.roi import beat_windows, roi_project
from beatssl.signals.leads import LEADS, present_leads, to_twelve
from beatssl.signals.preparation import Preparation
from beatssl.store.vocabularies.statements import statements

WHOLE_S = 15.0
"""A record up to this length goes through whole."""

_WINDOW_S, _MARGIN_S = 10.0, 5.0
_GAP_S, _LEAST_SPAN_S = 0.2, 3.0
_MOST_WINDOWS = 30
_BATCH_WINDOWS = 32
_MOST_WITHOUT = 3  # windows of a long record that are looked at without a lead
_BEAT_BINS = 4

TEXTS = {code: one.name for code, one in statements().items()} | {
    "NORM": "normal ECG",
    "MI": "myocardial infarction",
    "STTC": "ST/T change",
    "CD": "conduction disturbance",
    "HYP": "hypertrophy",
}
"""Names of labels in words; a label of another classifier stands for itself."""

Signal = Float32[np.ndarray, "lead time"]


class Recorded(NamedTuple):
    """A record for models of the twelve leads, and what is prepared of it already."""

    mv: Signal
    leads: Sequence[str]
    """Canonical names, "" for a lead that does not count."""
    fs_hz: float
    already_filtered: bool
    opening_mv: Float32[np.ndarray, "lead some_time"]
    """See `Examined`."""

    @property
    def duration_s(self) -> float:
        return self.mv.shape[1] / self.fs_hz

    def prepared(self, takes: Preparation) -> Float32[np.ndarray, "12 prepared_time"]:
        """The whole record as a model of the twelve takes it."""
        if replace(takes, leads=()) == COARSE and self.duration_s <= OPENING_S:
            kept = np.array([bool(name) for name in self.leads])
            return to_twelve(np.where(kept[:, None], self.opening_mv, np.float32(np.nan)), self.leads)
        return takes.apply(self.mv, self.leads, self.fs_hz, self.already_filtered)


def diagnose(classifier: EcgClassifier, records: Sequence[Recorded]) -> list[Diagnoses]:
    """Calibrated probabilities of every label, for each record: of a long one from the mean log odds of up to 30
    windows of 10 s, evenly spread. Windows of one length go through the classifier together."""
    measured = [_measured(record) for record in records]
    windows = [
        list(_windows(classifier.preparation, record)) if there.any() else []
        for record, there in zip(records, measured, strict=True)
    ]
    of_windows = iter(_log_odds(classifier, [window for of_record in windows for window in of_record]))
    return [
        _diagnosed(classifier, there, [next(of_windows) for _ in of_record])
        for there, of_record in zip(measured, windows, strict=True)
    ]


def _diagnosed(
    classifier: EcgClassifier, measured: Bool[np.ndarray, "12"], log_odds: Sequence[Float64[np.ndarray, " label"]]
) -> Diagnoses:
    missing = tuple(name for name, there in zip(LEADS, measured, strict=True) if not there)
    basis = _trained_on(classifier.provenance)
    if not measured.any():
        return Diagnoses((), "no lead of the twelve by name, and the classifier knows no others", basis, missing, 0)
    if not log_odds:
        return Diagnoses((), "no lead of the twelve is measured for ten seconds", basis, missing, 0)
    probability = _calibrated(classifier, np.mean(log_odds, axis=0))
    figures: Mapping[str, Any] = classifier.provenance.get("figures", {}).get("per_class", {})
    statements = [
        Diagnosis(
            name=name,
            text=TEXTS.get(name, name),
            probability=float(p),
            threshold=float(threshold),
            prevalence=figures.get(name, {}).get("training_prevalence"),
            auroc=figures.get(name, {}).get("auroc"),
        )
        for name, p, threshold in zip(
            classifier.labels, probability, classifier.thresholds.double().cpu().numpy(), strict=True
        )
    ]
    return Diagnoses(tuple(statements), "", basis, missing, len(log_odds))


def without_leads(classifier: EcgClassifier, record: Recorded) -> WithoutLeads | None:
    """How every probability changes where one lead is hidden from the classifier, for each lead of the twelve that is
    known: one batch a window, of a long record in three windows. None where fewer than two are known."""
    there = np.flatnonzero(_measured(record))
    if len(there) < 2:
        return None
    log_odds: list[Float64[np.ndarray, "hidden label"]] = []
    for window in _windows(classifier.preparation, record, _MOST_WITHOUT):
        hidden = np.repeat(window[None], len(there) + 1, axis=0)
        hidden[np.arange(1, len(hidden)), there] = np.nan
        log_odds.append(np.stack(_log_odds(classifier, list(hidden))))
    if not log_odds:
        return None
    probability = _calibrated(classifier, np.mean(log_odds, axis=0))
    change = (probability[1:] - probability[0]).astype(np.float32)
    return WithoutLeads(tuple(LEADS[at] for at in there.tolist()), tuple(classifier.labels), change)


@torch.inference_mode()
def window_probabilities(
    classifier: EcgClassifier, record: Recorded, middle_s: Float64[np.ndarray, " window"]
) -> list[Float64[np.ndarray, " label"] | None]:
    """Calibrated probabilities of every label for ten seconds about each time; None where no lead is measured."""
    last_s, spans = record.duration_s - _WINDOW_S, _spans(record)
    places = [_placed(spans, float(np.clip(at - _WINDOW_S / 2, 0, last_s))) for at in middle_s]
    out: list[Float64[np.ndarray, " label"] | None] = [None] * len(middle_s)
    for first in range(0, len(middle_s), _BATCH_WINDOWS):
        windows = {
            first + k: _window(classifier.preparation, record, *place)
            for k, place in enumerate(places[first : first + _BATCH_WINDOWS])
            if place is not None
        }
        windows = {k: window for k, window in windows.items() if np.isfinite(window).any()}
        for k, log_odds in zip(windows, _log_odds(classifier, list(windows.values())), strict=True):
            out[k] = _calibrated(classifier, log_odds)
    return out


def no_diagnoses(classifier: EcgClassifier, leads: Sequence[str], reason: str) -> Diagnoses:
    """None, and why."""
    missing = tuple(name for name in LEADS if name not in leads)
    return Diagnoses((), reason, _trained_on(classifier.provenance), missing, 0)


@torch.inference_mode()
def embed_record(encoder: BeatEncoder, record: Recorded, beat_s: Float64[np.ndarray, " beat"]) -> Embeddings | None:
    """The record's embedding and its beats' (R − 250 to R + 450 ms, four places of the feature map); None where no
    lead of the twelve is measured. Of any length, but all at once."""
    if not _measured(record).any():
        return None
    ready = record.prepared(encoder.preparation)
    encoded = encoder(*encoder.on_device(ready[None]))
    at = torch.from_numpy((beat_s * encoder.preparation.fs_hz).astype(np.float32)).to(encoded.feature_map.device)
    of = torch.zeros(len(at), dtype=torch.int64, device=at.device)
    begin, end = beat_windows(at, of, encoder.preparation.fs_hz)
    stride = encoded.stride
    beats = roi_project(encoded.feature_map.float(), of, begin / stride, end / stride, _BEAT_BINS)
    return Embeddings(_numpy(encoder.encoder.embed(encoded)[0]), _numpy(beats.flatten(1)))


@torch.inference_mode()
def _log_odds(
    classifier: EcgClassifier, windows: Sequence[Float32[np.ndarray, "12 _time"]]
) -> list[Float64[np.ndarray, " label"]]:
    """Log odds of prepared windows, those of one length together."""
    of_length: dict[int, list[int]] = {}
    for number, window in enumerate(windows):
        of_length.setdefault(window.shape[1], []).append(number)
    found: dict[int, Float64[np.ndarray, " label"]] = {}
    for numbers in of_length.values():
        for start in range(0, len(numbers), _BATCH_WINDOWS):
            some = numbers[start : start + _BATCH_WINDOWS]
            ready = classifier.on_device(np.stack([windows[number] for number in some]))
            found |= dict(zip(some, classifier(*ready).double().cpu().numpy(), strict=True))
    return [found[number] for number in range(len(windows))]


def _calibrated(
    classifier: EcgClassifier, log_odds: Float64[np.ndarray, "*some label"]
) -> Float64[np.ndarray, "*some label"]:
    return 1 / (1 + np.exp(-log_odds / classifier.temperatures.double().cpu().numpy()))


def _measured(record: Recorded) -> Bool[np.ndarray, "12"]:
    """Which of the twelve leads hold a sample, derived ones too."""
    some = np.isfinite(record.mv).any(axis=1)
    flags = np.where(some, np.float32(0), np.float32(np.nan))[:, None]
    return present_leads(to_twelve(flags, record.leads))


def _windows(
    takes: Preparation, record: Recorded, most: int = _MOST_WINDOWS
) -> Iterator[Float32[np.ndarray, "12 time"]]:
    """Prepared stretches that hold a measured lead: what lies between the gaps of a short record, else windows evenly
    spread."""
    spans, duration_s = _spans(record), record.duration_s
    if duration_s <= WHOLE_S:
        if spans == [(0.0, duration_s)]:
            yield record.prepared(takes)
        else:
            yield from (_window(takes, record, start_s, stop_s - start_s) for start_s, stop_s in spans)
        return
    count = min(most, int(duration_s / _WINDOW_S))
    places = (_placed(spans, start_s) for start_s in np.linspace(0, duration_s - _WINDOW_S, count).tolist())
    for place in dict.fromkeys(places):
        if place is not None and np.isfinite(window := _window(takes, record, *place)).any():
            yield window


def _spans(record: Recorded) -> list[tuple[float, float]]:
    """Start and end in seconds of what lies between gaps, where no lead is measured for 0.2 s; what is shorter than 3 s
    is left out, unless all is: a gap looks to a network like a pause of the heart."""
    missing = ~np.isfinite(record.mv).any(axis=0)
    gaps = np.flatnonzero(np.diff(missing, prepend=False, append=False)).reshape(-1, 2)
    gaps = gaps[np.diff(gaps, axis=1)[:, 0] >= _GAP_S * record.fs_hz]
    bounds_s = np.concatenate([[0], gaps.ravel(), [record.mv.shape[1]]]).reshape(-1, 2) / record.fs_hz
    long = [(start, stop) for start, stop in bounds_s.tolist() if stop - start >= _LEAST_SPAN_S]
    return long or [(0.0, record.duration_s)]


def _placed(spans: Sequence[tuple[float, float]], start_s: float) -> tuple[float, float] | None:
    """Start and length of the window of ten seconds from `start_s`, moved or cut to lie within the span that
    it shares most with; None where it lies in a gap."""
    shared = [min(stop, start_s + _WINDOW_S) - max(start, start_s) for start, stop in spans]
    best = int(np.argmax(shared))
    if shared[best] <= 0:
        return None
    start, stop = spans[best]
    length = min(_WINDOW_S, stop - start)
    return float(np.clip(start_s, start, stop - length)), length


def _window(takes: Preparation, record: Recorded, start_s: float, length_s: float) -> Float32[np.ndarray, "12 time"]:
    """Some seconds from `start_s`, prepared with a margin."""
    first = round(max(start_s - _MARGIN_S, 0) * record.fs_hz)
    part = record.mv[:, first : round((start_s + length_s + _MARGIN_S) * record.fs_hz)]
    ready = takes.apply(part, record.leads, record.fs_hz, record.already_filtered)
    begin = round((start_s - first / record.fs_hz) * takes.fs_hz)
    return ready[:, begin : begin + round(length_s * takes.fs_hz)]


def _trained_on(provenance: Mapping[str, Any]) -> str:
    head, figures = provenance.get("head", {}), provenance.get("figures", {})
    records = figures.get("records", {}).get("train")
    if not head or records is None:
        return "not stated by its weights"
    return f"{head.get('store')}, folds {head.get('train_folds')}, {records:,} records, labels {head.get('labels')}"


def _numpy(values: Tensor) -> Float32[np.ndarray, "*shape"]:
    return values.float().cpu().numpy()
