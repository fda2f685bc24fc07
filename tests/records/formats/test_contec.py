"""Contec's .ECG: frames of eight 12-bit numbers under four bits that say whether the lead was on."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.formats.contec import is_contec, read_contec
from beatssl.records.formats.formats import format_of
from beatssl.records.record import RecordError

STORED = ("II", "III", "V1", "V2", "V3", "V4", "V5", "V6")


def contec(counts: np.ndarray, off: tuple[str, ...] = ()) -> bytes:
    """A file of `counts`, (8, time), of 5 µV."""
    words = (counts + 2048).astype("<u2")
    for lead in off:
        words[STORED.index(lead)] = 0x6800
    head = b"4711".ljust(10, b"\0") + b"2020-11-16 21:44:39".ljust(30, b"\0") + b"\xff\0\0"
    return head + words.T.tobytes() + bytes(27) + b"\x16" + bytes(9)


COUNTS = np.random.default_rng(0).integers(-2000, 2000, (8, 500))


def test_counts_come_back() -> None:
    found = read_contec(contec(COUNTS, off=("V2", "V6")), "a")
    assert [channel.name for channel in found.channels] == ["I", *STORED]
    assert {(channel.fs_hz, channel.unit) for channel in found.channels} == {(800.0, "uV")}
    samples = {channel.name: channel.samples for channel in found.channels}
    for lead, counts in zip(STORED, COUNTS, strict=True):
        np.testing.assert_array_equal(samples[lead], 5.0 * counts if lead not in ("V2", "V6") else np.full(500, np.nan))
    np.testing.assert_array_equal(samples["I"], 5.0 * (COUNTS[0] - COUNTS[1]))
    assert found.person.number == "4711"


def test_it_is_known_by_its_first_bytes() -> None:
    content = contec(COUNTS)
    assert is_contec(content[:64])
    assert format_of("a.ecg", content[:4096]) == "contec"
    for other in (b"", b"ISHNE1.0" + bytes(100), content[1:], b"\0" * 60):
        assert not is_contec(other)


def test_every_cut_is_found() -> None:
    content = contec(COUNTS)
    for cut in (*range(1, 200), *range(16, 8000, 16)):
        with pytest.raises(RecordError) as error:
            read_contec(content[:-cut], "a")
        assert error.value.reason == "truncated"


def test_damaged_files(survives: Callable[..., list[str]]) -> None:
    assert set(survives(lambda content: read_contec(content, "a"), contec(COUNTS))) == {"truncated"}


def test_the_real_file_against_its_makers_export(data_root: Path) -> None:
    path = data_root / "clinical/contec/0000050.ECG"
    if not path.is_file():
        pytest.skip("no set `clinical`; see ../shared/data")
    content = path.read_bytes()
    channels = {channel.name: channel.samples for channel in read_contec(content, "a").channels}
    with path.with_name("0000050.ECG.csv").open() as file:
        rows = np.array([[float(cell or "nan") for cell in line] for line in csv.reader(file)])
    assert rows.shape == (37_855, 12)
    for lead, counts in zip(("I", "II", "III"), rows.T, strict=False):
        np.testing.assert_array_equal(channels[lead], 5 * counts)
    assert all(np.isnan(channels[lead]).all() for lead in STORED[2:])
    assert np.isnan(rows[:, 6:]).all()
    for cut in (1, 16, 37, 160, 300_000):
        with pytest.raises(RecordError):
            read_contec(content[:-cut], "a")
