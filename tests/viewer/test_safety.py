"""What the viewer refuses, and that nothing is left behind: names, sizes, types, broken bodies, other pages."""

import io
import random
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from beatssl.analysis.model import load
from beatssl.bench.fuzz import Case, damaged, made_seeds
from beatssl.records.formats.options import FileOptions
from beatssl.records.synthetic import synthetic_record
from beatssl.viewer.config import ServeConfig
from beatssl.viewer.corrections import Corrections
from beatssl.viewer.folder import Folder
from beatssl.viewer.pyramid import pyramid
from beatssl.viewer.refusal import Refused
from beatssl.viewer.serve import serve
from beatssl.viewer.uploads import title_of
from beatssl.viewer.worker import Job, Models, Opened, Worker, sha256_of

MB = 2**20


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, running: Any) -> Iterator[Any]:
    """A viewer that takes 1 MB, and opens any file as the same record, so that the requests alone are tested."""
    root = tmp_path_factory.mktemp("small")
    (root / "ecgs").mkdir()
    synthetic_record(0).save(root / "ecgs" / "one.csv")
    record = synthetic_record(1)
    opened = Opened(load(device="cpu").analyze(record, embeddings=False), pyramid(record), sha256_of(record))

    def run(job: Job) -> Opened:
        if job.source is None and job.place.read_bytes()[:4] == b"slow":
            time.sleep(1)
        return opened

    with running(ServeConfig(folder=root / "ecgs", corrections=root / "corrections", port=0, max_mb=1), run) as found:
        yield found


def wait_until_empty(viewer: Any) -> None:
    ends = time.monotonic() + 60
    while viewer.scratch_files and time.monotonic() < ends:
        time.sleep(0.05)
    assert viewer.scratch_files == []


def send(viewer: Any, text: str, body: bytes = b"") -> bytes:
    """What the server answers to raw bytes, while more are awaited."""
    with socket.create_connection(("127.0.0.1", viewer.viewer.port), timeout=30) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        return connection.recv(65536)


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [
        ({"Host": "evil.example"}, 421, "host"),
        ({"Host": "127.0.0.1"}, 421, "host"),
        ({"Origin": "http://evil.example"}, 403, "origin"),
        ({"Origin": "null"}, 403, "origin"),
        ({"Sec_Fetch_Site": "cross-site"}, 403, "origin"),
        ({"X_Beatssl_Token": None}, 401, "token"),
        ({"X_Beatssl_Token": ""}, 401, "token"),
        ({"X_Beatssl_Token": "wrong"}, 401, "token"),
        ({"X_Beatssl_Token": "\xff"}, 401, "token"),
    ],
)
def test_requests_of_others_are_refused(small: Any, headers: dict[str, Any], status: int, reason: str) -> None:
    for method, path in (("GET", "/api/folder"), ("POST", "/api/records"), ("OPTIONS", "/api/records")):
        found, answer, _ = small.ask(method, path, b"x" if method == "POST" else None, **headers)
        assert (found, answer["reason"]) == (status, reason)


def test_every_answer_forbids_scripts_frames_and_caches(small: Any) -> None:
    for path in ("/", "/static/viewer.js", "/api/folder", "/api/nothing", "/nothing"):
        headers = small.ask("GET", path)[2]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
    assert small.ask("GET", "/static/viewer.js")[2]["content-type"].startswith("text/javascript")


PATHS = (
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%00",
    "....//",
    "/etc/passwd",
    "C:\\x",
    "x" * 3000,
    "%ff%fe",
    "<script>",
)


@pytest.mark.parametrize("path", PATHS)
def test_no_path_reaches_a_file(small: Any, path: str) -> None:
    from urllib.parse import quote

    for place in ("/static/", "/api/records/", "/api/folder/"):
        for spelled in (quote(path, safe="%"), quote(path, safe="")):
            status, answer, _ = small.ask("POST" if "folder" in place else "GET", place + spelled)
            assert status in (404, 405)
            assert b"root:" not in repr(answer).encode()


def test_names_of_files_are_shown_and_never_used(small: Any) -> None:
    for name in (
        *PATHS,
        "a\nb.csv",
        "\u202egpj.exe",
        "CON",
        ".",
        "..",
        "",
        " ",
        "ä.csv",
        "x.csv\0.dcm",
        "a" * 300 + ".csv",
    ):
        status, found = small.upload(b"data", name)
        assert status == 202
        title = small.opened(found["id"])[1]["title"]
        assert len(title) <= 120
        assert title.isprintable()
    wait_until_empty(small)


