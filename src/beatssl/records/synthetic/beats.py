"""The shapes of one record's beats: textbook dipoles, changed by the findings, varied from patient to patient.

Amplitudes and times of the normal beat, the blocks, hypertrophy and infarcts follow the median vectorcardiograms
(inverse Dower) of PTB-XL's records with these statements.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float64

from beatssl.records.synthetic.patient import Conduction, Patient
from beatssl.records.synthetic.waves import QRS, ST, P, Shape, T, centred_on_r, join, parts, wave_bounds_s

Acute = Literal["none", "elevation", "depression", "inversion"]

_SINUS_P = parts(P, [(-15, 19, (0.04, 0.05, -0.03)), (15, 19, (0.09, 0.045, 0.035))])
_ECTOPIC_P = parts(P, [(-12, 15, (0.05, -0.05, 0.02)), (12, 15, (-0.01, -0.06, 0.04))])

# Septum, anterior wall, free wall, base, last forces: the first four are what an infarct takes from.
_QRS: dict[Conduction, Shape] = {
    "normal": parts(
        QRS,
        [
            (-20, 6.5, (-0.10, -0.05, -0.24)),
            (-6, 7.3, (0.76, 0.28, -0.11)),
            (4, 7.0, (0.70, 0.42, 0.62)),
            (15, 6.0, (-0.16, 0.04, 0.48)),
            (26, 6.0, (-0.12, -0.01, 0.26)),
        ],
    ),
    "lafb": parts(
        QRS,
        [
            (-24, 7, (0.04, 0.17, -0.12)),
            (-11, 7.5, (0.66, 0.28, -0.10)),
            (0, 8, (0.64, -0.03, 0.34)),
            (12, 9, (0.10, -0.39, 0.46)),
            (27, 8.5, (-0.15, -0.26, 0.24)),
        ],
    ),
    "rbbb": parts(
        QRS,
        [
            (-24, 7, (-0.07, -0.04, -0.13)),
            (-12, 8, (0.37, 0.20, -0.15)),
            (0, 9, (0.73, 0.42, -0.06)),
            (13, 9, (0.04, 0.07, 0.12)),
            (37, 12.5, (-0.31, -0.19, -0.48)),
            (64, 13.5, (-0.33, -0.17, -0.50)),
        ],
    ),
    "lbbb": parts(
        QRS,
        [
            (-35, 11.5, (0.15, 0.18, 0.12)),
            (-14, 13.5, (0.41, 0.47, 1.45)),
            (11, 14, (0.38, 0.35, 1.62)),
            (38, 13.5, (0.50, 0.03, 1.05)),
            (60, 10.5, (0.20, -0.14, 0.24)),
        ],
    ),
}
_T_DIPOLE_MV: dict[Conduction, tuple[float, float, float]] = {
    "normal": (0.31, 0.15, -0.20),
    "lafb": (0.23, 0.21, -0.18),
    "rbbb": (0.23, 0.15, 0.07),
    "lbbb": (-0.18, -0.06, -0.62),
}
_ST_DIPOLE_MV: dict[Conduction, tuple[float, float, float]] = {
    "normal": (0.01, 0.00, -0.05),
    "lafb": (0.02, 0.01, -0.03),
    "rbbb": (0.00, 0.00, 0.03),
    "lbbb": (-0.09, -0.05, -0.22),
}


@dataclass(frozen=True, slots=True)
class Condition:
    """What may differ from one record of a patient to the next."""

    acute: Acute
    long_qt: bool


@dataclass(frozen=True, slots=True)
class _Repolarisation:
    st_mv: Float64[np.ndarray, " 3"]
    t_mv: Float64[np.ndarray, " 3"]


def beat_shapes(
    patient: Patient, condition: Condition, mean_rr_s: float, rng: np.random.Generator
) -> tuple[Shape, Shape, Shape, Shape]:
    """The record's beats of kind N, S, V and F, each with its R peak at time 0, before the heart's own rotation."""
    qrs = centred_on_r(_depolarisation(patient, rng))
    onset_s, _, offset_s = wave_bounds_s(qrs, QRS)
    qtc_s = 0.48 + 0.06 * (patient.severity - 0.7) if condition.long_qt else patient.qtc_s
    qt_s = qtc_s * mean_rr_s ** (1 / 3) + max(0.0, 0.5 * (offset_s - onset_s - 0.1))
    after = _repolarisation(patient, condition)
    recovery = _st_and_t(after, float(offset_s), float(onset_s) + qt_s, qt_s)
    conducted = join(qrs, recovery)
    if patient.fibrillation:
        normal = premature = conducted
    else:
        normal = join(_atrial(_SINUS_P, float(onset_s) - patient.pr_s, rng), conducted)
        premature = join(_atrial(_ECTOPIC_P, float(onset_s) - 0.85 * patient.pr_s, rng), conducted)
    ventricular = _ventricular(patient.gain, qt_s, rng)
    fusion = centred_on_r(join(normal.only(P), conducted.scaled(0.5), ventricular.scaled(0.5)))
    return normal, premature, ventricular, fusion


def _atrial(wave: Shape, onset_s: float, rng: np.random.Generator) -> Shape:
    """A P wave with its onset at the given time from R."""
    varied = _varied(wave, 0.2, rng)
    return varied.shifted(onset_s - float(wave_bounds_s(varied, P)[0]))


def _depolarisation(patient: Patient, rng: np.random.Generator) -> Shape:
    """The QRS complex of a conducted beat."""
    s = patient.severity
    qrs = _QRS[patient.conduction]
    dipole_mv = qrs.dipole_mv.copy()
    if patient.infarct == "anterior":
        dipole_mv[:4, 2] += s * np.array([0.30, 0.45, 0.30, 0.1])
        dipole_mv[1:3, 0] *= 1 - 0.3 * s
    if patient.infarct == "inferior":
        dipole_mv[:4, 1] -= s * np.array([0.34, 0.42, 0.10, 0.0])
    if patient.lvh:
        dipole_mv *= 1.25 + 0.45 * s
        dipole_mv[3, 2] += 0.2 * s
    if patient.rvh and patient.conduction != "lbbb":
        dipole_mv[1:5] += s * np.array([[-0.25, 0.0, -0.45], [-0.75, 0.1, -1.05], [-0.2, 0.0, -0.5], [-0.4, 0.0, -0.1]])
    wide = patient.qrs_stretch * (1.08 if patient.lvh else 1.0)
    wide = 1 + 0.4 * (wide - 1) if patient.conduction in ("lbbb", "rbbb") else wide
    stretched = replace(
        qrs,
        dipole_mv=dipole_mv * patient.gain,
        centre_s=qrs.centre_s * wide,
        rise_s=qrs.rise_s * wide,
        fall_s=qrs.fall_s * wide,
    )
    # The patient's own QRS is the same in every record: its variation must not come from the record's numbers.
    return _varied(stretched, 0.12, np.random.default_rng(patient.shape_seed))


def _repolarisation(patient: Patient, condition: Condition) -> _Repolarisation:
    """ST level and T wave: what the conduction gives, then hypertrophy's strain, infarct, and what is acute."""
    s = patient.severity
    st_mv = np.array(_ST_DIPOLE_MV[patient.conduction])
    t_mv = np.array(_T_DIPOLE_MV[patient.conduction]) * patient.t_gain
    if patient.conduction == "lbbb":
        st_mv, t_mv = st_mv * patient.gain, t_mv * patient.gain / patient.t_gain
    if patient.lvh and patient.conduction != "lbbb":
        st_mv += s * np.array([-0.07, -0.03, -0.04])
        t_mv += s * np.array([-0.32, -0.14, -0.12])
    if patient.rvh and patient.conduction != "lbbb":
        t_mv += s * np.array([0.05, -0.05, 0.28])
    toward = {"none": np.zeros(3), "anterior": np.array([0.12, 0.0, -1.0]), "inferior": np.array([-0.15, 1.0, 0.3])}
    injured = toward[patient.infarct]
    if patient.infarct != "none":
        t_mv *= 0.75
    if condition.acute == "elevation":
        st_mv += 0.24 * s * injured
        t_mv += 0.16 * s * injured
    else:
        t_mv -= 0.3 * s * injured  # the old infarct's inverted T
    if condition.acute == "depression":
        st_mv += s * np.array([-0.13, -0.10, 0.03])
        t_mv *= 1 - 0.5 * s
    if condition.acute == "inversion":
        t_mv *= -0.9 * s
    return _Repolarisation(st_mv, t_mv)


