import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from beatssl.studies.study import claims
from beatssl.studies.study.claims import CLAIM, claimed, released


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "abc"


def claim_of(folder: Path, **values: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    own = claims._own()  # pyright: ignore[reportPrivateUsage]
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


def test_a_claim_that_is_being_written_is_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / CLAIM).touch()
    assert not claimed(folder)
