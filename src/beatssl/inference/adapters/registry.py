"""All published encoders by name, and `NAME:PATH` as a source of an encoder."""

import re
from pathlib import Path

from beatssl.inference.adapters.adapter import Adapter
from beatssl.inference.adapters.ecg_fm import ECG_FM
from beatssl.inference.adapters.ecgfounder import ECGFOUNDER
from beatssl.inference.model_config import CheckpointError

ADAPTERS: dict[str, Adapter] = {adapter.name: adapter for adapter in (ECG_FM, ECGFOUNDER)}
"""Published encoders; another one is a file and a name here."""


def published(source: str) -> tuple[Adapter, Path] | None:
    """The adapter and the path of a source `NAME:PATH`; None where the source is none such.

    Raises CheckpointError where it has the form of one, of an encoder that is not known.
    """
    found = re.fullmatch(r"([A-Za-z][\w-]+):(.+)", source)
    if found is None or Path(source).exists():
        return None
    if (adapter := ADAPTERS.get(found[1])) is None:
        raise CheckpointError(
            f"no published encoder {found[1]!r} (of {source!r}) is known; there are {', '.join(ADAPTERS)}, as NAME:PATH"
        )
    return adapter, Path(found[2])
