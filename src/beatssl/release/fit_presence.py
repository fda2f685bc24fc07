"""The constants of `beats.decoding.presence`, fitted on a run of `segment` and on PTB-XL's statements.

python -m beatssl.release.fit_presence runs/ludb --marked stores/ludb200 --unmarked stores/ptb-xl
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import tyro
from jaxtyping import Bool, Float32, Float64, Int64
from sklearn.linear_model import LogisticRegression

from beatssl.beats.decoding.presence import (
    PARAMETERS,
    Evidence,
    Parameters,
    evidence,
    mean_log_odds,
    terms,
    with_presence,
)
from beatssl.beats.decoding.viterbi import wave_segments
from beatssl.checks.wave_presence import LEAD_SETS, record_groups
from beatssl.files import write_json
from beatssl.inference.segmenter import EcgSegmenter, slots
from beatssl.metrics.wave_details import found_rightly
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import resample_rows
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.store import Store
from beatssl.training.segmentation.fit import mean_of
from beatssl.training.segmentation.segment import PROBABILITIES, SEGMENTER

_FOLD = 8
_SINUS, _INVERSE_PENALTY = 2.0, 0.03
"""Chosen on PTB-XL's folds 7 and 8, LUDB and QTDB (docs/evaluation.md, "What was tried for P over beats" and for the
weights)."""
_SURE_LEAD = "II"
"""The lead that is taken to show a P where a record's statement says that the heart has one."""
_SAME_BEAT_S = 0.1
_AT_ONCE = 16


@dataclass(frozen=True)
class FitPresenceConfig:
    """Fit the chance that a beat has a P, and the confidences of waves."""

    run: tyro.conf.Positional[Path]
    """Folder of a finished run of `segment` over folds, with co-training."""
    marked: Path
    """The store that it was trained on: its test records are evidence, each by the network of its fold."""
    unmarked: Path
    """A store of PTB-XL; of fold 8, AF and flutter are beats without P, sinus rhythms beats with P in lead II."""
    out: Path = PARAMETERS
    """JSON file of the constants."""


@dataclass(frozen=True)
class _Beats:
    terms: Float64[np.ndarray, "beat term"]
    has_p: Bool[np.ndarray, " beat"]


def fit_presence(config: FitPresenceConfig) -> Parameters:
    """The constants, also written as JSON."""
    marked, unmarked = Store(config.marked), Store(config.unmarked)
    folders = sorted(config.run.glob("fold-*"))
    if not folders:
        raise ValueError(f"{config.run} has no folder fold-0 or others; pass a finished run of segment over folds")
    own = _joined([beats for folder in folders for beats in _of_marked(folder, marked)])
    segmenter = mean_of([EcgSegmenter.from_pretrained(str(folder / SEGMENTER)) for folder in folders])
    without, sinus = _of_unmarked(segmenter, unmarked)
    # PTB-XL's beats without P weigh as much as LUDB's, which are its fewer, and those of sinus rhythms more.
    few = float((~own.has_p).sum())
    parts = (without, few), (sinus, _SINUS * few)
    weight = np.concatenate(
        [np.ones(len(own.has_p)), *(np.full(len(part.has_p), share / len(part.has_p)) for part, share in parts)]
    )
    every = _joined([own, without, sinus])
    model = LogisticRegression(C=_INVERSE_PENALTY, max_iter=1000, fit_intercept=False)
    model.fit(every.terms, every.has_p, sample_weight=weight)
    weights = tuple(round(float(value), 4) for value in model.coef_[0])
    fitted = Parameters(weights, tuple(_confidence(folders, marked, weights)))
    write_json(config.out, {"weights": fitted.weights, "confidence": fitted.confidence})
    for name, part in (("LUDB", own), ("AF and flutter", without), ("sinus rhythms, lead II", sinus)):
        said = part.terms @ np.array(weights) > 0
        rates = {
            f"P in {kind}": float(said[of].mean())
            for kind, of in (("beats with", part.has_p), ("beats without", ~part.has_p))
            if of.any()
        }
        print(name, len(said), json.dumps(rates))
    return fitted


def _joined(parts: Sequence[_Beats]) -> _Beats:
    return _Beats(np.concatenate([part.terms for part in parts]), np.concatenate([part.has_p for part in parts]))


def _of_marked(folder: Path, store: Store) -> Iterator[_Beats]:
    """Beats of a fold's test records, of all leads, two and one, each with whether the experts marked a P."""
    rows = np.load(folder / PROBABILITIES)["row"]
    segmenter = EcgSegmenter.from_pretrained(str(folder / SEGMENTER))
    ids: list[str] = store.records["record_id"].astype(str).tolist()
    marks = {
        key: (
            of.loc[of["wave"] == "QRS", "peak_s"].sort_values().to_numpy(),
            of.loc[of["wave"] == "P", "peak_s"].to_numpy(),
        )
        for key, of in store.waves.assign(record_id=store.waves["record_id"].astype(str)).groupby(["record_id", "lead"])
    }
    for leads in LEAD_SETS.values():
        for some, found in _evidence(segmenter, store, rows, leads):
            row, lead = np.divmod(found.line, len(leads))
            truth = np.full(len(found.line), -1)
            for beat, (at, number) in enumerate(zip(row.tolist(), lead.tolist(), strict=True)):
                if (ids[int(some[at])], leads[number]) in marks:
                    truth[beat] = _marked_p(
                        *marks[ids[int(some[at])], leads[number]], found.onset[beat] / segmenter.preparation.fs_hz
                    )
            known = truth >= 0
            yield _Beats(terms(found)[known], truth[known] > 0)


