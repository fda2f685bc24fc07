"""A cohort of twelve-lead records made from nothing, with the truth about every beat, wave and finding."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from beatssl.records.reader import Source
from beatssl.records.record import BeatMarks, Label, Record, WaveMarks
from beatssl.records.synthetic.beats import Condition, beat_shapes
from beatssl.records.synthetic.noise import Noise, electrode_noise, fibrillation_waves
from beatssl.records.synthetic.patient import Patient, draw_patient, patient_number
from beatssl.records.synthetic.rhythm import SYMBOLS, BeatTimes, F, Rhythm, S, V, beat_times, qt_stretch
from beatssl.records.synthetic.waves import QRS, WAVE_NAMES, DrawnBeats, P, T, bounds_s, draw, stretched_s
from beatssl.signals.leads import LEADS
from beatssl.signals.vcg import twelve_from_eight

SUPERCLASS = {
    "normal": "NORM",
    "anterior-infarct": "MI", "inferior-infarct": "MI", "st-elevation": "MI",
    "st-depression": "STTC", "t-inversion": "STTC", "long-qt": "STTC",
    "lbbb": "CD", "rbbb": "CD", "lafb": "CD", "av-block-1": "CD",
    "lvh": "HYP", "rvh": "HYP",
}  # fmt: skip
"""Label set "superclass" from the names in label set "synthetic"; names of the rhythm have no superclass."""


def synthetic_record(index: int, seed: int = 0, duration_s: float = 10.0, fs_hz: float = 500.0) -> Record:
    """Record `index` of the endless cohort `seed`: twelve leads, mV, with beats, waves, labels and fold.

    The signal is L · d(t) plus electrode noise: d the dipole of all beats (see `waves.draw`), L Dower's lead vectors
    bent a little for each patient; III, aVR, aVL and aVF then follow from I and II exactly. The record depends on
    `index` and `seed` alone, whatever was made before it. Some patients have several records, all in one fold.

    Beats: R is the largest magnitude of the QRS dipole; symbols N (in fibrillation too), S, V, F. Waves: the same
    marks for every lead, since they are those of the dipole (`waves.MARK_FRACTION`); a wave cut by the record's end is
    left out, and a T wave ends at the latest where the next P or QRS begins (it is left out where its peak would be
    later). `metadata` gives the record's mean rate and the intervals of its conducted beats.

    Raises ValueError for an index or seed below zero, or a duration or rate that is not positive.
    """
    if index < 0 or seed < 0:
        raise ValueError(f"record {index} of cohort {seed} does not exist; index and seed start at 0")
    if not (duration_s > 0 and fs_hz > 0):
        raise ValueError(f"a record of {duration_s} s at {fs_hz} Hz cannot be made; both must be above zero")
    rng = np.random.default_rng([seed, index])
    patient = draw_patient(patient_number(index), seed)
    condition, rhythm = _draw_condition(patient, rng), _draw_rhythm(patient, rng)
    shapes = beat_shapes(patient, condition, rhythm.mean_rr_s, rng)
    bounds = np.stack([bounds_s(shape) for shape in shapes])
    times = beat_times(rhythm, duration_s, rng)
    stretch = qt_stretch(times, rhythm.mean_rr_s)
    samples = round(duration_s * fs_hz)
    drawn = DrawnBeats(
        times.kind, times.time_s, bounds[times.kind, QRS, 0], stretch, _turns(patient, rhythm, times, rng)
    )
    dipole_mv = draw(shapes, drawn, fs_hz, samples)
    if patient.fibrillation:
        dipole_mv += fibrillation_waves(fs_hz, samples, rng)
    noise = Noise(
        wander_mv=float(0.035 * np.exp(rng.normal(0, 0.7))),
        muscle_mv=float(0.0036 * np.exp(rng.normal(0, 0.4))),
        mains_mv=float(0.0012 * np.exp(rng.normal(0, 0.6))),
    )
    eight_mv = (patient.eight_from_dipole @ dipole_mv).astype(np.float32) + electrode_noise(
        noise, rhythm.breath_hz, fs_hz, samples, rng
    )
    within = (times.time_s >= 0) & (times.time_s < duration_s)
    labels = _labels(patient, condition, rhythm, BeatTimes(times.time_s[within], times.kind[within]))
    return Record(
        ecg_mv=twelve_from_eight(eight_mv),
        leads=LEADS,
        fs_hz=float(fs_hz),
        id=record_id(index),
        source="synthetic",
        patient_id=patient.id,
        age_years=patient.age_years,
        sex=patient.sex,
        fold=patient.fold,
        labels=labels,
        waves=_wave_marks(bounds, times, stretch, duration_s),
        beats=BeatMarks(times.time_s[within], tuple(SYMBOLS[kind] for kind in times.kind[within])),
        metadata=_metadata(bounds[0], rhythm),
    )


@dataclass(slots=True)
class SyntheticReader:
    """The cohort as a data set. Its root is no folder but the number of records: `Path("256")`."""

    seed: int = 0
    duration_s: float = 10.0
    fs_hz: float = 500.0
    kind: str = "synthetic"

    def sources(self, root: Path) -> list[Source]:
        """One source a record. Raises ValueError where the last part of `root` is not a whole number above zero."""
        if not (root.name.isdecimal() and int(root.name) > 0):
            raise ValueError(
                f"the source of a synthetic cohort is its number of records, such as 256, not {str(root)!r}"
            )
        return [Source(record_id(index), str(index), {"index": index}) for index in range(int(root.name))]

    def read(self, root: Path, source: Source) -> Record:
        """Makes the record; nothing is read."""
        return synthetic_record(int(source.path), self.seed, self.duration_s, self.fs_hz)


def record_id(index: int) -> str:
    """The id of record `index`."""
    return f"synthetic-{index:06d}"


def _draw_condition(patient: Patient, rng: np.random.Generator) -> Condition:
    """Today's ST and T findings. Elevation comes with an infarct; the block of the left bundle hides all three."""
    chance, long_qt = rng.uniform(), bool(rng.uniform() < 0.05)
    if patient.conduction == "lbbb":
        return Condition("none", long_qt)
    if patient.infarct != "none":
        return Condition("elevation" if chance < 0.35 else "none", long_qt)
    if patient.lvh or patient.rvh:
        return Condition("none", long_qt)
    return Condition("depression" if chance < 0.08 else "inversion" if chance < 0.16 else "none", long_qt)


