"""Models kept as a folder: weights in safetensors, and in JSON what they were made of and from which input.

The encoder, the classifier and the segmenter are kept the same way; what differs is a `Kind` and a few methods.
"""

import json
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from huggingface_hub import ModelHubMixin, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from jaxtyping import Bool, Float32
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from beatssl._version import __version__
from beatssl.files import write_json
from beatssl.inference.tensors import write_tensors
from beatssl.models.encoder import ENCODERS, Encoder, EncoderConfig
from beatssl.signals.filters import bandpass, resample
from beatssl.signals.leads import LEADS, present_leads, to_twelve
from beatssl.store.manifest import differences
from beatssl.store.store import Store

FORMAT_VERSION = 1
"""Raised whenever a reader of the old layout would misread the new one."""

SHIPPED = "inference/weights"
"""Where in the package the models lie that ship with it."""

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
_UNIT = "mV"

Provenance = dict[str, Any]

Model = TypeVar("Model", bound="SavedModel")


class CheckpointError(ValueError):
    """A folder or repository that is no checkpoint, is damaged, or was trained on signals prepared otherwise."""


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Preprocessing:
    """What was done to the signals that the weights know."""

    fs_hz: float
    low_hz: float
    high_hz: float
    leads: tuple[str, ...] = LEADS
    unit: str = _UNIT

    @classmethod
    def of_store(cls, store: Store) -> "Preprocessing":
        """How the signals of a store were prepared."""
        config = store.manifest["config"]
        return cls(store.fs_hz, float(config["low_hz"]), float(config["high_hz"]), store.leads)

    def apply(
        self,
        ecg_mv: Float32[np.ndarray, "lead time"],
        leads: tuple[str, ...],
        fs_hz: float,
        already_filtered: bool = False,
    ) -> Float32[np.ndarray, "known_lead known_time"]:
        """One record as a file gives it, NaN where not measured: leads ordered, filtered, resampled.

        Raises CheckpointError where the weights know other leads than the canonical twelve, and these are not given.
        """
        if self.leads == LEADS:
            ecg_mv = to_twelve(ecg_mv, leads)
        elif tuple(leads) != self.leads:
            raise CheckpointError(f"leads {', '.join(leads)} given; the encoder was trained on {', '.join(self.leads)}")
        if not already_filtered:
            ecg_mv = bandpass(ecg_mv, fs_hz, self.low_hz, self.high_hz)
        return resample(ecg_mv, fs_hz, self.fs_hz)


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
    shipped: str
    """Folder of the one named "default" in `SHIPPED`."""


