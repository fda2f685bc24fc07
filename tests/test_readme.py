"""Everything that the README tells a reader to type is typed here."""

import ast
import re
import shlex
import shutil
import threading
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas as pd
import pytest

from beatssl.cli import main
from beatssl.store.labels import SUPERCLASSES

REPO = Path(__file__).resolve().parents[1]
TEXT = (REPO / "README.md").read_text(encoding="utf-8")
PTBXL_RECORDS = 120
"""Records of PTB-XL that stand in for all of it."""


def blocks(language: str) -> list[str]:
    """Code blocks of the README in one language."""
    return re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.strip().splitlines()]
BEATSSL = [" ".join(shlex.split(line)[1:]) for line in COMMANDS if line.startswith("beatssl ")]


def test_every_command_is_of_a_kind_that_is_tested_here() -> None:
    assert {line.split()[0] for line in COMMANDS} == {"make", "pip", "beatssl"}


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("make ")])
def test_make_targets_exist(line: str) -> None:
    target = line.split()[1]
    assert re.search(rf"^{target}:", (REPO / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_extras_that_pip_is_asked_for_exist() -> None:
    extras = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    asked = re.findall(r"\[(.*?)\]", "\n".join(line for line in COMMANDS if line.startswith("pip ")))
    assert asked
    assert set(",".join(asked).split(",")) <= set(extras)


def test_it_is_a_page() -> None:
    assert len(TEXT.splitlines()) <= 150


def test_three_lines_give_a_result() -> None:
    statements = ast.parse(blocks("python")[0]).body
    assert sum(not isinstance(statement, ast.Import | ast.ImportFrom) for statement in statements) <= 3


def test_python_examples_run_as_shown_one_after_the_other(printed_by: Callable[[str], str]) -> None:
    printed: list[str] = []
    for example in blocks("python"):
        assert len([line for line in example.splitlines() if line.strip()]) <= 12
        printed.append(printed_by(example))
    probabilities = {name: re.search(rf"{name}\W+(0?\.\d+)", printed[0]) for name in SUPERCLASSES}
    assert all(found is not None and 0 < float(found[1]) < 1 for found in probabilities.values()), printed[0]
    assert "QRS" in printed[1]
    assert "(8, 12, 1000)" in printed[2]
    assert "(64, 1024)" in printed[2]
    assert "qtc_fridericia_ms" in printed[2]


def test_commands_on_the_synthetic_cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [line for line in BEATSSL if "synthetic" in line or line == "--help"]
    assert len(lines) == 13
    run(lines)
    assert len(list(tmp_path.glob("stores/synthetic/check-*.json"))) == 3
    assert len(list(tmp_path.glob("runs/synthetic/probe/*.svg"))) == 3
    assert (tmp_path / "results-synthetic" / "compare.json").exists()
    assert (tmp_path / "waves-synthetic" / "intervals.parquet").exists()


def test_commands_on_ludb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_root: Path, server: tuple[str, Path]
) -> None:
    monkeypatch.chdir(tmp_path)
    address, folder = server
    publish(data_root / "ludb", folder / "ludb" / "1.0.1", records=12)
    lines = [line for line in BEATSSL if "ludb" in line]
    assert [line.split()[0] for line in lines] == ["download", "prepare", "check", "check"]
    run([f"{line} --base-url {address}" if line.startswith("download") else line for line in lines])
    assert (tmp_path / "stores/ludb/check-fiducials.json").exists()


def test_commands_on_ptbxl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_root: Path) -> None:
    monkeypatch.chdir(tmp_path)
    part_of_ptbxl(data_root / "ptb-xl", tmp_path / "data" / "ptb-xl")
    lines = [line for line in BEATSSL if "ptb" in line]
    assert [line.split()[0] for line in lines] == ["prepare", "check"]
    run(lines)
    assert (tmp_path / "stores/ptb-xl/check-features.json").exists()


def test_no_command_is_left_out() -> None:
    assert all("synthetic" in line or "ludb" in line or "ptb" in line or line == "--help" for line in BEATSSL)


def run(lines: list[str]) -> None:
    """Runs verbs in this process; each must end well."""
    for line in lines:
        try:
            main(shlex.split(line))
        except SystemExit as end:
            assert end.code in (None, 0), line  # noqa: PT017  (tyro ends --help this way)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Address of a web server on this machine, and the folder it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}", folder
    web.shutdown()
    thread.join()
    web.server_close()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


def publish(source: Path, dest: Path, records: int) -> None:
    """The first records of LUDB as PhysioNet publishes them, with their checksums."""
    (dest / "data").mkdir(parents=True)
    names = [f"data/{number}" for number in range(1, records + 1)]
    for path in sorted((source / "data").iterdir()):
        if f"data/{path.name.split('.')[0]}" in names:
            shutil.copy(path, dest / "data" / path.name)
    for path in source.glob("*.csv"):
        shutil.copy(path, dest / path.name)
    (dest / "RECORDS").write_text("\n".join(names) + "\n", encoding="utf-8")
    files = sorted(path for path in dest.rglob("*") if path.is_file())
    sums = [f"{sha256(path.read_bytes()).hexdigest()} {path.relative_to(dest)}" for path in files]
    (dest / "SHA256SUMS.txt").write_text("\n".join(sums) + "\n", encoding="utf-8")


def part_of_ptbxl(source: Path, dest: Path) -> None:
    """A part of PTB-XL in its own layout: the first records of every fold."""
    index = pd.read_csv(source / "ptbxl_database.csv")
    chosen = index.groupby("strat_fold", group_keys=False).head(-(-PTBXL_RECORDS // index["strat_fold"].nunique()))
    dest.mkdir(parents=True)
    chosen.to_csv(dest / "ptbxl_database.csv", index=False)
    shutil.copy(source / "scp_statements.csv", dest)
    for name in chosen["filename_lr"]:
        (dest / name).parent.mkdir(parents=True, exist_ok=True)
        for ending in (".hea", ".dat"):
            shutil.copy(source / f"{name}{ending}", dest / f"{name}{ending}")
