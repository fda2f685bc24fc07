"""Files that are dropped: written to a private folder under a name of ours, and removed once they were read."""

import re
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

from beatssl.viewer.refusal import Refused
from beatssl.viewer.worker import remove

_SUFFIX = re.compile(r"\.[a-z0-9]{1,6}")
_LONGEST_NAME = 120


def title_of(sent: str) -> str:
    """The name that the page sent, percent-encoded, as it is shown: its last part, without control characters."""
    name = unquote(sent[: 9 * _LONGEST_NAME], errors="replace").replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable())[:_LONGEST_NAME] or "unnamed"


async def save_upload(chunks: AsyncIterator[bytes], title: str, scratch: Path) -> tuple[Path, Path]:
    """Write a body to a file of its own folder; gives file and folder. Of the name only a plain ending is kept.

    Raises Refused for an empty body, and where the disk is full; nothing is left then, nor when the sender goes away.
    """
    suffix = Path(title).suffix.lower()
    folder = Path(tempfile.mkdtemp(dir=scratch))
    path = folder / f"upload{suffix if _SUFFIX.fullmatch(suffix) else ''}"
    try:
        size = 0
        with path.open("xb") as file:
            async for chunk in chunks:
                file.write(chunk)
                size += len(chunk)
        if not size:
            raise Refused(422, "unreadable", "the file is empty")
    except OSError:
        remove(folder)
        raise Refused(507, "full", "there is no room for this file on the disk") from None
    except BaseException:
        remove(folder)
        raise
    return path, folder
