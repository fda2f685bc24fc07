"""Where an encoder comes from, and where it is kept: a run, a checkpoint, the bundled weights, chance, or others."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from beatssl.files import sha256_of
from beatssl.inference.adapters.adapter import Adapter
from beatssl.inference.adapters.foreign_encoder import ForeignEncoder
from beatssl.inference.adapters.published_weights import file_of, read_network
from beatssl.inference.adapters.registry import published
from beatssl.inference.decimation import decimation_factor
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_config import CheckpointError, Provenance
from beatssl.inference.model_folder import save_model
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import Encoder, build_encoder
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation
from beatssl.store.config import PrepareConfig
from beatssl.store.manifest import differences
from beatssl.store.store import Store

CHECKPOINT = BeatEncoder.kind.inside


@dataclass(frozen=True)
class Opened:
    """An encoder, what tables call it, and what it was made of."""

    encoder: Encoder
    name: str
    provenance: Provenance
    preparation: Preparation
    """What it takes."""


def open_encoder(source: str, network: EncoderConfig, seed: int, store: Store) -> Opened:
    """ "random" (an untrained `network`), "default", a run, a checkpoint's folder or repository, or an encoder that
    others published (`NAME:PATH`, such as "ecg-fm:weights.pt"), to use on `store`.

    Raises CheckpointError where there is no such checkpoint, or where the store was prepared otherwise than it expects;
    WeightsNotAtHand, a FileNotFoundError, where PATH of a published encoder is not there.
    """
    if source == "random":
        provenance = {"encoder": asdict(network), "seed": seed}
        return Opened(build_encoder(network, seed), f"random {network.name}", provenance, store.preparation)
    if found := published(source):
        return _open_published(*found, store)
    model = BeatEncoder.from_pretrained(source)
    model.check_store(store)
    return Opened(model.encoder, source, model.provenance, model.preparation)


def _open_published(adapter: Adapter, path: Path, store: Store) -> Opened:
    """With its own preprocessing, from the signals of the store as they are."""
    if store.preparation.leads != LEADS:
        raise CheckpointError(
            f"{adapter.name} takes the twelve leads in canonical order, store {store.path} has others; prepare it with "
            "leads='twelve', or pass store.twelve_leads()"
        )
    file = file_of(adapter, path)
    card = adapter.card(store, file.name, sha256_of(file))
    encoder = ForeignEncoder(adapter, read_network(adapter, file), store.fs_hz)
    return Opened(encoder.eval(), adapter.name, card, store.preparation)


def frozen_only(source: str, verb: str) -> None:
    """Raises CheckpointError for an encoder that others published, which is used as it is and not trained or saved."""
    if found := published(source):
        raise CheckpointError(
            f"{verb} trains and saves its encoder, but {found[0].name} is used as it was published; take one of "
            "beatssl, or use probe, compare, scorecard or check, which leave it as it is"
        )


def open_encoder_beneath(source: str, network: EncoderConfig, seed: int, store: Store) -> Opened:
    """As `open_encoder`, but of a store at twice or four times its rate too, which the model decimates itself.

    An untrained network then takes what `prepare` makes by default, as the bundled one does. Raises CheckpointError for
    an encoder that others published.
    """
    frozen_only(source, "segment")
    if source == "random":
        opened, default = open_encoder(source, network, seed, store), PrepareConfig(store.kind, Path(), out=Path())
        usual = replace(opened.preparation, fs_hz=default.fs_hz, high_hz=default.high_hz)
        return opened if decimation_factor(opened.preparation, usual) is None else replace(opened, preparation=usual)
    model = BeatEncoder.from_pretrained(source)
    if decimation_factor(store.preparation, model.preparation) is None:
        model.check_store(store)
    return Opened(model.encoder, source, model.provenance, model.preparation)


def start_encoder(config: EncoderConfig, init: str | None, store: Store, seed: int) -> Encoder:
    """Fresh weights, or those of `init`, which must be of the network that the config describes.

    Raises CheckpointError where they are not, or as `open_encoder` does.
    """
    if init is None:
        return build_encoder(config, seed)
    frozen_only(init, "pretrain")
    encoder = open_encoder(init, config, seed, store).encoder
    if lines := differences(asdict(encoder.config), asdict(config)):
        raise CheckpointError(
            f"{init} holds another network than asked for (there against asked): {'; '.join(lines)}; "
            "ask for the same encoder, or begin from another checkpoint"
        )
    return encoder


def provenance_of_start(init: str | None) -> Provenance:
    """What the weights that `start_encoder` begins with were made of; {} for fresh ones."""
    return {} if init in (None, "random") else {"init": init} | BeatEncoder.from_pretrained(init).provenance


def stages(provenance: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """How an encoder was made: its last pretraining, then that of the encoder it began with, and so on."""
    out = [provenance]
    while start := out[-1].get("start"):
        out.append(start)
    return out


def keep_encoder(out: Path, encoder: Encoder, store: Store, provenance: Provenance) -> None:
    """The encoder as `out`/checkpoint, with how its input is prepared."""
    save_model(out / CHECKPOINT, BeatEncoder(encoder, store.preparation, provenance))
