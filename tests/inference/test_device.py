"""Which device computes in bfloat16 itself."""

import pytest
import torch

from beatssl.inference.device import computes_in_bfloat16


@pytest.mark.parametrize(("avx512", "amx", "itself"), [(False, False, False), (True, False, True), (False, True, True)])
def test_a_processor_with_either_instruction_set(monkeypatch, avx512, amx, itself) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    assert computes_in_bfloat16(torch.device("cpu")) is itself


@pytest.mark.parametrize("itself", [True, False])
def test_a_gpu_is_asked_without_what_it_imitates(monkeypatch, itself) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation or itself)
    assert computes_in_bfloat16(torch.device("cuda")) is itself
