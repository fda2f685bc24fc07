"""All readers by kind; `READERS[kind]` is called with the reader's options."""

from collections.abc import Callable

from beatssl.records.cinc import CincReader
from beatssl.records.ludb import LudbReader
from beatssl.records.mitdb import MitdbReader
from beatssl.records.ptbxl import PtbXlReader
from beatssl.records.qtdb import QtdbReader
from beatssl.records.reader import Reader

READERS: dict[str, Callable[..., Reader]] = {
    "ptbxl": PtbXlReader,
    "ludb": LudbReader,
    "qtdb": QtdbReader,
    "mitdb": MitdbReader,
    "cinc": CincReader,
}
"""Reader classes by kind: `READERS["ptbxl"](sampling="500")`."""