@dataclass(frozen=True)
class Contents:
    """What `CONFIG` holds."""

    format: int
    beatssl: str
    encoder: EncoderConfig
    preprocessing: Preprocessing
    provenance: Provenance
    kind: str = "encoder"
    head: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings of what stands on the encoder: all that `build` needs beside it."""


class SavedModel(nn.Module, ModelHubMixin, library_name="beatssl", tags=["ECG", "electrocardiogram"]):
    """An encoder, alone or with a head, that knows how its input is prepared and what it was trained on.

    `save_pretrained(folder)`, `push_to_hub("name/repository")` and `from_pretrained(either)` keep and fetch it, as
    models of the Hugging Face hub do; `save_pretrained(..., push_to_hub=True)` does both. No file is a pickle.

    A kind of model gives `kind` and `build`; one with a head also `head_settings`.
    """

    kind: ClassVar[Kind]

    def __init__(self, encoder: Encoder, preprocessing: Preprocessing, provenance: Provenance) -> None:
        super().__init__()
        if len(preprocessing.leads) != encoder.config.leads:
            raise CheckpointError(
                f"the encoder takes {encoder.config.leads} leads, its preprocessing names {len(preprocessing.leads)}: "
                f"{', '.join(preprocessing.leads)}; build the encoder with leads={len(preprocessing.leads)}"
            )
        self.encoder = encoder
        self.preprocessing = preprocessing
        self.provenance = provenance

    @classmethod
    def build(cls: type[Model], contents: Contents) -> Model:
        """The model that config.json describes, with fresh weights. May raise pydantic's ValidationError."""
        raise NotImplementedError

    def head_settings(self) -> dict[str, Any]:
        """What config.json holds under `head`, as JSON takes it."""
        return {}

    def weights(self) -> nn.Module:
        """The module whose weights are in the file."""
        return self

    def prepared(
        self,
        ecg_mv: Float32[np.ndarray, "lead time"],
        leads: tuple[str, ...],
        fs_hz: float,
        already_filtered: bool = False,
    ) -> tuple[Float32[Tensor, "1 known_lead known_time"], Bool[Tensor, "1 known_lead"]]:
        """One record as a file gives it, ready for the network and on its device: signal, and which leads there are.

        Raises CheckpointError where its leads cannot be those that the network knows.
        """
        ready = self.preprocessing.apply(ecg_mv, leads, fs_hz, already_filtered)
        device = next(self.encoder.parameters()).device
        signal = torch.from_numpy(np.nan_to_num(ready)).to(device)
        return signal[None], torch.from_numpy(present_leads(ready)).to(device)[None]

    def check_store(self, store: Store) -> None:
        """Raises CheckpointError, naming every difference, where a store's signals were prepared otherwise."""
        mine, theirs = asdict(self.preprocessing), asdict(Preprocessing.of_store(store))
        if lines := differences(_readable(theirs), _readable(mine)):
            raise CheckpointError(
                f"store {store.path} was prepared otherwise than the signals this encoder was trained on "
                f"(store against encoder): {'; '.join(lines)}; prepare the store again with the encoder's settings, "
                "or pretrain an encoder on it"
            )

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]  no options for the model: it has none
        cls: type[Model],
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
    ) -> Model:
        """ "default" (the weights that come with the package), the folder of a model or of the run that made it, or a
        repository of the hub ("name/repository"), as a model in evaluation mode.

        Raises CheckpointError where there is none of this kind, or it is damaged or newer than this version of beatssl.
        """
        source = str(pretrained_model_name_or_path)
        folder = shipped(cls.kind) if source == "default" else Path(source)
        if folder.is_dir():
            return cls._load(folder / cls.kind.inside if (folder / cls.kind.inside).is_dir() else folder)
        if source == "default":
            raise CheckpointError(f"this version of beatssl ships no {cls.kind.name}; pass the folder of one")
        if source.count("/") != 1 or folder.is_absolute() or folder.parent.is_dir():
            raise CheckpointError(
                f'there is no folder {source!r}; pass the folder of a checkpoint or run, "default", or name/repository'
            )
        try:
            files = [
                hf_hub_download(
                    source,
                    name,
                    force_download=force_download,
                    token=token,
                    cache_dir=cache_dir,
                    local_files_only=local_files_only,
                    revision=revision,
                )
                for name in (CONFIG, WEIGHTS)
            ]
        except (EntryNotFoundError, HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError) as error:
            raise CheckpointError(
                f"{source!r} is no folder here, and no repository with {CONFIG} and {WEIGHTS} that the hub gives: "
                f"{error}; pass the folder of a checkpoint, or name/repository"
            ) from error
        return cls._load(Path(files[0]).parent)

    @classmethod
    def _load(cls: type[Model], folder: Path) -> Model:
        path = folder / CONFIG
        contents = _read_config(path, cls.kind)
        try:
            model = cls.build(contents)
        except ValidationError as error:
            raise CheckpointError(f"{path} says what this version of beatssl does not know: {error}") from error
        _fill(model.weights(), folder / WEIGHTS, contents)
        return model.eval()

    def _save_pretrained(self, save_directory: Path) -> None:
        save_model(save_directory, self)


def shipped(kind: Kind) -> Path:
    """Where the model of a kind lies that ships with the package."""
    return Path(str(files("beatssl"))) / SHIPPED / kind.shipped


