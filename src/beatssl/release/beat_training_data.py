"""MIT-BIH beats as the beat classifier sees them, with augmentation: other leads, mixtures, fusion beats."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.signal import lfilter

from beatssl.beats.classes.beat_shape import contexts
from beatssl.beats.classes.class_features import class_features, shaped_beats
from beatssl.beats.classes.classifier import CLASSES
from beatssl.beats.classes.fibrillation import fibrillation, without_s_in_fibrillation
from beatssl.beats.classes.networks import Networks
from beatssl.beats.classes.second_pass import ShapedBeats, second_features, without_lone_fusion
from beatssl.beats.windows import AFTER_S, BEFORE_S, Beats, gather_windows
from beatssl.records.mitdb import MitdbReader, aami_class
from beatssl.records.reader import Source
from beatssl.release.beat_retiming import is_regular, retime
from beatssl.signals.preparation import Preparation

FS_HZ = 100.0
ROW_S = 10.0
PREPARATION = Preparation(FS_HZ, low_hz=0.5, high_hz=40.0, leads=())
"""That of `prepare` for MIT-BIH: both leads as recorded."""

EXCLUDED = -1
"""Class of beats that are not used: paced, unclassifiable, and flutter waves."""

LeadMix = Literal["both", "first", "second", "one-mixed", "two-mixed"]


@dataclass(frozen=True, slots=True)
class MarkedRecord:
    """A record at 100 Hz, filtered, and its reference beats."""

    id: str
    ecg_mv: Float32[np.ndarray, "lead time"]
    time_s: Float64[np.ndarray, " beat"]
    beat_class: Int64[np.ndarray, " beat"]  # index into CLASSES, or EXCLUDED


@dataclass(frozen=True, slots=True)
class FeaturedBeats:
    """Features by name, and the class of each beat, of the beats of one record."""

    record: str
    features: dict[str, np.ndarray]
    beat_class: Int64[np.ndarray, " beat"]
    shapes: ShapedBeats | None = None
    """For the features of the second pass; None where only some beats of the record are here."""
    fibrillation: Float32[np.ndarray, " beat"] | None = None
    """The probability of atrial fibrillation around each beat; None: S is possible everywhere."""

    def probabilities(self, nets: Networks) -> Float32[np.ndarray, "beat 4"]:
        """Class probabilities by networks of the first pass, or of the second where its features are there."""
        probability = nets.probabilities(self.features)
        if "no_v" not in self.features:
            return probability
        probability = without_lone_fusion(probability, self.features)
        return probability if self.fibrillation is None else without_s_in_fibrillation(probability, self.fibrillation)

    def take(self, keep: np.ndarray) -> "FeaturedBeats":
        """Some of the beats, without their shapes."""
        features = {name: column[keep] for name, column in self.features.items()}
        return FeaturedBeats(self.record, features, self.beat_class[keep])

    def second(self, first: Float32[np.ndarray, "beat 4"]) -> "FeaturedBeats":
        """With the features of the second pass too, from the probabilities that the first one gave."""
        assert self.shapes is not None
        return replace(self, features=self.features | second_features(self.shapes, first))

    def with_fibrillation(self, nets: Networks) -> "FeaturedBeats":
        """With the probability of atrial fibrillation too."""
        assert self.shapes is not None
        return replace(self, fibrillation=fibrillation(self.shapes, self.features, nets))


@dataclass(frozen=True, slots=True)
class Version:
    """One way to see a record's beats."""

    mix: LeadMix = "both"
    offset_s: float = 0.0  # of the first border between rows
    whole: bool = False  # intervals known across rows, as in a long record; else each row stands alone
    jitter_s: float = 0.0  # SD of an error put on the R times
    fusions: float = 0.0  # fusion beats made, in parts of the record's V beats
    stretch: float = 1.0  # most by which all beats of the record are widened or narrowed, their intervals kept
    noisy: bool = False  # muscle and electrode motion, different in each lead
    retimed: bool = False  # intervals changed: early beats, runs, pauses, irregular rhythm (`retime`)


