"""All readers by kind; `READERS[kind]` is called with the reader's options."""

from collections.abc import Callable

from beatssl.records.datasets.brugada import BrugadaReader
from beatssl.records.datasets.cinc import CincReader
from beatssl.records.datasets.cinc2011 import Cinc2011Reader
from beatssl.records.datasets.cinc2017 import Cinc2017Reader
from beatssl.records.datasets.cpsc2019 import Cpsc2019Reader
from beatssl.records.datasets.incartdb import IncartdbReader
from beatssl.records.datasets.ptbdb import PtbdbReader
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
    "brugada": BrugadaReader,
    "ptbdb": PtbdbReader,
    "cinc2011": Cinc2011Reader,
    "cinc2017": Cinc2017Reader,
    "incartdb": IncartdbReader,
    "cpsc2019": Cpsc2019Reader,
    "files": FilesReader,
    "synthetic": SyntheticReader,
}
"""Reader classes by kind: `READERS["ptbxl"](sampling="500")`."""
