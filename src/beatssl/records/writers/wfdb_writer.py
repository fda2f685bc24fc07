"""WFDB: a header and one signal file of 16 or 24 bits."""

import re
from pathlib import Path

import numpy as np

from beatssl.records.record import Record
from beatssl.records.writers.steps import digitised

_NAME = re.compile(r"[A-Za-z0-9_-]+")


def wfdb_files(record: Record, path: Path, bits: int) -> dict[Path, bytes]:
    """Signal file and header. Age, sex and SNOMED codes stand in comments as the CinC challenges write them."""
    name = path.name.removesuffix(path.suffix) if path.suffix.lower() in (".hea", ".dat") else path.name
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a WFDB record; use letters, digits, '-' and '_' alone")
    leads = [digitised(row, bits) for row in record.ecg_mv]
    lines = [f"{name} {len(leads)} {record.fs_hz!r} {record.ecg_mv.shape[1]}"]
    for lead, one in zip(record.leads, leads, strict=True):
        total = int(one.samples.sum()) & 0xFFFF
        checksum = total - 0x10000 if total >= 0x8000 else total
        first = int(one.samples[0]) if len(one.samples) else 0
        lines.append(f"{name}.dat {bits} {one.units_per_mv!r}(0)/mV {bits} 0 {first} {checksum} 0 {lead}")
    sex = {"female": "F", "male": "M"}.get(record.sex or "", "")
    codes = ",".join(label.name for label in record.labels if label.label_set == "snomed")
    said = {"Age": "" if record.age_years is None else f"{record.age_years:g}", "Sex": sex, "Dx": codes}
    lines += [f"# {key}: {value}" for key, value in said.items() if value]
    samples = np.stack([one.samples for one in leads], axis=1).astype("<i4")
    content = samples.astype("<i2").tobytes() if bits == 16 else samples[..., None].view(np.uint8)[..., :3].tobytes()
    return {path.with_name(f"{name}.dat"): content, path.with_name(f"{name}.hea"): ("\n".join(lines) + "\n").encode()}
