"""The pages for readers: what they tell to type works, what they point to is there, and they use the field's words."""

import re
import runpy
import shlex
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import wraps
from importlib import import_module
from pathlib import Path

import pytest
import yaml

import beatssl
from beatssl import cli
from beatssl.checks.check import CHECKS
from beatssl.files import read_json
from beatssl.losses.contrast import FORMS
from beatssl.models.encoder import ENCODERS
from beatssl.records.registry import READERS
from beatssl.reports.tables import figures_table
from beatssl.store.labels import SUPERCLASSES
from beatssl.training.pretraining.presets import PRESETS
from beatssl.views.registry import VIEWS

REPO = Path(__file__).resolve().parents[1]
DOCS = sorted((REPO / "docs").glob("*.md"))
PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *DOCS]
SOURCE = REPO / "src" / "beatssl"

AVOIDED = (
    r"choosing (fold|records)", r"reported fold", r"told", r"recipes?", r"beside", r"steadying", r"wave path",
    r"thinn(ed|ing)", r"judged?", r"look(s|ed)? at", r"bumps?", r"evenness", r"evened", r"strangers?", r"ships?",
    r"shipped", r"formerly", r"was called",
)  # fmt: skip
"""Words for which the field has its own: validation fold, regression target, preset, co-training, bundled, …"""


