"""Drawn hearts beat as their names say."""

import numpy as np
import pytest

from beatssl.records.synthetic.hearts import fibrillating, fluttering, second_degree, sinus, third_degree

FS_HZ, SECONDS = 500.0, 30.0


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_fibrillation_has_irregular_beats_f_waves_and_no_p(rng: np.random.Generator) -> None:
    heart = fibrillating(90, SECONDS, rng, FS_HZ)
    rr_s = np.diff(heart.r_s)
    assert rr_s.mean() == pytest.approx(60 / 90, rel=0.15)
    assert rr_s.std() > 0.12 * rr_s.mean()
    assert not len(heart.p_s)
    assert heart.atrial_mv is not None
    lead_mv = heart.atrial_mv[1]
    assert 0.05 <= 2 * np.sqrt(2) * lead_mv.std() <= 0.1
    power = np.abs(np.fft.rfft(lead_mv)) ** 2
    hz = np.fft.rfftfreq(len(lead_mv), 1 / FS_HZ)
    assert power[(hz > 3.5) & (hz < 9.5)].sum() > 0.8 * power.sum()


@pytest.mark.parametrize("waves", [2, 4])
def test_flutter_waves_are_conducted_every_nth_time(waves: int, rng: np.random.Generator) -> None:
    heart = fluttering(waves, SECONDS, rng, FS_HZ)
    assert heart.atrial_mv is not None
    lead_mv = heart.atrial_mv[1]
    hz = np.fft.rfftfreq(len(lead_mv), 1 / FS_HZ)[np.abs(np.fft.rfft(lead_mv)).argmax()]
    assert 60 * hz == pytest.approx(300, abs=22)
    np.testing.assert_allclose(np.diff(heart.r_s), waves / hz, atol=0.02 * waves)
    assert 0.1 <= np.ptp(lead_mv) <= 0.2
    assert np.diff(lead_mv).max() > 1.5 * -np.diff(lead_mv).min()
    assert not len(heart.p_s)


def test_second_degree_drops_one_p_and_lengthens_pr_till_then(rng: np.random.Generator) -> None:
    heart = second_degree(80, 4, 0.06, SECONDS, rng)
    np.testing.assert_allclose(np.diff(heart.p_s), 0.75)
    following = heart.r_s[np.searchsorted(heart.r_s, heart.p_s[:-4])] - heart.p_s[:-4]
    pr_s = following.reshape(-1)[: len(following) // 4 * 4].reshape(-1, 4)
    np.testing.assert_allclose(np.sort(pr_s, axis=1)[:, :3], [[0.16, 0.22, 0.28]] * len(pr_s), atol=1e-9)
    assert (pr_s.max(axis=1) > 0.75).all()


def test_third_degree_beats_at_two_rates(rng: np.random.Generator) -> None:
    heart = third_degree(75, 38, SECONDS, rng)
    np.testing.assert_allclose(np.diff(heart.p_s), 60 / 75)
    np.testing.assert_allclose(np.diff(heart.r_s), 60 / 38)


def test_sinus_has_a_p_before_every_beat(rng: np.random.Generator) -> None:
    heart = sinus(75, SECONDS, rng)
    np.testing.assert_allclose(heart.r_s - heart.p_s, 0.16)
    assert np.ptp(np.diff(sinus(75, SECONDS, rng, irregular=0.2).r_s)) > 0.1
