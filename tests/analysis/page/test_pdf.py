"""The PDF: two sheets of A4, to scale, with any characters."""

import re
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import beatssl
from beatssl.analysis.output.picture import BAND_HZ
from beatssl.analysis.page.pdf import LEFT_MM, drawable
from beatssl.analysis.result import USE, Analysis, Flag
from beatssl.records.record import Record
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.filters import bandpass

PAGE = re.compile(rb"/Type\s*/Page[^s]")
_POINT_MM = 25.4 / 72


def drawn(pdf: bytes) -> bytes:
    """All drawing operations, unpacked."""
    out = b""
    for stream in re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.S):
        try:
            out += zlib.decompress(stream) + b"\n"
        except zlib.error:
            continue
    return out


def test_it_is_two_sheets_of_a4_across(twelve: Analysis, tmp_path: Path) -> None:
    twelve.to_pdf(tmp_path / "a.pdf")
    pdf = (tmp_path / "a.pdf").read_bytes()
    assert len(PAGE.findall(pdf)) == 2
    (size,) = {tuple(map(float, box.split())) for box in re.findall(rb"/MediaBox \[\s*([\d. ]+?)\s*\]", pdf)}
    assert size[2:] == (pytest.approx(297 / _POINT_MM, abs=0.01), pytest.approx(210 / _POINT_MM, abs=0.01))


def test_the_same_analysis_gives_the_same_bytes(twelve: Analysis, tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        twelve.to_pdf(tmp_path / name)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


def test_the_ecg_is_to_scale(twelve: Analysis, tmp_path: Path) -> None:
    """The longest line is the rhythm strip: ten seconds are 250 mm, and a millivolt is 10 mm."""
    assert twelve.signal is not None
    twelve.to_pdf(tmp_path / "a.pdf")
    text = drawn((tmp_path / "a.pdf").read_bytes())
    lines = [
        np.array(re.findall(rb"([\d.]+) ([\d.]+) [ml]", one), np.float64) * _POINT_MM
        for one in re.findall(rb"(?:[\d.]+ [\d.]+ m\n)(?:[\d.]+ [\d.]+ l\n)+", text)
    ]
    x, y = max(lines, key=len).T
    strip_mv = bandpass(twelve.signal.ecg_mv, 500.0, *BAND_HZ)[1]
    assert (x.min(), x.max()) == (pytest.approx(LEFT_MM, abs=0.05), pytest.approx(LEFT_MM + 250, abs=0.1))
    assert y.max() - y.min() == pytest.approx(10 * (strip_mv.max() - strip_mv.min()), abs=0.05)


@pytest.mark.parametrize(
    "text", ["漢字 🙂", "عربي", "a\nb\tc\x00", "$x^2$ \\frac{", "\udc80", "</script>", "x" * 5000, ""]
)
def test_any_text_can_be_drawn(text: str, twelve: Analysis, tmp_path: Path) -> None:
    odd = replace(
        twelve,
        record=replace(twelve.record, id=text, source=text, sex=text),
        flags=(Flag("odd", text),) * 20,
        provenance=replace(twelve.provenance, notes=(text,) * 20),
        diagnoses=replace(
            twelve.diagnoses, statements=tuple(replace(one, text=text) for one in twelve.diagnoses.statements[:6])
        ),
        without_leads=None,
    )
    odd.to_pdf(tmp_path / "a.pdf")
    assert len(PAGE.findall((tmp_path / "a.pdf").read_bytes())) == 2
    assert "\n" not in drawable(text)


def test_what_the_font_lacks_is_marked() -> None:
    assert drawable("QRS 80 ms ≤ 5 µV") == "QRS 80 ms ≤ 5 µV"
    assert drawable("a漢\n\x00b") == "a\ufffd \ufffdb"
    assert drawable("x" * 50, 10) == "x" * 9 + "…"


def test_any_ten_seconds_of_a_long_record_of_any_lead(tmp_path: Path) -> None:
    long = synthetic_record(1, duration_s=40.0)
    a = beatssl.load(device="cpu").analyze(
        Record(long.ecg_mv[1:2], ("patch",), 500.0, "one", "synthetic"), without_leads=True
    )
    a.to_pdf(tmp_path / "a.pdf", start_s=35.0)
    assert len(PAGE.findall((tmp_path / "a.pdf").read_bytes())) == 2
    with pytest.raises(ValueError, match="start_s=40"):
        a.to_pdf(tmp_path / "b.pdf", start_s=40.0)
    with pytest.raises(ValueError, match="kept without its signal"):
        replace(a, signal=None).to_pdf(tmp_path / "b.pdf")
    assert not (tmp_path / "b.pdf").exists()
    assert a.use == USE
