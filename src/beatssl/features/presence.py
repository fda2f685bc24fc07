"""Whether a beat has a P wave, apart from whether one could have been seen."""

import numpy as np
from jaxtyping import Float32

from beatssl.beats.rules.fiducials import Fiducials
from beatssl.beats.windows import Beats

_REACH_S = 0.25


def p_found(beats: Beats, fiducials: Fiducials) -> Float32[np.ndarray, " beat"]:
    """1 where a P wave was found, 0 where there was none, NaN where the record begins under 0.25 s before R."""
    seen = np.isfinite(beats.window_mv[:, :, beats.r_index - round(_REACH_S * beats.fs_hz)]).any(axis=1)
    return np.where(seen, np.isfinite(fiducials.p_peak_s), np.nan).astype(np.float32)
