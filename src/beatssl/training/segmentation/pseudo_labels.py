"""Pseudo-labels for co-training: rows of any store with the waves that `prepare` measured on all leads."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float64, Int16, Int64

from beatssl.inference.decimation import decimation_factor
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation, resample_rows
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


class PseudoLabelledRows:
    """Rows read as they are asked for, at the rate of the marked ones; all leads of a row share one set of waves.

    Nothing is known before a row's first wave and after its last.
    """

    def __init__(self, store: Store, rows: Int64[np.ndarray, " row"], preparation: Preparation) -> None:
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
        self.store, self.preparation, self.fs_hz = store, preparation, preparation.fs_hz
        self._record_id = store.records["record_id"].astype(str).to_numpy(object)
        self._beats, self._beat_row = beats, beats["row"].to_numpy(np.int64)

    def __len__(self) -> int:
        return len(self.row)

    def take(self, at: Int64[np.ndarray, " some"]) -> MarkedRows:
        """Some of the rows, by their place among them."""
        rows = self.row[at]
        ecg_mv = resample_rows(self.store.ecg_mv(rows), self.store.fs_hz, self.fs_hz)
        begin, end = (np.searchsorted(self._beat_row, rows, side=side) for side in ("left", "right"))
        classes = np.stack([self._classes(slice(*ends)) for ends in zip(begin, end, strict=True)])[:, None]
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

    def _classes(self, part: slice) -> Int16[np.ndarray, " step"]:
        beats = self._beats.iloc[part]
        r_s = beats["time_s"].to_numpy(np.float64)
        of_beats = {name: r_s + beats[name].to_numpy(np.float64) for of_wave in _PARTS.values() for name in of_wave}
        unsure = _believed(of_beats)
        times = [np.concatenate([of_beats[of_wave[side]] for of_wave in _PARTS.values()]) for side in range(3)]
        some = np.isfinite(times).any(axis=0)
        onset, peak, offset = (time[some] for time in times)
        wave = np.repeat(np.array(list(_PARTS)), len(beats))[some]
        line = classes_of_lead(wave, onset, peak, offset, round(self.store.duration_s * MARK_HZ))
        for begin, end in unsure:
            line[max(round(begin * MARK_HZ), 0) : max(round(end * MARK_HZ), 0)] = -1
        return line


def _believed(beats: dict[str, Float64[np.ndarray, " beat"]]) -> list[tuple[float, float]]:
    """Stretches (seconds) where the rules do not know whether there is a P or a T; P that are not believed become NaN.

    In an irregular row few P waves are none at all: of PTB-XL's rows like that 85 % have atrial fibrillation, of the
    other irregular rows 5 %. Elsewhere a beat without P may have one that stands too near to the T before it.
    """
    r_s, has_p = beats["r_peak_s"], np.isfinite(beats["p_onset_s"])
    rr_s = np.diff(r_s)
    irregular = len(rr_s) > 2 and float(np.std(np.diff(rr_s)) / np.median(rr_s)) > _IRREGULAR
    share = float(has_p.mean())
    unsure = ~has_p
    if irregular and share <= _FEW_P:
        unsure[:] = False
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
    return [*zip(begin_s[unsure], onset_s[unsure], strict=True), *zip(offset_s[no_t], end_s[no_t], strict=True)]


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
