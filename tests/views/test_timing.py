from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from beatssl.signals.vcg import to_vcg
from beatssl.views.timing import BeatWarp, Retiming, TemporalScaling, TimeView, resample
from beatssl.views.view import Signals

Seeded = Callable[[int], torch.Generator]
VIEWS: dict[str, TimeView | Retiming] = {
    "scaling": TemporalScaling(),
    "warp": BeatWarp(),
    "both": Retiming((TemporalScaling(), BeatWarp())),
}


def r_peaks(signals: Signals, reach: int = 6) -> Tensor:
    """The largest dipole about each mark, between samples by a parabola; NaN where the mark is near or past an end."""
    size = np.linalg.norm(to_vcg(signals.ecg_mv.numpy()), axis=1)
    out = np.full(len(signals.beat_at), np.nan)
    for beat, (row, at) in enumerate(zip(signals.beat_record.tolist(), signals.beat_at.tolist(), strict=True)):
        first = round(at) - reach
        if first < 1 or first + 2 * reach + 2 > int(signals.valid[row]):
            continue
        top = first + int(np.argmax(size[row, first : first + 2 * reach + 1]))
        a, b, c = size[row, top - 1 : top + 2]
        out[beat] = top + (0.5 * (a - c) / (a - 2 * b + c) if a - 2 * b + c < 0 else 0.0)
    return torch.as_tensor(out)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("seed", range(3))
def test_a_moved_mark_sits_on_its_r_peak_within_a_sample(name: str, seed: int, cohort: Signals, seeded: Seeded) -> None:
    seen = VIEWS[name](cohort, seeded(seed))
    before, after = r_peaks(cohort) - cohort.beat_at, r_peaks(seen) - seen.beat_at
    # Only where the R peak stands out in the record itself, so that the search cannot be what is wrong.
    known = (before.abs() < 0.6) & after.isfinite()
    assert known.sum() > 60
    assert after[known].abs().max() < 1.0
    assert after[known].abs().median() < 0.3
    assert (seen.beat_at - cohort.beat_at).abs().max() > 2.0


def test_scaling_changes_every_interval_by_one_factor(cohort: Signals, seeded: Seeded) -> None:
    seen = TemporalScaling()(cohort, seeded(1))
    factors = []
    for row in range(len(cohort.valid)):
        of = cohort.beat_record == row
        ratio = seen.beat_at[of].diff() / cohort.beat_at[of].diff()
        torch.testing.assert_close(ratio, ratio[:1].expand_as(ratio), atol=1e-3, rtol=0)
        factors.append(float(ratio.mean()))
    assert 1 / 1.25 - 1e-3 <= min(factors) < 1.0 < max(factors) <= 1.25 + 1e-3
    expected = [min(1000, int(999 * factor) + 1) for factor in factors]
    assert np.abs(np.array(expected) - seen.valid.numpy()).max() <= 1


def test_a_padded_record_grows_into_its_padding(spoilt: Signals, seeded: Seeded) -> None:
    lengths = [int(TemporalScaling()(spoilt, seeded(seed)).valid[1]) for seed in range(30)]
    assert 480 <= min(lengths) < 600 < max(lengths) <= 750


def test_a_cut_record_starts_at_a_random_place(cohort: Signals, seeded: Seeded) -> None:
    starts = []
    for seed in range(20):
        seen = TemporalScaling()(cohort, seeded(seed))
        starts.append((seen.beat_at < 0).any() or (seen.beat_at > 999).any())
    assert any(starts)


@pytest.mark.parametrize("seed", range(3))
def test_warp_keeps_qrs_and_moves_p_and_t(seed: int, cohort: Signals, seeded: Seeded) -> None:
    warp = BeatWarp(shift=0.0)
    source = warp.retimed(cohort, seeded(seed)).source
    moved = source - torch.arange(source.shape[1])
    inner = range(2, len(cohort.beat_at) - 2)
    at_r = [float(moved[cohort.beat_record[b], round(float(cohort.beat_at[b]))].abs()) for b in inner]
    assert max(at_r) < 0.2
    assert moved.abs().max() > 2
    assert torch.equal(warp(cohort, seeded(seed)).beat_at, cohort.beat_at)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(15, 250), min_size=0, max_size=30),
    st.integers(0, 10**6),
    st.sampled_from([(0.03, 0.15), (0.2, 0.09), (0.0, 0.33), (0.3, 0.02)]),
)
def test_time_never_runs_back(gaps: list[float], seed: int, limits: tuple[float, float]) -> None:
    at = torch.tensor(gaps, dtype=torch.float32).cumsum(0) - 100
    signals = Signals(
        torch.zeros((1, 12, 1000)),
        torch.ones((1, 12), dtype=torch.bool),
        torch.tensor([1000]),
        torch.zeros(len(at), dtype=torch.long),
        at,
        100.0,
    )
    retimed = BeatWarp(shift=limits[0], bend=limits[1]).retimed(signals, torch.Generator().manual_seed(seed))
    assert (retimed.source.diff(dim=1) > 0).all()
    assert (retimed.beat_at.diff() > 0).all()