def _st_and_t(after: _Repolarisation, j_s: float, end_s: float, qt_s: float) -> Shape:
    """ST as a level from the J point into the T wave, T as a slow rise and a faster fall that ends at `end_s`."""
    fall_s, rise_s = 0.075 * qt_s, 0.115 * qt_s
    peak_s = end_s - 2.45 * fall_s
    step_s = (peak_s - j_s - 0.005) / 3
    level_at = j_s + 0.005 + step_s * np.arange(3)
    sigma_s = step_s * 0.62
    # Equal Gaussians 1.6 standard deviations apart add up to 1.57 times one of them.
    t_mv = np.stack([0.35 * after.t_mv * [0.8, 1.15, 1.15], 0.72 * after.t_mv * [1.1, 0.95, 0.92]])
    return Shape(
        wave=np.array([ST, ST, ST, T, T]),
        centre_s=np.array([*level_at, peak_s - 0.4 * rise_s, peak_s]),
        rise_s=np.array([0.015, sigma_s, sigma_s, rise_s, rise_s]),
        fall_s=np.array([sigma_s, sigma_s, sigma_s, fall_s, fall_s]),
        dipole_mv=np.concatenate([np.tile(after.st_mv / 1.57, (3, 1)), t_mv]),
    )


def _ventricular(patient_gain: float, qt_s: float, rng: np.random.Generator) -> Shape:
    """A premature ventricular beat: no P, a wide QRS from one side to the other, ST and T against it."""
    side = (
        1.0 if rng.uniform() < 0.6 else -1.0
    )  # from the right ventricle: to the left and back; from the left: forward
    toward = np.array([0.5 * side, rng.uniform(-1, 1), 0.9 * side]) + rng.normal(0, 0.2, 3)
    toward *= rng.uniform(1.3, 2.4) * np.sqrt(patient_gain) / np.linalg.norm(toward)
    aside = np.cross(toward, rng.normal(size=3)) / np.linalg.norm(toward)
    share, swing = np.array([0.35, 0.90, 0.80, 0.45]), np.array([0.35, 0.25, -0.25, -0.35])
    sigma_s = np.array([0.0105, 0.0115, 0.0125, 0.0145]) * rng.uniform(0.9, 1.15)
    qrs = Shape(
        wave=np.full(4, QRS),
        centre_s=np.array([-0.034, -0.008, 0.018, 0.050]) * rng.uniform(0.95, 1.2),
        rise_s=sigma_s,
        fall_s=sigma_s,
        dipole_mv=share[:, None] * toward + swing[:, None] * aside,
    )
    qrs = centred_on_r(qrs)
    onset_s, _, offset_s = wave_bounds_s(qrs, QRS)
    end_s = float(onset_s) + qt_s + 0.04
    return join(qrs, _st_and_t(_Repolarisation(-0.08 * toward, -0.28 * toward), float(offset_s), end_s, qt_s))


def _varied(shape: Shape, share: float, rng: np.random.Generator) -> Shape:
    """Every Gaussian a little larger or smaller, turned a little, wider or narrower."""
    size = np.linalg.norm(shape.dipole_mv, axis=1, keepdims=True)
    width = np.exp(rng.normal(0, share / 2, shape.wave.size))
    return replace(
        shape,
        dipole_mv=shape.dipole_mv * (1 + rng.normal(0, share, size.shape))
        + size * rng.normal(0, share, (*size.shape[:1], 3)),
        rise_s=shape.rise_s * width,
        fall_s=shape.fall_s * width,
    )
