"""A viewer that answers, with its real worker, and requests to it."""

import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

pytest.importorskip("fastapi")
import uvicorn

from beatssl.records.record import Record
from beatssl.records.synthetic import synthetic_record
from beatssl.viewer.config import ServeConfig
from beatssl.viewer.serve import Served, served, settings


@dataclass
class Running:
    """A viewer, and how to ask it."""

    viewer: Served
    folder: Path
    corrections: Path

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, dict[str, str]]:
        """Status, answer (JSON where it is that) and headers; `headers` with "_" for "-", None leaves one out."""
        given: dict[str, str | None] = {"X-Beatssl-Token": self.viewer.token}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.viewer.port, timeout=60)
        connection.request(method, path, body, {name: value for name, value in given.items() if value is not None})
        answer = connection.getresponse()
        content, kind = answer.read(), answer.getheader("content-type", "")
        connection.close()
        found = json.loads(content) if kind.startswith("application/json") and content[:1] == b"{" else content
        return answer.status, found, {name.lower(): value for name, value in answer.getheaders()}

    def upload(self, content: bytes, name: str) -> tuple[int, Any]:
        status, found, _ = self.ask("POST", "/api/records", content, X_File_Name=quote(name, safe=""))
        return status, found

    def opened(self, record_id: str) -> tuple[int, Any]:
        """Status and answer once a record is ready or refused."""
        ends = time.monotonic() + 120
        while time.monotonic() < ends:
            status, found, _ = self.ask("GET", f"/api/records/{record_id}")
            if found.get("state") not in ("waiting", "working"):
                return status, found
            time.sleep(0.05)
        raise AssertionError("not ready within two minutes")

    def open_file(self, name: str) -> str:
        """The id of a record of the folder, ready."""
        files = self.ask("GET", "/api/folder")[1]["files"]
        (file_id,) = (one["id"] for one in files if one["name"] == name)
        record_id = self.ask("POST", f"/api/folder/{file_id}")[1]["id"]
        assert self.opened(record_id)[0] == 200
        return record_id

    def correct(self, record_id: str, revision: int = 0, **edits: Any) -> tuple[int, Any]:
        body = {"revision": revision, "waves": [], "beats": [], "labels": {}} | edits
        status, found, _ = self.ask(
            "POST", f"/api/records/{record_id}/corrections", json.dumps(body), Content_Type="application/json"
        )
        return status, found

    def waves(self, record_id: str, lead: int) -> list[list[int]]:
        content = self.ask("GET", f"/api/records/{record_id}/waves/{lead}")[1]
        return np.frombuffer(content, "<f8").reshape(-1, 3).astype(int).tolist()

    @property
    def scratch_files(self) -> list[Path]:
        return list(self.viewer.scratch.iterdir())


@contextmanager
def running(config: ServeConfig, run: Any = None) -> Iterator[Running]:
    with served(config, run) as viewer:
        server = uvicorn.Server(settings(viewer))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [viewer.socket]}, daemon=True)
        thread.start()
        assert config.folder is not None
        yield Running(viewer, config.folder, config.corrections)
        server.should_exit = True
        thread.join(timeout=20)
    assert not viewer.scratch.exists()


@pytest.fixture(scope="session", name="running")
def fixture_of_running() -> Callable[..., Any]:
    """`with running(config, run) as found:` a viewer; see `running`."""
    return running


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Over a folder of two synthetic records and a file that is none."""
    root = tmp_path_factory.mktemp("viewer")
    (root / "ecgs" / "ward").mkdir(parents=True)
    for number in range(2):
        synthetic_record(number).save(root / "ecgs" / "ward" / f"ecg{number}.csv")
    (root / "ecgs" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM and no more")
    with running(ServeConfig(folder=root / "ecgs", corrections=root / "corrections", port=0)) as found:
        yield found


@pytest.fixture(scope="session")
def csv_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`csv_file(name, **changes)`: a synthetic record in a CSV file of this name."""

    def make(name: str, number: int = 3, **changes: Any) -> Path:
        record: Record = synthetic_record(number)
        path = tmp_path_factory.mktemp("files") / "one.csv"
        record.replace(**changes).save(path)
        return path.rename(path.with_name(name))

    return make


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Folder of screenshots: that of BEATSSL_SCREENSHOTS where it is set."""
    folder = Path(os.environ.get("BEATSSL_SCREENSHOTS", tmp_path / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
