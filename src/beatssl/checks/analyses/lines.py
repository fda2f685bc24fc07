"""One line a record from `analyze`, kept on disk while a check runs, so that it goes on after a stop."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from beatssl.analysis.model import EcgModel, load
from beatssl.files import package_sha256
from beatssl.progress import track
from beatssl.results import to_json

Line = Mapping[str, Any]


def analysed_lines(
    names: Sequence[str], line_of: Callable[[EcgModel, str], Line | None], kept: Path | None
) -> list[dict[str, Any]]:
    """`line_of` each name, in order, with the name as "record"; None for one to be left out.

    Finished lines lie in the file `kept` (JSON, a line a record), whose first line is the SHA-256 of the package, code,
    constants and weights: of another it is begun anew. None: nothing is kept.
    """
    model = load(device="cpu")
    done = _finished(kept, {"package": package_sha256()})
    for name in track([name for name in names if name not in done], "Analysing", unit="records"):
        found = line_of(model, name)
        done[name] = {"record": name, "left_out": found is None, **to_json(found or {})}
        if kept is not None:
            with kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[name]) + "\n")
    return [done[name] for name in names if not done[name]["left_out"]]


def _finished(kept: Path | None, made_by: Line) -> dict[str, dict[str, Any]]:
    if kept is None:
        return {}
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines: list[dict[str, Any]] = []
    for text in kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else ():
        try:
            lines.append(json.loads(text))
        except ValueError:  # the last one was cut off
            break
    if not lines or lines[0] != made_by:
        lines = [dict(made_by)]
    kept.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return {line["record"]: line for line in lines[1:]}
