"""P (and T) where there are some, and none where there are none: records by their statements, and made ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from beatssl.beats.decoding.wave_decoding import find_waves
from beatssl.features.wave_intervals import measure_waves
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.inference.segmenter import EcgSegmenter, slots
from beatssl.results import Number
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import resample_rows
from beatssl.store.store import Store

TEST_FOLD = 9
RATES = ((100, 110), (110, 120), (120, 130), (130, 150))
LEAD_SETS = {"12 leads": LEADS, "II, V5": ("II", "V5"), "II": ("II",)}

_LEAST_SHARE = 0.5  # of the leads, and of a record's beats for PR to be stated
_NO_SINUS = ("AFIB", "AFLT", "PSVT", "SVTAC", "SVARR", "PACE")
_MOST_ORDINARY = 300
_AT_ONCE = 16
_EDGE_S = 0.6
_FS_HZ = 500.0


@dataclass(frozen=True)
class PresenceFigures:
    """Over the records of one group."""

    records: int
    beats: int
    p_per_beat: Number
    """Share of the beats in which half of the leads, at least, show a P."""
    pr_stated: int
    """Records in half of whose beats, at least, there is one: `analyze` states their PR."""


@dataclass(frozen=True)
class MadeFigures:
    """Over made records of twelve, two and one lead."""

    beats: int
    qrs: Number
    """Share of the beats in which half of the leads show a QRS; so are `p` and `t`."""
    p: Number
    t: Number


@dataclass(frozen=True)
class WavePresenceCheck:
    """By number of leads and group of records; and of made records."""

    by_leads: dict[str, dict[str, PresenceFigures]]
    made: dict[str, MadeFigures]


def check_wave_presence(store: Store, segmenter: str = "default", device: Device = "auto") -> WavePresenceCheck:
    """P of the records of PTB-XL's test fold, by statement and rate, and P, QRS and T of made records.

    A beat is one of the store's. Records in AV block of second and third degree are few: they come from all folds.

    Raises:
        ValueError: the store has no PTB-XL statements.
        CheckpointError: there is no such segmenter.
    """
    network = EcgSegmenter.from_pretrained(segmenter).to(torch_device(device))
    groups = record_groups(store)
    by_leads = {
        name: {group: _of_rows(network, store, rows, leads) for group, rows in groups.items()}
        for name, leads in LEAD_SETS.items()
    }
    return WavePresenceCheck(by_leads, {name: _of_made(network, **made) for name, made in MADE.items()})


def record_groups(store: Store, fold: int = TEST_FOLD) -> dict[str, Int64[np.ndarray, " row"]]:
    """Rows of a fold by what PTB-XL's statements say of P; sinus rhythms have no other rhythm stated."""
    statements, of_fold = store.targets("scp"), store.records["fold"].fillna(-1).to_numpy(np.int64) == fold
    rate = 60 / store.beats.groupby("row")["rr_prev_s"].median().reindex(np.arange(len(store))).to_numpy(np.float64)

    def stated(*names: str) -> Bool[np.ndarray, " row"]:
        return np.asarray(statements.reindex(columns=list(names), fill_value=False).to_numpy(bool).any(axis=1))

    sinus = of_fold & ~stated(*_NO_SINUS)
    groups = {
        f"sinus tachycardia, {low}-{high}/min": sinus & stated("STACH") & (rate >= low) & (rate < high)
        for low, high in RATES
    }
    groups |= {
        "first-degree AV block": sinus & stated("1AVB"),
        "sinus rhythm": sinus & stated("SR"),
        "atrial fibrillation": of_fold & stated("AFIB"),
        "atrial flutter": of_fold & stated("AFLT"),
        "second- or third-degree AV block": stated("2AVB", "3AVB"),
    }
    rng = np.random.default_rng(0)
    rows = {name: np.flatnonzero(some) for name, some in groups.items()}
    return {name: np.sort(rng.permutation(some)[:_MOST_ORDINARY]) for name, some in rows.items()}


