from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from beatssl.views.amplitude import AmplitudePerturbation, WaveAmplitude
from beatssl.views.masking import LeadMask, TimeMask
from beatssl.views.noise import BaselineWander, Mains, Noise
from beatssl.views.view import Signals

Seeded = Callable[[int], torch.Generator]


def flat(records: int, fs_hz: float = 100.0, samples: int = 1000) -> Signals:
    """Records of zeros, all measured."""
    return Signals(
        torch.zeros((records, 12, samples)),
        torch.ones((records, 12), dtype=torch.bool),
        torch.full((records,), samples),
        torch.zeros(0, dtype=torch.long),
        torch.zeros(0),
        fs_hz,
    )


def test_gains_of_limb_and_chest_leads(seeded: Seeded) -> None:
    ones = replace(flat(2000, samples=1), ecg_mv=torch.ones((2000, 12, 1)))
    gain = AmplitudePerturbation(limit=0.3, chest_limit=0.1)(ones, seeded(0)).ecg_mv[:, :, 0]
    assert (gain[:, :6] == gain[:, :1]).all()
    assert 1 / 1.3 - 1e-6 <= gain[:, 0].min() < 0.78
    assert 1.28 < gain[:, 0].max() <= 1.3 + 1e-6
    own = gain[:, 6:] / gain[:, :1]
    assert 1 / 1.1 - 1e-5 <= own.min() < own.max() <= 1.1 + 1e-5
    assert torch.corrcoef(own.T)[0, 1].abs() < 0.1


def test_waves_change_and_qrs_does_not(seeded: Seeded) -> None:
    at = torch.arange(50.0, 1000, 90)
    ones = replace(
        flat(200), ecg_mv=torch.ones((200, 12, 1000)), beat_at=at.repeat(200),
        beat_record=torch.arange(200).repeat_interleave(len(at)),
    )  # fmt: skip
    gain = WaveAmplitude()(ones, seeded(0)).ecg_mv[:, 0]
    for r in range(140, 900, 90):
        assert (gain[:, r - 5 : r + 9] == 1).all()
    t, p = gain[:, 140 + 27], gain[:, 140 - 16]
    for wave in (t, p):
        assert 1 / 1.5 - 1e-5 <= wave.min() < 0.72
        assert 1.45 < wave.max() <= 1.5 + 1e-5
    assert torch.corrcoef(torch.stack([t, p]))[0, 1].abs() < 0.2
    assert torch.equal(gain[:, 167], gain[:, 167 + 90])  # one factor a record
    assert gain.diff(dim=1).abs().max() < 0.2  # smooth


def test_the_outer_beats_have_waves_too(seeded: Seeded) -> None:
    one = replace(
        flat(1), ecg_mv=torch.ones((1, 12, 1000)), beat_at=torch.tensor([500.0]), beat_record=torch.tensor([0])
    )
    gain = WaveAmplitude()(one, seeded(0)).ecg_mv[0, 0]
    assert gain[527] != 1
    assert gain[484] != 1
    assert (gain[:460] == 1).all()
    assert (gain[560:] == 1).all()


def test_noise_is_white_and_as_strong_as_said(seeded: Seeded) -> None:
    seen = Noise(sd_mv=0.1)(flat(400), seeded(0)).ecg_mv
    sd = seen[:, 6].std(dim=1)
    assert sd.max() < 0.11
    assert 0.04 < sd.mean() < 0.06
    one, two = seen[:, 6], seen[:, 7]
    assert (one * two).mean().abs() < 1e-4
    assert (one[:, 1:] * one[:, :-1]).mean().abs() < 1e-4


def test_wander_is_slow(seeded: Seeded) -> None:
    seen = BaselineWander()(flat(50, samples=10_000), seeded(0)).ecg_mv
    power = torch.fft.rfft(seen, dim=2).abs().square().sum((0, 1))
    hz = torch.fft.rfftfreq(10_000, 0.01)
    assert power[(hz >= 0.1) & (hz <= 0.75)].sum() / power.sum() > 0.98
    assert 0.05 < seen.std() < 0.3
    assert seen[:, [0, 1, *range(6, 12)]].abs().max() <= 0.45


def test_mains_hums_at_its_frequency(seeded: Seeded) -> None:
    seen = Mains(mains_hz=60.0)(flat(4, 500.0, 5000), seeded(0)).ecg_mv
    power = torch.fft.rfft(seen, dim=2).abs().square().sum((0, 1))
    assert float(torch.fft.rfftfreq(5000, 1 / 500.0)[power.argmax()]) == pytest.approx(60)
    assert power.max() / power.sum() > 0.99
    with pytest.raises(ValueError, match="60 Hz mains cannot be sampled at 100 samples/s"):
        Mains(mains_hz=60.0)(flat(1), seeded(0))


@pytest.mark.parametrize(("valid", "hidden"), [(1000, 500), (601, 300), (1, 0), (3, 2)])
def test_half_of_each_lead_is_hidden_in_one_piece(valid: int, hidden: int, seeded: Seeded) -> None:
    ones = torch.ones((60, 12, 1000))
    ones[:, :, valid:] = 0
    signals = replace(flat(60), ecg_mv=ones, valid=torch.full((60,), valid))
    seen = TimeMask()(signals, seeded(0)).ecg_mv
    assert set(seen.unique().tolist()) <= {0.0, 1.0}
    kept = seen[:, :, :valid]
    assert ((kept == 0).sum(2) == hidden).all()
    turns = (kept != kept.roll(1, 2)).sum(2)  # round the end
    assert (turns == (2 if 0 < hidden < valid else 0)).all()
    if valid == 1000:
        assert kept.mean((0, 1)).std() < 0.03  # every place as often
        assert not torch.equal(seen[0, 0], seen[0, 1])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_nothing_and_everything_hidden(share: float, seeded: Seeded) -> None:
    ones = replace(flat(20), ecg_mv=torch.ones((20, 12, 1000)))
    assert (TimeMask(share=share)(ones, seeded(0)).ecg_mv == 1 - share).all()


def test_a_strength_hides_less(seeded: Seeded) -> None:
    ones = replace(flat(20), ecg_mv=torch.ones((20, 12, 1000)))
    assert ((TimeMask(0.3)(ones, seeded(0)).ecg_mv == 0).sum(2) == 150).all()


def test_leads_go_and_one_stays(seeded: Seeded) -> None:
    some = flat(4000, samples=2)
    mask = some.lead_mask.clone()
    mask[::2, 3:] = False
    signals = replace(some, lead_mask=mask, ecg_mv=mask[:, :, None].float().expand(-1, -1, 2).contiguous())
    seen = LeadMask(share=1.0)(signals, seeded(0))
    left = seen.lead_mask.sum(1)
    assert left.min() == 1
    assert left.max() == 12
    assert not (seen.lead_mask & ~mask).any()
    assert torch.equal(seen.ecg_mv[:, :, 0] > 0, seen.lead_mask)
    assert 0.45 < seen.lead_mask[1::2].float().mean() < 0.6
    none = replace(signals, lead_mask=torch.zeros_like(mask), ecg_mv=torch.zeros_like(signals.ecg_mv))
    assert not LeadMask()(none, seeded(0)).lead_mask.any()


@pytest.mark.parametrize("view", [TimeMask, LeadMask])
def test_shares_outside_their_range_are_refused(view: type[TimeMask] | type[LeadMask]) -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        view(share=1.5)
