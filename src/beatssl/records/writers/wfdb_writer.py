"""WFDB: a header and one signal file of 16 or 24 bits."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from beatssl.records.record import Record
from beatssl.records.writers.steps import Values, digitised, simplest

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def wfdb_files(record: Record, path: Path, bits: int) -> dict[Path, bytes]:
    """Signal file and header. Age, sex and SNOMED codes stand in comments as the CinC challenges write them.

    Raises ValueError for a name that is none of a WFDB record.
    """
    name = path.name.removesuffix(path.suffix) if path.suffix.lower() in (".hea", ".dat") else path.name
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a WFDB record; use letters, digits, '-' and '_' alone")
    leads = [digitised(row, bits, _gains, _mv) for row in record.ecg_mv]
    fs_hz = float(record.fs_hz)
    lines = [f"{name} {len(leads)} {int(fs_hz) if fs_hz.is_integer() else repr(fs_hz)} {record.ecg_mv.shape[1]}"]
    for lead, one in zip(record.leads, leads, strict=True):
        checksum = (int(one.samples.sum()) + 0x8000) % 0x10000 - 0x8000
        lines.append(
            f"{name}.dat {bits} {one.scale!r}({-one.offset})/mV {bits} 0 {int(one.samples[0])} {checksum} 0 {lead}"
        )
    sex = {"female": "F", "male": "M"}.get(record.sex or "", "")
    codes = ",".join(label.name for label in record.labels if label.label_set == "snomed")
    said = {"Age": "" if record.age_years is None else f"{record.age_years:g}", "Sex": sex, "Dx": codes}
    lines += [f"# {key}: {value}" for key, value in said.items() if value]
    samples = np.stack([one.samples for one in leads], axis=1).astype("<i4")
    content = samples.astype("<i2").tobytes() if bits == 16 else samples[..., None].view(np.uint8)[..., :3].tobytes()
    return {path.with_name(f"{name}.dat"): content, path.with_name(f"{name}.hea"): ("\n".join(lines) + "\n").encode()}


def _gains(least_mv: float, most_mv: float) -> Iterator[float]:
    yield simplest(1 / most_mv, 1 / least_mv)
    yield 1 / simplest(least_mv, most_mv)
    yield 2 / (least_mv + most_mv)


def _mv(samples: Values, offset: int, gain: float) -> Values:
    return (samples + offset) / gain
