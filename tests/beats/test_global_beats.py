"""The beats of a record from the marks of its leads."""

import numpy as np
import pytest

from beatssl.beats.global_beats import global_beats


def test_global_beats_are_medians_over_leads() -> None:
    r = np.array([1.0, 2.0, 3.0])
    spread = np.array([-0.02, 0.0, 0.01])  # three leads that differ
    qrs = (r[:, None] + spread).ravel()
    p = (r[1:, None] - 0.15 + spread).ravel()
    t = (r[:2, None] + 0.3 + np.array([-0.12, 0.0, 0.1])).ravel()  # farther apart than one wave's marks elsewhere
    wave = ["QRS"] * 9 + ["P"] * 6 + ["T"] * 6
    peak = np.concatenate([qrs, p, t])
    onset, offset = peak - 0.04, peak + 0.05
    onset[1:3] = np.nan
    order = np.random.default_rng(0).permutation(len(wave))
    beats = global_beats([wave[k] for k in order], onset[order], peak[order], offset[order])
    assert len(beats) == 3
    np.testing.assert_allclose(beats.r_peak_s, r)
    np.testing.assert_allclose(beats.qrs_onset_s, [1.0 - 0.02 - 0.04, 1.96, 2.96])
    np.testing.assert_allclose(beats.p_peak_s, [np.nan, 1.85, 2.85])
    np.testing.assert_allclose(beats.t_offset_s, [1.35, 2.35, np.nan])


def test_of_several_p_waves_the_last_belongs_to_the_beat() -> None:
    wave, peak = ["QRS", "P", "P", "P", "QRS"], np.array([1.0, 1.4, 1.8, 2.2, 2.4])
    beats = global_beats(wave, peak - 0.05, peak, peak + 0.05)
    np.testing.assert_allclose(beats.p_peak_s, [np.nan, 2.2])


def test_no_marks_no_beats() -> None:
    empty = np.zeros(0)
    assert len(global_beats([], empty, empty, empty)) == 0
    alone = np.array([1.0])
    assert len(global_beats(["P"], alone, alone, alone)) == 0


def test_a_wave_without_a_peak_is_refused() -> None:
    nothing = np.array([np.nan])
    with pytest.raises(ValueError, match="wave 0 has no peak"):
        global_beats(["P"], nothing, nothing, nothing)
