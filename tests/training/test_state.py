import pytest
import torch
from torch import nn

from beatssl.training.optim import make_optimizer
from beatssl.training.state import STATE, Best, Position, load_state, save_state


def trained(seed=0):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    optimizer = make_optimizer(((model, 1.0),), 0.1, 0.05)
    model(torch.randn(5, 3, generator=torch.Generator().manual_seed(seed))).square().sum().backward()
    optimizer.step()
    return model, optimizer


def test_all_comes_back(tmp_path):
    model, optimizer = trained()
    average, _ = trained(1)
    best = {name: value + 1 for name, value in model.state_dict().items()}
    position = Position(7, [{"update": 5, "f1": 1 / 3}], Best(5, 1 / 3, best))
    save_state(tmp_path, position, model, average, optimizer)
    other, others = trained(2)
    other_average, _ = trained(3)
    found = load_state(tmp_path, other, other_average, others)
    assert (found.updates, found.evaluations) == (7, position.evaluations)
    assert found.best is not None
    assert (found.best.update, found.best.figure) == (5, 1 / 3)
    pairs = [(other, model), (other_average, average)]
    for one, same in [*((a.state_dict(), b.state_dict()) for a, b in pairs), (found.best.weights, best)]:
        assert all(torch.equal(value, same[name]) for name, value in one.items())
    for weight, same in zip(other.parameters(), model.parameters(), strict=True):
        for kind, value in optimizer.state[same].items():
            assert torch.equal(others.state[weight][kind], value), kind


def test_no_state_is_the_start_and_another_networks_is_refused(tmp_path):
    model, optimizer = trained()
    assert load_state(tmp_path, model, None, optimizer).updates == 0
    save_state(tmp_path, Position(1), model, None, optimizer)
    wider = nn.Linear(9, 9)
    with pytest.raises(ValueError, match="does not fit this run's network"):
        load_state(tmp_path, wider, None, make_optimizer(((wider, 1.0),), 0.1, 0.0))
    (tmp_path / STATE).write_bytes(b"half")
    with pytest.raises(ValueError, match="no safetensors file"):
        load_state(tmp_path, model, None, optimizer)
