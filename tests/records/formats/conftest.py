"""Damaged copies of a file: what every reader must refuse, or read to the same samples."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from beatssl.records.record import RecordError
from beatssl.records.recording import Recording

Read = Callable[[bytes], Recording]


@pytest.fixture(scope="session")
def survives() -> Callable[..., list[str]]:
    """`survives(read, content)`: reads damaged copies of `content`; any error but `RecordError` fails the test.

    Returns the reasons of those that were refused.
    """

    def survived(read: Read, content: bytes, copies: int = 200) -> list[str]:
        reasons: list[str] = []
        for damaged in _damaged(content, copies):
            try:
                read(damaged)
            except RecordError as error:
                reasons.append(error.reason)
        return reasons

    return survived


def _damaged(content: bytes, copies: int) -> Iterator[bytes]:
    """Cut, garbage, with bytes changed (mostly in the first kilobyte), left out or doubled."""
    generator = np.random.default_rng(0)
    yield from (b"", content[:1], b"\xff" * 100, bytes(1000), generator.bytes(1000))
    for k in range(copies):
        at = int(generator.integers(min(len(content), 1024) if k % 3 else len(content)))
        size = int(generator.integers(1, 9))
        yield (
            content[: int(generator.integers(len(content)))],
            content[:at] + generator.bytes(size) + content[at + size :],
            content[:at] + content[at + size :],
            content[: at + size] + content[at:],
        )[k % 4]