def _training() -> tuple[Version, ...]:
    plain = Version(jitter_s=0.01, fusions=0.3)
    mixes: tuple[tuple[LeadMix, float], ...] = (
        ("both", 5.0), ("first", 2.0), ("second", 7.0), ("two-mixed", 6.0),
    )  # fmt: skip
    whole: tuple[tuple[LeadMix, float, bool], ...] = (
        ("both", 1.0, False),
        ("two-mixed", 8.0, False),
        ("two-mixed", 8.0, True),
    )
    again = (*whole, ("both", 8.0, True), ("first", 3.0, True), ("two-mixed", 1.0, False))
    noisy: tuple[tuple[LeadMix, float, bool], ...] = (
        ("one-mixed", 1.0, False),
        ("first", 4.0, True),
        ("two-mixed", 6.0, True),
    )
    one_lead: tuple[LeadMix, ...] = ("one-mixed", "first", "second")
    return (
        Version(),
        Version(whole=True),
        *(replace(plain, mix=mix, offset_s=offset) for mix, offset in mixes),
        *(replace(plain, mix=mix, offset_s=offset, whole=w, stretch=1.8) for mix, offset, w in whole),
        *(replace(plain, mix=mix, offset_s=offset, whole=w, fusions=0.0, retimed=True) for mix, offset, w in again),
        *(replace(plain, mix=mix, offset_s=offset, whole=w, noisy=True, retimed=True) for mix, offset, w in noisy),
        *(Version(mix, 2.0, True, 0.02, 0.3, noisy=True) for mix in one_lead),
    )


TRAINING = _training()
"""The versions of each record that the classifier is trained on."""


def read_marked(root: Path, records: Iterable[str]) -> list[MarkedRecord]:
    """Records of MIT-BIH under `root`, filtered 0.5–40 Hz at 360 Hz, then resampled to 100 Hz, as `prepare` does."""
    out: list[MarkedRecord] = []
    for name in records:
        record = MitdbReader().read(root, Source(name, name))
        if record.beats is None:
            raise ValueError(f"{root / name} has no beat marks; download mitdb again, with its .atr files")
        ecg_mv = PREPARATION.apply(record.ecg_mv, record.leads, record.fs_hz)
        groups = [aami_class(symbol) for symbol in record.beats.symbol]
        beat_class = np.array([CLASSES.index(g) if g in CLASSES else EXCLUDED for g in groups], np.int64)
        out.append(MarkedRecord(name, ecg_mv, record.beats.time_s, beat_class))
    return out


def featured_beats(record: MarkedRecord, version: Version, rng: np.random.Generator) -> FeaturedBeats:
    """The features of a record's beats, seen in one way."""
    if version.retimed and is_regular(record.time_s, record.beat_class):
        record = MarkedRecord(record.id, *retime(record.ecg_mv, record.time_s, record.beat_class, FS_HZ, rng))
    time_s = record.time_s + rng.normal(0, version.jitter_s, len(record.time_s))
    ecg_mv = _mixed(record.ecg_mv, version.mix, rng)
    beats = rows_of_beats(_noisy(ecg_mv, rng) if version.noisy else ecg_mv, time_s, version.offset_s, version.whole)
    if version.stretch != 1.0:
        beats = _stretched(beats, np.exp(rng.uniform(-0.3, 1) * np.log(version.stretch)))
    beat_class = record.beat_class
    if version.fusions:
        beats, beat_class = _with_fusions(beats, beat_class, version.fusions, rng)
    shapes = shaped_beats(beats, contexts(beats))
    return FeaturedBeats(record.id, class_features(shapes), beat_class, shapes)


def rows_of_beats(
    ecg_mv: Float32[np.ndarray, "lead time"], time_s: Float64[np.ndarray, " beat"], offset_s: float, whole: bool
) -> Beats:
    """All beats in rows of ten seconds; unless `whole`, rows know nothing of each other, as records of their own."""
    row = np.maximum(np.floor((time_s - offset_s) / ROW_S).astype(np.int32) + 1, 0)
    at = np.clip(np.round(time_s * FS_HZ).astype(np.int64), 0, ecg_mv.shape[1] - 1)
    window_mv = gather_windows(ecg_mv, at, FS_HZ)
    interval = np.diff(time_s, prepend=np.nan, append=np.nan)
    if not whole:
        interval[1:-1][np.diff(row) != 0] = np.nan
        start = (row - 1) * ROW_S + offset_s
        moment = time_s[:, None] + np.arange(-round(BEFORE_S * FS_HZ), round(AFTER_S * FS_HZ)) / FS_HZ
        beyond = (moment < start[:, None]) | (moment >= start[:, None] + ROW_S)
        window_mv = np.where(beyond[:, None], np.float32(np.nan), window_mv)
    return Beats(
        row=row,
        time_s=time_s,
        rr_prev_s=interval[:-1].astype(np.float32),
        rr_next_s=interval[1:].astype(np.float32),
        window_mv=window_mv,
        fs_hz=FS_HZ,
        r_index=round(BEFORE_S * FS_HZ),
    )


