"""Exchanged electrodes of a twelve-lead ECG: what an exchange does to the leads, which one a record shows, its undoing.

A wrong sign of all leads counts as one of the exchanges: it shows, and is undone, in the same way.

An exchange moves potentials, and every lead follows. With the electrode potentials φ against Wilson's terminal,

    φ_RA = −(I + II)/3,  φ_LA = (2·I − II)/3,  φ_LL = (2·II − I)/3,  φ_RL ≈ φ_LL,  φ_Vk = Vk,

the recorder takes φ' of the electrodes that its cables reach, and forms I' = φ'_LA − φ'_RA, II' = φ'_LL − φ'_RA and
Vk' = φ'_Vk − (φ'_RA + φ'_LA + φ'_LL)/3. The terminal keeps its potential under any exchange among RA, LA and LL: the
chest leads then stay as they are. They change where the right leg's electrode, which is in no lead, takes part. That
both legs have one potential is an approximation: a leg carries no current of the heart's, so that one limb lead becomes
nearly flat. See Kligfield et al., Circulation 2007;115:1306, and Jekova et al., Sensors 2019;19:2920.
"""

import csv
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from itertools import combinations
from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float32, Float64

from beatssl.signals.leads import INDEPENDENT, LEADS, canonical_lead, canonical_leads, to_twelve

Exchange = Literal[
    "RA-LA", "RA-LL", "LA-LL", "RA-RL", "LA-RL", "LL-RL", "arms-legs",
    "V1-V6 reversed", "V1-V2", "V2-V3", "V3-V4", "V4-V5", "V5-V6", "V1-V3",
    "inverted",
]  # fmt: skip
EXCHANGES: tuple[Exchange, ...] = get_args(Exchange)
"""Exchanges by the electrodes that change places; "arms-legs": each arm's with that of the leg on its side; "inverted":
none, but every lead has the wrong sign."""

LIMB_EXCHANGES = EXCHANGES[:7]
LEARNT: tuple[Exchange, ...] = (
    "RA-LA", "RA-LL", "V1-V6 reversed", "V1-V2", "V2-V3", "V3-V4", "V4-V5", "V1-V3", "inverted",
)  # fmt: skip
"""Found by the fitted model."""
FLAT: tuple[Exchange, ...] = ("arms-legs", "RA-RL", "LA-RL")
"""Found by a flat lead: I, II, III."""

_EIGHT_LEADS = tuple(LEADS[k] for k in INDEPENDENT)
FEATURES = (
    *(f"correlation {part} {a} {b}" for part in ("beat", "P") for a, b in combinations(_EIGHT_LEADS, 2)),
    *(f"log distance {part} {a} {b}" for part in ("QRS", "P") for a, b in combinations(LEADS[6:], 2)),
    *(f"{name} {lead}" for name in ("log size QRS", "polarity QRS", "polarity P") for lead in _EIGHT_LEADS),
)
"""What the model looks at, of the mean beat; see `placement_features`."""

TABLE = "electrodes.csv"
"""The fitted model's numbers, written by `release/fit_electrodes.py`."""

_FLAT_LIMB = 0.12  # RMS of the flat limb lead's mean beat relative to the smaller of the other two; .05 % of PTB-XL
_SILENT_MV = 0.005  # RMS of a mean beat: no ECG in this lead, hence nothing to compare
CLIP_SD = 4.0
"""A feature further from its mean counts as this."""

_FS_HZ = 100.0
_BEAT_S = np.arange(-25, 42) / _FS_HZ  # times of a beat's samples from the steepest point of its QRS complex
_QRS, _P = slice(17, 34), slice(1, 18)  # −80 … +80 ms and −240 … −80 ms
_MEAN_OF_QRS = np.full(17, 1 / 17, np.float32)
_BUMP = np.zeros(67, np.float32)  # P's middle above the mean of its ends
_BUMP[7:14], _BUMP[:3], _BUMP[17:19] = 1 / 7, -1 / 6, -1 / 4
_STEEP_S = 0.04
_BEAT_SHARE = 0.25  # of the median window's steepest point, squared; less is no QRS complex
_FEWEST_BEATS = 2

_EIGHT = list(INDEPENDENT)
_PAIRS = np.array([8 * a + b for a, b in combinations(range(8), 2)])  # in a flattened table of the eight leads
_CHEST_PAIRS = np.array([8 * a + b for a, b in combinations(range(2, 8), 2)])

