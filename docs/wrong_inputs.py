"""The table of wrong inputs on the page own-data.md, made anew with `python docs/wrong_inputs.py`: each is tried twice,
through Python and through the command line, and its message taken as it stands."""

import contextlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from beatssl import cli
from beatssl.messages import flags_of
from beatssl.records.synthetic import synthetic_record
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare

PAGE = Path(__file__).with_name("own-data.md")
BEGIN, END = "<!-- begin: python docs/wrong_inputs.py -->", "<!-- end -->"
TITLE = "| what is wrong | message in Python | on the command line |\n| --- | --- | --- |\n"
_LINES = [
    f"ecg{i},p{i // 2},{('train', 'valid', 'test')[i // 2]},{('train', 'test')[i // 4]},{('train', 'test', 'x')[i % 3]}"
    for i in range(6)
]
SPLIT = "\n".join(["record_id,patient,split,half,sides", *_LINES, ""])


@dataclass(frozen=True)
class Wrong:
    """A verb, what it is given, and the files that are written before: name and text."""

    what: str
    verb: str
    given: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)


def of_prepare(what: str, source: str = "ecgs", kind: str = "files", **options: Any) -> Wrong:
    return Wrong(what, "prepare", (kind, source), {"out": "stores/new", "workers": 1} | options)


def of_table(what: str, text: str) -> Wrong:
    wrong = of_prepare(what, table="meta.csv")
    return Wrong(what, "prepare", wrong.given, wrong.options, {"meta.csv": text})


def of_labels(what: str, text: str, labels: str = "my.csv") -> Wrong:
    return Wrong(
        what, "probe", ("stores/own",), {"labels": labels, "out": "runs/p", "split": "column:split"}, {"my.csv": text}
    )


def of_split(what: str, split: str) -> Wrong:
    text = "record_id,AF\n" + "".join(f"ecg{i},{i % 2}\n" for i in range(6))
    return Wrong(
        what, "probe", ("stores/own",), {"labels": "my.csv", "out": "runs/p", "split": split}, {"my.csv": text}
    )


CASES = (
    of_prepare("a path that does not exist", "ecg"),
    of_prepare("an empty folder", "empty"),
    of_prepare("an unknown kind", kind="file"),
    of_prepare("a CSV file without titles", "bare.csv"),
    of_prepare("a file that states no rate", "bare.csv", lead_names=("I", "II", "III")),
    of_prepare("a file that states no unit", "bare.csv", lead_names=("I", "II", "III"), csv_fs_hz=500.0),
    of_prepare("a rate that no store has", fs_hz=5.0),
    of_prepare("a band above what the rate holds", high_hz=60.0),
    of_prepare("an output folder inside a file", out="bare.csv/store"),
    of_prepare("an output folder that holds something else", out="notes"),
    of_prepare(
        "a store that was made otherwise", out="stores/own", fs_hz=250.0, table="split.csv", salt="a salt", clusters=0
    ),
    of_prepare("a table that does not exist", table="met.csv"),
    of_table("a table without ids", "patient,age\np1,61\n"),
    of_table("a table of other records", "record_id,age\necg7,61\n"),
    of_table("an age that is none", "record_id,age\necg0,old\n"),
    of_table("a sex that is none", "record_id,sex\necg0,w\n"),
    of_table("a fold that is none", "record_id,fold\necg0,train\n"),
    of_table("contradicting lines of a record", "record_id,age\necg0,61\necg0.csv,62\n"),
    of_table("a column that the store has", "record_id,samples\necg0,61\n"),
    Wrong("no store", "probe", ("ecgs",), {"out": "runs/p"}),
    Wrong("an unknown label set", "probe", ("stores/own",), {"out": "runs/p", "labels": "AF", "split": "column:split"}),
    of_labels("a file of labels that does not exist", "record_id,AF\necg0,1\n", "mine.csv"),
    of_labels("labels of other records", "record_id,AF\n7,1\n"),
    of_labels("contradicting labels", "record_id,AF\necg0,1\necg0.csv,0\n"),
    of_labels("an entry that is neither yes nor no", "record_id,AF\necg0,1\necg1,maybe\n"),
    of_labels("classes written as numbers", "record_id,NYHA\necg0,1\necg1,3\n"),
    of_labels("times to an event", "record_id,time,event\necg0,300,1\necg1,20,0\n"),
    of_labels("labels and measurements mixed", "record_id,AF,age\necg0,1,61\necg1,0,44\n"),
    of_labels("a column that the file has not", "record_id,AF\necg0,1\n", "my.csv:VT"),
    of_labels("a line with too few cells", "record_id,AF,VT\necg0,1\n"),
    of_labels("a label of one class alone", "record_id,AF\n" + "".join(f"ecg{i},no\n" for i in range(6))),
    of_split("a store without folds", "folds"),
    of_split("a split that is none", "randomly"),
    of_split("a column that the store has not", "column:site"),
    of_split("a column of other words", "column:sides"),
    of_split("a column without validation", "column:half"),
    of_split("shares that are none", "random:80,20"),
    of_split("too few parts", "kfold:2"),
)  # fmt: skip