def _mixed(
    ecg_mv: Float32[np.ndarray, "lead time"], mix: LeadMix, rng: np.random.Generator
) -> Float32[np.ndarray, "mixed time"]:
    """The leads as they are, one of them, or one or two random combinations: views from other directions."""
    if mix == "both":
        return ecg_mv
    if mix in ("first", "second"):
        return ecg_mv[:1] if mix == "first" else ecg_mv[1:2]
    count = 1 if mix == "one-mixed" else 2
    angle = rng.uniform(0, np.pi, count)
    size = np.exp(rng.normal(0, 0.4, count))
    weight = size[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return weight.astype(np.float32) @ ecg_mv


def _noisy(ecg_mv: Float32[np.ndarray, "lead time"], rng: np.random.Generator) -> Float32[np.ndarray, "lead time"]:
    """Noise added: white up to the filter's 40 Hz as muscle gives it, and slow as electrodes do that move.

    Its level is drawn for the record, 2 to 40 % of the tallest waves, and swells and fades over half-minutes.
    """
    leads, samples = ecg_mv.shape
    knots = np.arange(0, samples + 1500, 1500)
    swell = np.exp(
        np.stack([np.interp(np.arange(samples), knots, rng.normal(0, 0.7, len(knots))) for _ in range(leads)])
    )
    fast = rng.standard_normal((leads, samples))
    slow = lfilter([np.sqrt(1 - 0.95**2)], [1, -0.95], rng.standard_normal((leads, samples)), axis=1)
    part = rng.uniform()
    level_mv = np.exp(rng.uniform(np.log(0.02), np.log(0.4))) * np.percentile(np.abs(ecg_mv), 99, axis=1, keepdims=True)
    return (ecg_mv + level_mv * swell * (part * fast + (1 - part) * slow) / 2).astype(np.float32)


def _stretched(beats: Beats, by: float) -> Beats:
    """Every window read `by` times slower from its R peak outwards, so that QRS and T are as much wider."""
    at = beats.r_index + (np.arange(beats.window_mv.shape[2]) - beats.r_index) / by
    low = np.clip(np.floor(at).astype(np.int64), 0, beats.window_mv.shape[2] - 2)
    part = (at - low).astype(np.float32)
    window_mv = beats.window_mv[:, :, low] * (1 - part) + beats.window_mv[:, :, low + 1] * part
    return replace(
        beats, window_mv=np.where((at >= 0) & (at < beats.window_mv.shape[2] - 1), window_mv, np.float32(np.nan))
    )


def _with_fusions(
    beats: Beats, beat_class: Int64[np.ndarray, " beat"], share: float, rng: np.random.Generator
) -> tuple[Beats, Int64[np.ndarray, " beat"]]:
    """Some N beats replaced by averages of themselves and a V beat of the same record.

    Real fusion beats come from four records of DS1, and from one of them nine in ten. Two wave fronts that meet give
    nearly the weighted sum of both beats: weight 0.3 to 0.7, moved by up to 30 ms, coming up to 12 % early.
    """
    normal, ectopic = np.flatnonzero(beat_class == 0), np.flatnonzero(beat_class == 2)
    if len(ectopic) < 10:
        return beats, beat_class
    count = int(min(0.05 * len(normal), share * len(ectopic) + 20))
    at = rng.choice(normal, count, replace=False)
    other = np.nan_to_num(beats.window_mv[rng.choice(ectopic, count)])
    moved = np.stack([np.roll(w, by, axis=1) for w, by in zip(other, rng.integers(-3, 4, count), strict=True)])
    part = rng.uniform(0.3, 0.7, (count, 1, 1)).astype(np.float32)
    window_mv, prev, following = beats.window_mv.copy(), beats.rr_prev_s.copy(), beats.rr_next_s.copy()
    window_mv[at] = part * window_mv[at] + (1 - part) * moved
    early = prev[at] * rng.uniform(0, 0.12, count).astype(np.float32)
    prev[at] -= early
    following[at] += early / 2
    changed = beat_class.copy()
    changed[at] = CLASSES.index("F")
    return replace(beats, window_mv=window_mv, rr_prev_s=prev, rr_next_s=following), changed
