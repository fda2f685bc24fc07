"""Clinical indices over several leads: voltages of hypertrophy, R progression, block and infarct patterns, regions."""

import numpy as np
from jaxtyping import Float32

from beatssl.features.definition import Definition, columns
from beatssl.signals.leads import LEADS

_REGIONS = {
    "inferior": ("II", "III", "aVF"),
    "lateral": ("I", "aVL", "V5", "V6"),
    "septal": ("V1", "V2"),
    "anterior": ("V2", "V3", "V4"),
}
_CHEST = LEADS[6:]
_LIMB = LEADS[:6]

_VOLTAGES = {
    "sokolow_lyon_mv": Definition("mV", "S in V1 plus the larger R of V5 and V6 (Sokolow and Lyon 1949)."),
    "cornell_voltage_mv": Definition("mV", "R in aVL plus S in V3 (Casale 1985)."),
    "cornell_product_mvms": Definition("mV·ms", "Cornell voltage times QRS duration."),
    "peguero_mv": Definition("mV", "Deepest S of any lead plus S in V4 (Peguero and Lo Presti 2017)."),
    "lewis_mv": Definition("mV", "(R in I + S in III) − (S in I + R in III) (Lewis 1914)."),
    "total_voltage_mv": Definition("mV", "Sum over twelve leads of the QRS's height."),
    "total_product_mvms": Definition("mV·ms", "Total voltage times QRS duration."),
    "limb_voltage_mv": Definition("mV", "Greatest QRS height of the six limb leads."),
    "chest_voltage_mv": Definition("mV", "Greatest QRS height of V1–V6."),
    "gubner_mv": Definition("mV", "R in I plus S in III (Gubner and Ungerleider 1943)."),
    "rvh_mv": Definition("mV", "R in V1 plus the larger S of V5 and V6."),
    "romhilt_points": Definition(
        "1",
        "After Romhilt and Estes: voltage 3, strain in V6 3, P terminal force 3, left axis 2, QRS and V5 R time 1.",
    ),
}
_PROGRESSION = {
    "r_progression_mvplead": Definition("mV/lead", "Slope of R amplitude from V1 to V4."),
    "r_progression_least_mv": Definition("mV", "Smallest step of R amplitude from one lead to the next, V1 to V4."),
    "r_v3_mv_capped": Definition("mV", "R in V3, no more than 0.5 mV: poor progression shows below 0.3."),
    "transition_lead": Definition("lead", "Place between V1 (1) and V6 (6) where R/(R+S) passes one half."),
    "r_share_rise": Definition("1", "R/(R+S) in V6 minus that in V1."),
}
_BLOCKS = {
    "rbbb_pattern": Definition(
        "1", "V1's mean of the last 40 ms minus that of I and V6, over the mean QRS height there."
    ),
    "lbbb_pattern": Definition("ms", "Mean net QRS area of I and V6 minus that of V1, over their mean QRS height."),
    "anterior_fascicle_mv": Definition("mV", "R in aVL plus S in III, less R in II."),
    "s1q3_mv": Definition("mV", "S in I plus Q in III."),
}
_INFARCT = {
    f"{kind}_{region}_{unit}": Definition(u, f"{text}, over {', '.join(leads)}.")
    for region, leads in _REGIONS.items()
    for kind, unit, u, text in (
        ("q_widest", "ms", "ms", "Longest Q duration"),
        ("q_deepest", "ratio", "1", "Largest Q over QRS height"),
        ("r_least", "mv", "mV", "Smallest R amplitude"),
        ("st_highest", "mv", "mV", "Highest level at J + 60 ms"),
        ("st_lowest", "mv", "mV", "Lowest level at J + 60 ms"),
        ("t_least", "mv", "mV", "Lowest T amplitude"),
        ("t_over_r_least", "ratio", "1", "Lowest T amplitude over QRS height"),
    )
}
_COUNTS = {
    "q_lead_count": Definition("1", "Leads other than aVR with a Q of 30 ms or more and 0.1 mV or more."),
    "t_negative_count": Definition("1", "Leads of I, II, aVL, aVF, V2–V6 with a T amplitude under −0.05 mV."),
    "t_flat_count": Definition("1", "Leads of I, II, V3–V6 with a T amplitude within ±0.1 mV."),
    "st_low_count": Definition("1", "Leads other than aVR with a level at J + 60 ms of −0.05 mV or less."),
    "st_high_count": Definition("1", "Leads with a level at J + 60 ms of 0.1 mV or more."),
    "qt_dispersion_like_ms": Definition("ms", "Standard deviation over leads of the time from J to the T peak."),
}
DEFINITIONS = _VOLTAGES | _PROGRESSION | _BLOCKS | _INFARCT | _COUNTS

