"""Pseudo-labels for co-training: rows of any store with the waves that `prepare` measured on all leads."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int16, Int64

from beatssl.beats.decoding.presence import evidence
from beatssl.inference.decimation import decimation_factor
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation, resample_rows
from beatssl.signals.waves import WAVE_CLASSES
from beatssl.store.splits import patients
from beatssl.store.store import Store
from beatssl.store.unlabelled import kept_rows
from beatssl.training.segmentation.marks import MARK_HZ, MarkedRows, classes_of_lead, covered_by

_PARTS = {"P": ("p_onset_s", "p_peak_s", "p_offset_s"), "QRS": ("qrs_onset_s", "r_peak_s", "qrs_offset_s"),
          "T": ("t_onset_s", "t_peak_s", "t_offset_s")}  # fmt: skip

_LEAST_WAVES = 4
"""Of a row, for it to teach anything."""

_IRREGULAR = 0.14
"""SD of the change from one RR interval to the next, in parts of the median interval: above it a row is irregular."""

_FEW_P, _MOST_P = 0.3, 0.6
"""Shares of an irregular row's beats with a P: up to the first there is none, up to the second it is not known."""

_USUAL_S = {"t_peak_s": 0.25, "t_offset_s": 0.3, "qrs_onset_s": -0.04, "qrs_offset_s": 0.06}
"""Where these are taken to be, from R, in a beat in which they were not measured."""

_T_ENDS_S = 0.6
"""After R: by then a T that was not measured is over."""


_SURE, _NOT_AGAINST = 1.0, -1.0
"""Least mean over the leads of a teacher's log-odds of P: pooled over the beats around, and of the beat itself."""

_SAME_BEAT_S = 0.06
"""Between the onset of a QRS by the rules and by the teacher."""

Stretch = tuple[float, float]
"""Begin and end, in seconds from the row's start."""


class PseudoLabelledRows:
    """Rows read as they are asked for, at the rate of the marked ones; all leads of a row share one set of waves.

    Nothing is known before a row's first wave and after its last. Where the rules do not know whether a beat has a P,
    `teacher`, a segmenter that learnt from pseudo-labels alone, says where it is sure of one.
    """

    def __init__(
        self,
        store: Store,
        rows: Int64[np.ndarray, " row"],
        preparation: Preparation,
        teacher: EcgSegmenter | None = None,
    ) -> None:
        """Raises ValueError where signals cannot be brought to `preparation` or none of the rows has waves enough."""
        own = store.preparation
        if decimation_factor(preparation, own) is None:
            raise ValueError(
                f"store {store.path} was prepared as {own}, the marked one as {preparation}; for co-training, "
                "prepare it alike, or at a half or a quarter of its rate"
            )
        beats = store.beats[["row", "time_s", *(name for part in _PARTS.values() for name in part)]]
        beats = beats.sort_values("row", kind="stable")
        waves = beats[["p_offset_s", "qrs_offset_s", "t_offset_s"]].notna().sum(axis=1).groupby(beats["row"]).sum()
        self.row = rows[np.isin(rows, waves.index[waves >= _LEAST_WAVES])]
        if not len(self.row):
            raise ValueError(
                f"none of the {len(rows)} rows of {store.path} that may be learnt from has {_LEAST_WAVES} measured "
                "waves; pass other folds or another store"
            )
        self.store, self.preparation, self.fs_hz, self.teacher = store, preparation, preparation.fs_hz, teacher
        self._record_id = store.records["record_id"].astype(str).to_numpy(object)
        self._beats, self._beat_row = beats, beats["row"].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(self.row)

    def take(self, at: Int64[np.ndarray, " some"]) -> MarkedRows:
        """Some of the rows, by their place among them."""
        rows = self.row[at]
        ecg_mv = resample_rows(self.store.ecg_mv(rows), self.store.fs_hz, self.fs_hz)
        begin, end = (np.searchsorted(self._beat_row, rows, side=side) for side in ("left", "right"))
        labels = [self._classes(slice(*ends)) for ends in zip(begin, end, strict=True)]
        classes = np.stack([line for line, _ in labels])
        if self.teacher is not None:
            _taught(self.teacher, ecg_mv, classes, [unsure for _, unsure in labels])
        classes = classes[:, None]
        beats = np.concatenate([np.arange(a, b) for a, b in zip(begin, end, strict=True)])
        return MarkedRows(
            row=rows,
            record_id=self._record_id[rows],
            ecg_mv=torch.from_numpy(np.nan_to_num(ecg_mv)),
            lead_mask=torch.from_numpy(np.isfinite(ecg_mv).any(axis=2)),
            covered=torch.from_numpy(covered_by(classes)).expand(-1, len(LEADS), -1, -1),
            beat_row=torch.from_numpy(np.repeat(np.arange(len(rows)), end - begin)),
            beat_at=torch.from_numpy(
                (self._beats["time_s"].to_numpy(np.float64)[beats] * self.fs_hz).astype(np.float32)
            ),
            fs_hz=self.fs_hz,
        )

    def with_teacher(self, teacher: EcgSegmenter) -> "PseudoLabelledRows":
        """The same rows with a teacher."""
        return PseudoLabelledRows(self.store, self.row, self.preparation, teacher)

    def _classes(self, part: slice) -> tuple[Int16[np.ndarray, " step"], list[Stretch]]:
        """The class of every step, and the stretches in which the rules found no P but a teacher may."""
        beats = self._beats.iloc[part]
        r_s = beats["time_s"].to_numpy(np.float64)
        of_beats = {name: r_s + beats[name].to_numpy(np.float64) for of_wave in _PARTS.values() for name in of_wave}
        unsure_p, unsure_t, denied = _believed(of_beats)
        times = [np.concatenate([of_beats[of_wave[side]] for of_wave in _PARTS.values()]) for side in range(3)]
        some = np.isfinite(times).any(axis=0)
        onset, peak, offset = (time[some] for time in times)
        wave = np.repeat(np.array(list(_PARTS)), len(beats))[some]
        line = classes_of_lead(wave, onset, peak, offset, round(self.store.duration_s * MARK_HZ))
        for begin, end in (*unsure_p, *unsure_t):
            line[max(round(begin * MARK_HZ), 0) : max(round(end * MARK_HZ), 0)] = -1
        return line, unsure_p + denied


