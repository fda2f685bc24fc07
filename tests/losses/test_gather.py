import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from beatssl.losses.gather import gather, gather_with_grad

SCRIPT = Path(__file__).parent / "two_processes.py"
_spec = spec_from_file_location("gather_in_two_processes", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
shared = module_from_spec(_spec)
_spec.loader.exec_module(shared)


@pytest.fixture(scope="module")
def of_two(tmp_path_factory):
    results = tmp_path_factory.mktemp("gather")
    subprocess.run([sys.executable, str(SCRIPT), str(results)], check=True, timeout=120)
    return [torch.load(results / f"{rank}.pt") for rank in range(len(shared.SIZES))]


@pytest.mark.parametrize(("form", "soft"), shared.CASES)
def test_two_processes_give_the_loss_and_gradients_of_one(of_two, form, soft):
    model, *batch = shared.setup()
    expected = shared.step(model, *batch, form, soft)
    for found in of_two:
        for ours, theirs in zip(found[form], expected, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-9)


def test_a_process_may_hold_no_rows(of_two):
    assert all(torch.equal(found["ragged"][0], torch.ones(1, 2)) for found in of_two)


def test_one_process_keeps_its_rows():
    rows = torch.ones(3, 2, requires_grad=True)
    assert gather_with_grad(rows) is rows
    assert gather(rows) is rows
