"""CSV: time in seconds, then a column a lead in mV, each number as short as it can be read back."""

from pathlib import Path

import numpy as np

from beatssl.records.record import Record


def csv_files(record: Record, path: Path, bits: int) -> dict[Path, bytes]:
    """The table; a cell is empty where nothing was measured. Age, sex and labels have no place in it."""
    titles = ["time (s)", *(f"{lead} (mV)" for lead in record.leads)]
    fs_hz = float(record.fs_hz)
    columns = [[repr(i / fs_hz) for i in range(record.ecg_mv.shape[1])]]
    columns += [["" if np.isnan(value) else str(value) for value in row] for row in record.ecg_mv]
    quoted = ['"' + title.replace('"', '""') + '"' if set(title) & set(',"') else title for title in titles]
    lines = [",".join(quoted), *(",".join(cells) for cells in zip(*columns, strict=True))]
    return {path: ("\n".join(lines) + "\n").encode()}
