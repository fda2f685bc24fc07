"""A pretrained encoder as a folder: weights in safetensors, and in JSON what they were made of and from which input."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import ModelHubMixin, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from jaxtyping import Bool, Float, Float32
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

import beatssl
from beatssl.dataset.manifest import differences
from beatssl.dataset.store import Store
from beatssl.models.encoder import ENCODERS, Encoded, Encoder, EncoderConfig, build_encoder
from beatssl.signals.filters import bandpass, resample
from beatssl.signals.leads import LEADS, present_leads, to_twelve
from beatssl.training.state import write_json, write_tensors

FORMAT_VERSION = 1
"""Raised whenever a reader of the old layout would misread the new one."""

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"
_UNIT = "mV"

Provenance = dict[str, Any]


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


@dataclass(frozen=True)
class _Contents:
    """What `CONFIG` holds."""

    format: int
    beatssl: str
    encoder: EncoderConfig
    preprocessing: Preprocessing
    provenance: Provenance


class BeatEncoder(
    nn.Module,
    ModelHubMixin,
    library_name="beatssl",
    pipeline_tag="feature-extraction",
    tags=["ECG", "electrocardiogram", "self-supervised learning"],
):
    """An encoder that knows how its input is prepared and what it was trained on.

    `save_pretrained(folder)`, `push_to_hub("name/repository")` and `from_pretrained(either)` keep and fetch it, as
    models of the Hugging Face hub do; `save_pretrained(..., push_to_hub=True)` does both. No file is a pickle.
    """

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

    def forward(self, ecg_mv: Float[Tensor, "record lead time"], lead_mask: Bool[Tensor, "record lead"]) -> Encoded:
        """The encoder itself: signals prepared as `preprocessing` says, and which leads are measured."""
        return self.encoder(ecg_mv, lead_mask)

    @torch.inference_mode()
    def encode(
        self,
        ecg_mv: Float32[np.ndarray, "lead time"],
        leads: tuple[str, ...],
        fs_hz: float,
        already_filtered: bool = False,
    ) -> Encoded:
        """One record as a file gives it, NaN where not measured: leads ordered, filtered, resampled, encoded.

        Raises CheckpointError where the encoder knows other leads than the canonical twelve, and these are not given.
        """
        wanted = self.preprocessing
        if wanted.leads == LEADS:
            ecg_mv = to_twelve(ecg_mv, leads)
        elif tuple(leads) != wanted.leads:
            raise CheckpointError(
                f"leads {', '.join(leads)} given; the encoder was trained on {', '.join(wanted.leads)}"
            )
        if not already_filtered:
            ecg_mv = bandpass(ecg_mv, fs_hz, wanted.low_hz, wanted.high_hz)
        ecg_mv = resample(ecg_mv, fs_hz, wanted.fs_hz)
        device = next(self.encoder.parameters()).device
        signal = torch.from_numpy(np.nan_to_num(ecg_mv)).to(device)
        return self.encoder(signal[None], torch.from_numpy(present_leads(ecg_mv)).to(device)[None])

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
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
    ) -> "BeatEncoder":
        """A checkpoint's folder, or a repository of the hub ("name/repository"), as an encoder in evaluation mode.

        Raises CheckpointError where there is none, or where it is damaged or newer than this version of beatssl.
        """
        source = str(pretrained_model_name_or_path)
        if Path(source).is_dir():
            return cls._load(Path(source))
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
    def _load(cls, folder: Path) -> "BeatEncoder":
        contents = _read_config(folder / CONFIG)
        encoder = build_encoder(contents.encoder)
        _fill(encoder, folder / WEIGHTS)
        return cls(encoder, contents.preprocessing, contents.provenance).eval()

    def _save_pretrained(self, save_directory: Path) -> None:
        save_checkpoint(save_directory, self)


def save_checkpoint(folder: Path, model: BeatEncoder, half: bool = False) -> None:
    """Write `model.safetensors`, `config.json` and, where there is none, a README; each whole or not at all.

    With `half` the weights are kept in float16, statistics of batch norm in float32; loaded, all are float32 again.
    """
    weights = dict(model.encoder.named_parameters())
    tensors = {
        name: value.half() if half and name in weights else value for name, value in model.encoder.state_dict().items()
    }
    write_tensors(folder / WEIGHTS, tensors, {"format": "pt"})
    contents = _Contents(
        FORMAT_VERSION, beatssl.__version__, model.encoder.config, model.preprocessing, model.provenance
    )
    write_json(folder / CONFIG, asdict(contents))
    if not (folder / CARD).exists():
        (folder / CARD).write_text(_card(contents), encoding="utf-8")


def load_checkpoint(folder: Path) -> BeatEncoder:
    """The encoder kept in a folder, in evaluation mode.

    Raises CheckpointError where the folder holds none, or where it is damaged or newer than this version of beatssl.
    """
    if not folder.is_dir():
        raise CheckpointError(f"there is no folder {folder}; pass the folder that holds {CONFIG} and {WEIGHTS}")
    return BeatEncoder.from_pretrained(folder)


def _read_config(path: Path) -> _Contents:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} is no checkpoint (it has no {CONFIG}); pretrain writes one") from error
    except ValueError as error:
        raise CheckpointError(f"{path} is damaged ({error}); take it from where the checkpoint came from") from error
    version = found.get("format") if isinstance(found, dict) else None
    if not isinstance(version, int):
        raise CheckpointError(f"{path} is no config of a beatssl checkpoint (it states no format)")
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format {version}, made by beatssl {found.get('beatssl')}; this version of beatssl, "
            f"{beatssl.__version__}, reads up to {FORMAT_VERSION}; upgrade beatssl"
        )
    return _contents(path, found)


def _contents(path: Path, found: dict[str, Any]) -> _Contents:
    names = {field.name for field in fields(_Contents)}
    if missing := sorted(names - found.keys()):
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
    return _Contents(found["format"], found["beatssl"], encoder, preprocessing, found["provenance"])


def _fill(encoder: Encoder, path: Path) -> None:
    """Put the weights of a file into an encoder. Raises CheckpointError where they are damaged or of another one."""
    try:
        with safe_open(str(path), "pt") as file:
            found: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.parent} is no checkpoint (it has no {WEIGHTS}); pretrain writes one") from error
    except SafetensorError as error:
        raise CheckpointError(f"{path} is damaged or cut short ({error}); copy it again from its source") from error
    wanted = encoder.state_dict()
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
            f"{path} holds weights of another network than its {CONFIG} describes ({encoder.config.name}): "
            f"{'; '.join(lines[:5])}{more}; keep the two files of one checkpoint together"
        )
    encoder.load_state_dict(found)


def _readable(preprocessing: dict[str, Any]) -> dict[str, Any]:
    return preprocessing | {"leads": " ".join(preprocessing["leads"])}


def _card(contents: _Contents) -> str:
    signal = contents.preprocessing
    return f"""---
library_name: beatssl
pipeline_tag: feature-extraction
tags: [ECG, electrocardiogram, self-supervised learning]
---

# An ECG encoder pretrained with beatssl {contents.beatssl}

Encoder {contents.encoder.name}. It takes signals in {signal.unit}, sampled at {signal.fs_hz:g} Hz, band-pass
{signal.low_hz:g}–{signal.high_hz:g} Hz without phase shift, of {len(signal.leads)} leads, some of which may be missing:
{", ".join(signal.leads)}.

    from beatssl.training.checkpoint import BeatEncoder

    encoder = BeatEncoder.from_pretrained(FOLDER_OR_REPOSITORY)
    encoded = encoder.encode(ecg_mv, leads, fs_hz)  # a NumPy array (lead, time) in mV, as recorded

What it was trained on, and how, stands in `{CONFIG}` under `provenance`. Not a medical device; not for diagnosis.
"""
