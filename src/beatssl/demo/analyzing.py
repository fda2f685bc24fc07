"""The first step of the demo: one synthetic record through the bundled weights, in seconds."""

from collections.abc import Callable
from pathlib import Path

from beatssl.analysis.model import load
from beatssl.inference.device_name import Device
from beatssl.records.synthetic import synthetic_record
from beatssl.reports.page import Section

PAGE = "analysis.html"

_RECORD = 3  # left bundle branch block with early atrial beats


def analyze_demo(out: Path, say: Callable[[str], None], device: Device = "auto") -> Section:
    """Analyse a record, print the report, write its page and JSON into `out`, and give the section that links them."""
    a = load(device=device).analyze(synthetic_record(_RECORD), embeddings=False, without_leads=True)
    print(a, flush=True)
    a.to_html(out / PAGE)
    say(f"the page of this record is {out / PAGE}")
    return Section(
        "analysis",
        "One record analysed",
        f"Before anything is trained: one synthetic record by the bundled weights. {a.use}",
        f'<p><a href="{PAGE}">Its page</a> as <code>beatssl analyze FILE --out DIR --html</code> makes it.</p>',
    )
