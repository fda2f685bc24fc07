"""Detectors of R peaks on records as recorded: the package's own, sleepecg, NeuroKit2 and wfdb's XQRS."""

import importlib
import warnings
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float64

from beatssl.beats.peaks import RPeaks, find_r_peaks, rate_r_peaks
from beatssl.checks.r_peaks.cases import PeakCase
from beatssl.signals.preparation import Preparation

Detector = Callable[[PeakCase], Float64[np.ndarray, " found"]]

PREPARATION = Preparation(100.0, 0.5, 40.0, ())
"""As `prepare` takes a record by default."""


def all_leads(case: PeakCase) -> Float64[np.ndarray, " found"]:
    """`find_r_peaks` on all leads."""
    return find_r_peaks(PREPARATION.filtered(case.ecg_mv, case.fs_hz), PREPARATION.fs_hz)


def rated_candidates(case: PeakCase) -> RPeaks:
    """All candidates on all leads with their confidence, those below the threshold of beats too."""
    return rate_r_peaks(PREPARATION.filtered(case.ecg_mv, case.fs_hz), PREPARATION.fs_hz, least_confidence=0.0)


def one_lead(case: PeakCase) -> Float64[np.ndarray, " found"]:
    """`find_r_peaks` on the one lead that the others take."""
    alone_mv = case.ecg_mv[case.lead : case.lead + 1]
    return find_r_peaks(PREPARATION.filtered(alone_mv, case.fs_hz), PREPARATION.fs_hz)


def sleepecg(case: PeakCase) -> Float64[np.ndarray, " found"]:
    """sleepecg's `detect_heartbeats`."""
    module = importlib.import_module("sleepecg")
    return _seconds(module.detect_heartbeats(case.ecg_mv[case.lead].astype(np.float64), case.fs_hz), case)


def neurokit2(case: PeakCase) -> Float64[np.ndarray, " found"]:
    """NeuroKit2's `ecg_clean` and `ecg_peaks`, both with their default method."""
    module = importlib.import_module("neurokit2")
    rate = round(case.fs_hz)
    clean = module.ecg_clean(case.ecg_mv[case.lead].astype(np.float64), sampling_rate=rate)
    return _seconds(module.ecg_peaks(clean, sampling_rate=rate)[1]["ECG_R_Peaks"], case)


def xqrs(case: PeakCase) -> Float64[np.ndarray, " found"]:
    """wfdb's XQRS, learning its thresholds from the record."""
    module = importlib.import_module("wfdb.processing")
    return _seconds(module.xqrs_detect(case.ecg_mv[case.lead].astype(np.float64), case.fs_hz, verbose=False), case)


OWN = "beatssl"
DETECTORS: Mapping[str, Detector] = {
    OWN: all_leads, "beatssl, one lead": one_lead, "sleepecg": sleepecg, "NeuroKit2": neurokit2,
    "wfdb XQRS": xqrs,
}  # fmt: skip


def detected(name: str, case: PeakCase) -> Float64[np.ndarray, " found"]:
    """R peaks by the detector of that name; none where another tool fails on the record.

    Raises ImportError, with what to install, where the tool is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return DETECTORS[name](case)
        except ImportError as error:
            raise ImportError(f"{name} is not installed: pip install 'beatssl[bench]'") from error
        except (ValueError, IndexError, ZeroDivisionError):
            return np.zeros(0)


def _seconds(samples: object, case: PeakCase) -> Float64[np.ndarray, " found"]:
    return np.sort(np.asarray(samples, np.float64).ravel()) / case.fs_hz
