"""Record features and median beats on one scale, with what is missing kept apart from what is average."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int, Int64
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from beatssl.beats.windows import AFTER_S, BEFORE_S
from beatssl.signals.leads import INDEPENDENT
from beatssl.signals.principal_axes import principal_axes

_ANGLE = "_axis_deg"
_LINEAR_TO = 2.0
_LIMIT = 5.0
_RARE = 0.005
_NORMAL_SPAN = 3.2897  # between the 5th and the 95th centile of a normal distribution
_SPAN_S = (-0.28, 0.66)
_FORMAT = "beatssl-standardiser-1"


@dataclass(frozen=True, slots=True)
class Standardised:
    """Rows on the standard scale."""

    values: Float32[np.ndarray, "row feature"]  # 0, the training median, where not measured
    measured: Bool[np.ndarray, "row feature"]


@dataclass(frozen=True)
class FeatureStandardiser:
    """What was fitted to the training rows: centres, spreads, and the principal components of the median beat.

    A column is centred at its median and divided by the span from its 5th to its 95th centile, as a normal
    distribution's standard deviation would have it. Beyond ±2 it grows with the logarithm, and it ends at ±5, so that
    a rare extreme is far away but does not outweigh everything else. A direction (`…_axis_deg`) becomes its sine and
    cosine, since 179° and −179° are neighbours.
    """

    columns: tuple[str, ...]  # of the table that comes in
    centre: Float64[np.ndarray, " feature"]
    spread: Float64[np.ndarray, " feature"]
    beat_mean_mv: Float64[np.ndarray, " flat"]  # eight leads × the samples of the span, end to end
    beat_axes: Float64[np.ndarray, "component flat"]
    beat_fs_hz: float
    explained_share: Float64[np.ndarray, " component"]
    indicators: Int64[np.ndarray, " indicator"]  # one feature of every set that was always missing together
    training_rows: int

    @classmethod
    def fit(
        cls,
        features: pd.DataFrame,
        median_mv: Float32[np.ndarray, "row lead window"] | None,
        training_rows: Int[np.ndarray, " chosen"] | Bool[np.ndarray, " row"],
        components: int = 32,
    ) -> "FeatureStandardiser":
        """Learn from the training rows alone; columns that none of them has, or that never differ, are left out.

        `features` holds one line a row, `median_mv` the rows' median beats in mV (None: no components). The components
        are those of the eight independent leads from R − 0.28 to R + 0.66 s; rows without a whole median beat do not
        count. Raises ValueError for fewer than two training rows.
        """
        chosen = np.arange(len(features))[training_rows]
        if len(chosen) < 2:
            raise ValueError(f"{len(chosen)} training rows are too few to learn a scale from; pass at least two")
        table = features.iloc[chosen].to_numpy(np.float64)
        varied = _has_range(table)
        columns = tuple(str(name) for name, keep in zip(features.columns, varied, strict=True) if keep)
        mean, axes, share, fs_hz = _principal_components(median_mv, chosen, components)
        raw = np.concatenate(
            [_directions(table[:, varied], columns), _on_axes(median_mv, chosen, mean, axes, fs_hz)], axis=1
        )
        centre, spread = _scale(raw)
        return cls(columns, centre, spread, mean, axes, fs_hz, share, _indicators(raw), len(chosen))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features that come out."""
        plain = [name for name in self.columns if not name.endswith(_ANGLE)]
        angles = [name.removesuffix("_deg") for name in self.columns if name.endswith(_ANGLE)]
        components = [f"beat_component_{number + 1}" for number in range(len(self.beat_axes))]
        return (*plain, *(f"{name}_sin" for name in angles), *(f"{name}_cos" for name in angles), *components)

    def transform(
        self, features: pd.DataFrame, median_mv: Float32[np.ndarray, "row lead window"] | None = None
    ) -> Standardised:
        """Rows on the training rows' scale. Raises ValueError where a column or the median beats are not there."""
        if absent := [name for name in self.columns if name not in features.columns]:
            raise ValueError(
                f"{len(absent)} columns the scale was fitted to are not in the table, {absent[0]!r} first; "
                "measure the features with the same version, or fit again"
            )
        if len(self.beat_axes) and median_mv is None:
            raise ValueError("the scale has components of the median beat; pass median_mv too")
        plain = _directions(features[list(self.columns)].to_numpy(np.float64), self.columns)
        rows = np.arange(len(features))
        components = _on_axes(median_mv, rows, self.beat_mean_mv, self.beat_axes, self.beat_fs_hz)
        raw = np.concatenate([plain, components], axis=1)
        measured = np.isfinite(raw)
        values = _tamed((np.where(measured, raw, self.centre) - self.centre) / self.spread)
        return Standardised(values.astype(np.float32), measured)

    def for_models(self, rows: Standardised) -> Float32[np.ndarray, "row wide"]:
        """The values, and a column of 1 where missing and 0 where measured for each set of features missing together.

        A set counts where at least one in two hundred training rows lacks it, and as many have it.
        """
        return np.concatenate([rows.values, ~rows.measured[:, self.indicators]], axis=1, dtype=np.float32)

    def save(self, path: Path | str) -> None:
        """Write to one safetensors file; the column names stand in its header as JSON."""
        arrays = {
            name: np.ascontiguousarray(getattr(self, name))
            for name in ("centre", "spread", "beat_mean_mv", "beat_axes", "explained_share", "indicators")
        }
        about = {
            "format": _FORMAT,
            "columns": json.dumps(self.columns),
            "beat_fs_hz": repr(self.beat_fs_hz),
            "training_rows": str(self.training_rows),
        }
        save_file(arrays, str(path), metadata=about)

    @classmethod
    def load(cls, path: Path | str) -> "FeatureStandardiser":
        """Read what `save` wrote. Raises ValueError where the file is no such file."""
        try:
            with safe_open(str(path), "numpy") as file:
                about = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(
                f"{path} is no safetensors file ({error}); pass what FeatureStandardiser.save wrote"
            ) from None
        if about.get("format") != _FORMAT:
            raise ValueError(f"{path} holds {about.get('format')!r}, not {_FORMAT!r}; fit and save the scale again")
        return cls(
            columns=tuple(json.loads(about["columns"])),
            beat_fs_hz=float(about["beat_fs_hz"]),
            training_rows=int(about["training_rows"]),
            **arrays,
        )


