"""Shared fixtures. Real data is restored from ../shared/data where it is there; else the tests that need it skip."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page, sync_playwright

from beatssl.store.config import PrepareConfig
from beatssl.store.content import WITH_ROW
from beatssl.store.layout import shard_name
from beatssl.store.prepare import prepare
from beatssl.store.shards.tables import write_table
from beatssl.store.store import Store
from real_data import DATA, RESTORE, SETS, complete, restore


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder with ptb-xl, ludb, qtdb, mitdb and cinc2020 in PhysioNet's layout.

    `BEATSSL_DATA` names it, else it is `data` in the repository, restored once for all test processes.
    """
    if complete():
        return DATA
    if not RESTORE.exists():
        pytest.skip(f"no real ECG data: {RESTORE} is not there and BEATSSL_DATA names no folder that holds {SETS}")
    DATA.mkdir(parents=True, exist_ok=True)
    with FileLock(DATA / ".restoring.lock"):
        if not complete():
            restore()
    return DATA


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's chromium or Chrome; `make test` installs the first where it may. Tests that need it skip without."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no browser: install Debian's package chromium (make test does so for root)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """`open_page(address, **context)`: a page of a browser without history; `context` as Playwright's `new_context`.

    The test fails in the end where any such page wrote an error to its console, or threw one; tests that mean to cause
    some empty `open_page.errors` before they end.
    """
    opened = OpenPage(chromium)
    yield opened
    for context in list(chromium.contexts):
        context.close()
    assert opened.errors == []


class OpenPage:
    """Opens pages, and collects what goes wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.errors: list[str] = []

    def __call__(self, address: str, **context: Any) -> Page:
        page = self.browser.new_context(**context).new_page()
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        page.goto(address)
        return page


@pytest.fixture
def printed_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], str]:
    """`printed_by(example)`: what the Python code of a page prints, run in this process and the folder of the test.

    A process of its own would take the time to import PyTorch again.
    """

    def printed(example: str) -> str:
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        exec(compile(example, "example.py", "exec"), {"__name__": "__main__"})
        return capsys.readouterr().out

    return printed


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """24 records of ten seconds; not to be changed."""
    folder = tmp_path_factory.mktemp("training") / "store"
    prepare(PrepareConfig("synthetic", Path("24"), folder, workers=1, clusters=3, shard_records=10))
    return Store(folder)


@pytest.fixture(scope="session")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The records of `store`, and ten more; not to be changed."""
    folder = tmp_path_factory.mktemp("training") / "larger"
    prepare(PrepareConfig("synthetic", Path("34"), folder, workers=1))
    return Store(folder)


@pytest.fixture(scope="session")
def copied_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Store]:
    """`copied_with(store, records=…)`: a copy of a prepared store on disk with other tables in place of its own."""

    def copied(store: Store, **tables: pd.DataFrame) -> Store:
        folder = tmp_path_factory.mktemp("copy") / store.path.name
        shutil.copytree(store.path, folder)
        first = 0
        for index, shard in enumerate(store.manifest["shards"]):
            for name, table in tables.items():
                write_table(folder / shard_name(index) / f"{name}.parquet", _part(name, table, first, shard["rows"]))
            first += shard["rows"]
        return Store(folder)

    return copied


def _part(name: str, table: pd.DataFrame, first: int, rows: int) -> pd.DataFrame:
    """The lines of a table that one shard holds; those of no row stand in the first."""
    if name in ("records", "features"):
        return table.iloc[first : first + rows]
    if name in WITH_ROW:
        return table[table["row"].between(first, first + rows - 1)].assign(row=lambda part: part["row"] - first)
    return table if first == 0 else table.iloc[:0]


@pytest.fixture(scope="session")
def folded(store: Store, copied_with: Callable[..., Store]) -> Store:
    """The records of `store`, three of its patients in each fold from 1 to 6; not to be changed."""
    return copied_with(store, records=store.records.assign(fold=pd.factorize(store.records["patient_id"])[0] % 6 + 1))


@pytest.fixture(scope="session", autouse=True)
def _cache_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Embeddings that fixtures of the session make stay out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BEATSSL_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True)
def _cache_of_the_test(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins with an empty cache of embeddings."""
    monkeypatch.setenv("BEATSSL_CACHE", str(tmp_path_factory.getbasetemp() / "caches" / uuid4().hex))
