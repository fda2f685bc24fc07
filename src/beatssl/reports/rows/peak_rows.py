"""The rows of the table of figures that come from `check --what peak-detectors`."""

from collections.abc import Callable, Mapping
from typing import Any

Json = Mapping[str, Any]


def _beside(data: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        found = [one for one in f["detectors"] if one["data"] == data]
        return "; ".join(f"{one['detector']} {_figures(one)}" for one in found)

    return show


def _figures(of: Json) -> str:
    if of["ppv"] is None:
        return "none found"
    return f"{of['sensitivity']:.4f} / {of['ppv']:.4f}"


def _reliability(f: Json) -> str:
    of_all = next(one for one in f["reliability"] if one["data"] == "all")
    bins = ", ".join(f"{one['confidence_mean']:.2f} → {one['beats_share']:.2f}" for one in of_all["bins"])
    return f"{bins}; expected calibration error {of_all['expected_calibration_error']:.4f}"


_DATA = (
    ("MIT-BIH", "MIT-BIH, 48 records, 150 ms"),
    ("LUDB", "LUDB, 200 records, 75 ms"),
    ("INCART", "INCART, 30 records, lead II, 150 ms"),
    ("CPSC 2019", "CPSC 2019, 100 records of one lead, 75 ms"),
    *((f"noise stress {snr} dB", f"MIT-BIH 118 and 119, electrode motion, {snr} dB") for snr in (24, 18, 12, 6, 0, -6)),
    ("ten minutes", "MIT-BIH, ten minutes of 8 records, 360 Hz"),
    *((f"ten minutes, {hz} Hz", f"MIT-BIH, ten minutes of 8 records, at {hz} Hz") for hz in (50, 1000)),
    ("ten minutes, inverted", "MIT-BIH, ten minutes of 8 records, inverted"),
    ("paced", "MIT-BIH 102, 104, 107, 217: paced"),
    ("T taller than R", "drawn, 50 to 100/min, T 1.5 to 3 times R, 75 ms"),
    ("20/min", "drawn, 20/min, 75 ms"),
    ("250/min", "drawn, 250/min, 75 ms"),
)
_COMMAND = "check FOLDER --what peak-detectors"

SOURCES: tuple[tuple[str, str, str, tuple[tuple[str, Callable[[Json], str]], ...]], ...] = (
    *(
        (
            "r-peaks/check-peak-detectors.json", title, _COMMAND,
            (("R peaks: sensitivity / PPV of each detector", _beside(data)),),
        )
        for data, title in _DATA
    ),
    (
        "r-peaks/check-peak-detectors.json", "MIT-BIH DS2 and paced, LUDB even, INCART, CPSC 2019", _COMMAND,
        (("confidence of R peaks → share that are beats, by tenths", _reliability),),
    ),
)  # fmt: skip
