"""The small network between an embedding and a contrast, thrown away after pretraining."""

from jaxtyping import Float
from torch import Tensor, nn


class Projector(nn.Module):
    """Linear, layer norm, ReLU, as many times as there are hidden layers, then linear.

    Layer norm, not batch norm as in SimCLR: it takes a batch of one beat or none, gives a row the same embedding
    whatever else is in the batch, and needs no statistics shared between processes.

    Raises ValueError for a width below 1.
    """

    def __init__(self, channels: int, hidden: int = 256, out: int = 128, hidden_layers: int = 1) -> None:
        super().__init__()
        if min(channels, hidden, out) < 1 or hidden_layers < 0:
            raise ValueError(
                f"a projector from {channels} over {hidden_layers} layers of {hidden} to {out}; widths begin at 1"
            )
        layers: list[nn.Module] = []
        width = channels
        for _ in range(hidden_layers):
            layers += [nn.Linear(width, hidden, bias=False), nn.LayerNorm(hidden), nn.ReLU()]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, out))

    def forward(self, embedding: Float[Tensor, "n channels"]) -> Float[Tensor, "n out"]:
        """Rows to be compared by their cosine: `embedding` (n, channels) to (n, out)."""
        return self.layers(embedding)
