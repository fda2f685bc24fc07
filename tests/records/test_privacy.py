"""The salt, the hash, and what counts as naming someone."""

import multiprocessing
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beatssl.records.privacy import default_salt, find_hashed, names_someone, salted_hash


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BEATSSL_SALT", raising=False)
    return tmp_path


def test_salt_is_made_once_and_private(home: Path) -> None:
    salt = default_salt()
    path = home / ".config/beatssl/salt"
    assert default_salt() == salt == path.read_bytes()
    assert len(salt) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]  # no part is left behind


def test_processes_at_once_agree_on_the_salt(home: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert len(set(pool.starmap(default_salt, [()] * 16))) == 1


def test_environment_comes_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEATSSL_SALT", "of the ward")
    assert default_salt() == b"of the ward"
    assert not (home / ".config").exists()


def test_empty_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="salt is empty"):
        salted_hash("4711", b"")


@given(st.text(), st.text(), st.binary(min_size=1, max_size=200))
def test_hash_tells_patients_apart_and_holds(a: str, b: str, salt: bytes) -> None:
    assert (salted_hash(a, salt) == salted_hash(b, salt)) == (a == b)


def test_naming_someone() -> None:
    known = ["PID4711", "Ann-Marie", "van der Quell", "1950-03-14", "Li", ""]
    assert names_someone("2020/QUELL.xml", known)
    assert names_someone("ann-marie", known)
    assert names_someone("scan-pid4711-2", known)
    assert not names_someone("lipid/ward.xml", known)  # two letters stand anywhere
    assert not names_someone("", known)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("mueller_1.xml", "Müller"), ("muller.xml", "Müller"), ("Mu\u0308ller.xml", "Mueller"), ("garcia", "García"),
        ("LUEDENSCHEID.scp", "Müller-Lüdenscheid"), ("ann_marie", "Ann-Marie"), ("pid-47-11", "PID4711"),
        ("03.14.1950", "03141950"),
    ],
)  # fmt: skip
def test_spelling_does_not_hide_a_name(text: str, name: str) -> None:
    assert names_someone(text, [name])


def test_the_owner_of_the_salt_finds_a_file_by_its_hash(tmp_path: Path) -> None:
    (tmp_path / "ward").mkdir()
    path = tmp_path / "ward" / "Quellmann.edf"
    path.write_text("")
    hashed = salted_hash("ward/Quellmann.edf", b"a salt")
    assert find_hashed(str(tmp_path), f"{hashed}.edf", b"a salt") == path
    assert find_hashed(path, salted_hash("Quellmann.edf", b"a salt"), b"a salt") == path
    with pytest.raises(FileNotFoundError, match="the salt that was used"):
        find_hashed(tmp_path, hashed, b"another")
