from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from pydantic import ValidationError

from beatssl.views.config import ViewsConfig
from beatssl.views.dipole import Rotation
from beatssl.views.masking import LeadMask, TimeMask
from beatssl.views.registry import PRESETS, VIEWS, build_views, preset
from beatssl.views.timing import Retiming
from beatssl.views.view import Signals

Seeded = Callable[[int], torch.Generator]


def test_every_view_has_its_strength_in_the_config() -> None:
    names = {field.name for field in fields(ViewsConfig)}
    assert names == {*VIEWS, "rotation_deg", "rotation_scale", "lead_mask_share", "rank", "vcg", "share"}


@pytest.mark.parametrize("name", PRESETS)
def test_presets_run_on_anything(name: str, spoilt: Signals, seeded: Seeded) -> None:
    seen = build_views(preset(name))(spoilt, seeded(0))
    assert seen.ecg_mv.isfinite().all()
    assert torch.equal(seen.ecg_mv, spoilt.ecg_mv) == (name == "none")


def test_3kg_is_rotation_and_time_mask() -> None:
    rotation, mask = build_views(preset("3kg")).views
    assert rotation == Rotation(1.0, 45.0, 1.5, "low", "dower")
    assert mask == TimeMask(1.0, 0.5)


def test_turn_and_scale_of_the_dipole_can_be_had_apart() -> None:
    assert build_views(ViewsConfig(rotation=1, rotation_scale=1)).views == (Rotation(1.0, 45.0, 1.0, "full"),)
    assert build_views(ViewsConfig(rotation=1, rotation_deg=0)).views == (Rotation(1.0, 0.0, 1.5, "full"),)


def test_nearly_all_leads_can_go() -> None:
    assert build_views(ViewsConfig(lead_mask=1, lead_mask_share=0.9)).views == (LeadMask(1.0, 0.9),)


def test_views_that_move_time_read_once() -> None:
    views = build_views(ViewsConfig(temporal_scaling=0.5, beat_warp=0.2, noise=0.1)).views
    assert isinstance(views[0], Retiming)
    assert [view.strength for view in views[0].views] == [0.5, 0.2]
    assert len(views) == 2


def test_low_rank_needs_no_rotation() -> None:
    assert build_views(ViewsConfig(rank="low")).views == (Rotation(0.0, rank="low"),)
    assert build_views(ViewsConfig()).views == ()


def test_unknown_names_and_values_are_refused() -> None:
    with pytest.raises(ValueError, match="no views '4kg'; choose one of none, 3kg, beatssl"):
        preset("4kg")
    with pytest.raises(ValidationError):
        ViewsConfig(noise=2.0)
    with pytest.raises(ValidationError):
        ViewsConfig(hum=1.0)
