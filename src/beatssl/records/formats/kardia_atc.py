"""AliveCor's `.atc` files (Kardia): blocks with a sum of their bytes; one lead, or the six limb leads."""

import struct
from collections.abc import Iterator

import numpy as np

from beatssl.records.record import RecordError
from beatssl.records.recording import Channel, Recording

ATC_MARK = b"ALIVE\0\0\0"
_LEAD_OF_BLOCK = {b"ecg ": "I", b"ecg2": "II", b"ecg3": "III", b"ecg4": "aVR", b"ecg5": "aVL", b"ecg6": "aVF"}


def read_atc(content: bytes, where: str) -> Recording:
    """Every lead of the file; rate and nV a unit from its format block.

    Raises `RecordError`: "unreadable" (no format block, no lead, a block twice), "truncated", "checksum".
    """
    blocks: dict[bytes, bytes] = {}
    for name, data in _blocks(content, where):
        if name in blocks and (name == b"fmt " or name in _LEAD_OF_BLOCK):
            raise RecordError("unreadable", f"{where}: a Kardia file with two format blocks, or a lead twice")
        blocks[name] = data
    if len(form := blocks.get(b"fmt ", b"")) < 5:
        raise RecordError("unreadable", f"{where}: a Kardia file without its format block, which states the rate")
    _, fs_hz, step_nv = struct.unpack_from("<BHH", form)
    if fs_hz == 0 or step_nv == 0:
        raise RecordError("unreadable", f"{where}: states {fs_hz} Hz and {step_nv} nV a unit; neither may be 0")
    leads = {lead: blocks[block] for block, lead in _LEAD_OF_BLOCK.items() if blocks.get(block)}
    if not leads or len({len(data) for data in leads.values()}) > 1 or len(next(iter(leads.values()))) % 2:
        sizes = {lead: len(data) for lead, data in leads.items()}
        raise RecordError(
            "unreadable", f"{where}: a Kardia file whose leads hold {sizes or 'no'} bytes; expected whole samples"
        )
    return Recording(
        "alivecor_atc",
        tuple(
            Channel(lead, np.frombuffer(data, "<i2").astype(np.float64) * step_nv, float(fs_hz), "nV")
            for lead, data in leads.items()
        ),
    )


def _blocks(content: bytes, where: str) -> Iterator[tuple[bytes, bytes]]:
    """Name and data of each block."""
    at = len(ATC_MARK) + 4  # the version
    while at < len(content):
        if at + 8 > len(content):
            raise RecordError("truncated", f"{where}: breaks off within the name of a block, at byte {at}")
        name, size = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        end = at + 8 + size
        if end + 4 > len(content):
            raise RecordError(
                "truncated", f"{where}: a block at byte {at} states {size} bytes, {len(content) - at - 8} follow"
            )
        if sum(content[at:end]) & 0xFFFFFFFF != struct.unpack_from("<I", content, end)[0]:
            raise RecordError(
                "checksum", f"{where}: the block at byte {at} does not add up to its checksum; export it again"
            )
        yield name, content[at + 8 : end]
        at = end + 4