def test_a_title_is_the_last_part_of_a_name() -> None:
    assert title_of("..%2F..%2Fetc%2Fpasswd") == "passwd"
    assert title_of("C%3A%5Cx%5Cecg.dcm") == "ecg.dcm"
    assert title_of("") == title_of("%00") == title_of("a%2F") == "unnamed"


def test_a_body_that_is_too_large_is_cut_off(small: Any) -> None:
    about = f"Host: 127.0.0.1:{small.viewer.port}\nX-Beatssl-Token: {small.viewer.token}"
    for length in ("999999999999", str(MB + 1), "9" * 30, "-1", "1e3"):
        answer = send(small, f"POST /api/records HTTP/1.1\n{about}\nContent-Length: {length}")
        assert answer.split()[1] in (b"413", b"400")
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", small.viewer.port), timeout=30) as connection:
        head = f"POST /api/records HTTP/1.1\n{about}\nTransfer-Encoding: chunked\n\n"
        connection.sendall(head.replace("\n", "\r\n").encode())
        sent = 0
        try:
            for _ in range(200):
                connection.sendall(chunk)
                sent += 65536
        except OSError:
            pass
        assert sent < 200 * 65536 or b"413" in connection.recv(4096)
    wait_until_empty(small)
    assert small.ask("GET", "/api/folder")[0] == 200


def test_a_sender_that_goes_away_leaves_nothing(small: Any) -> None:
    about = f"Host: 127.0.0.1:{small.viewer.port}\r\nX-Beatssl-Token: {small.viewer.token}"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", small.viewer.port)) as connection:
            connection.sendall(f"POST /api/records HTTP/1.1\r\n{about}\r\nContent-Length: 1000\r\n\r\nhalf".encode())
            time.sleep(0.1)
    wait_until_empty(small)


def test_a_slow_body_is_refused(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small.viewer.app, "idle_s", 0.3)
    about = f"Host: 127.0.0.1:{small.viewer.port}\nX-Beatssl-Token: {small.viewer.token}"
    answer = send(small, f"POST /api/records HTTP/1.1\n{about}\nContent-Length: 1000", b"a few bytes")
    assert answer.split()[1] == b"408"
    wait_until_empty(small)


def test_a_hundred_uploads_at_once(small: Any) -> None:
    found: list[tuple[int, Any]] = []
    threads = [
        threading.Thread(target=lambda number=number: found.append(small.upload(b"x" * 50_000, f"{number}.csv")))
        for number in range(100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert [status for status, _ in found] == [202] * 100
    assert len({answer["id"] for _, answer in found}) == 100
    states = [small.opened(answer["id"])[1] for _, answer in found]
    ready = sum(one.get("state") == "ready" for one in states)
    assert ready >= 20
    assert all(one.get("state") == "ready" or one["reason"] == "closed" for one in states)
    wait_until_empty(small)


def test_a_queue_that_is_full_says_so(small: Any) -> None:
    found = [small.upload(b"slow" if number == 0 else b"x", "a.csv")[0] for number in range(140)]
    assert set(found) == {202, 503}
    ends = time.monotonic() + 60
    while small.upload(b"x", "a.csv")[0] != 202 and time.monotonic() < ends:
        time.sleep(0.05)
    wait_until_empty(small)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"{", b"\xff", b'{"revision": 0}',
     b'{"revision": "0", "waves": [], "beats": [], "labels": {}}',
     b'{"revision": 0, "waves": [{"lead": "II", "kind": 9}], "beats": [], "labels": {}}',
     b'{"revision": 0, "waves": [], "beats": [{"beat": -1, "label": "N"}], "labels": {}}',
     b'{"revision": 0, "waves": [], "beats": [{"beat": 1, "label": "X"}], "labels": {}}',
     b'{"revision": 0, "waves": [], "beats": [{"beat": 99999, "label": "N"}], "labels": {}}',
     b'{"revision": 0, "waves": [], "beats": [], "labels": {"a,b\\n=1": true}}',
     b'{"revision": 0, "waves": [], "beats": [], "labels": {"AF": 2}}',
     b'{"revision": 7, "waves": [], "beats": [], "labels": {}}',
     b'{"revision": 0, "waves": [{"lead": "II", "kind": 1, "after": [1e999, 2]}], "beats": [], "labels": {}}',
     b'{"revision": 0, "waves": [], "beats": [], "labels": {}, "path": "/etc/passwd"}', b"[" * 100_000],
)  # fmt: skip
def test_corrections_that_are_none_change_nothing(small: Any, body: bytes) -> None:
    record_id = small.open_file("one.csv")
    path = f"/api/records/{record_id}"
    status, answer, _ = small.ask("POST", f"{path}/corrections", body, Content_Type="application/json")
    assert status in (400, 409, 422)
    assert set(answer) == {"reason", "message"}
    assert small.ask("GET", path)[1]["revision"] == 0
    assert not (small.corrections / "ecgs").exists()


