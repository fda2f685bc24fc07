"""What every view in the registry keeps to."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from beatssl.signals.vcg import TWELVE_FROM_EIGHT
from beatssl.views.dipole import Rotation
from beatssl.views.registry import VIEWS
from beatssl.views.timing import TimeView
from beatssl.views.view import Signals, View, compose

HIDING = ("lead_mask", "time_mask")
Seeded = Callable[[int], torch.Generator]


def made(name: str, strength: float = 1.0) -> View:
    """The view with what is no dipole kept, so that strength 0 is the identity for all."""
    return Rotation(strength, rank="full") if name == "rotation" else VIEWS[name](strength=strength)


def fast_enough(signals: Signals, name: str) -> Signals:
    """Mains needs more than 100 samples/s; what the samples are called matters to no other view."""
    return replace(signals, fs_hz=250.0) if name == "mains" else signals


def same(one: Signals, other: Signals) -> bool:
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("ecg_mv", "lead_mask", "valid", "beat_record", "beat_at")
    )


def padding(signals: Signals) -> Tensor:
    """What must be zero: padding, and leads that are not measured."""
    beyond = torch.arange(signals.ecg_mv.shape[2]) >= signals.valid[:, None]
    return signals.ecg_mv[beyond[:, None] | ~signals.lead_mask[:, :, None].expand_as(signals.ecg_mv)]


@pytest.mark.parametrize("name", VIEWS)
def test_strength_zero_is_the_identity_bit_for_bit(name: str, spoilt: Signals, seeded: Seeded) -> None:
    generator = seeded(0)
    state = generator.get_state()
    assert same(made(name, 0.0)(spoilt, generator), spoilt)
    assert torch.equal(generator.get_state(), state)


@pytest.mark.parametrize("name", VIEWS)
def test_a_seed_decides_and_the_input_stays(name: str, cohort: Signals, seeded: Seeded) -> None:
    signals = fast_enough(cohort, name)
    before = replace(signals, ecg_mv=signals.ecg_mv.clone(), beat_at=signals.beat_at.clone())
    view = made(name)
    assert same(view(signals, seeded(1)), view(signals, seeded(1)))
    assert not torch.equal(view(signals, seeded(1)).ecg_mv, view(signals, seeded(2)).ecg_mv)
    assert same(signals, before)


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_missing_leads_padding_and_lone_beats_do_no_harm(
    name: str, strength: float, spoilt: Signals, seeded: Seeded
) -> None:
    signals = fast_enough(spoilt, name)
    seen = made(name, strength)(signals, seeded(3))
    assert seen.ecg_mv.shape == signals.ecg_mv.shape
    assert seen.ecg_mv.dtype == signals.ecg_mv.dtype
    assert seen.ecg_mv.isfinite().all()
    assert seen.beat_at.isfinite().all()
    assert (padding(seen) == 0).all()
    assert not (seen.lead_mask & ~signals.lead_mask).any()
    assert seen.valid.dtype == signals.valid.dtype
    assert ((seen.valid > 0) & (seen.valid <= signals.ecg_mv.shape[2])).all()


@pytest.mark.parametrize("name", VIEWS)
def test_a_batch_without_any_beat(name: str, cohort: Signals, seeded: Seeded) -> None:
    none = torch.zeros(0)
    bare = replace(fast_enough(cohort, name), beat_record=none.long(), beat_at=none)
    seen = made(name)(bare, seeded(4))
    assert seen.ecg_mv.isfinite().all()
    assert len(seen.beat_at) == 0


@pytest.mark.parametrize("name", [name for name in VIEWS if name not in HIDING])
def test_the_lead_algebra_still_holds(name: str, cohort: Signals, seeded: Seeded) -> None:
    seen = made(name)(fast_enough(cohort, name), seeded(5)).ecg_mv
    algebra = torch.as_tensor(TWELVE_FROM_EIGHT, dtype=seen.dtype)
    torch.testing.assert_close(algebra @ seen[:, [0, 1, 6, 7, 8, 9, 10, 11]], seen, atol=2e-5, rtol=0)


@pytest.mark.parametrize("name", [name for name in VIEWS if name not in HIDING])
def test_a_small_strength_changes_little(name: str, cohort: Signals, seeded: Seeded) -> None:
    seen = made(name, 2e-3)(fast_enough(cohort, name), seeded(6))
    assert (seen.ecg_mv - cohort.ecg_mv).abs().mean() < 5e-3
    assert not torch.equal(seen.ecg_mv, cohort.ecg_mv)


@pytest.mark.parametrize("name", VIEWS)
def test_each_record_changes_in_its_own_way(name: str, cohort: Signals, seeded: Seeded) -> None:
    beats = cohort.beat_record == 0
    twice = Signals(
        cohort.ecg_mv[:1].repeat(2, 1, 1),
        cohort.lead_mask[:2],
        cohort.valid[:2],
        torch.arange(2).repeat_interleave(int(beats.sum())),
        cohort.beat_at[beats].repeat(2),
        cohort.fs_hz,
    )
    seen = made(name)(fast_enough(twice, name), seeded(7)).ecg_mv
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("name", [name for name, kind in VIEWS.items() if not issubclass(kind, TimeView)])
def test_views_that_move_no_time_leave_the_marks(name: str, spoilt: Signals, seeded: Seeded) -> None:
    seen = made(name)(fast_enough(spoilt, name), seeded(8))
    assert torch.equal(seen.beat_at, spoilt.beat_at)
    assert torch.equal(seen.valid, spoilt.valid)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("name", VIEWS)
def test_a_strength_outside_its_range_is_refused(name: str, strength: float) -> None:
    with pytest.raises(ValueError, match="outside 0 to 1"):
        made(name, strength)


def test_compose_applies_in_order(cohort: Signals, seeded: Seeded) -> None:
    amplitude, noise = made("amplitude"), made("noise")
    generator = seeded(9)
    expected = noise(amplitude(cohort, generator), generator)
    assert same(compose([amplitude, noise])(cohort, seeded(9)), expected)
    assert same(compose([])(cohort, seeded(9)), cohort)


def test_a_share_of_the_records_is_changed_the_others_stay_as_measured(cohort: Signals, seeded: Seeded) -> None:
    views = [made("temporal_scaling"), made("noise"), made("lead_mask", 0.5)]
    everything, part = compose(views)(cohort, seeded(3)), compose(views, 0.5)(cohort, seeded(3))
    records = range(len(cohort.valid))

    def record(signals: Signals, row: int) -> tuple[Tensor, ...]:
        own = signals.beat_record == row
        return signals.ecg_mv[row], signals.lead_mask[row], signals.valid[row], signals.beat_at[own]

    def equal(one: tuple[Tensor, ...], other: tuple[Tensor, ...]) -> bool:
        return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

    kept = [row for row in records if equal(record(part, row), record(cohort, row))]
    changed = [row for row in records if equal(record(part, row), record(everything, row))]
    assert sorted(kept + changed) == list(records)
    assert kept
    assert changed
    assert same(compose(views, 0.0)(cohort, seeded(3)), cohort)
    with pytest.raises(ValueError, match="outside 0 to 1"):
        compose(views, 1.5)
