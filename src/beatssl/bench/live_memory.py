"""How much memory the tensors need that are alive at once, on any device."""

import weakref
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


class LiveMemory(TorchDispatchMode):
    """`with LiveMemory() as memory:` then `memory.peak`: the most bytes, at one time, of tensors made within the block,
    those kept for a backward pass included. What was there before does not count."""

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._alive = 0
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = {id(one.untyped_storage()) for one in _tensors((args, kwargs or {}))}
        made = func(*args, **(kwargs or {}))
        for tensor in _tensors(made):
            storage = tensor.untyped_storage()
            if id(storage) not in given and id(storage) not in self._known:
                self._keep(storage)
        return made

    def _keep(self, storage: torch.UntypedStorage) -> None:
        key, size = id(storage), storage.nbytes()
        self._known[key] = weakref.ref(storage, partial(self._forget, key, size))
        self._alive += size
        self.peak = max(self.peak, self._alive)

    def _forget(self, key: int, size: int, _: Any) -> None:
        self._alive -= size
        self._known.pop(key, None)


def bytes_of(tensors: Iterable[Tensor]) -> int:
    """Bytes of some tensors."""
    return sum(tensor.nbytes for tensor in tensors)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [one for part in value.values() for one in _tensors(part)]
    if isinstance(value, (tuple, list)):
        return [one for part in value for one in _tensors(part)]
    return []
