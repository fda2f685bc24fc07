"""AliveCor's .atc: blocks with a sum of their bytes."""

import struct
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.formats.kardia_atc import read_atc
from beatssl.records.record import RecordError

SIX = {"ecg ": "I", "ecg2": "II", "ecg3": "III", "ecg4": "aVR", "ecg5": "aVL", "ecg6": "aVF"}
COUNTS = np.random.default_rng(0).integers(-3000, 3000, (6, 900)).astype("<i2")


def block(name: str, data: bytes) -> bytes:
    head = name.encode() + struct.pack("<I", len(data)) + data
    return head + struct.pack("<I", sum(head))


def form(fs_hz: int = 300, step_nv: int = 500) -> bytes:
    return block("fmt ", struct.pack("<BHHBH", 1, fs_hz, step_nv, 0x2E, 0))


def atc(leads: Mapping[str, np.ndarray], **stated: int) -> bytes:
    blocks = [block("info", b"2020-01-01T10:00:00".ljust(264, b"\0")), form(**stated)]
    blocks += [block(name, counts.tobytes()) for name, counts in leads.items()]
    return b"ALIVE\0\0\0\3\0\0\0" + b"".join(blocks) + block("ann ", bytes(20))


ONE = atc({"ecg ": COUNTS[0]})


def test_one_lead_or_six() -> None:
    for count in (1, 6):
        found = read_atc(atc(dict(zip(list(SIX)[:count], COUNTS, strict=False)), fs_hz=250, step_nv=1000), "a")
        assert [channel.name for channel in found.channels] == list(SIX.values())[:count]
        for channel, counts in zip(found.channels, COUNTS, strict=False):
            assert (channel.fs_hz, channel.unit) == (250.0, "nV")
            np.testing.assert_array_equal(channel.samples, 1000.0 * counts)


def test_no_changed_byte_of_a_block_is_accepted(survives: Callable[..., list[str]]) -> None:
    for at in range(12, len(ONE)):
        changed = bytearray(ONE)
        changed[at] ^= 0x10
        with pytest.raises(RecordError) as error:
            read_atc(bytes(changed), "a")
        assert error.value.reason in ("checksum", "truncated")
    assert {"checksum", "truncated"} <= set(survives(lambda content: read_atc(content, "a"), ONE))


def test_every_cut_is_found_or_changes_nothing() -> None:
    whole = read_atc(ONE, "a").channels[0].samples
    for size in range(len(ONE)):
        try:
            samples = read_atc(ONE[:size], "a").channels[0].samples
        except RecordError:
            continue
        np.testing.assert_array_equal(samples, whole)  # only blocks after the leads are gone


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (atc({}), "no bytes"),
        (atc({"ecg ": COUNTS[0], "ecg2": COUNTS[1, :-1]}), "whole samples"),
        (atc({"ecg ": COUNTS[0].view("u1")[:-1]}), "whole samples"),
        (atc({"ecg ": COUNTS[0]}, fs_hz=0), "0 Hz"),
        (atc({"ecg ": COUNTS[0]}, step_nv=0), "0 nV"),
        (ONE[:12] + block("ecg ", COUNTS[0].tobytes()), "format block"),
        (ONE + block("ecg ", COUNTS[1].tobytes()), "a lead twice"),
        (ONE + form(fs_hz=600), "two format blocks"),
    ],
)
def test_what_is_refused(content: bytes, says: str) -> None:
    with pytest.raises(RecordError, match=says) as error:
        read_atc(content, "a")
    assert error.value.reason == "unreadable"


def test_the_real_file(data_root: Path) -> None:
    path = data_root / "clinical/kardia_atc/1_lead.atc"
    if not path.is_file():
        pytest.skip("no set `clinical`; see ../shared/data")
    (lead,) = read_atc(path.read_bytes(), "a").channels
    assert (lead.name, lead.fs_hz, len(lead.samples)) == ("I", 300.0, 9000)
    np.testing.assert_array_equal(lead.samples[:3], [500 * 995, 500 * 1055, 500 * 1024])
