import pytest
import torch
from torch import nn

from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.models.decoder import WaveDecoder
from beatssl.models.encoder import ENCODERS, build_encoder

SMALL = DecoderConfig(width=0.25)


def parts(name="xresnet1d", config=SMALL):
    encoder = build_encoder(EncoderConfig(name, width=0.25, depth=0.5)).eval()
    torch.manual_seed(0)
    decoder = WaveDecoder(config, encoder).eval()
    for weight in decoder.parameters():  # what begins at zero would hide what it passes on
        nn.init.normal_(weight, std=0.1)
    return encoder, decoder


def scores(encoder, decoder, ecg_mv, measured, slot=None):
    slot = torch.arange(ecg_mv.shape[1]).expand(len(ecg_mv), -1) if slot is None else slot
    with torch.no_grad():
        return decoder(ecg_mv, measured, slot, encoder(ecg_mv, measured))


@pytest.mark.parametrize("name", list(ENCODERS))
@pytest.mark.parametrize("time", [300, 1001])
def test_every_encoder_and_length_gives_four_scores_a_sample(name, time):
    encoder, decoder = parts(name)
    out = scores(encoder, decoder, torch.randn(2, 12, time), torch.ones(2, 12, dtype=torch.bool))
    assert out.shape == (2, 12, 4, time)
    assert out.isfinite().all()


def test_a_lead_that_is_not_measured_has_no_scores_and_changes_no_other():
    encoder, decoder = parts()
    ecg_mv, measured = torch.randn(2, 12, 320), torch.ones(2, 12, dtype=torch.bool)
    measured[0, 3] = measured[1, :11] = False
    other = ecg_mv.clone()
    other[~measured] = 7.0
    out = scores(encoder, decoder, ecg_mv, measured)
    assert (out[~measured] == 0).all()
    torch.testing.assert_close(out, scores(encoder, decoder, other, measured))


def test_leads_are_a_set():
    """Without names, and with the encoder's view held, leads in another order give their scores in that order."""
    encoder, decoder = parts()
    ecg_mv, measured = torch.randn(1, 12, 320), torch.ones(1, 12, dtype=torch.bool)
    slot, order = torch.full((1, 12), -1), torch.randperm(12)
    encoded = encoder(ecg_mv, measured)
    with torch.no_grad():
        straight = decoder(ecg_mv, measured, slot, encoded)
        turned = decoder(ecg_mv[:, order], measured, slot, encoded)
    torch.testing.assert_close(turned, straight[:, order], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("share_leads", [True, False])
def test_a_lead_sees_the_others_where_it_is_told_to(share_leads):
    encoder, decoder = parts(config=DecoderConfig(width=0.25, share_leads=share_leads))
    ecg_mv, measured = torch.randn(1, 2, 320), torch.ones(1, 2, dtype=torch.bool)
    slot = torch.full((1, 2), -1)
    encoded = encoder(torch.zeros(1, 12, 320), torch.zeros(1, 12, dtype=torch.bool))
    other = ecg_mv.clone()
    other[:, 1] *= 3
    with torch.no_grad():
        same = torch.equal(
            decoder(ecg_mv, measured, slot, encoded)[:, 0], decoder(other, measured, slot, encoded)[:, 0]
        )
    assert same is not share_leads


def test_gradients_reach_every_weight():
    encoder, decoder = parts()
    decoder.train()
    ecg_mv, measured = torch.randn(2, 12, 320), torch.ones(2, 12, dtype=torch.bool)
    slot = torch.arange(-1, 11).expand(2, -1)
    decoder(ecg_mv, measured, slot, encoder(ecg_mv, measured)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in decoder.parameters())