def _draw_rhythm(patient: Patient, rng: np.random.Generator) -> Rhythm:
    """Today's rate and ectopic beats."""
    bpm = np.clip(rng.normal(88, 18), 55, 150) if patient.fibrillation else np.clip(rng.normal(71, 13), 44, 125)
    young = np.clip((85 - patient.age_years) / 60, 0.1, 1.0)
    burden = float(rng.choice([0.06, 0.12, 0.3]))
    return Rhythm(
        mean_rr_s=float(60 / bpm),
        fibrillation=patient.fibrillation,
        breath_hz=float(rng.uniform(0.17, 0.34)),
        breath_share=float(young * rng.uniform(0.01, 0.08)),
        slow_share=float(young * rng.uniform(0.005, 0.04)),
        pac_share=burden if patient.ectopy in ("atrial", "both") and not patient.fibrillation else 0.0,
        pvc_share=burden if patient.ectopy in ("ventricular", "both") else 0.0,
        pvc_coupling=float(rng.uniform(0.52, 0.68)),
    )


def _turns(
    patient: Patient, rhythm: Rhythm, beats: BeatTimes, rng: np.random.Generator
) -> Float64[np.ndarray, "beat 3 3"]:
    """Every beat's rotation and gain: the heart's own position, swinging a few degrees and per cent with the breath."""
    breath = np.sin(2 * np.pi * rhythm.breath_hz * beats.time_s + rng.uniform(0, 2 * np.pi))
    swing = np.deg2rad(rng.uniform(0, 4)) * breath
    gain = 1 + rng.uniform(0, 0.06) * breath + rng.normal(0, 0.012, breath.size)
    out = np.tile(np.eye(3), (breath.size, 1, 1))
    out[:, 0, 0] = out[:, 1, 1] = np.cos(swing)
    out[:, 0, 1], out[:, 1, 0] = -np.sin(swing), np.sin(swing)
    return gain[:, None, None] * (out @ patient.turn)


