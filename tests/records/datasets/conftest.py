"""Tiny WFDB records: made-up signals under headers as PhysioNet's databases write them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from beatssl.signals.leads import LEADS

Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """`write(path, leads=…, fs_hz=…, gain=…, comments=…)`: two seconds of a record below the test's folder."""

    def written(
        path: str, leads: tuple[str, ...] = LEADS, fs_hz: int = 100, gain: str = "1000/mV", comments: str = ""
    ) -> None:
        at = tmp_path / path
        at.parent.mkdir(parents=True, exist_ok=True)
        samples = np.random.default_rng(len(path)).integers(-500, 500, (2 * fs_hz, len(leads))).astype("<i2")
        (at.parent / f"{at.name}.dat").write_bytes(samples.tobytes())
        lines = [f"{at.name}.dat 16 {gain} 16 0 {samples[0, i]} 0 0 {lead}\n" for i, lead in enumerate(leads)]
        head = f"{at.name} {len(leads)} {fs_hz} {len(samples)}\n"
        (at.parent / f"{at.name}.hea").write_text(head + "".join(lines) + comments)

    return written
