"""The command `beatssl`: parse, call, print. Every verb is a function and its config; nothing is computed here."""

import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from beatssl._version import __version__
from beatssl.messages import as_flags, flags_of, refused_values

if TYPE_CHECKING:
    from rich.console import Console

USER_ERROR = 2
"""Exit status for what the user can mend: a wrong path, a wrong value, a file that cannot be read."""

INCOMPLETE = 1
"""Exit status where a command did its work and some records were refused."""

_LONGEST_LIST = 12
_LONGEST_REFUSALS = 40

_STATES = (
    "what was done up to the last saved state (one every --save-every updates) is kept, and the same command goes on "
    "there; before the first one it begins again"
)


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb: where its function lives, its config, and how its result is shown."""

    summary: str
    module: str
    function: str
    config: str | None  # a name of `beatssl`; None: the function's own arguments, the required ones by position
    example: str
    show: Callable[[Any], None]
    stopped: str = "nothing was written, the same command begins again"
    """What Ctrl-C leaves, and what the same command then does."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one verb. Errors that the user can mend end with one plain line and status 2.

    Set BEATSSL_TRACEBACK=1 to see where such an error came from.
    """
    args = list(sys.argv[1:] if argv is None else argv)
    if not args:
        print(_overview(), file=sys.stderr)
        sys.exit(USER_ERROR)
    if args[0] in ("-h", "--help"):
        print(_overview())
        return
    if args[0] == "--version":
        print(f"beatssl {__version__}")
        return
    if args[0] not in VERBS:
        _fail(f"there is no verb {args[0]!r}; choose one of: {', '.join(VERBS)}")
    # pydantic reads this once, on import: links to its own pages do not help the user of a command.
    os.environ.setdefault("PYDANTIC_ERRORS_INCLUDE_URL", "0")
    try:
        _run(args[0], VERBS[args[0]], args[1:])
    except KeyboardInterrupt:
        print(f"stopped: {VERBS[args[0]].stopped}", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`| head`); what is left in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        if os.environ.get("BEATSSL_TRACEBACK"):
            raise
        _fail(_in_flags(args[0], _one_line(error)))


def _run(name: str, verb: Verb, args: Sequence[str]) -> None:
    import tyro

    parsed = _parsed(verb)
    # Arguments are listed below it, and how errors are named in Python does not matter here.
    about = re.split(r"\n\n(?=Args:|Raises)", inspect.cleandoc(parsed.__doc__ or verb.summary))[0]
    about = f"{about}\n\nExample:\n    {verb.example}"
    options: dict[str, Any] = {"prog": f"beatssl {name}", "description": about, "args": args}
    if verb.config is None:
        result = tyro.cli(parsed, config=(tyro.conf.PositionalRequiredArgs,), **options)
    else:
        config = _config(name, parsed, options)
        result = _function(verb)(config)
    verb.show(_in_flags(name, str(result)) if verb.show is show_line else result)


def _config(name: str, kind: Any, options: dict[str, Any]) -> Any:
    """The config as parsed. A value that it refuses ends with one line too, in the words of flags."""
    import tyro

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(kind, **options)
    except SystemExit:
        if refused := refused_values(said.getvalue()):
            _fail(_in_flags(name, refused))
        print(said.getvalue(), end="", file=sys.stderr)
        raise


def _in_flags(name: str, text: str) -> str:
    """The text with options of a verb as they are typed."""
    try:
        return as_flags(text, flags_of(_parsed(VERBS[name])))
    except ImportError:
        return text


def _parsed(verb: Verb) -> Any:
    """What the command line is parsed into. A config stands apart from its function: help needs no PyTorch."""
    import beatssl

    return getattr(beatssl, verb.config) if verb.config else _function(verb)


def _function(verb: Verb) -> Callable[..., Any]:
    return getattr(import_module(verb.module), verb.function)


def _overview() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {name:<{width}}  {verb.summary}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "usage: beatssl VERB ...",
            "",
            "Self-supervised representation learning for 12-lead ECG, and what is built on it.",
            "",
            "verbs:",
            *lines,
            "",
            "beatssl VERB --help says what a verb takes, with an example. Each verb is a Python function too:",
            "from beatssl import prepare, PrepareConfig",
        ]
    )


def _fail(message: str) -> None:
    print(f"beatssl: error: {message}", file=sys.stderr)
    sys.exit(USER_ERROR)


def _one_line(error: Exception) -> str:
    """The message of an error on one line, with the path where the system's own message has one."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(text.split())