Columns = dict[str, Float32[np.ndarray, " row"]]


def measure(c: Columns) -> Columns:
    """Indices from the columns of the QRS, repolarisation, P, loop and interval measures; NaN where one it needs is."""
    out = _voltages(c) | _progression(c) | _blocks(c) | _counts(c)
    for region, leads in _REGIONS.items():
        out |= _region(c, region, leads)
    return columns({name: out[name] for name in DEFINITIONS})


def _of(c: Columns, family: str, leads: tuple[str, ...]) -> Float32[np.ndarray, "row lead"]:
    return np.stack([c[f"{family}_{lead}"] for lead in leads], axis=1)


def _depth(c: Columns, leads: tuple[str, ...]) -> Float32[np.ndarray, "row lead"]:
    """Depth of the deepest negative wave, positive upwards, whether it counts as Q or as S."""
    return -np.minimum(_of(c, "q_amplitude_mv", leads), _of(c, "s_amplitude_mv", leads))


def _height(c: Columns, leads: tuple[str, ...]) -> Float32[np.ndarray, "row lead"]:
    return np.maximum(_of(c, "r_amplitude_mv", leads), _of(c, "r2_amplitude_mv", leads)) + _depth(c, leads)


def _voltages(c: Columns) -> dict[str, np.ndarray]:
    r = dict(zip(LEADS, _of(c, "r_amplitude_mv", LEADS).T, strict=True))
    s = dict(zip(LEADS, _depth(c, LEADS).T, strict=True))
    qrs = c["qrs_duration_ms"]
    heights = _height(c, LEADS)
    cornell = r["aVL"] + s["V3"]
    sokolow = s["V1"] + np.maximum(r["V5"], r["V6"])
    deepest = _depth(c, LEADS).max(axis=1)
    tall = (np.maximum(deepest, np.maximum(r["V5"], r["V6"])) >= 3) | (_height(c, _LIMB).max(axis=1) >= 2)
    strain = (c["t_amplitude_mv_V6"] < 0) & (c["st_j60_mv_V6"] < -0.03)
    force = c["p_terminal_force_v1_mvms"] < -4
    left = c["qrs_axis_deg"] < -30
    points = 3.0 * tall + 3.0 * strain + 3.0 * force + 2.0 * left + (qrs >= 90) + (c["r_peak_time_ms_V5"] >= 50)
    return {
        "sokolow_lyon_mv": sokolow,
        "cornell_voltage_mv": cornell,
        "cornell_product_mvms": cornell * qrs,
        "peguero_mv": deepest + s["V4"],
        "lewis_mv": r["I"] + s["III"] - s["I"] - r["III"],
        "total_voltage_mv": heights.sum(axis=1),
        "total_product_mvms": heights.sum(axis=1) * qrs,
        "limb_voltage_mv": heights[:, :6].max(axis=1),
        "chest_voltage_mv": heights[:, 6:].max(axis=1),
        "gubner_mv": r["I"] + s["III"],
        "rvh_mv": r["V1"] + np.maximum(s["V5"], s["V6"]),
        "romhilt_points": np.where(np.isfinite(sokolow + c["t_amplitude_mv_V6"]), points, np.nan),
    }