def _marked_p(qrs_s: Float64[np.ndarray, " qrs"], p_s: Float64[np.ndarray, " p"], onset_s: float) -> int:
    """Whether a marked P lies between the QRS with this onset and the one before; −1: not known."""
    near = np.flatnonzero(np.abs(qrs_s - onset_s - _SAME_BEAT_S / 2) < _SAME_BEAT_S)
    if len(near) != 1 or near[0] == 0:
        return -1
    return int(((p_s > qrs_s[near[0] - 1]) & (p_s < qrs_s[near[0]])).any())


def _of_unmarked(segmenter: EcgSegmenter, store: Store) -> tuple[_Beats, _Beats]:
    """Beats without P (atrial fibrillation and flutter, all leads) and beats with P (sinus rhythms, lead II)."""
    without: list[_Beats] = []
    sinus: list[_Beats] = []
    for name, rows in record_groups(store, _FOLD).items():
        none = name in ("atrial fibrillation", "atrial flutter")
        if not none and "sinus" not in name and "first-degree" not in name:
            continue
        for leads in LEAD_SETS.values():
            for _, found in _evidence(segmenter, store, rows, leads):
                some = np.ones(len(found.line), bool) if none else found.line % len(leads) == leads.index(_SURE_LEAD)
                (without if none else sinus).append(_Beats(terms(found)[some], np.full(int(some.sum()), not none)))
    return _joined(without), _joined(sinus)


def _evidence(
    segmenter: EcgSegmenter, store: Store, rows: Int64[np.ndarray, " row"], leads: Sequence[str]
) -> Iterator[tuple[Int64[np.ndarray, " some"], Evidence]]:
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        place = [LEADS.index(name) for name in leads]
        ecg_mv = resample_rows(store.ecg_mv(some), store.fs_hz, segmenter.preparation.fs_hz)[:, place]
        probability = segmenter.of_batch(
            ecg_mv, np.broadcast_to(slots(leads), (len(some), len(leads))), segmenter.takes
        )
        lines: Float32[np.ndarray, "line 4 time"] = probability.reshape(-1, *probability.shape[2:])
        yield some, evidence(lines, segmenter.preparation.fs_hz, np.repeat(np.arange(len(some)), len(leads)))


def _confidence(folders: Sequence[Path], store: Store, weights: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Of P, QRS and T: constant and factor on the mean log-odds over a wave, by whether the experts marked it."""
    table = pd.concat([_decoded(folder, store, weights) for folder in folders], ignore_index=True)
    for wave in WAVE_CLASSES[1:]:
        counted, right = found_rightly(store.waves, table, wave)
        # One wave of even odds on either side: a wave that is always right has no finite fit without.
        log_odds = np.concatenate([table["log_odds"].to_numpy(np.float64)[counted], [0.0, 0.0]])
        model = LogisticRegression(C=1e3).fit(log_odds[:, None], np.concatenate([right[counted], [False, True]]))
        yield round(float(model.intercept_[0]), 4), round(float(model.coef_[0, 0]), 4)


def _decoded(folder: Path, store: Store, weights: Sequence[float]) -> pd.DataFrame:
    """The waves of a fold's test records in all leads, with their mean log-odds."""
    kept, fs_hz = np.load(folder / PROBABILITIES), store.fs_hz
    probability: Float32[np.ndarray, "row lead 4 time"] = kept["probability"].astype(np.float32)
    ids = store.records["record_id"].astype(str).to_numpy(object)[kept["row"]]
    parts: list[pd.DataFrame] = []
    for record_id, of_record in zip(ids, probability, strict=True):
        p, _ = with_presence(of_record, fs_hz, np.zeros(len(of_record), np.int64), weights)
        waves = wave_segments(p, fs_hz)
        onset_s, offset_s = waves.first / fs_hz, waves.last / fs_hz
        columns = {
            "record_id": record_id, "lead": np.array(LEADS, object)[waves.line],
            "wave": np.array(WAVE_CLASSES, object)[waves.kind], "onset_s": onset_s,
            "peak_s": (onset_s + offset_s) / 2, "offset_s": offset_s, "log_odds": mean_log_odds(p, waves),
        }  # fmt: skip
        parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


if __name__ == "__main__":
    fit_presence(tyro.cli(FitPresenceConfig))