def test_limits_that_would_turn_time_are_refused() -> None:
    with pytest.raises(ValueError, match="would turn time back"):
        BeatWarp(shift=0.1, bend=0.3)


def test_read_once_is_nearly_read_twice(cohort: Signals, seeded: Seeded) -> None:
    views = (TemporalScaling(), BeatWarp())
    once = Retiming(views)(cohort, seeded(2))
    generator = seeded(2)
    twice = views[1](views[0](cohort, generator), generator)
    assert torch.equal(once.valid, twice.valid)
    torch.testing.assert_close(once.beat_at, twice.beat_at)
    assert (once.ecg_mv - twice.ecg_mv).abs().mean() < 0.01
    assert (once.ecg_mv - cohort.ecg_mv).abs().mean() > 0.05


def test_resample_at_whole_samples_is_exact(cohort: Signals) -> None:
    whole = torch.arange(1000.0).expand(8, -1)
    assert torch.equal(resample(cohort.ecg_mv, whole, cohort.valid), cohort.ecg_mv)
    shifted = resample(cohort.ecg_mv, whole + 3, cohort.valid)
    assert torch.equal(shifted[:, :, :-3], cohort.ecg_mv[:, :, 3:])
    assert torch.equal(shifted[:, :, -3:], cohort.ecg_mv[:, :, -1:].expand(-1, -1, 3))


def test_resample_between_samples_is_that_of_a_slow_loop(cohort: Signals, seeded: Seeded) -> None:
    source = torch.rand((8, 40), generator=seeded(0)) * 640 - 20
    valid = torch.tensor([1000, 600, 600, 4, 3, 2, 1, 1000])
    found = resample(cohort.ecg_mv, source, valid).numpy()
    for row in range(8):
        last = int(valid[row]) - 1
        for out, at in enumerate(source[row].clamp(0, last).tolist()):
            whole = int(np.floor(at))
            distance = round((at - whole) * 512) / 512 - np.arange(-2, 4)
            weight = np.sinc(distance) * np.sinc(distance / 3)
            taps = np.clip(whole + np.arange(-2, 4), 0, last)
            value = cohort.ecg_mv[row, :, taps].numpy() @ (weight / weight.sum())
            np.testing.assert_allclose(found[row, :, out], value, atol=1e-4)


def test_qrs_keeps_its_height_half_way_between_samples(cohort: Signals) -> None:
    between = resample(cohort.ecg_mv, torch.arange(1000.0).expand(8, -1) + 0.5, cohort.valid)
    half = torch.exp(1j * torch.pi * torch.arange(501) / 1000)
    exact = torch.fft.irfft(torch.fft.rfft(cohort.ecg_mv, dim=2) * half, n=1000, dim=2)
    error = (between - exact)[:, :, 20:-20]
    assert error.square().mean() < 2e-3 * exact.var()
    height = between[:, :, 20:-20].amax(2) / exact[:, :, 20:-20].amax(2)
    assert 0.98 < height.median() < 1.02


def test_no_view_of_no_strength(cohort: Signals, seeded: Seeded) -> None:
    still = Retiming((TemporalScaling(0.0), BeatWarp(0.0)))
    assert still(cohort, seeded(0)) is cohort
    one = Retiming((TemporalScaling(0.0), BeatWarp()))(cohort, seeded(1))
    assert torch.equal(one.ecg_mv, BeatWarp()(cohort, seeded(1)).ecg_mv)
    empty = replace(cohort, valid=torch.zeros_like(cohort.valid), ecg_mv=torch.zeros_like(cohort.ecg_mv))
    assert (TemporalScaling()(empty, seeded(1)).valid == 0).all()
