"""All readers by kind; `READERS[kind]` is called with the reader's options."""

from collections.abc import Callable

from beatssl.records.cinc import CincReader
from beatssl.records.files import FilesReader
from beatssl.records.ludb import LudbReader
from beatssl.records.mitdb import MitdbReader
from beatssl.records.ptbxl import PtbXlReader
from beatssl.records.qtdb import QtdbReader
from beatssl.records.reader import Reader
from beatssl.records.synthetic import SyntheticReader

READERS: dict[str, Callable[..., Reader]] = {
    "ptbxl": PtbXlReader,
    "ludb": LudbReader,
    "qtdb": QtdbReader,
    "mitdb": MitdbReader,
    "cinc": CincReader,
    "files": FilesReader,
    "synthetic": SyntheticReader,
}
"""Reader classes by kind: `READERS["ptbxl"](sampling="500")`."""
