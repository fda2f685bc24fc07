"""Floors under the figures on real data, a little below what is measured, so that no change loses them unseen."""

from beatssl.checks.r_peaks.peaks import check_peaks


def test_r_peaks_of_ludb(ludb):
    figures = check_peaks(ludb)
    assert figures.records == 200
    assert figures.records_set_aside == 0
    assert figures.sensitivity >= 0.997
    assert figures.ppv >= 0.9955


def test_r_peaks_of_mitbih(mitdb):
    figures = check_peaks(mitdb)
    assert figures.records == 10
    assert figures.sensitivity >= 0.998
    assert figures.ppv >= 0.995