def _wave_marks(
    bounds: Float64[np.ndarray, "shape 3 3"], beats: BeatTimes, stretch: Float64[np.ndarray, " beat"], duration_s: float
) -> WaveMarks:
    """The dipole's own P, QRS and T, in order of time, once for each lead."""
    marks_s = bounds[beats.kind]
    marks_s[:, T] = stretched_s(marks_s[:, T], marks_s[:, QRS, :1], stretch[:, None])
    marks_s += beats.time_s[:, None, None]
    following = np.append(np.fmin(marks_s[1:, P, 0], marks_s[1:, QRS, 0]), np.inf)
    marks_s[following <= marks_s[:, T, 1], T] = np.nan
    marks_s[:, T, 2] = np.minimum(marks_s[:, T, 2], following)
    flat_s = marks_s.reshape(-1, 3)
    names = np.tile(WAVE_NAMES, len(marks_s))
    whole = (flat_s[:, 0] >= 0) & (flat_s[:, 2] < duration_s)  # false for an absent wave too
    flat_s, names = flat_s[whole], tuple(names[whole].tolist())
    onset_s, peak_s, offset_s = np.tile(flat_s.T, len(LEADS))
    lead = tuple(name for name in LEADS for _ in names)
    return WaveMarks(lead, names * len(LEADS), onset_s, peak_s, offset_s)


def _labels(patient: Patient, condition: Condition, rhythm: Rhythm, beats: BeatTimes) -> tuple[Label, ...]:
    """The findings by name, and the superclasses they make. An ectopic beat counts where one is in the record."""
    bpm = 60 / rhythm.mean_rr_s
    form = {
        "anterior-infarct": patient.infarct == "anterior",
        "inferior-infarct": patient.infarct == "inferior",
        "st-elevation": condition.acute == "elevation",
        "st-depression": condition.acute == "depression",
        "t-inversion": condition.acute == "inversion",
        "long-qt": condition.long_qt,
        patient.conduction: patient.conduction != "normal",
        "av-block-1": patient.av_block,
        "lvh": patient.lvh,
        "rvh": patient.rvh,
    }
    found = [name for name, there in form.items() if there]
    if not found and not patient.fibrillation:
        found = ["normal"]
    sinus = "sinus-bradycardia" if bpm < 60 else "sinus-tachycardia" if bpm > 100 else "sinus-rhythm"
    rhythms = ["atrial-fibrillation" if patient.fibrillation else sinus]
    rhythms += [name for kind, name in ((S, "pac"), (V, "pvc"), (F, "fusion")) if (beats.kind == kind).any()]
    superclasses = dict.fromkeys(SUPERCLASS[name] for name in found)
    return tuple(Label("superclass", name) for name in superclasses) + tuple(
        Label("synthetic", name) for name in found + rhythms
    )


def _metadata(conducted: Float64[np.ndarray, "3 3"], rhythm: Rhythm) -> dict[str, float]:
    """Mean rate, and the intervals of a conducted beat at that rate; no PR in fibrillation."""
    intervals = {
        "pr_s": conducted[QRS, 0] - conducted[P, 0],
        "qrs_s": conducted[QRS, 2] - conducted[QRS, 0],
        "qt_s": conducted[T, 2] - conducted[QRS, 0],
    }
    return {"rate_bpm": 60 / rhythm.mean_rr_s} | {k: float(v) for k, v in intervals.items() if np.isfinite(v)}
