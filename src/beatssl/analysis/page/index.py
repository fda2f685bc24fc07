"""The index of the pages of many records."""

from pathlib import Path
from urllib.parse import quote

import pandas as pd

from beatssl.analysis.output.file_names import file_name
from beatssl.analysis.output.summary import COLUMNS, LEGEND, cells
from beatssl.analysis.output.tables import RECORDS, REFUSED
from beatssl.analysis.page.page import asset, csp, environment
from beatssl.analysis.result import USE
from beatssl.files import write_bytes
from beatssl.store.shards.reading import Reject

INDEX = "index.html"


def write_index(out: Path, kinds: tuple[str, ...]) -> None:
    """Write `index.html` beside the tables of `out`: a line a record with links to its files of these kinds (of
    "html" and "pdf"), and the records that could not be used."""
    records = pd.read_parquet(out / RECORDS, columns=list(COLUMNS)).astype(object)
    lines: list[tuple[list[tuple[str, str]], tuple[str, ...]]] = []
    for line in records.where(records.notna(), None).to_dict("records"):
        name = file_name(str(line["record_id"]))
        links = [(kind, quote(f"{kind}/{name}.{kind}", errors="surrogatepass")) for kind in kinds]
        lines.append((links, cells({str(column): value for column, value in line.items()})))
    refused = [
        Reject(**{str(name): value for name, value in line.items()})
        for line in pd.read_parquet(out / REFUSED).to_dict("records")
    ]
    text = environment().get_template("index.html.jinja").render(
        use=USE, csp=csp(), style=asset("page.css"), columns=list(COLUMNS.values())[1:], legend=LEGEND, lines=lines,
        refused=refused,
    )  # fmt: skip
    write_bytes(out / INDEX, text.encode("utf-8", "replace"))
