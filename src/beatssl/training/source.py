"""Where an encoder comes from, and where it is kept: a run, a checkpoint, the shipped weights, or chance."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from beatssl.dataset.store import Store
from beatssl.models.encoder import Encoder, EncoderConfig, build_encoder

Provenance = dict[str, Any]
CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Opened:
    """An encoder, what tables call it, and what it was made of."""

    encoder: Encoder
    name: str
    provenance: Provenance


def open_encoder(source: str, network: str, seed: int, store: Store) -> Opened:
    """ "random", "default", a run's folder or a checkpoint's, checked against how `store` was prepared."""
    if source == "random":
        return Opened(build_encoder(EncoderConfig(name=network), seed), f"random {network}", {"seed": seed})
    raise NotImplementedError


def start_encoder(config: EncoderConfig, init: str | None, store: Store, seed: int) -> Encoder:
    """Fresh weights, or those of `init`, which must be of the same network."""
    if init is None:
        return build_encoder(config, seed)
    raise NotImplementedError


def keep_encoder(out: Path, encoder: Encoder, store: Store, provenance: Provenance) -> None:
    """The encoder as `out`/checkpoint, with how its input is prepared."""
