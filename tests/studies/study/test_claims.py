import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from beatssl.studies.study import claims
from beatssl.studies.study.claims import CLAIM, claimed, released


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "abc"


def claim_of(folder: Path, **values: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    own = claims._own()
    (folder / CLAIM).write_text(json.dumps(own | values))


def test_a_folder_is_claimed_once_until_it_is_released(folder: Path) -> None:
    assert claimed(folder)
    assert not claimed(folder)
    released(folder)
    assert claimed(folder)


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
        return process.pid


def test_the_claim_of_a_dead_process_of_this_host_is_taken_over_by_one_alone(folder: Path) -> None:
    claim_of(folder, pid=ended_process(), began="1")
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: claimed(folder), range(8))) == 1


def test_a_number_given_to_another_process_since_is_not_the_one_that_claimed(folder: Path) -> None:
    claim_of(folder, began="1")
    assert claimed(folder)


def test_the_claim_of_another_host_is_left_alone(folder: Path) -> None:
    claim_of(folder, host="elsewhere", pid=ended_process())
    assert not claimed(folder)
    released(folder)
    assert (folder / CLAIM).exists()


def test_what_was_claimed_since_a_claim_was_given_back_is_left_alone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner gives a claim back while this process reads it, and another one takes it before this one goes on."""
    claim_of(folder)
    won: list[bool] = []
    other = Thread(target=lambda: won.append(claimed(folder)))
    read, unlink = claims._content, Path.unlink

    def given_back(path: Path) -> object:
        monkeypatch.setattr(claims, "_content", read)
        unlink(path)

    def after_another(path: Path, missing_ok: bool = False) -> None:
        monkeypatch.setattr(Path, "unlink", unlink)
        other.start()
        other.join(1)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(claims, "_content", given_back)
    monkeypatch.setattr(Path, "unlink", after_another)
    mine = claimed(folder)
    if other.ident is None:
        other.start()
    other.join()
    assert [mine, *won].count(True) == 1


def test_the_claim_of_a_process_killed_before_it_wrote_is_taken_over_after_a_minute(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / CLAIM).touch()
    before = time.time() - 61
    os.utime(folder / CLAIM, (before, before))
    assert claimed(folder)
    assert not claimed(folder)


def test_a_claim_that_is_being_written_is_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / CLAIM).touch()
    assert not claimed(folder)