def show_downloaded(result: Any) -> None:
    """How many files came and how many were there."""
    print(f"{result.fetched:,} files fetched, {result.kept:,} were there already; all have their published checksums")


def show_line(result: Any) -> None:
    """What the result says of itself."""
    print(result)


def show_analyzed(result: Any) -> None:
    """What was found; each refused record with its reason on standard error, and status 1 where there is one.

    Many refused records are cut short: the table has all.
    """
    print(result)
    for one in result.refusals[:_LONGEST_REFUSALS]:
        print(f"refused: {one.file}: {one.reason}: {' '.join(one.message.split())}", file=sys.stderr)
    if (more := len(result.refusals) - _LONGEST_REFUSALS) > 0:
        print(f"refused: {more:,} more, in refused.parquet", file=sys.stderr)
    if not result.complete:
        print("status 1, since records were refused; with --keep-going it is 0", file=sys.stderr)
        sys.exit(INCOMPLETE)


def show_line_or_figures(result: Any) -> None:
    """Figures as tables, a path as what it says of itself."""
    show_line(result) if isinstance(result, PurePath) else show_figures(result)


def show_figures(result: Any) -> None:
    """Figures as tables: plain numbers first, then a table for each group of them. Long lists are only counted.

    Parts of a result that its file alone holds (curves, single draws and folds, provenance) are not printed.
    """
    from rich.console import Console

    from beatssl.results import printed

    figures: Mapping[str, Any] = printed(result)
    console = Console(width=None if sys.stdout.isatty() else 120)
    plain = {name: value for name, value in figures.items() if not isinstance(value, Mapping)}
    if plain:
        _show_group(console, "", plain)
    for name, group in figures.items():
        if isinstance(group, Mapping):
            _show_group(console, name, group)


def _show_group(console: "Console", title: str, group: Mapping[str, Any]) -> None:
    """Entries that hold the same figures share a table, a line each; all others are lines of name and value."""
    nested = {name: entry for name, entry in group.items() if isinstance(entry, Mapping)}
    single = {name: (entry,) for name, entry in group.items() if name not in nested}
    if single:
        _show_table(console, title, ("",), single)
    deeper = [name for name, entry in nested.items() if any(isinstance(value, Mapping) for value in entry.values())]
    flat = {name: entry for name, entry in nested.items() if name not in deeper}
    for columns in dict.fromkeys(map(tuple, flat.values())):
        rows = {name: tuple(entry.values()) for name, entry in flat.items() if tuple(entry) == columns}
        _show_table(console, title, columns, rows)
    for name in deeper:
        _show_group(console, f"{title}: {name}" if title else name, nested[name])


def _show_table(console: "Console", title: str, columns: Sequence[str], rows: Mapping[str, Sequence[Any]]) -> None:
    from rich.table import Table

    table = Table(title=title.replace("_", " ") or None, title_justify="left", header_style="bold")
    table.add_column("")
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    for name, values in rows.items():
        table.add_row(name.replace("_", " "), *(_number(value) for value in values))
    console.print(table)


