"""Onset, peak and offset of P, QRS and T of many beats at once, from all leads together."""

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
from jaxtyping import Float32
from scipy.ndimage import maximum_filter1d, uniform_filter1d

WORK_HZ = 200.0
"""Windows are interpolated to at least this rate; crossings are then interpolated between its samples."""

CHUNK_BEATS = 256
"""Beats worked on at a time, so that the working arrays stay in the processor's cache."""

QRS_REACH_S = 0.10
QRS_START_FRACTION = 0.25
QRS_FRACTION = 0.09
QRS_QUIET_S = 0.020
NOISE_SPAN_S = 0.030
NOISE_FACTOR = 2.0
T_AFTER_QRS_S = 0.06
T_LATEST_S = 0.55
TRAPEZIUM_S = 0.08
SINC_LOBES = 6


@dataclass(frozen=True, slots=True)
class Fiducials:
    """Wave boundaries of beats, in seconds from the window's R sample; NaN where not measurable."""

    p_onset_s: Float32[np.ndarray, " beat"]
    p_peak_s: Float32[np.ndarray, " beat"]
    p_offset_s: Float32[np.ndarray, " beat"]
    qrs_onset_s: Float32[np.ndarray, " beat"]
    r_peak_s: Float32[np.ndarray, " beat"]
    qrs_offset_s: Float32[np.ndarray, " beat"]
    t_onset_s: Float32[np.ndarray, " beat"]
    t_peak_s: Float32[np.ndarray, " beat"]
    t_offset_s: Float32[np.ndarray, " beat"]


def find_fiducials(
    window_mv: Float32[np.ndarray, "beat lead time"],
    fs_hz: float,
    r_index: int,
    rr_prev_s: Float32[np.ndarray, " beat"],
    rr_next_s: Float32[np.ndarray, " beat"],
) -> Fiducials:
    """P, QRS and T of every beat (see the module)."""
    out = np.full((len(fields(Fiducials)), len(window_mv)), np.nan, np.float32)
    for start in range(0, len(window_mv), CHUNK_BEATS):
        part = slice(start, start + CHUNK_BEATS)
        out[:, part] = _chunk(window_mv[part], fs_hz, r_index, rr_prev_s[part], rr_next_s[part])
    return Fiducials(*out)


def _chunk(window, fs_hz, r_index, rr_prev, rr_next):
    filled, first, last = _filled(window)
    up = max(1, int(np.ceil(WORK_HZ / fs_hz)))
    rate = up * fs_hz
    operator = _operators(window.shape[2], up, fs_hz)
    n, leads, time = filled.shape
    both = (filled.reshape(-1, time) @ operator).reshape(n, leads, 2, -1)
    x, v = both[:, :, 0], both[:, :, 1]
    width = x.shape[2]
    r = r_index * up
    speed = np.sqrt(np.einsum("blu,blu->bu", v, v))
    t = (np.arange(width) - r) / rate
    on, off = _qrs(speed, t, rate)
    # R peak
    base = _at(x, np.clip(((on - 0.01) * rate + r), 0, width - 1))
    rms = np.sqrt(((x - base[:, :, None]) ** 2).sum(1))
    r_peak = _peak(np.where((t >= on[:, None]) & (t <= off[:, None]), rms, -1), t, rate)
    # T
    rrn = np.where(np.isfinite(rr_next), rr_next, 1.0)
    latest = np.minimum(T_LATEST_S, 0.25 + 0.3 * rrn)
    t_on, t_pk, t_off = _wave(x, t, rate, off + 0.04, latest, 0.1 + off * 0.5, latest - 0.05)
    # P
    rrp = np.where(np.isfinite(rr_prev), rr_prev, 1.0)
    early = np.maximum(-0.36, -(rrp - 0.33))
    p_on, p_pk, p_off = _wave(x, t, rate, early, on, np.minimum(early + 0.03, on - 0.06), on - 0.03)
    rise = _at(x, np.clip(p_pk * rate + r, 0, width - 1)) - 0.5 * (
        _at(x, np.clip(p_on * rate + r, 0, width - 1)) + _at(x, np.clip(p_off * rate + r, 0, width - 1))
    )
    amplitude = np.sqrt((rise**2).mean(1))
    seen = (amplitude > 0.025) & (p_off - p_on > 0.06) & (p_off - p_on < 0.17) & (on - p_off < 0.12)
    begin, end = (first - r_index) / fs_hz, (last - r_index) / fs_hz
    seen &= (p_on > begin + 0.02) & np.isfinite(rr_prev)
    p_on, p_pk, p_off = (np.where(seen, p, np.nan) for p in (p_on, p_pk, p_off))
    on = np.where(on > begin, on, np.nan)
    off = np.where(off < end, off, np.nan)
    seen = t_off < end - 0.02
    t_on, t_pk, t_off = (np.where(seen, p, np.nan) for p in (t_on, t_pk, t_off))
    return np.stack([p_on, p_pk, p_off, on, r_peak, off, t_on, t_pk, t_off]).astype(np.float32)


