"""Against a server on this machine that can be told to misbehave."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest

from beatssl.records.download import TRIES, Downloaded, DownloadError, download
from beatssl.records.record import RecordError

BODY = np.random.default_rng(0).bytes(50_000)
FILES = {"RECORDS": b"1\n2\n", "data/1.hea": b"1 2 500\n", "data/1.dat": BODY, "data/2 ä.dat": BODY[::-1]}


class Site:
    """A tiny PhysioNet. `faults` maps a file to what goes wrong, one entry a request; then all is well."""

    def __init__(self, files: dict[str, bytes], folder: str = "ludb/1.0.1") -> None:
        self.files = dict(files)
        sums = "".join(f"{hashlib.sha256(body).hexdigest()} {name}\n" for name, body in files.items())
        self.files["SHA256SUMS.txt"] = sums.encode()
        self.faults: dict[str, list[str]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.ranges = True
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                name = unquote(self.path).removeprefix(f"/files/{folder}/")
                site.answer(self, name)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/files"

    def answer(self, handler: BaseHTTPRequestHandler, name: str) -> None:
        asked = handler.headers.get("Range")
        self.requests.append((name, asked))
        fault = self.faults[name].pop(0) if self.faults.get(name) else ""
        if fault.isdecimal() or name not in self.files:
            handler.send_error(int(fault or 404))
            return
        body = self.files[name] if fault != "wrong" else b"x" + self.files[name][1:]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if start >= len(body) > 0 and start:
            handler.send_error(416)
            return
        handler.send_response(206 if start else 200)
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        if fault != "no-length":
            handler.send_header("Content-Length", str(len(body) - start))
        handler.end_headers()
        sent = body[start:]
        handler.wfile.write(sent[: len(sent) // 2] if fault == "cut" else sent)

    def asked_for(self, name: str) -> list[str | None]:
        return [asked for requested, asked in self.requests if requested == name]


@contextmanager
def served(site: Site) -> Iterator[Site]:
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.server.shutdown()
        site.server.server_close()
        thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    with served(Site(FILES)) as site:
        yield site


def get(site: Site, dest: Path) -> Downloaded:
    return download("ludb", dest, site.url, backoff_s=0.001)


def assert_complete(dest: Path) -> None:
    for name, body in FILES.items():
        assert (dest / name).read_bytes() == body
    assert not list(dest.rglob("*.part"))


def test_every_listed_file_arrives_in_its_place(site, tmp_path):
    assert get(site, tmp_path) == Downloaded(fetched=4, kept=0)
    assert_complete(tmp_path)
    assert (tmp_path / "SHA256SUMS.txt").read_bytes() == site.files["SHA256SUMS.txt"]


def test_a_second_run_fetches_only_what_is_missing_or_damaged(site, tmp_path):
    get(site, tmp_path)
    (tmp_path / "data/1.dat").write_bytes(b"damaged")
    (tmp_path / "RECORDS").unlink()
    site.requests.clear()
    assert get(site, tmp_path) == Downloaded(fetched=2, kept=2)
    assert_complete(tmp_path)
    assert {name for name, _ in site.requests} == {"SHA256SUMS.txt", "data/1.dat", "RECORDS"}


def test_a_cut_transfer_goes_on_where_it_stopped(site, tmp_path):
    site.faults["data/1.dat"] = ["cut", "cut"]
    get(site, tmp_path)
    assert_complete(tmp_path)
    assert site.asked_for("data/1.dat") == [None, "bytes=25000-", "bytes=37500-"]


def test_a_run_that_was_killed_goes_on_from_its_piece(site, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.dat.part").write_bytes(BODY[:12_345])
    get(site, tmp_path)
    assert_complete(tmp_path)
    assert site.asked_for("data/1.dat") == ["bytes=12345-"]


def test_a_complete_piece_needs_no_more_than_a_check(site, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.dat.part").write_bytes(BODY)
    get(site, tmp_path)
    assert_complete(tmp_path)


def test_a_damaged_piece_is_thrown_away_and_fetched_anew(site, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/1.dat.part").write_bytes(b"?" * 12_345)
    get(site, tmp_path)
    assert_complete(tmp_path)
    assert site.asked_for("data/1.dat") == ["bytes=12345-", None]


def test_a_server_that_ignores_ranges_sends_the_whole_again(site, tmp_path):
    site.ranges = False
    site.faults["data/1.dat"] = ["cut"]
    get(site, tmp_path)
    assert_complete(tmp_path)


def test_a_body_of_unknown_length_is_taken(site, tmp_path):
    site.faults["data/1.dat"] = ["no-length"]
    get(site, tmp_path)
    assert_complete(tmp_path)


def test_a_busy_server_is_asked_again(site, tmp_path):
    site.faults["data/1.dat"] = ["503", "429", "500"]
    site.faults["SHA256SUMS.txt"] = ["503"]
    get(site, tmp_path)
    assert_complete(tmp_path)


def test_a_wrong_checksum_is_fetched_once_more(site, tmp_path):
    site.faults["data/1.dat"] = ["wrong"]
    get(site, tmp_path)
    assert_complete(tmp_path)
    assert site.asked_for("data/1.dat") == [None, None]


def test_a_file_wrong_twice_is_reported_and_never_kept(site, tmp_path):
    site.faults["data/1.dat"] = ["wrong", "wrong"]
    with pytest.raises(
        DownloadError, match=r"1 of 4 files(.|\n)*data/1.dat: checksum .* is not the published"
    ) as raised:
        get(site, tmp_path)
    assert set(raised.value.failed) == {"data/1.dat"}
    assert not (tmp_path / "data/1.dat").exists()
    assert not list(tmp_path.rglob("*.part"))
    assert (tmp_path / "data/2 ä.dat").read_bytes() == FILES["data/2 ä.dat"]
    assert get(site, tmp_path) == Downloaded(fetched=1, kept=3)


def test_a_missing_file_is_reported_and_the_others_arrive(site, tmp_path):
    del site.files["data/1.hea"]
    with pytest.raises(DownloadError, match=r"data/1.hea: HTTP 404"):
        get(site, tmp_path)
    assert site.asked_for("data/1.hea") == [None]
    assert (tmp_path / "data/1.dat").read_bytes() == BODY


def test_a_connection_that_always_breaks_is_given_up_and_its_piece_kept(site, tmp_path):
    site.faults["data/1.dat"] = ["cut"] * TRIES
    with pytest.raises(DownloadError, match=rf"data/1.dat: ConnectionError: cut after .* {TRIES} times"):
        get(site, tmp_path)
    assert not (tmp_path / "data/1.dat").exists()
    assert get(site, tmp_path).fetched == 1
    assert_complete(tmp_path)


@pytest.mark.parametrize("name", ["../outside", "data/../../outside", "/etc/outside", "."])
def test_a_name_that_leaves_the_folder_is_refused_before_anything_is_fetched(site, tmp_path, name):
    site.files["SHA256SUMS.txt"] += f"{'0' * 64}  {name}\n".encode()
    with pytest.raises(RecordError, match=r"leads out of|itself") as raised:
        get(site, tmp_path / "set")
    assert raised.value.reason == "unsafe-path"
    assert {requested for requested, _ in site.requests} == {"SHA256SUMS.txt"}
    assert not (tmp_path / "outside").exists()


def test_no_list_of_checksums_no_download(site, tmp_path):
    del site.files["SHA256SUMS.txt"]
    with pytest.raises(DownloadError, match=r"SHA256SUMS.txt: HTTP 404"):
        get(site, tmp_path)


def test_a_page_in_place_of_the_list_is_refused(site, tmp_path):
    site.files["SHA256SUMS.txt"] = b"<html>please log in</html>\n"
    with pytest.raises(DownloadError, match=r"line 1: no checksum and file name in '<html>"):
        get(site, tmp_path)
    assert not (tmp_path / "SHA256SUMS.txt").exists()


def test_a_server_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DownloadError, match=r"ludb/1.0.1/SHA256SUMS.txt: URLError.*check the address"):
        download("ludb", tmp_path, "http://127.0.0.1:9/files", backoff_s=0.001)


@pytest.mark.parametrize(
    ("rate", "folders"),
    [("100", {"records100"}), ("500", {"records500"}), ("both", {"records100", "records500"})],
)
def test_ptbxl_comes_at_the_rate_asked_for(tmp_path, rate, folders):
    names = ("ptbxl_database.csv", "records100/00000/00001_lr.dat", "records500/00000/00001_hr.dat")
    with served(Site({name: name.encode() for name in names}, "ptb-xl/1.0.3")) as site:
        download("ptbxl", tmp_path, site.url, rate=rate)
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == folders
    assert (tmp_path / "ptbxl_database.csv").exists()