def table() -> str:
    """The table as Markdown: a line a case."""
    lines: list[str] = []
    with _folder():
        for one in CASES:
            said, typed = _cell(in_python(one)), _cell(on_command_line(one))
            lines.append(f"| {one.what} | {said} | {'the same' if typed == said else typed} |\n")
    return TITLE + "".join(lines)


def in_python(wrong: Wrong) -> str:
    """The message of the exception that the verb's function raises."""
    _write(wrong)
    verb = cli.VERBS[wrong.verb]
    module = import_module(verb.module)
    paths = {name: Path(value) if name in ("out", "table") else value for name, value in wrong.options.items()}
    given = [Path(value) if at or wrong.verb != "prepare" else value for at, value in enumerate(wrong.given)]
    try:
        getattr(module, verb.function)(getattr(module, str(verb.config))(*given, **paths))
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    except (ValueError, OSError) as error:
        return str(error)
    raise AssertionError(f"{wrong.what}: nothing was refused")


def on_command_line(wrong: Wrong) -> str:
    """The line that the command prints."""
    _write(wrong)
    verb = cli.VERBS[wrong.verb]
    flags = flags_of(getattr(import_module(verb.module), str(verb.config)))
    args = [wrong.verb, *wrong.given]
    for name, value in wrong.options.items():
        args += [flags[name], *(map(str, value) if isinstance(value, tuple) else [str(value)])]
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            cli.main(args)
    except SystemExit:
        return said.getvalue().strip().removeprefix("beatssl: error: ")
    raise AssertionError(f"{wrong.what}: nothing was refused")


def _cell(message: str) -> str:
    """Without the folder where it was tried."""
    return "`" + message.replace(f"{Path.cwd()}/", "").replace("|", "\\|") + "`"


def _write(wrong: Wrong) -> None:
    for place in ("stores/new", "runs"):
        shutil.rmtree(place, ignore_errors=True)
    for name, text in wrong.files.items():
        Path(name).write_text(text, encoding="utf-8")


@contextlib.contextmanager
def _folder() -> Iterator[None]:
    """A folder of six small files, a file that states nothing, and a store, as the current one."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(Path(scratch).resolve())
        try:
            Path("ecgs").mkdir()
            Path("empty").mkdir()
            Path("notes").mkdir()
            Path("notes/todo.txt").write_text("label the rest", encoding="utf-8")
            for index in range(6):
                synthetic_record(index).save(f"ecgs/ecg{index}.csv")
            np.savetxt("bare.csv", synthetic_record(0).ecg_mv.T[:, :3], delimiter=",", fmt="%.3f")
            Path("split.csv").write_text(SPLIT, encoding="utf-8")
            config = PrepareConfig(
                "files", Path("ecgs"), Path("stores/own"), table=Path("split.csv"), salt="a salt", workers=1, clusters=0
            )
            prepare(config)
            yield
        finally:
            os.chdir(before)


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}{END}{rest.partition(END)[2]}", encoding="utf-8")
    print(PAGE)
