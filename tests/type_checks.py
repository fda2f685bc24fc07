"""The type checks of tests, as jaxtyping's hook makes them of every function of the package."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

_CONF = BeartypeConf(is_pep484_tower=True)


def checked(stub: Callable[..., Any]) -> Callable[..., Any]:
    """beartype. Of a function the hook makes two stubs: one that takes its arguments and returns Any, which is called
    before it, and one that takes them again and returns its result, where the result alone is left to check."""
    hints = stub.__annotations__
    if hints.get("return") is not Any:
        stub.__annotations__ = {name: hint for name, hint in hints.items() if name == "return"}
    return beartype(stub, conf=_CONF)
