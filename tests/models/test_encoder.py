"""The contract of every registered encoder."""

from collections.abc import Iterator
from dataclasses import replace

import jaxtyping
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import ENCODERS, Encoded, Encoder, build_encoder
from beatssl.models.pooling import pool

NAMES = sorted(ENCODERS)
MILLIONS = {
    "xresnet1d": (2.0, 4.0), "resnet1d": (0.4, 0.5), "growing-resnet1d": (0.5, 0.6), "pyramid-resnet1d": (2.0, 2.3),
    "unet": (1.0, 1.5), "s4d": (0.9, 1.3), "vit": (2.5, 3.0),
}  # fmt: skip
"""Weights of the default size, as the documentation states them."""

OFF_CENTRE = {"resnet1d": 1.5, "growing-resnet1d": 1.5, "pyramid-resnet1d": 7.5}
"""Samples by which a step's centre lies beside that of the samples it stands for."""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(name: str, seed: int = 0, **options: object) -> Encoder:
    return build_encoder(replace(EncoderConfig(name, width=0.25, depth=0.5), **options), seed)  # type: ignore[arg-type]


def signals(records: int, time: int, leads: int = 12) -> Tensor:
    return 0.3 * torch.randn(records, leads, time, generator=torch.Generator().manual_seed(time))


def all_leads(records: int, leads: int = 12) -> Tensor:
    return torch.ones(records, leads, dtype=torch.bool)


def some_leads() -> Tensor:
    """Three records: all leads, the limb leads alone, none at all."""
    mask = all_leads(3)
    mask[1, 6:] = False
    mask[2] = False
    return mask