def _has_range(table: Float64[np.ndarray, "row column"]) -> Bool[np.ndarray, " column"]:
    low = np.where(np.isfinite(table), table, np.inf).min(axis=0)
    high = np.where(np.isfinite(table), table, -np.inf).max(axis=0)
    return np.asarray(low < high)


def _directions(table: Float64[np.ndarray, "row column"], columns: Sequence[str]) -> Float64[np.ndarray, "row feature"]:
    """Directions replaced by sine and cosine, after the other columns."""
    angle = np.array([name.endswith(_ANGLE) for name in columns], bool)
    turned = np.radians(table[:, angle])
    return np.concatenate([table[:, ~angle], np.sin(turned), np.cos(turned)], axis=1)


def _scale(
    raw: Float64[np.ndarray, "row feature"],
) -> tuple[Float64[np.ndarray, " feature"], Float64[np.ndarray, " feature"]]:
    """Centre and spread of each column; where the centiles coincide (mostly zeros), the standard deviation."""
    low, centre, high = np.nanquantile(raw, (0.05, 0.5, 0.95), axis=0)
    span, deviation = (high - low) / _NORMAL_SPAN, np.nanstd(raw, axis=0)
    spread = np.where(span > 1e-3 * deviation, span, deviation)
    return centre, np.where(spread > 0, spread, 1.0)


def _indicators(raw: Float64[np.ndarray, "row feature"]) -> Int64[np.ndarray, " indicator"]:
    missing = ~np.isfinite(raw)
    share = missing.mean(axis=0)
    common = np.flatnonzero((share >= _RARE) & (share <= 1 - _RARE))
    _, first = np.unique(missing[:, common], axis=1, return_index=True)
    return common[np.sort(first)].astype(np.int64)


def _tamed(z: Float64[np.ndarray, "row feature"]) -> Float64[np.ndarray, "row feature"]:
    size = np.abs(z)
    beyond = _LINEAR_TO + np.log1p(np.maximum(size - _LINEAR_TO, 0))
    return np.sign(z) * np.minimum(np.where(size > _LINEAR_TO, beyond, size), _LIMIT)


def _principal_components(
    median_mv: Float32[np.ndarray, "row lead window"] | None, rows: Int[np.ndarray, " chosen"], components: int
) -> tuple[
    Float64[np.ndarray, " flat"], Float64[np.ndarray, "component flat"], Float64[np.ndarray, " component"], float
]:
    """Mean, axes and shares of the variance of the median beats, and their sampling rate (from the window's span)."""
    if median_mv is None or components == 0:
        return np.zeros(0), np.zeros((0, 0)), np.zeros(0), 0.0
    fs_hz = median_mv.shape[2] / (BEFORE_S + AFTER_S)
    flat = _flat(median_mv[rows], fs_hz)
    flat = flat[np.isfinite(flat).all(axis=1)]
    if len(flat) < 2:
        return np.zeros(0), np.zeros((0, 0)), np.zeros(0), 0.0
    mean = flat.mean(axis=0)
    flat -= mean
    variance, axes = principal_axes(flat, min(components, len(flat) - 1))
    return mean, axes, variance / (np.square(flat).sum() / (len(flat) - 1)), fs_hz


def _on_axes(
    median_mv: Float32[np.ndarray, "row lead window"] | None,
    rows: Int[np.ndarray, " chosen"],
    mean: Float64[np.ndarray, " flat"],
    axes: Float64[np.ndarray, "component flat"],
    fs_hz: float,
) -> Float64[np.ndarray, "chosen component"]:
    if not len(axes) or median_mv is None:
        return np.zeros((len(rows), 0))
    if median_mv.shape[2] != round((BEFORE_S + AFTER_S) * fs_hz):
        raise ValueError(
            f"median beats of {median_mv.shape[2]} samples do not fit components fitted at {fs_hz:g} Hz; "
            "prepare the store at that rate, or fit again"
        )
    return (_flat(median_mv[rows], fs_hz) - mean) @ axes.T


def _flat(median_mv: Float32[np.ndarray, "row lead window"], fs_hz: float) -> Float64[np.ndarray, "row flat"]:
    start, stop = (round((BEFORE_S + at) * fs_hz) for at in _SPAN_S)
    eight = median_mv if median_mv.shape[1] == len(INDEPENDENT) else median_mv[:, INDEPENDENT]
    return eight[:, :, start:stop].reshape(len(median_mv), -1).astype(np.float64)