_LEGS_AS_ONE = {"RA": (-1 / 3, -1 / 3), "LA": (2 / 3, -1 / 3), "LL": (-1 / 3, 2 / 3), "RL": (-1 / 3, 2 / 3)}


def exchanged(
    ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str], exchange: str
) -> Float32[np.ndarray, "lead time"]:
    """The record as it would have been with these electrodes exchanged, in mV, its leads in the order given.

    Exchanges among RA, LA and LL and among the chest electrodes only permute leads and turn signs, exactly, and are
    their own inverse. Those with RL take both legs to have one potential: one limb lead becomes zero, and
    LL-RL changes nothing. Leads outside the twelve stay as they are, but where all are inverted.

    Raises ValueError for an unknown exchange, or where a lead that it needs is absent.
    """
    if exchange not in EXCHANGES:
        raise ValueError(f"no exchange of electrodes is called {exchange!r}; known are {', '.join(EXCHANGES)}")
    if exchange == "inverted":
        return -ecg_mv
    matrix, names = exchange_matrix(exchange), canonical_leads(tuple(leads))
    twelve = to_twelve(ecg_mv, names)
    out = ecg_mv.copy()
    for row, name in enumerate(names):
        weights = matrix[LEADS.index(name)] if name in LEADS else np.zeros(12)
        if name not in LEADS or weights[LEADS.index(name)] == 1 == np.abs(weights).sum():
            continue
        parts = np.flatnonzero(weights)
        if absent := [LEADS[k] for k in parts if not np.isfinite(twelve[k]).any()]:
            raise ValueError(
                f"{name} after an exchange of {exchange} needs {', '.join(absent)}, which the record of "
                f"{', '.join(names)} has not; pass a record that has, or leave {name} out"
            )
        out[row] = sum((np.float32(weights[k]) * twelve[k] for k in parts), np.zeros_like(out[row]))
    return out


def corrected(
    ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str], exchange: str
) -> Float32[np.ndarray, "lead time"]:
    """The record with an exchange undone, in mV: what the electrodes in their places would have given.

    Raises ValueError for RA-RL, LA-RL and arms-legs: two of the inputs RA, LA and LL then lie on the legs, at one
    potential, and what a third limb had was not recorded. Such a record must be taken again. Raises as `exchanged` too.
    """
    if exchange in FLAT:
        raise ValueError(
            f"an exchange of {exchange} cannot be undone: with an input of the limb leads on the right leg two of the "
            "three inputs had one potential, and that of a limb went unrecorded; record again"
        )
    return exchanged(ecg_mv, leads, exchange)


@lru_cache
def exchange_matrix(exchange: Exchange) -> Float64[np.ndarray, "12 12"]:
    """Each of the twelve leads after an exchange as a sum over the leads before; a single lead wherever one will do."""
    before = _leads_of({name: name for name in (*_LEGS_AS_ONE, *LEADS[6:])})
    after = _leads_of(_moved(exchange))
    out = np.zeros((12, 12))
    for row, lead in enumerate(after):
        alike = [(k, sign) for sign in (1, -1) for k in range(12) if np.allclose(lead, sign * before[k])]
        if not lead.any() or np.allclose(lead, 0):
            continue
        if alike:
            out[row, alike[0][0]] = alike[0][1]
        else:
            out[row, list(INDEPENDENT)] = np.where(np.isclose(lead, 0), 0, lead)
    return out


def _moved(exchange: Exchange) -> dict[str, str]:
    """For each of the recorder's inputs the place on the body that its cable reaches."""
    pairs = {
        "arms-legs": [("RA", "RL"), ("LA", "LL")],
        "V1-V6 reversed": [("V1", "V6"), ("V2", "V5"), ("V3", "V4")],
    }.get(exchange) or [tuple(exchange.split("-"))]
    place = {name: name for name in (*_LEGS_AS_ONE, *LEADS[6:])}
    for a, b in pairs:
        place[a], place[b] = b, a
    return place


def _leads_of(place: dict[str, str]) -> Float64[np.ndarray, "12 8"]:
    """The twelve leads as sums over I, II, V1–V6 of the right placement."""
    at: dict[str, Float64[np.ndarray, " 8"]] = {}
    for name, source in place.items():
        at[name] = np.zeros(8)
        if source in _LEGS_AS_ONE:
            at[name][:2] = _LEGS_AS_ONE[source]
        else:
            at[name][1 + int(source[1])] = 1
    right, left, foot = at["RA"], at["LA"], at["LL"]
    limbs = [left - right, foot - right, foot - left]
    limbs += [right - (left + foot) / 2, left - (right + foot) / 2, foot - (right + left) / 2]
    return np.stack([*limbs, *(at[name] - (right + left + foot) / 3 for name in LEADS[6:])])