def test_damaged_files_are_refused_in_plain_words(viewer: Any) -> None:
    """Real files of every format, damaged, through the real worker."""
    rng = random.Random(0)
    folder = str(viewer.folder.parent)
    seeds = made_seeds()
    for number in range(40):
        seed = seeds[number % len(seeds)]
        files = damaged(seed, Case(seed.name, rng.choice(["cut", "block", "number", "removed", "longer"]), number))
        name = sorted(files)[-1]
        status, found = viewer.upload(files[name], name)
        if not files[name]:
            assert (status, found["reason"]) == (422, "unreadable")
            continue
        answer = viewer.opened(found["id"])[1]
        if answer.get("state") == "refused":
            assert answer["reason"] not in ("internal", "crashed", "time"), answer
            assert answer["message"]
            assert "Traceback" not in answer["message"]
            assert folder not in answer["message"]
            assert str(viewer.viewer.scratch) not in answer["message"]
    wait_until_empty(viewer)


def test_a_zip_that_unpacks_to_too_much_is_refused(viewer: Any) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"{number}.csv", b"0" * (400 * MB))
    assert len(out.getvalue()) < 2 * MB
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(1200):
            archive.writestr(f"{number}.csv", b"0")
    for content in (out.getvalue(), many.getvalue()):
        answer = viewer.opened(viewer.upload(content, "bomb.zip")[1]["id"])[1]
        assert answer["reason"] == "too-large"


def test_a_zip_of_several_records_and_a_text_say_what_to_do(viewer: Any) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(2):
            archive.write(viewer.folder / "ward" / f"ecg{number}.csv", f"ecg{number}.csv")
    answer = viewer.opened(viewer.upload(out.getvalue(), "two.zip")[1]["id"])[1]
    assert answer["reason"] == "several"
    assert "--folder" in answer["message"]
    bare = "I,II\n" + "0.1,0.2\n" * 5000
    answer = viewer.opened(viewer.upload(bare.encode(), "bare.csv")[1]["id"])[1]
    assert answer["state"] == "refused"
    assert "--files.csv-fs-hz" in answer["message"]


def test_work_that_takes_too_long_is_stopped_and_the_next_is_done(tmp_path: Path) -> None:
    path, longer = (synthetic_record(0, duration_s=s).save(tmp_path / f"{s}.csv") for s in (10.0, 20.0))
    worker = Worker(Models(device="cpu", time_limit_s=0.001))
    try:
        with pytest.raises(Refused, match="not ready within"):
            worker.run(Job(path, None, tmp_path, FileOptions()))
        worker.models = Models(device="cpu", max_samples=60_000)
        with pytest.raises(Refused, match="at most 60,000"):
            worker.run(Job(longer, None, tmp_path, FileOptions()))
        assert worker.run(Job(path, None, tmp_path, FileOptions())).analysis.record.duration_s == 10
    finally:
        worker.close()


def test_links_out_of_the_folder_are_no_part_of_it(tmp_path: Path) -> None:
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    inner.mkdir()
    outer.mkdir()
    synthetic_record(0).save(outer / "secret.csv")
    synthetic_record(1).save(inner / "own.csv")
    (inner / "link.csv").symlink_to(outer / "secret.csv")
    (inner / "again.csv").symlink_to(inner / "own.csv")
    folder = Folder(inner, FileOptions())
    listed = folder.listing()
    assert [one["name"] for one in listed] == ["again.csv", "own.csv"]
    assert [one["id"] for one in folder.listing()] == [one["id"] for one in listed]
    (inner / "own.csv").unlink()
    (inner / "own.csv").symlink_to(outer / "secret.csv")
    with pytest.raises(Refused, match="no such file"):
        folder.source(listed[1]["id"])


def test_a_folder_of_corrections_that_cannot_be_written_is_an_error_without_its_path(
    tmp_path: Path, small: Any
) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file")
    a = load(device="cpu").analyze(synthetic_record(0), embeddings=False)
    with pytest.raises(Refused) as refused:
        Corrections(blocked / "x").save(a, "0" * 64, {})
    assert str(tmp_path) not in refused.value.message


def test_what_is_wrong_at_the_start_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        serve(ServeConfig(folder=tmp_path / "none", corrections=tmp_path / "c"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="is taken"):
            serve(ServeConfig(corrections=tmp_path / "c", port=taken.getsockname()[1]))
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    with pytest.raises(ImportError, match=r"pip install 'beatssl\[serve\]'"):
        serve(ServeConfig(corrections=tmp_path / "c"))
