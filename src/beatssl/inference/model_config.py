"""`config.json` and `README.md` of a model's folder: what the weights are of, and which signals they know."""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from beatssl._version import __version__
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import ENCODERS
from beatssl.signals.preparation import UNIT, Preparation
from beatssl.store.outputs import what_is

FORMAT_VERSION = 1
"""Raised whenever a reader of the old layout would misread the new one."""

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"

Provenance = dict[str, Any]


class CheckpointError(ValueError):
    """A folder or repository that is no checkpoint, is damaged, or was trained on signals prepared otherwise."""


@dataclass(frozen=True)
class Kind:
    """What the files of a kind of model say of it."""

    name: str
    """In config.json: encoder, classifier or segmenter."""
    made_by: str
    """The verb that writes one."""
    title: str
    """Of the model card."""
    usage: str
    """Lines of Python on the model card."""
    inside: str
    """Folder of such a model within that of the run that made it."""
    bundled: str
    """Folder of the one named "default" among the bundled weights."""


@dataclass(frozen=True)
class Contents:
    """What `CONFIG` holds."""

    format: int
    beatssl: str
    encoder: EncoderConfig
    preprocessing: Preparation
    provenance: Provenance
    kind: str = "encoder"
    head: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings of what stands on the encoder: all that `build` needs beside it."""
    weights_sha256: str = ""
    """SHA-256 of `WEIGHTS`, hexadecimal; "" in folders written before there were checksums."""


def read_config(path: Path, kind: Kind) -> Contents:
    """The config of a model of a kind. Raises CheckpointError where it is none, damaged, of another kind, or newer."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} is no checkpoint (it has no {CONFIG}) but {what_is(path.parent)}; pass the "
            f"folder of a saved {kind.name}, which {kind.made_by} writes"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}); take it from where the checkpoint came from") from error
    version = found.get("format") if isinstance(found, dict) else None
    if not isinstance(version, int):
        raise CheckpointError(
            f"{path} is no config of a beatssl checkpoint (it states no format): {path.parent} is "
            f"{what_is(path.parent)}; pass the folder of a saved {kind.name}, which {kind.made_by} writes; a run that "
            "was stopped before it saved one goes on with its own command"
        )
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format {version}, made by beatssl {found.get('beatssl')}; this version of beatssl, "
            f"{__version__}, reads up to {FORMAT_VERSION}; upgrade beatssl"
        )
    if (there := found.get("kind", "encoder")) != kind.name:
        raise CheckpointError(f"{path.parent} holds a saved {there}, not the {kind.name} asked for; pass one of these")
    return _contents(path, found)


def _contents(path: Path, found: dict[str, Any]) -> Contents:
    # Encoders kept before there were heads say neither their kind nor a head, and the first folders no checksum.
    names = {field.name for field in fields(Contents)}
    if missing := sorted(names - found.keys() - {"kind", "head", "weights_sha256"}):
        raise CheckpointError(f"{path} lacks {', '.join(missing)}")
    try:
        encoder = TypeAdapter(EncoderConfig).validate_python(found["encoder"])
        preparation = TypeAdapter(Preparation).validate_python(found["preprocessing"])
    except ValidationError as error:
        raise CheckpointError(f"{path} says what this version of beatssl does not know: {error}") from error
    if encoder.name not in ENCODERS:
        raise CheckpointError(f"{path} names the encoder {encoder.name!r}; registered are {', '.join(ENCODERS)}")
    if preparation.leads == tuple(str(slot + 1) for slot in range(encoder.leads)):  # so 0.1 wrote leads as recorded
        preparation = replace(preparation, leads=())
    if preparation.unit != UNIT:
        raise CheckpointError(f"{path} states the unit {preparation.unit!r}; encoders take {UNIT}")
    return Contents(
        found["format"], found["beatssl"], encoder, preparation, found["provenance"],
        found.get("kind", "encoder"), found.get("head", {}), str(found.get("weights_sha256", "")),
    )  # fmt: skip


def model_card(contents: Contents, kind: Kind) -> str:
    """The README of a model's folder, in Markdown."""
    signal = contents.preprocessing
    usage = "\n".join(f"    {line}".rstrip() for line in kind.usage.strip().splitlines())
    return f"""---
library_name: beatssl
pipeline_tag: feature-extraction
tags: [ECG, electrocardiogram, self-supervised learning]
---

# {kind.title}, made with beatssl {contents.beatssl}

Encoder {contents.encoder.name}. It takes signals in {signal.unit}, sampled at {signal.fs_hz:g} Hz, band-pass
{signal.low_hz:g}–{signal.high_hz:g} Hz without phase shift, of {len(signal.leads)} leads, some of which may be missing:
{", ".join(signal.leads)}.

{usage}

What it was trained on, and how, stands in `{CONFIG}` under `provenance`. Not a medical device; not for diagnosis.
"""
