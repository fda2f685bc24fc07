"""What an adapter says of a published encoder: where its weights come from, what they are named, and what they take."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from jaxtyping import Float, Int
from torch import Tensor, nn

from beatssl.store.store import Store


class ForeignNetwork(nn.Module):
    """Base of published networks; names and shapes of their weights are those of the published file."""

    channels: int
    """Of the feature map."""
    stride: int
    """Samples of the input to a step of the feature map."""

    def forward(
        self, signal: Float[Tensor, "segment lead time"], recorded: Int[Tensor, " segment"]
    ) -> Float[Tensor, "segment channel step"]:
        """The feature map of segments that were scaled as the network expects; after `recorded` samples they hold 0."""
        raise NotImplementedError

    def steps(self, recorded: Int[Tensor, " segment"]) -> Int[Tensor, " segment"]:
        """Steps of the feature map that stand for the first `recorded` samples."""
        raise NotImplementedError


@dataclass(frozen=True)
class Input:
    """What a published encoder takes: twelve leads in canonical order, at a rate, scaled, in segments."""

    fs_hz: float
    segment_s: float
    """Length of a segment; a longer record is several, whose embeddings are averaged."""
    scaling: Literal["lead", "record"]
    """Mean 0 and variance 1 over the recorded samples: of each lead, or of all leads together."""

    def __str__(self) -> str:
        over = "each lead" if self.scaling == "lead" else "all leads together"
        return (
            f"12 leads at {self.fs_hz:g} Hz (linear interpolation), mean 0 and variance 1 over {over}, segments of "
            f"{self.segment_s:g} s, averaged"
        )


@dataclass(frozen=True)
class Adapter:
    """A published encoder, used frozen. Another one is a file with an `Adapter`, and a line in the registry."""

    name: str
    """In `NAME:PATH`."""
    title: str
    """Of the encoder, and of the paper that describes it."""
    source: str
    """Where its weights are published."""
    files: tuple[str, ...]
    """What they are called there; PATH is such a file, whatever it is called now, or the folder that holds it."""
    licence: str
    trained_on: str
    takes: Input
    layout: Any
    """Sizes of the network, as published."""
    network: Callable[[Any], ForeignNetwork]
    """From a layout to the network."""
    holder: str
    """Key of the published file under which the weights stand."""
    unused: str
    """Regular expression: weights of the file that an embedding does not need."""
    nested: str = ""
    """Beginning of every name in a file of a classifier that was fine-tuned with labels, which is refused."""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    """Other names under which some files hold a weight, and its name here."""

    def card(self, store: Store, file: str, sha256: str) -> dict[str, Any]:
        """What figures say of the encoder: provenance, preprocessing, and what a store has lost of what it takes."""
        return {
            "method": self.title,
            "adapter": self.name,
            "source": self.source,
            "licence": self.licence,
            "trained_on": self.trained_on,
            "file": file,
            "sha256": sha256,
            "takes": str(self.takes),
            "lost": list(self.lost(store)),
        }

    def lost(self, store: Store) -> tuple[str, ...]:
        """What the signals of a store lack of those that the encoder was trained on."""
        had, lines = store.preparation, list[str]()
        if had.fs_hz < self.takes.fs_hz:
            lines.append(
                f"the store has {had.fs_hz:g} samples/s, the encoder was trained at {self.takes.fs_hz:g}: interpolated"
            )
        lines.append(f"the store's band-pass left {had.low_hz:g} to {had.high_hz:g} Hz")
        return tuple(lines)
