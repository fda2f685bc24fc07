"""The model of the confidence of R peaks, fitted on MIT-BIH's DS1, LUDB's odd records and the synthetic cohort.

python -m beatssl.release.fit_r_peaks data
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tyro
from jaxtyping import Bool, Float32, Float64
from sklearn.linear_model import LogisticRegression

from beatssl.beats.global_beats import global_beats
from beatssl.beats.peak_evidence import WEIGHTS, Evidence, column_names, logistic, with_kinks
from beatssl.beats.peaks import candidates_of, rate_r_peaks
from beatssl.files import write_json
from beatssl.metrics.boundaries import mark_span, score_times
from beatssl.progress import track
from beatssl.records.ludb import LudbReader
from beatssl.records.mitdb import DS1, MitdbReader, aami_class
from beatssl.records.synthetic import synthetic_record
from beatssl.records.synthetic.drawn import TWELVE, drawn_ecg, regular
from beatssl.records.synthetic.noise import electrode_motion
from beatssl.results import to_json
from beatssl.signals.filters import bandpass, without_gaps
from beatssl.signals.matching import match_times
from beatssl.signals.preparation import Preparation

_PREPARATION = Preparation(100.0, 0.5, 40.0, ())
_FS_HZ = _PREPARATION.fs_hz
_EDGE_S = 0.15  # of a record: a beat there may be cut
_SINGLE_LEADS = (0, 1, 6, 7, 9, 11)  # of twelve: I, II, V1, V2, V4, V6
_NOISY_S = 600.0  # of a long record
_THRESHOLDS = tuple(np.arange(0.2, 0.61, 0.02).round(2).tolist())

Ecg = Float32[np.ndarray, "lead time"]


@dataclass(frozen=True)
class FitRPeaksConfig:
    """Fit the probability that a candidate is a QRS complex, and write its weights beside the module that uses them."""

    root: tyro.conf.Positional[Path]
    """Folder that holds mitdb and ludb."""
    out: Path = WEIGHTS
    """The weights."""
    cohort: int = 200
    """Synthetic records."""
    drawn: int = 160
    """Hearts drawn wave by wave: fast, or with tall T waves."""
    noise_records: int = 60
    """Of noise alone."""
    weights: tuple[float, float, float] = (1.0, 8.0, 3.0)
    """Of a candidate of MIT-BIH, LUDB and the cohort, all leads together."""
    of_single_leads: float = 0.3
    """Weight of one lead alone beside that of all leads (the second lead of MIT-BIH: a quarter of it)."""
    of_noisy: float = 0.03
    """Weight of the same records with noise added."""
    of_drawn: float = 0.05
    """Weight of a candidate in a drawn heart."""
    snrs_db: tuple[float, float] = (12.0, 0.0)
    rounds: int = 3
    """Fits, each with the intervals between candidates as likely as the last one makes them."""
    inverse_penalty: float = 1.0
    """Of the logistic regression."""
    iterations: int = 2000
    """Of the optimiser."""
    seed: int = 1


@dataclass(frozen=True)
class FittedRPeaks:
    """What was written."""

    out: Path
    candidates: int
    beats: int
    errors_by_threshold: dict[str, int]
    """Beats missed and false on MIT-BIH's DS1 and LUDB's odd records, all leads; `peaks.BEAT_CONFIDENCE` has fewest.
    Of the weights that come with the package."""


class _Signal(NamedTuple):
    ecg_mv: Ecg
    beat_s: Float64[np.ndarray, " beat"]
    span_s: tuple[float, float]
    tolerance_s: float
    weight: float


def fit_r_peaks(config: FitRPeaksConfig) -> FittedRPeaks:
    """Logistic regression of candidates that match a reference beat against those that do not.

    Raises FileNotFoundError where mitdb or ludb is missing.
    """
    found = list(_candidates(config))
    y = np.concatenate([one.is_beat for one in found])
    weight = np.concatenate([np.full(len(one.is_beat), one.weight) for one in found])
    weights = (np.array(column_names()) == "above_noise").astype(np.float64)  # before the first fit
    constant = 0.0
    for _ in range(config.rounds):
        alone = [logistic(with_kinks(one.evidence.quantities) @ weights + constant) for one in found]
        x = np.concatenate(
            [
                with_kinks(one.evidence.with_intervals(p).quantities)[one.counts]
                for one, p in zip(found, alone, strict=True)
            ]
        )
        mean, sd = x.mean(axis=0), x.std(axis=0)
        model = LogisticRegression(C=config.inverse_penalty, max_iter=config.iterations)
        model.fit((x - mean) / sd, y, sample_weight=weight)
        weights = model.coef_[0] / sd
        constant = float(np.ravel(model.intercept_)[0] - mean @ weights)
    settings = {key: value for key, value in to_json(config).items() if key not in ("root", "out")}
    fitted = {
        "weights": dict(zip(column_names(), weights.round(5).tolist(), strict=True)), "constant": round(constant, 5),
        "made_by": "release/fit_r_peaks.py", "fitted_on": "MIT-BIH DS1, LUDB odd records, synthetic cohort",
        "config": settings,
    }  # fmt: skip
    write_json(config.out, fitted)
    return FittedRPeaks(config.out, len(y), int(y.sum()), errors_by_threshold(config.root))


def errors_by_threshold(root: Path) -> dict[str, int]:
    """See `FittedRPeaks`."""
    signals = [_Signal(ecg_mv, beat_s, (-np.inf, np.inf), 0.15, 1.0) for ecg_mv, beat_s in _mitdb(root / "mitdb")]
    signals += [_Signal(*record, 0.075, 1.0) for record in _ludb(root / "ludb")]
    errors = dict.fromkeys((f"{threshold:.2f}" for threshold in _THRESHOLDS), 0)
    for one in signals:
        for threshold in _THRESHOLDS:
            found_s = rate_r_peaks(one.ecg_mv, _FS_HZ, threshold).time_s
            score = score_times(one.beat_s, found_s, one.tolerance_s, one.span_s)
            errors[f"{threshold:.2f}"] += score.missed + score.false
    return errors


class _Found(NamedTuple):
    evidence: Evidence
    counts: Bool[np.ndarray, " peak"]
    """Whether it lies where the reference is complete."""
    is_beat: Bool[np.ndarray, " counted"]
    weight: float


def _candidates(config: FitRPeaksConfig) -> Iterator[_Found]:
    rng = np.random.default_rng(config.seed)
    for signal in track(list(_signals(config, rng)), "Candidates"):
        found = candidates_of(without_gaps(signal.ecg_mv)[0])
        if found is not None:
            counts, matched = _matched(found[1].time_s, signal)
            yield _Found(found[1], counts, matched[counts], signal.weight)


def _matched(
    at_s: Float64[np.ndarray, " peak"], signal: _Signal
) -> tuple[Bool[np.ndarray, " peak"], Bool[np.ndarray, " peak"]]:
    """Which candidates count, and which of them match a reference beat."""
    matched = np.zeros(len(at_s), np.bool_)
    matched[match_times(signal.beat_s, at_s, signal.tolerance_s)[1]] = True
    return matched | ((at_s > signal.span_s[0]) & (at_s < signal.span_s[1])), matched


def _signals(config: FitRPeaksConfig, rng: np.random.Generator) -> Iterator[_Signal]:
    of_mitdb, of_ludb, of_cohort = config.weights
    for ecg_mv, beat_s in _mitdb(config.root / "mitdb"):
        whole = _Signal(ecg_mv, beat_s, (-np.inf, np.inf), 0.15, of_mitdb)
        yield whole
        for lead, share in ((0, 1.0), (1, 0.25)):
            yield whole._replace(ecg_mv=ecg_mv[[lead]], weight=of_mitdb * config.of_single_leads * share)
        samples = round(_NOISY_S * _FS_HZ)
        short = whole._replace(ecg_mv=ecg_mv[:, :samples], beat_s=beat_s[beat_s < _NOISY_S])
        yield from _noisy(short, (0,), config, rng)
    for weight, records in ((of_ludb, _ludb(config.root / "ludb")), (of_cohort, _cohort(config.cohort))):
        for ecg_mv, beat_s, span_s in records:
            whole = _Signal(ecg_mv, beat_s, span_s, 0.075, weight)
            yield whole
            for lead in _SINGLE_LEADS:
                yield whole._replace(ecg_mv=ecg_mv[[lead]], weight=weight * config.of_single_leads)
            yield from _noisy(whole, (1, 7), config, rng)
    for number in range(config.drawn):
        yield _drawn(number, config.of_drawn, rng)
    for number in range(config.noise_records):
        shape = ((1, 2, 12)[number % 3], round((10, 30)[number % 2] * _FS_HZ))
        noise = _motion(shape, rng) if number % 4 > 1 else rng.standard_normal(shape)
        ecg_mv = bandpass((noise * 10 ** rng.uniform(-2, 0)).astype(np.float32), _FS_HZ)
        yield _Signal(ecg_mv, np.zeros(0), (-np.inf, np.inf), 0.15, 15 * config.of_noisy)


def _drawn(number: int, weight: float, rng: np.random.Generator) -> _Signal:
    """Every other one a fast heart, the others with a tall T wave."""
    leads = TWELVE if number % 4 < 2 else (float(rng.uniform(0.1, 1.5)),)
    rate = float(rng.uniform(150, 300) if number % 2 else rng.uniform(40, 110))
    r_s, qrs_s = regular(rate), float(min(rng.uniform(0.07, 0.14), 0.6 * 60 / rate))
    t_ratio = 0.3 if number % 2 else float(rng.uniform(0.5, 3))
    noise_mv = float(10 ** rng.uniform(-3, -1.5))
    ecg_mv = drawn_ecg(r_s, leads=leads, qrs_s=qrs_s, t_ratio=t_ratio, noise_mv=noise_mv, seed=number)
    return _Signal(ecg_mv, r_s, (-np.inf, np.inf), 0.075, weight)


def _noisy(
    whole: _Signal, leads: Sequence[int], config: FitRPeaksConfig, rng: np.random.Generator
) -> Iterator[_Signal]:
    """The same with electrode motion and muscle noise: all leads together, and single ones."""
    for snr_db in config.snrs_db:
        for some in (slice(None), *([lead] for lead in leads)):
            ecg_mv = whole.ecg_mv[some]
            share = rng.uniform()
            noise = np.sqrt(share) * _motion(ecg_mv.shape, rng) + np.sqrt(1 - share) * rng.standard_normal(ecg_mv.shape)
            second = round(_FS_HZ)
            seconds = ecg_mv[:, : ecg_mv.shape[1] // second * second].reshape(len(ecg_mv), -1, second)
            height = np.median(np.ptp(seconds, axis=2), axis=1, keepdims=True)
            noise_mv = bandpass((noise * height / np.sqrt(8 * 10 ** (snr_db / 10))).astype(np.float32), _FS_HZ)
            yield whole._replace(ecg_mv=ecg_mv + noise_mv, weight=whole.weight * config.of_noisy)


def _motion(shape: tuple[int, ...], rng: np.random.Generator) -> Float64[np.ndarray, "lead time"]:
    return np.stack([electrode_motion(_FS_HZ, shape[1], rng) for _ in range(shape[0])])


def _mitdb(root: Path) -> Iterator[tuple[Ecg, Float64[np.ndarray, " beat"]]]:
    reader = MitdbReader()
    for source in reader.sources(root):
        if source.id in DS1:
            record = reader.read(root, source)
            assert record.beats is not None
            is_beat = [aami_class(symbol) is not None for symbol in record.beats.symbol]
            yield _PREPARATION.filtered(record.ecg_mv, record.fs_hz), np.sort(record.beats.time_s[is_beat])


_Record = tuple[Ecg, Float64[np.ndarray, " beat"], tuple[float, float]]


def _ludb(root: Path) -> Iterator[_Record]:
    reader = LudbReader()
    for source in reader.sources(root):
        if int(source.id) % 2:
            record = reader.read(root, source)
            assert record.waves is not None
            marks_s = (record.waves.onset_s, record.waves.peak_s, record.waves.offset_s)
            beat_s = np.sort(global_beats(list(record.waves.wave), *marks_s).r_peak_s)
            yield _PREPARATION.filtered(record.ecg_mv, record.fs_hz), beat_s, mark_span(*marks_s)


def _cohort(records: int) -> Iterator[_Record]:
    for index in range(records):
        record = synthetic_record(index, seed=3)
        assert record.beats is not None
        span_s = (_EDGE_S, record.duration_s - _EDGE_S)
        yield _PREPARATION.filtered(record.ecg_mv, record.fs_hz), record.beats.time_s, span_s


if __name__ == "__main__":
    print(fit_r_peaks(tyro.cli(FitRPeaksConfig)))
