"""The model of the confidence of R peaks, fitted on drawn hearts alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from beatssl.beats.peak_evidence import column_names
from beatssl.release import fit_r_peaks as release
from beatssl.release.fit_r_peaks import FitRPeaksConfig, fit_r_peaks


def test_what_looks_like_a_qrs_complex_gets_a_higher_probability(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "_mitdb", lambda _: iter(()))
    monkeypatch.setattr(release, "_ludb", lambda _: iter(()))
    config = FitRPeaksConfig(tmp_path, out=tmp_path / "fitted.json", cohort=4, drawn=8, noise_records=4, of_drawn=1.0)
    made = fit_r_peaks(config)
    assert made.candidates > made.beats > 100
    fitted = json.loads(config.out.read_text())
    assert list(fitted["weights"]) == column_names()
    assert np.isfinite(list(fitted["weights"].values())).all()
    assert fitted["weights"]["like_median"] + fitted["weights"]["like_any"] > 0
    first = config.out.read_text()
    fit_r_peaks(config)
    assert config.out.read_text() == first


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="mitdb"):
        fit_r_peaks(FitRPeaksConfig(tmp_path, out=tmp_path / "fitted.json"))
