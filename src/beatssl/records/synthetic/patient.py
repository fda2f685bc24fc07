"""Who is recorded: age, sex, the standing findings, and how this heart lies in this chest."""

from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from jaxtyping import Float64

from beatssl.signals.vcg import eight_from_vcg_matrix

Conduction = Literal["normal", "lbbb", "rbbb", "lafb"]
Infarct = Literal["none", "anterior", "inferior"]
Ectopy = Literal["none", "atrial", "ventricular", "both"]
Name = TypeVar("Name", bound=str)

_CONDUCTION_SHARES: dict[Conduction, float] = {"normal": 0.80, "lbbb": 0.06, "rbbb": 0.08, "lafb": 0.06}
_INFARCT_SHARES: dict[Infarct, float] = {"none": 0.80, "anterior": 0.10, "inferior": 0.10}
_ECTOPY_SHARES: dict[Ectopy, float] = {"none": 0.74, "atrial": 0.11, "ventricular": 0.11, "both": 0.04}

# In every ten records seven patients: the third comes twice, the fifth three times.
_PATIENT_OF_TEN = (0, 1, 2, 2, 3, 4, 4, 4, 5, 6)
# Spread of the lead vectors from chest to chest: small at the limbs, larger at V1–V4, which lie close to the heart.
_CHEST_VARIATION = np.array([0.06, 0.06, 0.15, 0.20, 0.18, 0.14, 0.10, 0.08])[:, None]
_PATIENT_STREAM = 1  # keeps a patient's numbers apart from those of the record with the same index


@dataclass(frozen=True, slots=True)
class Patient:
    """What stays the same in every record of one person."""

    number: int
    age_years: float
    sex: Literal["female", "male"]
    conduction: Conduction
    infarct: Infarct
    lvh: bool
    rvh: bool
    av_block: bool
    fibrillation: bool
    ectopy: Ectopy
    severity: float  # of all findings, 0.7 … 1.3
    pr_s: float
    qtc_s: float
    qrs_stretch: float
    shape_seed: int  # the patient's own form of the textbook QRS
    gain: float
    t_gain: float
    turn: Float64[np.ndarray, "3 3"]  # how the heart lies: rotation of its dipole
    eight_from_dipole: Float64[np.ndarray, "8 3"]  # Dower's lead vectors, bent by this chest

    @property
    def fold(self) -> int:
        """1 … 10, the same for every record of the patient."""
        return 1 + self.number % 10

    @property
    def id(self) -> str:
        return f"synthetic-patient-{self.number:06d}"


def patient_number(index: int) -> int:
    """Whose record `index` is."""
    return 7 * (index // 10) + _PATIENT_OF_TEN[index % 10]


def draw_patient(number: int, seed: int) -> Patient:
    """Patient `number` of the cohort `seed`; the same whatever else was drawn."""
    rng = np.random.default_rng([seed, number, _PATIENT_STREAM])
    age_years = float(np.clip(round(rng.normal(60, 17)), 18, 95))
    male = bool(rng.uniform() < 0.52)
    conduction = _choose(rng, _CONDUCTION_SHARES)
    infarct = _choose(rng, _INFARCT_SHARES)
    if conduction == "lbbb":
        infarct = "none"  # the block hides it
    lvh, rvh = bool(rng.uniform() < 0.10), bool(rng.uniform() < 0.04)
    ectopy = _choose(rng, _ECTOPY_SHARES)
    fibrillation, av_block = bool(rng.uniform() < 0.07), bool(rng.uniform() < 0.07)
    axis_deg = np.clip(rng.normal(-2, 14) - 0.4 * (age_years - 50), -26, 36)
    return Patient(
        number=number,
        age_years=age_years,
        sex="male" if male else "female",
        conduction=conduction,
        infarct=infarct,
        lvh=lvh,
        rvh=rvh and not lvh,
        av_block=av_block and not fibrillation,
        fibrillation=fibrillation,
        ectopy=ectopy,
        severity=float(rng.uniform(0.7, 1.3)),
        pr_s=float(rng.uniform(0.215, 0.30) if av_block else np.clip(rng.normal(0.16, 0.02), 0.122, 0.2)),
        qtc_s=float(np.clip(rng.normal(0.388 if male else 0.398, 0.015), 0.368, 0.435)),
        qrs_stretch=float(np.clip(rng.normal(1.04 if male else 0.97, 0.07), 0.85, 1.25)),
        shape_seed=int(rng.integers(2**32)),
        gain=float(np.exp(rng.normal(0.05 if male else -0.05, 0.2))),
        t_gain=float(np.exp(rng.normal(0.0, 0.25) - 0.006 * (age_years - 50))),
        turn=rotation(float(axis_deg), float(rng.normal(0, 10)), float(rng.normal(0, 6))),
        eight_from_dipole=eight_from_vcg_matrix() * (1 + rng.normal(0, _CHEST_VARIATION, (8, 3))),
    )


def rotation(frontal_deg: float, horizontal_deg: float, sagittal_deg: float) -> Float64[np.ndarray, "3 3"]:
    """Rotation by the frontal angle (X towards Y: clockwise on the ECG's circle), then the horizontal (X towards Z),
    then the sagittal one (Y towards Z)."""
    out = np.eye(3)
    for angle_deg, (a, b) in zip((frontal_deg, horizontal_deg, sagittal_deg), ((0, 1), (0, 2), (1, 2)), strict=True):
        step = np.eye(3)
        cos, sin = np.cos(np.deg2rad(angle_deg)), np.sin(np.deg2rad(angle_deg))
        step[[a, a, b, b], [a, b, a, b]] = [cos, -sin, sin, cos]
        out = step @ out
    return out


def _choose(rng: np.random.Generator, shares: dict[Name, float]) -> Name:
    """One of the keys, each with its share; the shares add up to one."""
    names = list(shares)
    return names[int(np.searchsorted(np.cumsum([shares[name] for name in names])[:-1], rng.uniform(), side="right"))]