def _wave(x, t, rate, start, end, peak_from, peak_to):
    inside = (t >= start[:, None]) & (t <= end[:, None])
    count = inside.sum(1).clip(1)
    mean = (x * inside[:, None]).sum(2) / count[:, None]
    z = (x - mean[:, :, None]) * inside[:, None]
    cov = z @ z.transpose(0, 2, 1)
    w = _first_axis(cov)
    y = np.einsum("bl,blu->bu", w, x)
    # sign: peak is away from the ends
    ys = _at1(y, np.clip(np.searchsorted(t, start), 0, len(t) - 1))
    ye = _at1(y, np.clip(np.searchsorted(t, end), 0, len(t) - 1))
    span = (end - start)[:, None]
    line = ys[:, None] + (ye - ys)[:, None] * (t - start[:, None]) / np.maximum(span, 0.01)
    d = y - line
    can = (t >= peak_from[:, None]) & (t <= peak_to[:, None])
    k = np.where(can, np.abs(d), -1).argmax(1)
    sign = np.sign(_at1(d, k))
    y = y * sign[:, None]
    tk = t[k]
    w_ = int(round(TRAPEZIUM_S * rate))
    c = np.cumsum(np.pad(y, ((0, 0), (1, 0))), axis=1)
    A = np.full_like(y, -np.inf)
    A[:, w_:] = c[:, w_:-1] - c[:, : -w_ - 1] - w_ * y[:, w_:]
    Bk = np.full_like(y, -np.inf)
    Bk[:, :-w_] = c[:, w_ + 1 :] - c[:, 1:-w_] - w_ * y[:, :-w_]
    okA = (t > tk[:, None]) & (t <= end[:, None])
    okB = (t < tk[:, None]) & (t >= start[:, None])
    off = _peak(np.where(okA, A, -np.inf), t, rate)
    on = _peak(np.where(okB, Bk, -np.inf), t, rate)
    pk = _peak(np.where(np.abs(t - tk[:, None]) < 0.03, y, -np.inf), t, rate)
    return on, pk, off


def _first_axis(cov):
    k = cov.diagonal(axis1=1, axis2=2).argmax(1)
    w = np.take_along_axis(cov, k[:, None, None], 2)
    for _ in range(6):
        w = w / np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1e-12)
        w = cov @ w
    return (w / np.maximum(np.linalg.norm(w, axis=1, keepdims=True), 1e-12))[:, :, 0]


def _at(x, pos):
    return np.take_along_axis(x, np.round(pos).astype(int)[:, None, None], 2)[:, :, 0]


def _at1(y, k):
    return np.take_along_axis(y, k[:, None], 1)[:, 0]


def _peak(y, t, rate):
    k = y.argmax(1).clip(1, y.shape[1] - 2)
    a, b, c = (_at1(y, k + s) for s in (-1, 0, 1))
    with np.errstate(all="ignore"):
        shift = np.clip(0.5 * (a - c) / (a - 2 * b + c), -0.5, 0.5)
    return t[k] + np.where(np.isfinite(shift), shift, 0) / rate


def _qrs(speed, t, rate):
    near = np.abs(t) <= QRS_REACH_S
    top = np.where(near, speed, 0).max(1)
    quiet = uniform_filter1d(speed, round(NOISE_SPAN_S * rate), axis=1)
    noise = np.where((t > -0.30) & (t < -0.03), quiet, np.inf).min(1)
    level = np.maximum(QRS_FRACTION * top, NOISE_FACTOR * noise)[:, None]
    above = near & (speed >= QRS_START_FRACTION * top[:, None])
    k0 = above.argmax(1)
    k1 = speed.shape[1] - 1 - above[:, ::-1].argmax(1)
    n = round(QRS_QUIET_S * rate)
    before = maximum_filter1d(speed, n, axis=1, origin=(n - 1) // 2)
    after = maximum_filter1d(speed, n, axis=1, origin=-(n // 2))
    idx = np.arange(speed.shape[1])
    i = np.where((before < level) & (idx < k0[:, None]), idx, 0).max(1)
    j = np.where((after < level) & (idx > k1[:, None]), idx, speed.shape[1] - 1).min(1)
    lv = level[:, 0]
    a, b = _at1(speed, i), _at1(speed, np.minimum(i + 1, speed.shape[1] - 1))
    on = t[i] + np.clip((lv - a) / np.maximum(b - a, 1e-9), 0, 1) / rate
    a, b = _at1(speed, j), _at1(speed, np.maximum(j - 1, 0))
    off = t[j] - np.clip((lv - a) / np.maximum(b - a, 1e-9), 0, 1) / rate
    return on, off


def _filled(window):
    measured = np.isfinite(window)
    some = measured.any(1)
    first = some.argmax(1)
    last = some.shape[1] - 1 - some[:, ::-1].argmax(1)
    at = np.clip(np.arange(window.shape[2]), first[:, None], last[:, None])
    if some.all():
        held = window
    else:
        held = np.take_along_axis(window, at[:, None], 2)
    return np.nan_to_num(held, nan=0.0), first, last


@lru_cache(maxsize=16)
def _operators(time: int, up: int, fs_hz: float):
    n = time * up
    pad = SINC_LOBES
    u = np.arange(n)[:, None] / up
    s = np.arange(-pad, time + pad)[None, :]
    d = u - s
    kernel = np.sinc(d) * np.where(np.abs(d) < pad, np.cos(np.pi * d / 2 / pad) ** 2, 0)
    kernel /= kernel.sum(1, keepdims=True)
    full = np.zeros((n, time))
    cols = np.clip(np.arange(-pad, time + pad), 0, time - 1)
    np.add.at(full.T, cols, kernel.T)
    deriv = np.gradient(full, 1 / (fs_hz * up), axis=0)
    return np.concatenate([full.T, deriv.T], axis=1).astype(np.float32)
