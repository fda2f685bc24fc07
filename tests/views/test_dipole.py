from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from beatssl.signals.leads import INDEPENDENT
from beatssl.signals.vcg import Method, eight_from_vcg_matrix, from_vcg, to_vcg
from beatssl.views.dipole import Rotation, rotation_matrix, vcg_of_leads
from beatssl.views.view import Signals

Seeded = Callable[[int], torch.Generator]
METHODS: tuple[Method, ...] = ("dower", "kors")


@pytest.mark.parametrize("method", METHODS)
def test_low_rank_without_turn_is_the_round_trip(method: Method, cohort: Signals, seeded: Seeded) -> None:
    seen = Rotation(0.0, rank="low", method=method)(cohort, seeded(0)).ecg_mv
    expected = from_vcg(to_vcg(cohort.ecg_mv.double().numpy(), method), method)
    np.testing.assert_allclose(seen.numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rank", ["low", "full"])
def test_a_view_is_its_dipole_turned_and_scaled(rank, method: Method, cohort: Signals, seeded: Seeded) -> None:
    view = Rotation(1.0, rank=rank, method=method)
    seen = view(cohort, seeded(1)).ecg_mv.double().numpy()
    change = view._drawn(cohort.ecg_mv, seeded(1)).double().numpy()
    for record, ecg in enumerate(cohort.ecg_mv.double().numpy()):
        vcg = to_vcg(ecg, method)
        turned = from_vcg(change[record] @ vcg, method)
        expected = turned if rank == "low" else ecg + turned - from_vcg(vcg, method)
        np.testing.assert_allclose(seen[record], expected, atol=5e-5)


def test_what_is_drawn_lies_within_the_limits(seeded: Seeded) -> None:
    change = Rotation(0.5, angle_deg=40.0, scale=1.4)._drawn(torch.zeros((2000, 12, 1)), seeded(2))
    scale = torch.linalg.vector_norm(change, dim=2)  # rows of diag(s) · R
    assert 1.0 <= scale.min() < 1.01
    assert 1.19 < scale.max() <= 1.2 + 1e-6
    turn = change / scale[:, :, None]
    pitch = torch.rad2deg(torch.asin(-turn[:, 2, 0]))
    yaw = torch.rad2deg(torch.atan2(turn[:, 1, 0], turn[:, 0, 0]))
    roll = torch.rad2deg(torch.atan2(turn[:, 2, 1], turn[:, 2, 2]))
    for angle in (roll, pitch, yaw):
        assert 19 < angle.max() < 20.01
        assert -20.01 < angle.min() < -19
    torch.testing.assert_close(torch.linalg.det(turn), torch.ones(2000), atol=1e-5, rtol=0)


def test_a_quarter_turn_about_x_takes_feet_to_back() -> None:
    turn = rotation_matrix(torch.tensor([[torch.pi / 2, 0.0, 0.0]]))[0]
    torch.testing.assert_close(turn @ torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.0, 0.0, 1.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", METHODS)
def test_vcg_of_whole_and_of_poorer_records(method: Method) -> None:
    masks = torch.ones((4, 12), dtype=torch.bool)
    masks[1, 7] = False  # V2
    masks[2, [1, 5, 11]] = False  # II, aVF, V6
    masks[3] = False
    found = vcg_of_leads(masks, method).double().numpy()
    leads = eight_from_vcg_matrix(method)
    np.testing.assert_allclose(found[0][:, INDEPENDENT], np.linalg.pinv(leads), atol=1e-5)
    assert (found[0][:, [2, 3, 4, 5]] == 0).all()
    there = [0, 1, 2, 4, 5, 6, 7]
    np.testing.assert_allclose(
        found[1][:, INDEPENDENT][:, there], np.linalg.lstsq(leads[there], np.eye(7), rcond=None)[0], atol=1e-5
    )
    assert (found[1][:, 7] == 0).all()
    assert (found[2][:, [1, 11]] == 0).all()
    assert (found[3] == 0).all()


def test_a_pure_dipole_looks_the_same_with_a_lead_less(cohort: Signals, seeded: Seeded) -> None:
    dipole = torch.as_tensor(from_vcg(to_vcg(cohort.ecg_mv.numpy())))
    whole = replace(cohort, ecg_mv=dipole)
    mask = cohort.lead_mask.clone()
    mask[:, 7] = False
    poorer = replace(whole, ecg_mv=dipole * mask[:, :, None], lead_mask=mask)
    for rank in ("low", "full"):
        one, other = (Rotation(rank=rank)(signals, seeded(3)).ecg_mv for signals in (whole, poorer))
        torch.testing.assert_close(one * mask[:, :, None], other, atol=2e-4, rtol=0)


def test_few_leads_make_no_large_ones(spoilt: Signals, seeded: Seeded) -> None:
    for seed in range(20):
        seen = Rotation()(spoilt, seeded(seed)).ecg_mv
        assert (seen.abs().amax((1, 2)) <= 4 * spoilt.ecg_mv.abs().amax((1, 2)) + 1e-6).all()


def test_other_than_twelve_leads_are_refused(cohort: Signals, seeded: Seeded) -> None:
    two = replace(cohort, ecg_mv=cohort.ecg_mv[:, :2], lead_mask=cohort.lead_mask[:, :2])
    with pytest.raises(ValueError, match="needs twelve leads in canonical order, not 2"):
        Rotation()(two, seeded(0))
