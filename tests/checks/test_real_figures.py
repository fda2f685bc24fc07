"""Floors under the figures on real data, a little below what is measured, so that no change loses them unseen."""

import pytest

from beatssl import PrepareConfig, Store, prepare
from beatssl.checks.beat_classes import check_beat_classes
from beatssl.checks.fiducials import check_fiducials
from beatssl.checks.peaks import check_peaks


def prepared(kind, data_root, tmp_path_factory):
    folder = tmp_path_factory.mktemp(kind) / "store"
    prepare(PrepareConfig(kind, data_root / kind, folder, workers=1))
    return Store(folder)


@pytest.fixture(scope="module")
def ludb(data_root, tmp_path_factory):
    return prepared("ludb", data_root, tmp_path_factory)


@pytest.fixture(scope="module")
def mitdb(data_root, tmp_path_factory):
    return prepared("mitdb", data_root, tmp_path_factory)


def test_r_peaks_of_ludb(ludb):
    figures = check_peaks(ludb)
    assert figures["records"] == 200
    assert figures["records_set_aside"] == 0
    assert figures["sensitivity"] >= 0.995
    assert figures["ppv"] >= 0.995


def test_boundaries_of_ludb(ludb):
    figures = check_fiducials(ludb)
    limits_ms = {"p_onset": 6, "p_offset": 6, "qrs_onset": 6, "qrs_offset": 6, "t_peak": 8, "t_offset": 10}
    for part in ("beats", "median_beats", "beats_even_records"):
        for mark, limit_ms in limits_ms.items():
            assert figures[part][mark]["median_absolute_error_ms"] <= limit_ms, (part, mark)
    assert figures["median_beats"]["p_present"]["sensitivity"] >= 0.97
    assert figures["median_beats"]["p_present"]["specificity"] >= 0.75


def test_r_peaks_of_mitbih(mitdb):
    figures = check_peaks(mitdb)
    assert figures["records"] == 48
    assert figures["sensitivity"] >= 0.998
    assert figures["ppv"] >= 0.992


def test_beat_classes_of_mitbih(mitdb):
    figures = check_beat_classes(mitdb)["DS2"]
    assert figures["per_class"]["V"]["sensitivity"] >= 0.94
    assert figures["per_class"]["V"]["ppv"] >= 0.75
    assert figures["per_class"]["N"]["sensitivity"] >= 0.96
    assert figures["macro_f1"] >= 0.58