def _progression(c: Columns) -> dict[str, np.ndarray]:
    r, s = _of(c, "r_amplitude_mv", _CHEST), _depth(c, _CHEST)
    share = r / np.maximum(r + s, 0.05)
    step = np.diff(r[:, :4], axis=1)
    # The first lead from which R outweighs S; the crossing is interpolated between it and the lead before.
    over = share >= 0.5
    first = np.where(over.any(axis=1), over.argmax(axis=1), 5)
    before = np.maximum(first - 1, 0)
    row = np.arange(len(r))
    low, high = share[row, before], share[row, first]
    part = np.clip((0.5 - low) / np.where(high > low, high - low, np.nan), 0, 1)
    lead = np.where(first == 0, 1.0, np.where(over.any(axis=1), before + 1 + np.nan_to_num(part), 6.5))
    return {
        "r_progression_mvplead": (r[:, :4] * np.array([-0.3, -0.1, 0.1, 0.3])).sum(axis=1),
        "r_progression_least_mv": step.min(axis=1),
        "r_v3_mv_capped": np.minimum(r[:, 2], 0.5),
        "transition_lead": np.where(np.isfinite(share).all(axis=1), lead, np.nan),
        "r_share_rise": share[:, 5] - share[:, 0],
    }


def _blocks(c: Columns) -> dict[str, np.ndarray]:
    sides = ("I", "V6")
    end = _of(c, "qrs_terminal_mv", ("V1", *sides))
    size = np.maximum(_height(c, ("V1", *sides)).mean(axis=1), 0.1)
    area = _of(c, "qrs_area_mvms", ("V1", *sides))
    return {
        "rbbb_pattern": (end[:, 0] - end[:, 1:].mean(axis=1)) / size,
        "lbbb_pattern": (area[:, 1:].mean(axis=1) - area[:, 0]) / size,
        "anterior_fascicle_mv": c["r_amplitude_mv_aVL"] + _depth(c, ("III",))[:, 0] - c["r_amplitude_mv_II"],
        "s1q3_mv": -c["s_amplitude_mv_I"] - c["q_amplitude_mv_III"],
    }


def _region(c: Columns, region: str, leads: tuple[str, ...]) -> dict[str, np.ndarray]:
    st, ratio = _of(c, "st_j60_mv", leads), _of(c, "t_over_r", leads)
    q = -_of(c, "q_amplitude_mv", leads) / np.maximum(_height(c, leads), 0.1)
    return {
        f"q_widest_{region}_ms": _of(c, "q_duration_ms", leads).max(axis=1),
        f"q_deepest_{region}_ratio": q.max(axis=1),
        f"r_least_{region}_mv": _of(c, "r_amplitude_mv", leads).min(axis=1),
        f"st_highest_{region}_mv": st.max(axis=1),
        f"st_lowest_{region}_mv": st.min(axis=1),
        f"t_least_{region}_mv": _of(c, "t_amplitude_mv", leads).min(axis=1),
        f"t_over_r_least_{region}_ratio": ratio.min(axis=1),
    }


def _counts(c: Columns) -> dict[str, np.ndarray]:
    no_avr = tuple(lead for lead in LEADS if lead != "aVR")
    q = (_of(c, "q_duration_ms", no_avr) >= 30) & (_of(c, "q_amplitude_mv", no_avr) <= -0.1)
    t = _of(c, "t_amplitude_mv", ("I", "II", "aVL", "aVF", "V2", "V3", "V4", "V5", "V6"))
    flat = _of(c, "t_amplitude_mv", ("I", "II", "V3", "V4", "V5", "V6"))
    st = _of(c, "st_j60_mv", no_avr)
    seen = np.isfinite(t).all(axis=1) & np.isfinite(st).all(axis=1)
    counts = {
        "q_lead_count": q.sum(axis=1),
        "t_negative_count": (t < -0.05).sum(axis=1),
        "t_flat_count": (np.abs(flat) <= 0.1).sum(axis=1),
        "st_low_count": (st <= -0.05).sum(axis=1),
        "st_high_count": (st >= 0.1).sum(axis=1),
    }
    out = {name: np.where(seen, value, np.nan) for name, value in counts.items()}
    return out | {"qt_dispersion_like_ms": _of(c, "t_peak_time_ms", LEADS).std(axis=1)}
