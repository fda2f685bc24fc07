"""Batch norm folded into convolutions gives the same network."""

import pytest
import torch
from torch import nn

from beatssl.inference.folding import folded
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder


def test_a_folded_encoder_gives_the_same_and_leaves_the_other_as_it_was() -> None:
    encoder = build_encoder(EncoderConfig(), 3)
    generator = torch.Generator().manual_seed(5)
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.randn(module.num_features, generator=generator)
            module.running_var = 0.5 + torch.rand(module.num_features, generator=generator)
    encoder.eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    fast = folded(encoder)
    ecg_mv, there = torch.randn(2, 12, 1000, generator=generator), torch.ones(2, 12, dtype=torch.bool)
    with torch.inference_mode():
        torch.testing.assert_close(
            fast(ecg_mv, there).feature_map, encoder(ecg_mv, there).feature_map, rtol=1e-4, atol=1e-4
        )
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    norms = [sum(isinstance(one, nn.BatchNorm2d) for one in network.modules()) for network in (encoder, fast)]
    assert norms[1] < norms[0] / 4
    assert next(fast.parameters()).data_ptr() == next(encoder.parameters()).data_ptr()


def test_a_network_in_training_is_refused() -> None:
    with pytest.raises(ValueError, match="call eval"):
        folded(build_encoder(EncoderConfig(), 3).train())
