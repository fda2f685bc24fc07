"""Weights as others published them: tensors by name from a file, of which nothing is executed."""

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from beatssl.inference.adapters.adapter import Adapter, ForeignNetwork
from beatssl.inference.model_config import CheckpointError

_SHOWN = 5
"""Names that a message gives at most."""


class WeightsNotAtHand(FileNotFoundError):
    """There is no file with the weights of a published encoder; they have to be fetched by whoever may use them."""


def file_of(adapter: Adapter, path: Path) -> Path:
    """The file with the weights: `path`, or what lies in it under a published name. Raises WeightsNotAtHand."""
    path = path.expanduser()
    named = [path / name for name in adapter.files] if path.is_dir() else [path]
    for file in named:
        if file.is_file():
            return file
    raise WeightsNotAtHand(
        f"weights not at hand: {adapter.name} has no file {' or '.join(map(str, named))}; fetch {adapter.files[0]} "
        f"from {adapter.source} ({adapter.licence}) and pass {adapter.name}:PATH"
    )


def read_network(adapter: Adapter, file: Path) -> ForeignNetwork:
    """The network of an adapter's layout with the weights of a file, in float32.

    Raises CheckpointError where the file cannot be read without running what is in it, lacks a weight, holds one of
    another shape, one that the network does not know, or a classifier that was fine-tuned with labels.
    """
    found = _tensors(adapter, file)
    if adapter.nested and any(name.startswith(adapter.nested * 2) for name in found):
        raise CheckpointError(
            f"{file} holds a classifier fine-tuned with labels, which {adapter.name} is not; pass {adapter.files[0]} "
            f"as {adapter.source} gives it"
        )
    found = _named_as_published(adapter, found)
    with torch.device("meta"):
        network = adapter.network(adapter.layout)
    wanted = network.state_dict()
    lines = [f"{name} is missing" for name in sorted(wanted.keys() - found.keys())]
    lines += [f"{name} is unknown" for name in sorted(found.keys() - wanted.keys())]
    lines += [
        f"{name} has the shape {tuple(found[name].shape)}, not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in found and found[name].shape != value.shape
    ]
    if lines:
        more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        raise CheckpointError(
            f"{file} holds other weights than those of {adapter.title}: {'; '.join(lines[:_SHOWN])}{more}; pass "
            f"{adapter.files[0]} as {adapter.source} gives it"
        )
    network.load_state_dict({name: value.to(torch.float32, copy=True) for name, value in found.items()}, assign=True)
    return network.eval()


def _named_as_published(adapter: Adapter, found: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Without what an embedding does not need, under the names of the pretrained file."""
    return {
        adapter.renamed.get(name, name): value for name, value in found.items() if not re.match(adapter.unused, name)
    }


def _tensors(adapter: Adapter, file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            with safe_open(str(file), "pt") as opened:
                return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        with torch.serialization.safe_globals(_numbers()):
            contents = torch.load(file, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(file))
    except SafetensorError as error:
        raise CheckpointError(
            f"{file} is damaged or cut short ({error}); fetch it again from {adapter.source}"
        ) from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file} holds more than tensors ({_first_line(error)}), and nothing in it is run here; where you trust "
            f"it, write the tensors under {adapter.holder!r} to a safetensors file, and pass "
            f"{adapter.name}:{file.with_suffix('.safetensors').name}"
        ) from error
    except (RuntimeError, EOFError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{file} is no file of PyTorch, or damaged ({_first_line(error)}); fetch it again from {adapter.source}"
        ) from error
    held: Any = contents.get(adapter.holder, contents) if isinstance(contents, Mapping) else {}
    named = cast("dict[Any, Any]", held) if isinstance(held, Mapping) else {}
    tensors = {str(name): value for name, value in named.items() if isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(
            f"{file} holds no tensors under {adapter.holder!r}; pass {adapter.files[0]} as {adapter.source} gives it"
        )
    return tensors


def _numbers() -> list[Any]:
    """NumPy's scalars, which published files hold as step and score: rebuilding one runs nothing of the file."""
    scalar = np.float64(0).__reduce__()[0]
    kinds = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
    return [(scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar"), np.dtype, *kinds]


def _first_line(error: Exception) -> str:
    text = str(error)
    found = re.search(r"(Unsupported \w+[^\n.]*(?:\.\w+)*|[^\n]+)", text)
    return (found[0] if found else type(error).__name__)[:160]