def awake(encoder: Encoder) -> Encoder:
    """As after some training: no weight is exactly zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in encoder.parameters():
            weight[weight == 0] = 0.3
            weight += 0.02 * torch.randn(weight.shape, generator=generator)
    return encoder


def assert_same(one: Encoded, other: Encoded) -> None:
    for left, right in zip([one.feature_map, *one.stages], [other.feature_map, *other.stages], strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4)


def steps(time: int, stride: int) -> int:
    return -(-time // stride)


def test_every_encoder_states_its_size() -> None:
    assert set(MILLIONS) == set(ENCODERS)


@pytest.mark.parametrize("name", NAMES)
def test_number_of_weights(name: str) -> None:
    low, high = MILLIONS[name]
    encoder = build_encoder(EncoderConfig(name, embedding=0))
    assert low <= sum(weight.numel() for weight in encoder.parameters()) / 1e6 <= high


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_embeddings_have_the_stated_size_and_see_no_padding(name: str, norm: str) -> None:
    encoder = small(name, norm=norm, embedding=40).eval()
    ecg_mv = signals(2, 640)
    encoded = encoder(ecg_mv, all_leads(2))
    found = encoder.embed(encoded, torch.tensor([320, 640]))
    assert found.shape == (2, encoder.embedding_size) == (2, 40)
    torch.testing.assert_close(encoder.embed(encoded)[1], found[1])
    encoded.feature_map[0, :, 320 // encoder.stride :] = 1e6
    torch.testing.assert_close(encoder.embed(encoded, torch.tensor([320, 640])), found)
    with torch.autocast("cpu", torch.bfloat16):
        half = encoder.embed(encoder(ecg_mv, all_leads(2)))
    torch.testing.assert_close(half[1].float(), found[1], rtol=0.05, atol=0.05)


def test_without_its_layer_an_embedding_is_the_pooled_map() -> None:
    encoder = small("xresnet1d").eval()
    bare = encoder.maps_only()
    encoded = encoder(signals(2, 200), all_leads(2))
    torch.testing.assert_close(bare.embed(encoded), pool(encoded.feature_map))
    assert_same(bare(signals(2, 200), all_leads(2)), encoded)
    assert bare.config.embedding == 0
    assert bare.embedding_size == 2 * encoder.channels
    assert encoder.embed(encoded).shape == (2, 1024)
    again = build_encoder(bare.config)
    again.load_state_dict(bare.state_dict())


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, deadline=None)
@given(time=st.integers(1, 700), records=st.integers(1, 2), leads=st.sampled_from([1, 2, 12]))
def test_maps_have_the_stated_sizes(name: str, time: int, records: int, leads: int) -> None:
    encoder = small(name, leads=leads).eval()
    encoded = encoder(signals(records, time, leads), all_leads(records, leads))
    assert encoded.feature_map.shape == (records, encoder.channels, steps(time, encoder.stride))
    assert encoded.stride == encoder.stride
    assert encoder.stage_strides == tuple(sorted(encoder.stage_strides))
    for stage, channels, stride in zip(encoded.stages, encoder.stage_channels, encoder.stage_strides, strict=True):
        assert stage.shape == (records, channels, steps(time, stride))


@pytest.mark.parametrize("name", NAMES)
def test_half_an_hour_in_one_piece(name: str) -> None:
    encoder = small(name, depth=0.1).eval()
    with torch.no_grad():
        encoded = encoder(signals(1, 180_000), all_leads(1))
    assert encoded.feature_map.shape[2] == steps(180_000, encoder.stride)
    assert encoded.feature_map.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_what_missing_leads_hold_does_not_count(name: str) -> None:
    encoder, ecg_mv, mask = awake(small(name)).eval(), signals(3, 500), some_leads()
    other = ecg_mv.clone()
    other[~mask] = torch.nan
    other[1, 8] = 1e6
    assert_same(encoder(ecg_mv, mask), encoder(other, mask))


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_lead_is_no_flat_lead(name: str) -> None:
    encoder, ecg_mv, mask = awake(small(name)).eval(), signals(1, 400), all_leads(1)
    ecg_mv[:, 3] = 0
    mask[:, 3] = False
    flat, missing = encoder(ecg_mv, all_leads(1)).feature_map, encoder(ecg_mv, mask).feature_map
    assert (flat - missing).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_amplitude_counts(name: str) -> None:
    encoder, ecg_mv = awake(small(name)).eval(), signals(1, 400)
    one, double = encoder(ecg_mv, all_leads(1)).feature_map, encoder(2 * ecg_mv, all_leads(1)).feature_map
    assert (double - one).norm() > 0.05 * one.norm()


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_is_finite_and_close(name: str) -> None:
    encoder, ecg_mv, mask = awake(small(name)).eval(), signals(3, 600), some_leads()
    exact = encoder(ecg_mv, mask).feature_map
    with torch.autocast("cpu", torch.bfloat16):
        rough = encoder(ecg_mv, mask).feature_map.float()
    assert rough.isfinite().all()
    assert (rough - exact).norm() < 0.05 * exact.norm()


@pytest.mark.parametrize("name", NAMES)
def test_training_reaches_every_weight(name: str) -> None:
    encoder = awake(small(name))
    encoded = encoder(signals(3, 800), some_leads())
    generator = torch.Generator().manual_seed(0)
    loss = torch.stack(
        [
            (level * torch.randn(level.shape, generator=generator)).sum()
            for level in (encoder.embed(encoded), encoded.feature_map, *encoded.stages)
        ]
    ).sum()
    loss.backward()
    for weight_name, weight in encoder.named_parameters():
        assert weight.grad is not None, weight_name
        assert weight.grad.isfinite().all(), weight_name
        assert weight.grad.abs().max() > 0, weight_name


@pytest.mark.parametrize("name", NAMES)
def test_the_feature_map_alone_trains_every_weight(name: str) -> None:
    """Else distributed training waits for gradients that never come."""
    encoder = awake(small(name, embedding=0))
    encoder(signals(3, 800), some_leads()).feature_map.square().sum().backward()
    assert all(weight.grad is not None for weight in encoder.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides_the_weights_and_nothing_else_moves(name: str) -> None:
    before = torch.random.get_rng_state()
    one, same, other = small(name, 1), small(name, 1), small(name, 2)
    assert torch.equal(torch.random.get_rng_state(), before)
    pairs = list(zip(one.state_dict().values(), same.state_dict().values(), strict=True))
    assert all(torch.equal(left, right) for left, right in pairs)
    pairs = list(zip(one.parameters(), other.parameters(), strict=True))
    assert any(not torch.equal(left, right) for left, right in pairs)
    ecg_mv = signals(2, 333)
    assert torch.equal(one(ecg_mv, all_leads(2)).feature_map, same(ecg_mv, all_leads(2)).feature_map)


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("name", NAMES)
def test_a_record_is_encoded_alike_in_any_batch(name: str, norm: str) -> None:
    encoder, ecg_mv, mask = awake(small(name, norm=norm)).eval(), signals(3, 500), some_leads()
    together = encoder(ecg_mv, mask)
    for row in range(3):
        alone = encoder(ecg_mv[row : row + 1], mask[row : row + 1])
        assert_same(alone, Encoded(together.feature_map[row : row + 1], [s[row : row + 1] for s in together.stages], 8))


@pytest.mark.parametrize("name", NAMES)
def test_group_norm_keeps_records_apart_in_training_too(name: str) -> None:
    encoder, ecg_mv = awake(small(name, norm="group")).train(), signals(2, 500)
    together = encoder(ecg_mv, all_leads(2)).feature_map
    torch.testing.assert_close(encoder(ecg_mv[:1], all_leads(1)).feature_map, together[:1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["xresnet1d", "resnet1d", "growing-resnet1d", "pyramid-resnet1d", "unet"])
def test_a_step_is_centred_on_its_samples(name: str) -> None:
    """The samples that step k depends on lie evenly about (k + ½)·stride − ½."""
    encoder = awake(small(name)).eval()
    for index, stride in enumerate(encoder.stage_strides):
        at = 1024 // stride
        ecg_mv = signals(1, 2048).requires_grad_()
        encoder(ecg_mv, all_leads(1)).stages[index][0, :, at].abs().sum().backward()
        assert ecg_mv.grad is not None
        touched = ecg_mv.grad.abs().sum((0, 1)).nonzero()
        centre = (touched[0] + touched[-1]).item() / 2
        reach = (touched[-1] - touched[0]).item() / 2
        assert abs(centre - ((at + 0.5) * stride - 0.5)) <= max(
            OFF_CENTRE.get(name, 0.0), 0.0 if reach < 40 else stride
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_shift_by_whole_steps_shifts_the_map(name: str) -> None:
    encoder = awake(small(name)).eval()
    period = 512  # of the coarsest stage and of the blocks of attention
    ecg_mv = signals(1, 12 * period)
    with torch.no_grad():
        map_ = encoder(ecg_mv, all_leads(1)).feature_map
        moved = encoder(ecg_mv.roll(period, 2), all_leads(1)).feature_map
    step = period // encoder.stride
    before, after = map_[..., 5 * step : 7 * step], moved[..., 6 * step : 8 * step]
    # S4D sees the whole record, so its ends and the seam reach everywhere, if faintly.
    assert (after - before).norm() < (0.1 if name == "s4d" else 1e-3) * before.norm()


@pytest.mark.parametrize("name", NAMES)
def test_export_with_any_batch_and_length(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # shapes are symbols here
    flat = _Flat(awake(small(name, depth=0.1)).eval())
    any_size = torch.export.Dim.DYNAMIC
    program = torch.export.export(
        flat,
        (signals(3, 2000), some_leads()),
        dynamic_shapes=({0: any_size, 2: any_size}, {0: any_size}),
        strict=False,
    )
    # The guards of S4D and ViT would keep out a batch of one, which their programs compute as well as any.
    exported = program.module(check_guards=False)
    for records, length in ((1, 1000), (2, 777), (3, 300)):
        ecg_mv, mask = signals(records, length), some_leads()[:records]
        for left, right in zip(exported(ecg_mv, mask), flat(ecg_mv, mask), strict=True):
            torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-4)


class _Flat(nn.Module):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ecg_mv: Tensor, lead_mask: Tensor) -> list[Tensor]:
        encoded = self.encoder(ecg_mv, lead_mask)
        return [encoded.feature_map, *encoded.stages]


def test_width_and_depth_change_the_size() -> None:
    def size(**options: float) -> int:
        config = EncoderConfig(**options)  # type: ignore[arg-type]
        return sum(weight.numel() for weight in build_encoder(config).parameters())

    assert size(width=0.5) < 0.35 * size()
    assert size(depth=2.0) > 1.5 * size()


def test_wrong_inputs_are_named() -> None:
    encoder = small("xresnet1d")
    with pytest.raises(ValueError, match="8 leads of 100 samples, but this xresnet1d takes 12"):
        encoder(signals(1, 100, 8), all_leads(1, 8))
    with pytest.raises(ValueError, match="0 samples"):
        encoder(signals(1, 1)[..., :0], all_leads(1))
    with pytest.raises(ValueError, match="no encoder 'xresnet'; there are xresnet1d"):
        build_encoder(EncoderConfig("xresnet"))
    with pytest.raises(ValueError, match="widht"):
        EncoderConfig(widht=2.0)  # type: ignore[call-arg]


POOLED = [{"pooling": name} for name in ("mean-max-sd", "quantiles", "attention", "stages")] + [{"lead_peaks": True}]


@pytest.mark.parametrize("options", POOLED, ids=str)
def test_what_an_embedding_is_made_of(options: dict[str, object]) -> None:
    """Padding and leads that are not measured do not count, and a record without signal is finite."""
    encoder = awake(small("resnet1d", **options)).eval()
    ecg_mv, mask = signals(3, 400), some_leads()
    with torch.no_grad():
        encoded = encoder(ecg_mv, mask)
        whole = encoder.embed(encoded)
        torch.testing.assert_close(encoder.embed(encoded, torch.tensor([400, 400, 400])), whole)
        assert whole.shape == (3, encoder.embedding_size)
        spoilt = torch.where(mask[:, :, None], ecg_mv, torch.nan)
        torch.testing.assert_close(encoder.embed(encoder(spoilt, mask)), whole)
        longer = replace(encoded, feature_map=F.pad(encoded.feature_map, (0, 5), value=9.0))
        longer.stages = [F.pad(stage, (0, 400 // stage.shape[2] * 5), value=9.0) for stage in encoded.stages]
        torch.testing.assert_close(encoder.embed(longer, torch.tensor([400, 400, 400])), whole)
        assert encoder.embed(encoded, torch.tensor([0, 400, 400])).isfinite().all()
    assert not torch.equal(whole[0], whole[1])
    bare = encoder.maps_only()
    assert bare.embedding_size == bare.embed(encoded).shape[1]