def named(page: Path) -> str:
    return str(page.relative_to(REPO))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a page in one language."""
    return re.findall(rf"```{language}\n(.*?)```", text_of(page), flags=re.DOTALL)


def commands() -> Iterator[str]:
    """Every command `beatssl …` in the blocks of the pages."""
    for page in PAGES:
        for line in "\n".join(blocks(page, "sh")).splitlines():
            if line.startswith("beatssl "):
                yield line


def test_examples_are_on_the_pages_that_are_run_here() -> None:
    assert [page.stem for page in DOCS if blocks(page, "python")] == ["analyze", "data", "models", "own-data"]


def test_examples_run_as_shown_page_after_page(printed_by: Callable[[str], str]) -> None:
    (report,) = map(printed_by, blocks(REPO / "docs" / "analyze.md", "python"))
    assert "Research, not for diagnosis." in report
    assert "pr_interval_ms" in report
    file, store, split = map(printed_by, blocks(REPO / "docs" / "data.md", "python"))
    assert "12 leads (I II III" in file
    assert "(8, 12, 1000)" in store
    assert "qtc_fridericia_ms" in store
    assert re.search(r"\(\d+, 521\) \{'CD': \d+", split)
    models, encoder, own = map(printed_by, blocks(REPO / "docs" / "models.md", "python"))
    assert models.count("Preparation(fs_hz=") == 3
    assert all(name in models for name in (*SUPERCLASSES, "QRS", "onset_confidence"))
    assert "[1, 256, 125]" in encoder
    assert "(1024,)" in encoder
    assert "[4, 1024]" in own


@pytest.mark.parametrize("line", dict.fromkeys(commands()))
def test_every_command_parses(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, name, *rest = shlex.split(line)
    if name == "--help":
        return
    verb = cli.VERBS[name]
    module, seen = import_module(verb.module), []

    @wraps(getattr(module, verb.function))
    def record(*args: object, **given: object) -> None:
        seen.append((args, given))

    monkeypatch.setattr(module, verb.function, record)
    monkeypatch.setitem(cli.VERBS, name, replace(verb, show=lambda result: None))
    cli.main([name, *rest])
    assert len(seen) == 1


def test_every_option_that_a_page_names_exists(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for name in cli.VERBS:
        with pytest.raises(SystemExit):
            cli.main([name, "--help"])
    known = {"--help", "--version", *re.findall(r"--[a-z0-9][a-z0-9.\-]*", capsys.readouterr().out)}
    unknown: dict[str, list[str]] = {}
    for page in PAGES:
        text = "\n".join(line for line in text_of(page).splitlines() if not line.startswith("pip "))
        asked = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9.\-]*[a-z0-9]", text))
        unknown |= {named(page): sorted(asked - known)} if asked - known else {}
    assert unknown == {}


def test_every_verb_is_on_a_page() -> None:
    text = "\n".join(text_of(page) for page in PAGES)
    missing = [name for name in cli.VERBS if not re.search(rf"(beatssl |`|make ){name}\b", text)]
    assert missing == []


@pytest.mark.parametrize(
    ("page", "registered"),
    [
        ("data", READERS),
        ("data", CHECKS),
        ("models", ENCODERS),
        ("pretraining", PRESETS),
        ("pretraining", VIEWS),
        ("pretraining", FORMS),
    ],
    ids=["readers", "checks", "encoders", "presets", "views", "forms"],
)
def test_what_is_registered_is_on_its_page(page: str, registered: Collection[str]) -> None:
    text = text_of(REPO / "docs" / f"{page}.md")
    assert [name for name in registered if f"`{name}`" not in text] == []


@pytest.mark.parametrize("page", [*PAGES, REPO / "CHANGELOG.md"], ids=named)
def test_links_lead_to_something(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.is_relative_to(REPO), target
        assert place.exists(), target
        if anchor:
            assert anchor in anchors(place), target


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", text_of(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_pages_use_the_words_of_the_field(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text_of(page), flags=re.DOTALL))
    found = [match[0] for word in AVOIDED for match in re.finditer(rf"\b{word}\b", text, flags=re.IGNORECASE)]
    assert found == []


@pytest.mark.parametrize("title", ["Map: one training step", "Map: one record from file to waves"])
def test_maps_name_files_in_order_that_exist(title: str) -> None:
    section = text_of(REPO / "CONTRIBUTING.md").partition(f"## {title}\n")[2].partition("\n## ")[0]
    files = re.findall(r"^\d+\. `([^`]+)`", section, flags=re.MULTILINE)
    assert 5 < len(files) <= 15
    assert [name for name in files if not (SOURCE / name).is_file()] == []


def test_the_layout_names_every_folder() -> None:
    section = text_of(REPO / "CONTRIBUTING.md").partition("## The layout\n")[2].partition("\n## ")[0]
    folders = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()}
    assert set(re.findall(r"`(\w+)`", section)) >= folders


def test_how_to_add_names_files_that_exist() -> None:
    section = text_of(REPO / "CONTRIBUTING.md").partition("## How to add …\n")[2].partition("\n## ")[0]
    paragraphs = [part for part in section.split("\n\n") if part.strip()]
    assert len(paragraphs) == 7
    assert all(len(part.strip().splitlines()) <= 8 for part in paragraphs)
    for name in re.findall(r"`([\w/]+\.(?:py|md))`", section):
        if "NAME" not in name:
            assert any((root / name).is_file() for root in (SOURCE, SOURCE.parent, REPO, REPO / "tests")), name


def test_the_table_of_figures_is_that_of_the_results() -> None:
    assert figures_table(REPO / "results") in text_of(REPO / "docs" / "results.md")


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("waves.svg", "README.md"), ("records-beats.svg", "docs/results.md"), ("seeds.svg", "docs/results.md"),
        ("rivals.svg", "docs/results.md"),
    ],
)  # fmt: skip
def test_pictures_are_small_and_can_be_made_again(name: str, page: str) -> None:
    picture: str = runpy.run_path(str(REPO / "docs" / "picture.py"))["PICTURES"][name]()
    kept = text_of(REPO / "docs" / name)
    assert name in text_of(REPO / page)
    assert "python docs/picture.py" in kept.splitlines()[0]
    assert len(kept.encode()) <= 150_000
    assert picture.count("<path") == kept.count("<path")
    assert re.findall(r"<text.*?</text>", picture) == re.findall(r"<text.*?</text>", kept)


def test_the_table_of_what_machines_measure_otherwise_is_that_of_the_results() -> None:
    figures = read_json(REPO / "results" / "clinical" / "check-devices.json")
    text = text_of(REPO / "docs" / "analyze.md")
    lines = re.findall(r"^\| `(\S+)` \| [\w, ]+ \| ([\d, ]+) \| ([\d, ]+) \|", text, flags=re.MULTILINE)
    stated = {(name, a, b) for name, *both in lines for a, b in zip(*(each.split(", ") for each in both), strict=True)}
    assert stated == {
        (Path(one["file"]).name, f"{one['printed']:.0f}", f"{one['found']:.0f}") for one in figures["outliers"]
    }


def test_hooks_call_the_tools_of_the_makefile_and_download_nothing() -> None:
    config = yaml.safe_load(text_of(REPO / ".pre-commit-config.yaml"))
    hooks = [hook for repo in config["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in config["repos"]} == {"local"}
    assert {hook["language"] for hook in hooks} == {"system"}
    makefile = text_of(REPO / "Makefile")
    for hook in hooks:
        folder, _, tool = hook["entry"].split()[0].rpartition("/")
        assert folder == ".venv/bin"
        assert f"$(BIN)/{tool}" in makefile


def test_the_workflow_runs_what_a_contributor_runs() -> None:
    workflow = yaml.safe_load(text_of(REPO / ".github" / "workflows" / "ci.yml"))
    assert [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step] == [".ci/run"]


def test_forms_are_complete() -> None:
    for name in ("bug", "feature"):
        form = yaml.safe_load(text_of(REPO / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml"))
        assert {"name", "description", "body"} <= form.keys()
        ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
        assert len(ids) == len(set(ids)) > 0


RENAMED = {"segment --apply": "analyze", "--beside": "--cotrain", "--start": "--init", "--cpu": "--device"}


@pytest.mark.parametrize("old", RENAMED)
def test_the_changelog_lists_what_was_renamed(old: str) -> None:
    section = text_of(REPO / "CHANGELOG.md").partition("### Renamed or removed without a shim\n")[2]
    assert re.search(rf"\|[^|\n]*{re.escape(old)}[^|\n]*\|[^|\n]*{re.escape(RENAMED[old])}", section)


def test_public_names_that_the_pages_import_exist() -> None:
    lines = re.findall(r"^from beatssl import (.+)$", "\n".join(map(text_of, PAGES)), flags=re.MULTILINE)
    assert lines
    assert {name for line in lines for name in line.split(", ")} <= set(beatssl.__all__)