def _taught(
    teacher: EcgSegmenter,
    ecg_mv: Float32[np.ndarray, "row lead time"],
    classes: Int16[np.ndarray, "row step"],
    unsure: Sequence[Sequence[Stretch]],
) -> None:
    """Mark P in the stretches where the leads and beats of the row together convince the teacher that there is one.

    Marked is what lies above half of its mean probability over the leads; around that nothing is known.
    """
    some = np.flatnonzero([len(stretches) > 0 for stretches in unsure])
    if not some.size:
        return
    place, fs_hz = np.arange(len(LEADS)), teacher.preparation.fs_hz
    probability = teacher.of_batch(ecg_mv[some], np.broadcast_to(place, (len(some), len(LEADS))), teacher.preparation)
    for row, of_row, signal in zip(some.tolist(), probability, ecg_mv[some], strict=True):
        of_leads = of_row[np.isfinite(signal).any(axis=1)]
        found = evidence(of_leads, fs_hz, np.zeros(len(of_leads), np.int64))
        mean = of_leads[:, 1].mean(axis=0)
        for begin_s, end_s in unsure[row]:
            near = np.abs(found.onset / fs_hz - end_s) < _SAME_BEAT_S
            if not near.any() or found.pooled[near].mean() < _SURE or found.own[near].mean() < _NOT_AGAINST:
                continue
            first, last = max(round(begin_s * fs_hz), 0), min(round(end_s * fs_hz), len(mean))
            if last - first < 2:
                continue
            top = first + int(mean[first:last].argmax())
            low = np.flatnonzero(mean < mean[top] / 2)
            onset = max(first, int(low[low < top][-1]) + 1 if (low < top).any() else first)
            offset = min(last, int(low[low > top][0]) if (low > top).any() else last)
            classes[row, round(first / fs_hz * MARK_HZ) : round(last / fs_hz * MARK_HZ)] = -1
            classes[row, round(onset / fs_hz * MARK_HZ) : round(offset / fs_hz * MARK_HZ)] = WAVE_CLASSES.index("P")


def _believed(beats: dict[str, Float64[np.ndarray, " beat"]]) -> tuple[list[Stretch], list[Stretch], list[Stretch]]:
    """Stretches where the rules do not know whether there is a P, whether there is a T, and where they deny a P; P that
    are not believed become NaN.

    In an irregular row few P waves are none at all: of PTB-XL's rows like that 85 % have atrial fibrillation, of the
    other irregular rows 5 %. Elsewhere a beat without P may have one that stands too near to the T before it.
    """
    r_s, has_p = beats["r_peak_s"], np.isfinite(beats["p_onset_s"])
    rr_s = np.diff(r_s)
    irregular = len(rr_s) > 2 and float(np.std(np.diff(rr_s)) / np.median(rr_s)) > _IRREGULAR
    share = float(has_p.mean())
    unsure, denied = ~has_p, np.zeros(len(r_s), bool)
    if irregular and share <= _FEW_P:
        unsure, denied = denied, ~denied
        for name in _PARTS["P"]:
            beats[name][:] = np.nan
    elif irregular and share < _MOST_P:
        unsure[:] = True
    t_peak_s, t_offset_s, onset_s, offset_s = (
        np.where(np.isfinite(beats[name]), beats[name], r_s + usual) for name, usual in _USUAL_S.items()
    )
    # From the middle of the T before, which may hold the P.
    begin_s = np.concatenate([[0.0], np.minimum(t_peak_s, t_offset_s)[:-1]])
    next_s = np.concatenate([onset_s[1:], [np.inf]])
    no_t = ~np.isfinite(beats["t_offset_s"])
    end_s = np.minimum(r_s + _T_ENDS_S, next_s)

    def stretches(begin: np.ndarray, end: np.ndarray, which: np.ndarray) -> list[Stretch]:
        return list(zip(begin[which].tolist(), end[which].tolist(), strict=True))

    return (
        stretches(begin_s, onset_s, unsure), stretches(offset_s, end_s, no_t), stretches(begin_s, onset_s, denied),
    )  # fmt: skip


def rows_to_cotrain(store: Store, marked: Store, folds: Sequence[int]) -> PseudoLabelledRows:
    """Rows of a store in some folds (where it has folds; else all) for co-training with the marked one.

    People and waveforms that the marked store holds take no part: its records are tested. Raises ValueError where
    the stores do not fit together or no row is left, SplitError as `kept_rows`.
    """
    if store.duration_s != marked.duration_s:
        raise ValueError(
            f"rows of {store.path} last {store.duration_s:g} s, those of {marked.path} {marked.duration_s:g} s; "
            "prepare one of them again with the other's duration"
        )
    rows = kept_rows(store, folds if store.records["fold"].notna().any() else ())
    there, here = store.records.iloc[rows], marked.records
    waveform = here.loc[here["waveform_hash"] != "", "waveform_hash"]
    shared = patients(there).isin(patients(here)) | there["waveform_hash"].isin(waveform)
    return PseudoLabelledRows(store, rows[~shared.to_numpy(bool)], marked.preparation)
