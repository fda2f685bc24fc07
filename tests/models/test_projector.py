import pytest
import torch

from beatssl.models.projector import Projector


@pytest.mark.parametrize("hidden_layers", [0, 1, 2])
def test_any_number_of_rows_none_too(hidden_layers):
    projector = Projector(12, hidden=16, out=5, hidden_layers=hidden_layers).train()
    for rows in (0, 1, 7):
        found = projector(torch.ones(rows, 12))
        found.sum().backward()
        assert found.shape == (rows, 5)
        assert torch.isfinite(found).all()


def test_a_row_does_not_depend_on_the_others():
    projector = Projector(6, hidden=8, out=4).train()
    rows = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(projector(rows)[2:3], projector(rows[2:3]))


def test_a_width_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="to 0"):
        Projector(6, out=0)
