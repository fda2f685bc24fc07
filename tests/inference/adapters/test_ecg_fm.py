"""ECG-FM: names, shapes and arithmetic of the published network."""

from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from beatssl.inference.adapters.ecg_fm import ECG_FM, EcgFm, EcgFmLayout
from beatssl.inference.adapters.published_weights import WeightsNotAtHand, file_of, read_network
from beatssl.inference.model_config import CheckpointError

LAYOUT = EcgFmLayout(12, (8, 8, 8, 8), 16, 2, 2, 24, 8, 4)
PRETRAINING = {
    "mask_emb": (768,), "quantizer.vars": (1, 640, 128), "quantizer.weight_proj.weight": (640, 256),
    "quantizer.weight_proj.bias": (640,), "project_q.weight": (256, 256), "project_q.bias": (256,),
    "final_proj.weight": (256, 768), "final_proj.bias": (256,),
}  # fmt: skip
"""What the published file holds for pretraining alone."""
PUBLISHED_WEIGHTS = 90_883_072
"""Of the base model, as ECG-FM's page states it."""


def network(seed: int = 0) -> EcgFm:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EcgFm(LAYOUT).eval()


def test_names_and_shapes_of_the_published_file() -> None:
    with torch.device("meta"):
        found = {name: tuple(value.shape) for name, value in EcgFm(ECG_FM.layout).state_dict().items()}
    assert found["feature_extractor.conv_layers.0.0.weight"] == (256, 12, 2)
    assert found["feature_extractor.conv_layers.0.2.bias"] == (256,)
    assert found["feature_extractor.conv_layers.3.0.weight"] == (256, 256, 2)
    assert found["post_extract_proj.weight"] == (768, 256)
    assert found["layer_norm.weight"] == (256,)
    assert found["conv_pos.pos_conv.0.weight_g"] == (1, 1, 128)
    assert found["conv_pos.pos_conv.0.weight_v"] == (768, 48, 128)
    assert found["encoder.layers.11.self_attn.out_proj.bias"] == (768,)
    assert found["encoder.layers.11.fc1.weight"] == (3072, 768)
    assert found["encoder.layers.0.final_layer_norm.weight"] == (768,)
    assert found["encoder.layer_norm.weight"] == (768,)
    assert len(found) == 6 + 2 + 2 + 3 + 12 * 16 + 2
    assert sum(map(prod, found.values())) + sum(map(prod, PRETRAINING.values())) == PUBLISHED_WEIGHTS


def test_a_layer_is_that_of_pytorch_with_norms_after_the_sums() -> None:
    own = network().encoder.layers[0]
    theirs = nn.TransformerEncoderLayer(16, 2, 24, 0.0, "gelu", batch_first=True).eval()
    attention = own.self_attn
    parts = (attention.q_proj, attention.k_proj, attention.v_proj)
    theirs.load_state_dict({
        "self_attn.in_proj_weight": torch.cat([part.weight for part in parts]),
        "self_attn.in_proj_bias": torch.cat([part.bias for part in parts]),
        "self_attn.out_proj.weight": attention.out_proj.weight, "self_attn.out_proj.bias": attention.out_proj.bias,
        "linear1.weight": own.fc1.weight, "linear1.bias": own.fc1.bias,
        "linear2.weight": own.fc2.weight, "linear2.bias": own.fc2.bias,
        "norm1.weight": own.self_attn_layer_norm.weight, "norm1.bias": own.self_attn_layer_norm.bias,
        "norm2.weight": own.final_layer_norm.weight, "norm2.bias": own.final_layer_norm.bias,
    })  # fmt: skip
    x = torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(1))
    there = torch.arange(9) < torch.tensor([9, 5])[:, None]
    with torch.no_grad():
        found, expected = own(x, there[:, None, None]), theirs(x, src_key_padding_mask=~there)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found[1, :5], expected[1, :5], rtol=1e-4, atol=1e-5)


def test_the_position_is_a_weight_normed_convolution_without_its_last_step() -> None:
    own = network().conv_pos
    theirs = nn.Conv1d(16, 16, 8, padding=4, groups=4)
    nn.utils.parametrizations.weight_norm(theirs, dim=2)
    normed = own.pos_conv[0]
    theirs.load_state_dict({
        "bias": normed.bias, "parametrizations.weight.original0": normed.weight_g,
        "parametrizations.weight.original1": normed.weight_v,
    })  # fmt: skip
    x = torch.randn(2, 11, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = nn.functional.gelu(theirs(x.transpose(1, 2))[..., :-1]).transpose(1, 2)
        torch.testing.assert_close(own(x), expected, rtol=1e-4, atol=1e-5)


def test_the_transformer_normalises_before_its_first_layer_only() -> None:
    net = network()
    for layer in net.encoder.layers:
        layer.forward = lambda x, keys: x
    signal = torch.randn(1, 12, 160, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = net(signal, torch.tensor([160]))
    assert found.shape == (1, 16, 10)
    torch.testing.assert_close(found.mean(1), torch.zeros(1, 10), atol=1e-5, rtol=0)


def test_no_step_attends_to_what_was_not_recorded() -> None:
    """After the positions: the normalisation of the convolutions sees the whole segment, as published."""
    net, x = network(), torch.randn(1, 10, 16, generator=torch.Generator().manual_seed(1))
    other = x.clone()
    other[:, 6:] = 7
    there = torch.arange(10)[None] < 6
    with torch.no_grad():
        torch.testing.assert_close(net.encoder(x, there)[:, :6], net.encoder(other, there)[:, :6])
        assert (net.encoder(x, there | True)[:, :6] - net.encoder(other, there | True)[:, :6]).abs().max() > 1e-3


@pytest.mark.parametrize("form", ["pretrained", "newer names"])
def test_each_form_of_the_file(form: str, tmp_path: Path) -> None:
    adapter, own = replace(ECG_FM, layout=LAYOUT), network(3).state_dict()
    tensors: dict[str, Tensor] = {**own, "mask_emb": torch.zeros(16)}
    if form == "newer names":
        other = {now: then for then, now in adapter.renamed.items()}
        tensors = {other.get(name, name): value for name, value in tensors.items()}
        assert "conv_pos.pos_conv.0.weight_v" not in tensors
    torch.save({"model": tensors}, tmp_path / "weights.pt")
    found = read_network(adapter, tmp_path / "weights.pt").state_dict()
    assert found.keys() == own.keys()
    assert all(torch.equal(found[name], own[name]) for name in own)


def test_a_classifier_fine_tuned_with_labels_is_refused(tmp_path: Path) -> None:
    tensors = {f"encoder.{name}": value for name, value in network(3).state_dict().items()}
    torch.save({"model": tensors | {"proj.weight": torch.zeros(17, 16)}}, tmp_path / "physionet_finetuned.pt")
    adapter = replace(ECG_FM, layout=LAYOUT)
    with pytest.raises(CheckpointError, match=r"fine-tuned with labels.*; pass mimic_iv_ecg_physionet_pretrained\.pt"):
        read_network(adapter, tmp_path / "physionet_finetuned.pt")
    with pytest.raises(WeightsNotAtHand):
        file_of(adapter, tmp_path)