def misplaced(ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str], fs_hz: float) -> Exchange | None:
    """The exchange of electrodes that a record shows, or None. About 0.15 ms for 10 s at 100 Hz.

    Takes a raw or filtered signal, NaN where not measured. Looked at is the mean of the beats, aligned at the steepest
    point of their QRS complexes.

    - I, II or III nearly flat: arms-legs, RA-RL or LA-RL. Needs two limb leads.
    - RA-LA, RA-LL, V1-V6 reversed, V1-V2, V2-V3, V3-V4, V4-V5, V1-V3, inverted: the most probable where its log odds
      against electrodes in place exceed a threshold, by multinomial logistic regression on `placement_features`, fitted
      on PTB-XL's folds 1–8 with exchanges made in software (`release/fit_electrodes.py`). Needs two limb leads and all
      chest leads.

    LA-LL and V5-V6 are not looked for: at a specificity of .99 too few are found. LL-RL changes nothing. A cyclic
    exchange of RA, LA and LL may be taken for RA-LA or RA-LL.
    """
    beat = mean_beat(ecg_mv, leads, fs_hz)
    if beat is None:
        return None
    products = _products(beat)
    square = products.diagonal()
    limbs = np.sqrt([square[0], square[1], max(square[0] + square[1] - 2 * products[0, 1], 0.0)])
    smallest, second, _ = np.argsort(limbs)
    if limbs[second] > _SILENT_MV and limbs[smallest] < _FLAT_LIMB * limbs[second]:
        return FLAT[smallest]
    if square.min() < _SILENT_MV**2:
        return None
    model = placement_model()
    z = (placement_features(beat) - model.mean) / model.sd
    odds = np.minimum(np.maximum(z, -CLIP_SD), CLIP_SD) @ model.weights + model.intercepts
    best = int(odds.argmax())
    return LEARNT[best] if odds[best] > model.threshold else None


def exchange_in_words(exchange: Exchange) -> str:
    """What seems to be wrong, and what can be done."""
    if exchange == "inverted":
        return "all leads seem to have the wrong sign: is the gain right? --files.correct-electrodes inverts them"
    remedy = "record again" if exchange in FLAT else "--files.correct-electrodes undoes it"
    return f"the electrodes {exchange} seem to be exchanged: {remedy}"


