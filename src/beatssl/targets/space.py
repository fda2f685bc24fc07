"""Spectrally scaled principal components of standardised features: many copies of one thing count about once."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Float64
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from beatssl.signals.principal_axes import principal_axes

_FORMAT = "beatssl-feature-space-1"


@dataclass(frozen=True)
class FeatureSpace:
    """Directions learnt of the training rows' standardised features, and how strongly each is to count.

    Component k is axis_k · (x − mean) · λ_k^power, λ_k its variance: power 0 leaves it as it is (the largest wins
    every comparison), −1/2 whitens (noise counts as much as the QRS), −1/4 stands between. One factor for all brings
    the mean square of a component to 1, as kernels expect of standardised features.
    """

    mean: Float64[np.ndarray, " feature"]
    axes: Float64[np.ndarray, "component feature"]
    scale: Float64[np.ndarray, " component"]
    explained_share: Float64[np.ndarray, " component"]

    @classmethod
    def fit(
        cls, training: Float32[np.ndarray, "row feature"], components: int = 64, power: float = -0.25
    ) -> "FeatureSpace":
        """Learn of standardised training rows (missing values at the median, 0, as FeatureStandardiser leaves them).

        There are at most as many components as directions in which the rows differ. Raises ValueError for fewer than
        two rows, or rows that are all alike.
        """
        if len(training) < 2 or components < 1:
            raise ValueError(
                f"{len(training)} rows for {components} components; pass at least two rows and one component"
            )
        values = training.astype(np.float64)
        mean = values.mean(axis=0)
        values -= mean
        variance, axes = principal_axes(values, components)
        kept = variance[variance > 1e-9 * variance.max(initial=0.0)]
        if not kept.size:
            raise ValueError("the training rows are all alike; there is nothing to compare records by")
        axes = axes[: len(kept)]
        scale = kept**power
        scale /= np.sqrt(np.mean(kept * scale**2))
        return cls(mean, axes, scale, kept / (np.square(values).sum() / (len(values) - 1)))

    def transform(
        self, values: Float32[np.ndarray, "row feature"], measured: Bool[np.ndarray, "row feature"]
    ) -> tuple[Float32[np.ndarray, "row component"], Float32[np.ndarray, "row component"]]:
        """Components of standardised rows, and how certain each is: the share of its axis that was measured.

        Certainty is Σ_f axis_kf² over the measured features f, 1 where all are. Raises ValueError where the number of
        features is not the one learnt from.
        """
        if values.shape[1] != len(self.mean):
            raise ValueError(
                f"rows of {values.shape[1]} features do not fit a space learnt of {len(self.mean)}; "
                "standardise them with the scale that was saved beside it"
            )
        known = np.where(measured, values - self.mean, 0)
        components = (known @ self.axes.T) * self.scale
        certain = measured.astype(np.float64) @ (self.axes**2).T
        return components.astype(np.float32), np.clip(certain, 0, 1).astype(np.float32)

    def save(self, path: Path | str) -> None:
        """Write to one safetensors file."""
        names = ("mean", "axes", "scale", "explained_share")
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in names}
        save_file(arrays, str(path), metadata={"format": _FORMAT})

    @classmethod
    def load(cls, path: Path | str) -> "FeatureSpace":
        """Read what `save` wrote. Raises ValueError where the file is no such file."""
        try:
            with safe_open(str(path), "numpy") as file:
                about = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{path} is no safetensors file ({error}); pass what FeatureSpace.save wrote") from None
        if about.get("format") != _FORMAT:
            raise ValueError(f"{path} holds {about.get('format')!r}, not {_FORMAT!r}; fit and save the space again")
        return cls(**arrays)
