"""Models kept as a folder: weights in safetensors, and in JSON what they were made of and from which input.

The encoder, the classifier and the segmenter are kept the same way; what differs is a `Kind` and a few methods.
"""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float32
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from beatssl._version import __version__
from beatssl.files import sha256_of, write_json
from beatssl.inference.input_checks import Check, InputChecks
from beatssl.inference.model_config import (
    CARD,
    CONFIG,
    FORMAT_VERSION,
    WEIGHTS,
    CheckpointError,
    Contents,
    Kind,
    Provenance,
    model_card,
    read_config,
)
from beatssl.inference.tensors import write_tensors
from beatssl.models.encoder import Encoder
from beatssl.signals.preparation import Preparation, Signals, as_array
from beatssl.store.manifest import differences
from beatssl.store.store import Store

BUNDLED = "inference/weights"
"""Where in the package the bundled weights lie."""

Model = TypeVar("Model", bound="SavedModel")


class SavedModel(nn.Module):
    """An encoder, alone or with a head, that knows how its input is prepared and what it was trained on.

    `save_pretrained(folder)`, `push_to_hub("name/repository")` and `from_pretrained(either)` keep and fetch it, as
    models of the Hugging Face hub do; `save_pretrained(..., push_to_hub=True)` does both. No file is a pickle.

    Each answers by `predict(ecg_mv, leads, fs_hz)` for a record as a file gives it, by `predict_batch` for several.
    A kind of model gives these, `kind` and `build`; one with a head also `head_settings`.
    """

    kind: ClassVar[Kind]
    renamed: ClassVar[dict[str, str]] = {}
    """Beginnings of names of weights in files of older versions, and what they are called now."""

    def __init__(self, encoder: Encoder, preparation: Preparation, provenance: Provenance) -> None:
        super().__init__()
        if preparation.leads and len(preparation.leads) != encoder.config.leads:
            raise CheckpointError(
                f"the encoder takes {encoder.config.leads} leads, its preparation names {len(preparation.leads)}: "
                f"{', '.join(preparation.leads)}; build the encoder with leads={len(preparation.leads)}"
            )
        self.encoder = encoder
        self.preparation = preparation
        self.provenance = provenance
        self.source = ""
        """What it was loaded from, "" for one that was not."""
        self.weights_sha256 = ""
        """Of the file it was loaded from, as its config states it."""

    @classmethod
    def build(cls: type[Model], contents: Contents) -> Model:
        """The model that config.json describes, with fresh weights. May raise pydantic's ValidationError."""
        raise NotImplementedError

    def head_settings(self) -> dict[str, Any]:
        """What config.json holds under `head`, as JSON takes it."""
        return {}

    @property
    def takes(self) -> Preparation:
        """How a record is prepared for this model."""
        return self.preparation

    def weights(self) -> nn.Module:
        """The module whose weights are in the file."""
        return self

    def prepared(
        self,
        ecg_mv: Signals,
        leads: Sequence[str],
        fs_hz: float,
        already_filtered: bool = False,
        check: Check = "error",
    ) -> Float32[np.ndarray, "record known_lead known_time"]:
        """Records of one length as files give them, in mV, NaN where not measured, prepared for the network.

        `check`: what becomes of input that cannot be an ECG; see `input_checks`.

        Raises RecordError, a ValueError, with its `reason`: where shape, lead names and rate do not fit together, and
        with check="error" where the input cannot be an ECG. ValueError where the leads cannot be those that the network
        knows, or a record has no measured lead among them. Warns (InputWarning) of what is doubtful.
        """
        ecg_mv, checks = as_array(ecg_mv), InputChecks(self.takes, leads, fs_hz, check)
        checks.recorded(ecg_mv)
        ready = self.takes.apply_batch(ecg_mv, leads, fs_hz, already_filtered)
        if not self.preparation.leads and len(leads) != (known := self.encoder.config.leads):
            raise ValueError(f"{len(leads)} leads given ({', '.join(leads)}); the network takes {known}, pass as many")
        if (empty := ~np.isfinite(ready).any(axis=(1, 2))).any():
            which = f" of record {np.flatnonzero(empty)[0]}" if len(ready) > 1 else ""
            raise ValueError(
                f"none of the leads {', '.join(leads)}{which} holds a signal that the network can use; pass a record "
                f"with a measured lead of {', '.join(self.takes.leads) or 'any name'}"
            )
        checks.prepared(ready, ecg_mv)
        return ready

    def on_device(
        self, ready: Float32[np.ndarray, "record lead time"]
    ) -> tuple[Float32[Tensor, "record lead time"], Bool[Tensor, "record lead"]]:
        """Prepared records where the network is: signals, 0 where not measured, and which leads are there."""
        device = next(self.encoder.parameters()).device
        there = torch.from_numpy(np.isfinite(ready).any(axis=2))
        return torch.from_numpy(np.nan_to_num(ready)).to(device), there.to(device)

    def check_store(self, store: Store) -> None:
        """Raises CheckpointError, naming every difference, where a store's signals were prepared otherwise."""
        mine = _readable(self.preparation, self.encoder.config.leads)
        theirs = _readable(store.preparation, len(store.leads))
        if lines := differences(theirs, mine):
            raise CheckpointError(
                f"store {store.path} was prepared otherwise than the signals this {self.kind.name} was trained on "
                f"(store against {self.kind.name}): {'; '.join(lines)}; prepare the store again with the "
                f"{self.kind.name}'s settings, or pretrain an encoder on it"
            )

    @classmethod
    def from_pretrained(
        cls: type[Model],
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
    ) -> Model:
        """ "default" (the bundled weights), the folder of a model or of the run that made it, or a
        repository of the hub ("name/repository"), as a model in evaluation mode.

        Raises CheckpointError where there is none of this kind, or it is damaged (its weights have another SHA-256 than
        its config states) or newer than this version of beatssl.
        """
        source = str(pretrained_model_name_or_path)
        folder = bundled(cls.kind) if source == "default" else Path(source)
        if folder.is_dir():
            inside = folder / cls.kind.inside
            return cls._load(inside if inside.is_dir() else folder, source)
        if source == "default":
            raise CheckpointError(f"no {cls.kind.name} is bundled with this version of beatssl; pass the folder of one")
        if folder.is_file():
            raise CheckpointError(f"{source} is a file; pass the folder of a checkpoint, or of the run that made it")
        if source.count("/") != 1 or folder.is_absolute() or folder.parent.is_dir():
            raise CheckpointError(
                f'there is no folder {source!r}; pass the folder of a checkpoint or run, "default", or name/repository'
            )
        # Only here: the client of the hub takes a fifth of a second to import.
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import (
            EntryNotFoundError,
            HFValidationError,
            RepositoryNotFoundError,
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
        except (EntryNotFoundError, HFValidationError, RepositoryNotFoundError) as error:
            raise CheckpointError(
                f"{source!r} is no folder here, and no repository with {CONFIG} and {WEIGHTS} that the hub gives: "
                f"{error}; pass the folder of a checkpoint, or name/repository"
            ) from error
        return cls._load(Path(files[0]).parent, source)

    @classmethod
    def _load(cls: type[Model], folder: Path, source: str) -> Model:
        path = folder / CONFIG
        contents = read_config(path, cls.kind)
        try:
            with _Unfilled():
                model = cls.build(contents)
        except ValidationError as error:
            raise CheckpointError(f"{path} says what this version of beatssl does not know: {error}") from error
        _fill(model.weights(), folder / WEIGHTS, contents, cls.renamed)
        model.source, model.weights_sha256 = source, contents.weights_sha256
        return model.eval()

    def save_pretrained(
        self, save_directory: str | Path, *, push_to_hub: bool = False, repo_id: str | None = None, **options: Any
    ) -> str | None:
        """Write the folder; with `push_to_hub` also to the hub, as `repo_id` (None: the folder's name), with `options`
        as `push_to_hub` takes them: then the URL of the commit is returned."""
        save_model(Path(save_directory), self)
        return self.push_to_hub(repo_id or Path(save_directory).name, **options) if push_to_hub else None

    def push_to_hub(
        self,
        repo_id: str,
        *,
        commit_message: str = "Push model using beatssl.",
        private: bool | None = None,
        token: str | None = None,
        branch: str | None = None,
        create_pr: bool | None = None,
    ) -> str:
        """Upload to a repository of the Hugging Face hub, which is made where there is none: the URL of the commit."""
        from huggingface_hub import HfApi

        hub = HfApi(token=token)
        repo_id = hub.create_repo(repo_id=repo_id, private=private, exist_ok=True).repo_id
        with TemporaryDirectory() as folder:
            save_model(Path(folder), self)
            return hub.upload_folder(
                repo_id=repo_id, repo_type="model", folder_path=Path(folder), commit_message=commit_message,
                revision=branch, create_pr=create_pr,
            )  # fmt: skip


def bundled(kind: Kind) -> Path:
    """Where the bundled model of a kind lies."""
    return Path(str(files("beatssl"))) / BUNDLED / kind.bundled


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
        FORMAT_VERSION, __version__, model.encoder.config, model.preparation, model.provenance,
        model.kind.name, model.head_settings(), sha256_of(folder / WEIGHTS),
    )  # fmt: skip
    write_json(folder / CONFIG, asdict(contents))
    if not (folder / CARD).exists():
        (folder / CARD).write_text(model_card(contents, model.kind), encoding="utf-8")


def _fill(module: nn.Module, path: Path, contents: Contents, renamed: dict[str, str]) -> None:
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
    for old, now in renamed.items():
        found = {now + name.removeprefix(old) if name.startswith(old) else name: found[name] for name in found}
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
    if contents.weights_sha256 and (own := sha256_of(path)) != contents.weights_sha256:
        raise CheckpointError(
            f"{path} is damaged, or belongs to another {CONFIG} than the one beside it (its SHA-256 is {own[:12]}…, "
            f"{CONFIG} states {contents.weights_sha256[:12]}…); copy both again from their source"
        )
    module.load_state_dict(found)


class _Unfilled(TorchFunctionMode):
    """Within it weights are not drawn at random: they come from a file, and drawing them takes longer than reading."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = kwargs or {}
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        if getattr(func, "__module__", "") == nn.init.__name__:
            return given.get("tensor", *args[:1])
        return func(*args, **given)


def _readable(preparation: Preparation, leads: int) -> dict[str, Any]:
    return asdict(preparation) | {"leads": " ".join(preparation.leads) or f"{leads} as recorded"}
