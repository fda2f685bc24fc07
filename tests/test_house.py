"""What holds the house together: pinned versions, CI, citation, the shape of the code."""

import os
import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import beatssl

REPO = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCES = sorted((REPO / "src" / "beatssl").rglob("*.py"))
INSTALLED_BY_MAKE = ("formats", "serve", "dask", "bench", "dev")


def pins() -> dict[str, str]:
    lines = (REPO / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def test_pins_are_exact_and_name_no_local_build() -> None:
    assert all(re.fullmatch(r"\d[\w.]*", version) for version in pins().values())
    assert pins()["torch"] == "2.13.0"


def test_everything_that_make_installs_is_pinned_within_the_stated_range() -> None:
    extras = PROJECT["optional-dependencies"]
    stated = PROJECT["dependencies"] + [line for name in INSTALLED_BY_MAKE for line in extras[name]]
    for requirement in map(Requirement, stated):
        if requirement.name != "beatssl":
            pinned = pins()[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(pinned), f"{requirement} against {pinned}"


def test_what_they_need_in_turn_is_pinned_too() -> None:
    waiting, seen = [canonicalize_name(Requirement(line).name) for line in PROJECT["dependencies"]], set[str]()
    while waiting:
        name = waiting.pop()
        assert name in pins(), f"{name} is not in constraints.txt"
        seen.add(name)
        for line in distribution(name).requires or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                other = canonicalize_name(needed.name)
                if other not in seen and other not in waiting and not other.startswith(("nvidia-", "triton", "cuda-")):
                    waiting.append(other)


def test_ci_runs_what_a_contributor_runs() -> None:
    script = REPO / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").strip().endswith("make test")


def test_versions_agree() -> None:
    citation = (REPO / "CITATION.cff").read_text(encoding="utf-8")
    assert beatssl.__version__ == PROJECT["version"]
    assert f"version: {PROJECT['version']}" in citation
    assert "arXiv:2601.16147" in citation
    assert "[Unreleased]" in (REPO / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_licence_is_apache() -> None:
    assert PROJECT["license"] == "Apache-2.0"
    assert "Apache License" in (REPO / "LICENSE").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO / "src")))
def test_files_are_small_and_named_by_nouns(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400
    assert path.stem not in {"utils", "helpers", "misc", "common"}


def test_no_folder_holds_more_than_a_reader_can_learn() -> None:
    folders = {path.parent for path in SOURCES}
    lines = {
        str(folder.relative_to(REPO)): sum(len(p.read_text(encoding="utf-8").splitlines()) for p in folder.glob("*.py"))
        for folder in folders
    }
    assert {folder: count for folder, count in lines.items() if count > 2600} == {}