def _of_rows(
    segmenter: EcgSegmenter, store: Store, rows: Int64[np.ndarray, " row"], leads: Sequence[str]
) -> PresenceFigures:
    place = [LEADS.index(name) for name in leads]
    of_row = {row: times.to_numpy(np.float64) for row, times in store.beats.groupby("row")["time_s"]}
    fs_hz = segmenter.preparation.fs_hz
    beats = with_p = stated = 0
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        ecg_mv = resample_rows(store.ecg_mv(some), store.fs_hz, fs_hz)[:, place]
        slot = np.broadcast_to(slots(leads), (len(some), len(leads)))
        probability = segmenter.of_batch(ecg_mv, slot, segmenter.takes)
        for row, one, signal in zip(some.tolist(), probability, ecg_mv, strict=True):
            share = measure_waves(find_waves(one, fs_hz, signal), beats_s=np.sort(of_row.get(row, np.zeros(0)))).share
            has_p = share[:, 0] >= _LEAST_SHARE
            beats, with_p = beats + len(has_p), with_p + int(has_p.sum())
            stated += bool(len(has_p)) and float(has_p.mean()) >= _LEAST_SHARE
    return PresenceFigures(len(rows), beats, with_p / beats if beats else float("nan"), int(stated))


MADE: Mapping[str, Mapping[str, float]] = (
    {f"no P, {rate}/min": {"rate": rate, "p_mv": 0.0} for rate in (60, 80, 100)}
    | {"no P, irregular": {"rate": 90, "p_mv": 0.0, "irregular": 0.2}}
    | {f"no T, {rate}/min": {"rate": rate, "t_mv": 0.0} for rate in (60, 80, 100)}
    | {f"all waves, {rate}/min": {"rate": rate} for rate in (20, 30, 60, 100, 120, 140, 150, 170, 200, 240, 270, 300)}
)
"""Made records by name, and what each is made of."""


def made_ecg(
    rate: float,
    leads: int,
    seed: int,
    p_mv: float = 0.12,
    t_mv: float = 0.25,
    irregular: float = 0.0,
    seconds: float = 10.0,
) -> tuple[Float32[np.ndarray, "lead time"], Float64[np.ndarray, " beat"]]:
    """Leads of one heart at 500 samples/s and the times of R, in seconds: bells for waves, and 0.02 mV of noise."""
    rng = np.random.default_rng(seed)
    time, rr_s = np.arange(round(seconds * _FS_HZ)) / _FS_HZ, 60 / rate
    r_s = 0.3 + np.cumsum([0.0, *rr_s * (1 + irregular * rng.standard_normal(int(seconds / rr_s) + 4))])
    r_s = r_s[r_s < seconds]
    shrink = float(np.sqrt(min(rr_s, 1.0)))
    size = rng.uniform(0.5, 1.3, (3, leads, 1)) * np.where(
        rng.random((3, leads, 1)) < [[[0.0]], [[0.2]], [[0.0]]], -1, 1
    )
    p, qrs, t = np.zeros((3, len(time)))
    for r in r_s:
        p += _bell(time, r - 0.05 - 0.11 * min(1.0, shrink * 1.2), 0.02)
        qrs += _bell(time, r, 0.012) - 0.15 * _bell(time, r - 0.03, 0.01) - 0.25 * _bell(time, r + 0.03, 0.012)
        t += _bell(time, r + 0.31 * shrink, 0.045 * shrink)
    clean = size[0] * p_mv * p + size[1] * qrs + size[2] * t_mv * t
    return (clean + 0.02 * rng.standard_normal(clean.shape)).astype(np.float32), r_s


def _bell(time: Float64[np.ndarray, " time"], at: float, width: float) -> Float64[np.ndarray, " time"]:
    return np.exp(-0.5 * ((time - at) / width) ** 2)


def _of_made(segmenter: EcgSegmenter, rate: float, **made: float) -> MadeFigures:
    fs_hz, seconds = segmenter.preparation.fs_hz, 10.0 if rate >= 60 else 30.0
    counts, beats = np.zeros(3), 0
    for names in (LEADS, ("II", "V1"), ("II",)):
        for seed in range(3):
            recorded_mv, r_s = made_ecg(rate, len(names), seed, seconds=seconds, **made)
            ecg_mv = segmenter.takes.filtered(recorded_mv, _FS_HZ)
            probability = segmenter.of_prepared(ecg_mv, names, segmenter.takes)
            found = measure_waves(find_waves(probability, fs_hz, ecg_mv), beats_s=r_s)
            inside = (found.r_s > _EDGE_S) & (found.r_s < seconds - _EDGE_S)
            counts += (found.share[inside] >= _LEAST_SHARE).sum(axis=0)
            beats += int(((r_s > _EDGE_S) & (r_s < seconds - _EDGE_S)).sum())
    p, qrs, t = (counts / beats).tolist()
    return MadeFigures(beats, qrs, p, t)