def mean_beat(
    ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str], fs_hz: float
) -> Float32[np.ndarray, "8 67"] | None:
    """Mean beat of I, II, V1–V6 from 250 ms before to 410 ms after the steepest point of QRS, a sample every 10 ms.

    Each lead is zero on average. A chest lead without a sample is zero. None without two limb leads or two beats. One
    beat is taken from each second: a fast rhythm costs no more than a slow one.
    """
    eight = _eight(ecg_mv, leads)
    if eight is None:
        return None
    every = max(1, round(fs_hz / _FS_HZ))
    if every > 1:  # the mean of `every` samples: a low pass that is cheap
        samples = eight.shape[1] // every * every
        eight = np.mean([eight[:, k:samples:every] for k in range(every)], axis=0)
    rate_hz = fs_hz / every
    second, step = max(round(rate_hz), 1), max(round(_STEEP_S * rate_hz), 1)
    slope = eight[:, step:] - eight[:, :-step]
    windows = slope.shape[1] // second
    if windows < _FEWEST_BEATS:
        return None
    steep = np.einsum("lt,lt->t", slope, slope)[: windows * second].reshape(windows, second)
    at = steep.argmax(axis=1)
    peak = steep[np.arange(windows), at]
    sample = at + np.arange(windows) * second + step // 2
    around = np.round(_BEAT_S * rate_hz).astype(np.intp)
    within = (sample + around[0] >= 0) & (sample + around[-1] < eight.shape[1])
    sample = sample[within & (peak > _BEAT_SHARE * np.partition(peak, windows // 2)[windows // 2])]
    if len(sample) < _FEWEST_BEATS:
        return None
    beat = eight.take(sample[:, None] + around, axis=1).mean(axis=1)
    return beat - beat.mean(axis=1, keepdims=True)


def _eight(ecg_mv: Float32[np.ndarray, "lead time"], leads: Sequence[str]) -> Float32[np.ndarray, "8 time"] | None:
    """I, II, V1–V6, gaps at the lead's mean and missing chest leads zero; None without two limb leads."""
    if len({canonical_lead(name) for name in leads} & set(LEADS[:6])) < 2:
        return None
    eight = (ecg_mv if tuple(leads) == LEADS else to_twelve(ecg_mv, canonical_leads(tuple(leads))))[_EIGHT]
    if np.isfinite(eight).all():
        return eight
    eight = to_twelve(ecg_mv, canonical_leads(tuple(leads)))[_EIGHT]
    measured = np.isfinite(eight)
    if not measured[:2].any(axis=1).all():
        return None
    mean = np.where(measured, eight, 0).sum(axis=1) / np.maximum(measured.sum(axis=1), 1)
    return np.where(measured, eight, mean[:, None]).astype(np.float32)


def placement_features(beat: Float32[np.ndarray, "8 67"]) -> Float32[np.ndarray, " feature"]:
    """What the model looks at, `FEATURES`, of a mean beat in mV. Amplitudes only count relative to one another.

    - correlations of all pairs of the eight leads, over the whole beat and over P (−240 … −80 ms);
    - log distances, RMS of the difference, of all pairs of chest leads over QRS (±80 ms) and P, less their mean: with
      electrodes in order, neighbours are near;
    - log size of QRS, less its mean; polarity of QRS, (max + min)/(max − min); polarity of P, its middle above its ends
      divided by the norm over leads.
    """
    qrs = beat[:, _QRS]
    of_beat, of_qrs, of_p = _products(beat), _products(qrs), _products(beat[:, _P])
    size = np.log(np.sqrt(np.maximum(of_qrs.diagonal(), 0)) + np.float32(0.004))
    middle = qrs @ _MEAN_OF_QRS
    top, bottom = qrs.max(axis=1) - middle, qrs.min(axis=1) - middle
    bump = beat @ _BUMP
    return np.concatenate(
        [
            _correlations(of_beat), _correlations(of_p), _distances(of_qrs, 0.003), _distances(of_p, 0.001),
            size - size.mean(), (top + bottom) / (top - bottom + 0.001), bump / (np.sqrt(bump @ bump) + 0.02),
        ]
    )  # fmt: skip


def _products(x: Float32[np.ndarray, "8 time"]) -> Float32[np.ndarray, "8 8"]:
    """Covariances of the leads."""
    total = x.sum(axis=1)
    return (x @ x.T - np.outer(total, total) / np.float32(x.shape[1])) / np.float32(x.shape[1])


def _correlations(products: Float32[np.ndarray, "8 8"]) -> Float32[np.ndarray, " pair"]:
    size = np.sqrt(np.maximum(products.diagonal(), 0)) + np.float32(0.001)
    return (products / (size[:, None] * size)).ravel().take(_PAIRS)


def _distances(products: Float32[np.ndarray, "8 8"], least_mv: float) -> Float32[np.ndarray, " pair"]:
    square = products.diagonal()
    apart = (square[:, None] + square - 2 * products).ravel().take(_CHEST_PAIRS)
    log = np.log(np.sqrt(np.maximum(apart, 0)) + np.float32(least_mv))
    return log - log.mean()


class PlacementModel(NamedTuple):
    """Log odds of each of `LEARNT` against electrodes in place: clipped (x − mean)/sd @ weights + intercepts."""

    mean: Float32[np.ndarray, " feature"]
    sd: Float32[np.ndarray, " feature"]
    weights: Float32[np.ndarray, "feature exchange"]
    intercepts: Float32[np.ndarray, " exchange"]
    threshold: float


@lru_cache(maxsize=1)
def placement_model() -> PlacementModel:
    """The fitted model, from the table beside this module: a line a feature, then intercepts and the threshold."""
    with (files("beatssl.signals") / TABLE).open(encoding="utf-8") as file:
        rows = {row[0]: row[1:] for row in csv.reader(line for line in file if not line.startswith("#"))}
    table = np.array([rows[name] for name in FEATURES], np.float32)
    intercepts = np.array(rows["intercept"][2:], np.float32)
    return PlacementModel(table[:, 0], table[:, 1], table[:, 2:], intercepts, float(rows["threshold"][2]))