def save_model(folder: Path, model: SavedModel, half: bool = False) -> None:
    """Write `model.safetensors`, `config.json` and, where there is none, a README; each whole or not at all.

    With `half` the weights are kept in float16, buffers (statistics of batch norm) in float32; loaded, all are float32
    again.
    """
    module = model.weights()
    trained = dict(module.named_parameters())
    tensors = {name: value.half() if half and name in trained else value for name, value in module.state_dict().items()}
    write_tensors(folder / WEIGHTS, tensors, {"format": "pt"})
    contents = Contents(
        FORMAT_VERSION, __version__, model.encoder.config, model.preprocessing, model.provenance,
        model.kind.name, model.head_settings(),
    )  # fmt: skip
    write_json(folder / CONFIG, asdict(contents))
    if not (folder / CARD).exists():
        (folder / CARD).write_text(_card(contents, model.kind), encoding="utf-8")


def _read_config(path: Path, kind: Kind) -> Contents:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} is no checkpoint (it has no {CONFIG}); {kind.made_by} writes one"
        ) from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}); take it from where the checkpoint came from") from error
    version = found.get("format") if isinstance(found, dict) else None
    if not isinstance(version, int):
        raise CheckpointError(f"{path} is no config of a beatssl checkpoint (it states no format)")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format {version}, made by beatssl {found.get('beatssl')}; this version of beatssl, "
            f"{__version__}, reads up to {FORMAT_VERSION}; upgrade beatssl"
        )
    if (there := found.get("kind", "encoder")) != kind.name:
        raise CheckpointError(f"{path.parent} holds a saved {there}, not the {kind.name} asked for; pass one of these")
    return _contents(path, found)


def _contents(path: Path, found: dict[str, Any]) -> Contents:
    # Encoders kept before there were heads say neither their kind nor a head.
    names = {field.name for field in fields(Contents)}
    if missing := sorted(names - found.keys() - {"kind", "head"}):
        raise CheckpointError(f"{path} lacks {', '.join(missing)}")
    try:
        encoder = TypeAdapter(EncoderConfig).validate_python(found["encoder"])
        preprocessing = TypeAdapter(Preprocessing).validate_python(found["preprocessing"])
    except ValidationError as error:
        raise CheckpointError(f"{path} says what this version of beatssl does not know: {error}") from error
    if encoder.name not in ENCODERS:
        raise CheckpointError(f"{path} names the encoder {encoder.name!r}; registered are {', '.join(ENCODERS)}")
    if preprocessing.unit != _UNIT:
        raise CheckpointError(f"{path} states the unit {preprocessing.unit!r}; encoders take {_UNIT}")
    return Contents(
        found["format"], found["beatssl"], encoder, preprocessing, found["provenance"],
        found.get("kind", "encoder"), found.get("head", {}),
    )  # fmt: skip


def _fill(module: nn.Module, path: Path, contents: Contents) -> None:
    """Put the weights of a file into a module. Raises CheckpointError where they are damaged or of another one."""
    try:
        with safe_open(str(path), "pt") as file:
            found: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} is no checkpoint (it has no {WEIGHTS}); copy it whole from its source"
        ) from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or cut short ({error}); copy it again from its source") from error
    wanted = module.state_dict()
    lines = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    lines += [f"{name} is unknown" for name in sorted(found.keys() - wanted.keys())]
    lines += [
        f"{name} has the shape {tuple(found[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in found and found[name].shape != value.shape
    ]
    if lines:
        more = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
        raise CheckpointError(
            f"{path} holds weights of another network than its {CONFIG} describes ({contents.encoder.name}): "
            f"{'; '.join(lines[:5])}{more}; keep the two files of one checkpoint together"
        )
    module.load_state_dict(found)


def _readable(preprocessing: dict[str, Any]) -> dict[str, Any]:
    return preprocessing | {"leads": " ".join(preprocessing["leads"])}


def _card(contents: Contents, kind: Kind) -> str:
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
