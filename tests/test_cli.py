"""The command line: help that documents, errors in one line, a start that is quick."""

import ast
import subprocess
import sys
from dataclasses import dataclass, field, replace
from functools import wraps
from importlib import import_module
from pathlib import Path

import pytest

import beatssl
from beatssl import cli
from beatssl.records.record import RecordError
from beatssl.results import FOR_FILES

SOURCE = Path(beatssl.__file__).parent


def run(*args: str) -> None:
    cli.main(args)


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_overview_names_every_verb(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(flag)
    text = capsys.readouterr().out
    assert all(name in text and verb.summary in text for name, verb in cli.VERBS.items())


def test_no_verb_is_an_error_that_shows_the_overview(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run()
    assert end.value.code == 2
    assert "prepare" in capsys.readouterr().err


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    run("--version")
    assert capsys.readouterr().out.split() == ["beatssl", beatssl.__version__]


@pytest.mark.parametrize("name", cli.VERBS)
def test_help_of_a_verb_documents_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(name, "--help")
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "Example:" in text
    assert cli.VERBS[name].example in text
    assert text.count(".") > 5  # sentences, not only names


@pytest.mark.parametrize("name", cli.VERBS)
def test_example_of_a_verb_parses(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    verb = cli.VERBS[name]
    module, seen = import_module(verb.module), []

    @wraps(getattr(module, verb.function))
    def record(*args: object, **named: object) -> None:
        seen.append((args, named))

    monkeypatch.setattr(module, verb.function, record)
    monkeypatch.setitem(cli.VERBS, name, replace(verb, show=lambda result: None))
    program, said, *rest = verb.example.split()
    assert (program, said) == ("beatssl", name)
    run(name, *rest)
    assert len(seen) == 1


def test_an_unknown_verb_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run("prepair")
    assert end.value.code == 2
    assert "'prepair'" in (text := capsys.readouterr().err)
    assert "prepare" in text


def test_an_unknown_option_fails(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as end:
        run("demo", "--out", str(tmp_path), "--colour", "red")
    assert end.value.code == 2


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["check", "nowhere", "--what", "peaks"], "nowhere is no store"),
        (["prepare", "synthetic", "some", "--out", "store"], "number of records"),
        (["prepare", "nothing", "data", "--out", "store"], "'nothing'"),
        (["prepare", "ptbxl", "nowhere", "--out", "store"], "nowhere"),
    ],
)
def test_what_a_user_can_mend_is_one_plain_line(
    args: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        run(*args)
    text = capsys.readouterr().err
    assert end.value.code == 2
    assert said in text
    assert text.startswith("beatssl: error: ")
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    "error", [RecordError("unit", "record 3\nhas no unit; state it"), FileNotFoundError(2, "No such file", "/x/y.hea")]
)
def test_errors_of_a_verb(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_run", raising(error))
    with pytest.raises(SystemExit) as end:
        run("demo")
    text = capsys.readouterr().err
    assert end.value.code == 2
    assert text.count("\n") == 1
    assert ("state it" in text) or ("/x/y.hea" in text)


def test_a_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEATSSL_TRACEBACK", "1")
    monkeypatch.setattr(cli, "_run", raising(ValueError("bad value")))
    with pytest.raises(ValueError, match="bad value"):
        run("demo")


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_run", raising(KeyError("column")))
    with pytest.raises(KeyError):
        run("demo")


KEPT = {
    "download": "complete files", "prepare": "finished shards", "pretrain": "last saved state",
    "segment": "finished folds", "finetune": "last saved state", "compare": "--predictions", "demo": "begins again",
    "analyze": "finished parts", "tables": "as it was", "draw": "draws all again", "probe": "no figures",
    "serve": "what was saved", "study": "finished runs", "scorecard": "finished tasks",
}  # fmt: skip


@pytest.mark.parametrize("name", cli.VERBS)
def test_an_interrupt_says_what_is_kept(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "_run", raising(KeyboardInterrupt()))
    with pytest.raises(SystemExit) as end:
        run(name)
    assert end.value.code == 130
    assert KEPT.get(name, "nothing was written, the same command begins again") in capsys.readouterr().err


def raising(error: BaseException):
    def fail(*args: object) -> None:
        raise error

    return fail


def test_figures_are_printed_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    cli.show_figures({"records": 1200, "sensitivity": 0.99876, "by_wave": {"QRS": {"f1": 0.5}, "T": {"f1": None}}})
    text = capsys.readouterr().out
    assert all(part in text for part in ("1,200", "0.9988", "by wave", "QRS", "0.5", "–"))


def test_what_is_for_files_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    @dataclass(frozen=True)
    class Figures:
        macro_f1: float
        curve: tuple[float, ...] = field(metadata=FOR_FILES)

    cli.show_line_or_figures(Figures(0.25, (0.5, 0.75)))
    text = capsys.readouterr().out
    assert "macro f1" in text
    assert "curve" not in text
    cli.show_line_or_figures(Path("page.html"))
    assert capsys.readouterr().out == "page.html\n"


def test_help_and_the_package_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom beatssl.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'numpy', 'pandas', 'torch', 'tyro', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "prepare" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


HEAVY = (
    "torch",
    "pandas",
    "scipy",
    "sklearn",
    "pyarrow",
    "matplotlib",
    "accelerate",
    "huggingface_hub",
    "wfdb",
    "joblib",
)


@pytest.mark.parametrize("name", cli.VERBS)
def test_help_of_a_verb_imports_nothing_heavy(name: str) -> None:
    code = (
        "import sys\nfrom beatssl.cli import main\n"
        f"try:\n    main(['{name}', '--help'])\nexcept SystemExit:\n    pass\n"
        f"print('imported:', sorted({set(HEAVY)} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "Example:" in done.stdout
    assert done.stdout.splitlines()[-1] == "imported: []"


def test_a_bundled_model_needs_little_beyond_torch() -> None:
    code = (
        "import sys\nfrom beatssl import EcgClassifier\nEcgClassifier.from_pretrained('default')\n"
        "print(sorted({'scipy.signal', 'scipy.stats', 'sklearn', 'accelerate', 'matplotlib', 'wfdb', 'sleepecg'} & "
        "set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", beatssl.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(beatssl, name) is not None


def test_public_names_are_those_with_a_home() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    typed = {alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    lazy = set(beatssl.__all__) - {"__version__"}
    assert typed - {None, "__version__"} == lazy


def test_a_missing_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        beatssl.nothing  # noqa: B018


def test_a_package_that_is_put_off_is_imported_at_its_first_use() -> None:
    code = (
        "import sys\nfrom beatssl.cli import _put_off\n_put_off('colorsys')\nimport colorsys\n"
        "assert not hasattr(colorsys, '__file__')\n"
        "print(colorsys.rgb_to_hsv(0, 0, 1), sys.modules['colorsys'].__file__)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "(0.66" in done.stdout
    assert "colorsys" in done.stdout


def test_analyze_of_one_file_does_without_pandas(tmp_path: Path) -> None:
    from beatssl.records.synthetic import synthetic_record

    path = synthetic_record(0).save(tmp_path / "one.hea")
    code = (
        "import sys\nfrom beatssl.cli import main\n"
        f"main(['analyze', {str(path)!r}, '--json'])\n"
        "print([name for name in ('pandas.core', 'huggingface_hub', 'joblib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