def _number(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_number(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        if len(value) > _LONGEST_LIST:
            return f"{len(value)} of them"
        return ", ".join(_number(v) for v in value)
    return str(value)


VERBS: dict[str, Verb] = {
    "download": Verb(
        "fetch PTB-XL, LUDB, QTDB or MIT-BIH, resumable and checked",
        "beatssl.records.download",
        "download",
        None,
        "beatssl download ludb data/ludb",
        show_downloaded,
        "complete files are kept, the same command fetches the rest and goes on within a file",
    ),
    "prepare": Verb(
        "ECG files into a store: signals, beats, features, labels",
        "beatssl.store.prepare",
        "prepare",
        "PrepareConfig",
        "beatssl prepare ptbxl data/ptb-xl --out stores/ptb-xl",
        show_line,
        "finished shards are kept, the same command makes the others",
    ),
    "inspect": Verb(
        "what ECG files hold, or why they are refused",
        "beatssl.analysis.inspect_files",
        "inspect_files",
        "InspectConfig",
        "beatssl inspect ward7/ecg.dcm export.csv --files.csv-fs-hz 500",
        show_line,
    ),
    "check": Verb(
        "measure a store against its reference marks or labels",
        "beatssl.checks.check",
        "check",
        "CheckConfig",
        "beatssl check stores/ludb --what fiducials",
        show_figures,
    ),
    "views": Verb(
        "what views do to a record, as a page, or to a store, as a table",
        "beatssl.reports.show_views",
        "show_views",
        "ShowViewsConfig",
        "beatssl views stores/ptb-xl 00001 --out views.html",
        show_line_or_figures,
    ),
    "pretrain": Verb(
        "pretrain an encoder on prepared stores; goes on where it was stopped",
        "beatssl.training.pretraining.pretrain",
        "pretrain",
        "PretrainConfig",
        "beatssl pretrain stores/ptb-xl --out runs/beatssl --folds 1-8",
        show_line,
        _STATES,
    ),
    "probe": Verb(
        "a linear probe: predict diagnoses from a frozen encoder's embeddings",
        "beatssl.training.diagnosis.probe",
        "probe",
        "ProbeConfig",
        "beatssl probe stores/ptb-xl --encoder runs/beatssl --out runs/beatssl/probe",
        show_figures,
        "no figures were written, the same command begins again; finished embeddings are in the cache",
    ),
    "finetune": Verb(
        "train a classifier on an encoder: its head alone, or all weights",
        "beatssl.training.diagnosis.finetune",
        "finetune",
        "FinetuneConfig",
        "beatssl finetune stores/ptb-xl --encoder default --out runs/finetune",
        show_figures,
        _STATES,
    ),
    "segment": Verb(
        "train a segmenter of P, QRS and T on marked records, and evaluate it over folds",
        "beatssl.training.segmentation.segment",
        "segment",
        "SegmentConfig",
        "beatssl segment stores/ludb --encoder default --out runs/ludb",
        show_figures,
        f"finished folds are kept; of the others {_STATES}",
    ),
    "analyze": Verb(
        "beats, rhythm, waves, intervals, classes and quality of ECG files, folders of them and stores",
        "beatssl.analysis.analyze",
        "analyze",
        "AnalyzeConfig",
        "beatssl analyze ward7/ecg.dcm",
        show_analyzed,
        "with --out finished parts of 50 records are kept, the same command does the others",
    ),
    "draw": Verb(
        "pictures of a probe or finetune (ROC, precision-recall, reliability) or a segment (records with their waves)",
        "beatssl.reports.draw",
        "draw",
        None,
        "beatssl draw runs/finetune",
        show_figures,
        "pictures that are finished are kept, the same command draws all again",
    ),
    "compare": Verb(
        "probe several encoders, and compare the first with each other one",
        "beatssl.studies.compare",
        "compare",
        "CompareConfig",
        "beatssl compare stores/ptb-xl --encoders runs/beatssl runs/simclr random --out results/encoders",
        show_figures,
        "with --predictions encoders that are finished are kept, else their embeddings in the cache; the same command "
        "does the rest",
    ),
    "transfer": Verb(
        "a classifier of PTB-XL's labels on a CinC store, through SNOMED CT",
        "beatssl.studies.transfer",
        "transfer",
        "TransferConfig",
        "beatssl transfer stores/cinc --classifier runs/finetune --out runs/transfer",
        show_figures,
    ),
    "recalibrate": Verb(
        "fit a classifier's temperatures and thresholds to another site",
        "beatssl.studies.recalibrate",
        "recalibrate",
        "RecalibrateConfig",
        "beatssl recalibrate runs/finetune stores/own --labels my.csv --out runs/own-site",
        show_figures,
    ),
    "bench": Verb(
        "measure how long a stage takes, and how much memory",
        "beatssl.bench.bench",
        "bench",
        "BenchConfig",
        "beatssl bench prepare data/ptb-xl --out bench.json",
        show_figures,
    ),
    "tables": Verb(
        "write the table of figures into docs/results.md, from a folder of results",
        "beatssl.reports.tables",
        "tables",
        "TablesConfig",
        "beatssl tables results --page docs/results.md",
        show_line,
        "the page is as it was, the same command begins again",
    ),
    "demo": Verb(
        "a synthetic cohort prepared, an encoder pretrained on it, and its waves found, as one page",
        "beatssl.demo.demo",
        "demo",
        "DemoConfig",
        "beatssl demo --out demo",
        show_line,
        "the same command begins again, and replaces what is there",
    ),
}
