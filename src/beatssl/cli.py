"""The command `beatssl`: parse, call, print. Every verb is a function and its config; nothing is computed here."""

import gc
import inspect
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from beatssl._version import __version__
from beatssl.console_output import (
    show_analyzed,
    show_downloaded,
    show_figures,
    show_line,
    show_line_or_figures,
    show_study,
)
from beatssl.messages import as_flags, flags_of, refused_values

USER_ERROR = 2
"""Exit status for what the user can mend: a wrong path, a wrong value, a file that cannot be read."""

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
    puts_off: tuple[str, ...] = ()
    """Packages that take long to import and that some calls do without: imported when first used."""


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
        text = _one_line(error)
        _fail(_in_flags(args[0], refused_values(text, _parsed(VERBS[args[0]])) or text))


def _run(name: str, verb: Verb, args: Sequence[str]) -> None:
    gc.disable()  # what importing makes stays: to look through it again and again takes a tenth of the time
    import tyro

    parsed = _parsed(verb)
    # Arguments are listed below it, and how errors are named in Python does not matter here.
    about = re.split(r"\n\n(?=Args:|Raises)", inspect.cleandoc(parsed.__doc__ or verb.summary))[0]
    about = f"{about}\n\nExample:\n    {verb.example}"
    options: dict[str, Any] = {"prog": f"beatssl {name}", "description": about, "args": args}
    if verb.config is None:
        gc.enable()
        result = tyro.cli(parsed, config=(tyro.conf.PositionalRequiredArgs,), **options)
    else:
        config = _config(name, parsed, options)
        for package in verb.puts_off:
            _put_off(package)
        function = _function(verb)
        gc.enable()
        result = function(config)
    verb.show(_in_flags(name, str(result)) if verb.show is show_line else result)


class _PutOff(ModuleType):
    """Stands for a package until one of its names is first used. (importlib's LazyLoader loads at the first import.)"""

    def __getattr__(self, name: str) -> Any:
        if name in ("__file__", "__wrapped__", "__all__"):  # `inspect` asks all modules for these
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        package = import_module(self.__name__)
        self.__dict__.update(vars(package))
        return getattr(package, name)


def _put_off(package: str) -> None:
    """Have a package imported when one of its names is first used, wherever it says `import package`."""
    if package not in sys.modules:
        sys.modules[package] = stand_in = _PutOff(package)
        stand_in.__spec__ = ModuleSpec(package, None)


def _config(name: str, kind: Any, options: dict[str, Any]) -> Any:
    """The config as parsed. A value that it refuses ends with one line too, in the words of flags."""
    import tyro

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(kind, **options)
    except SystemExit:
        if refused := refused_values(said.getvalue(), kind):
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
        ("pandas",),
    ),
    "serve": Verb(
        "a viewer in the browser: see records, correct their waves, beats and labels, and save that for training",
        "beatssl.viewer.serve",
        "serve",
        "ServeConfig",
        "beatssl serve --folder ward7 --corrections corrections",
        show_line,
        "what was saved is in the folder of corrections",
    ),
    "draw": Verb(
        "pictures of a probe or finetune (ROC, precision-recall, reliability), a segment (records, waves) or a study",
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
    "scorecard": Verb(
        "encoders with frozen weights on everything they are used for: records, beats, waves, retrieval",
        "beatssl.reports.scorecard.scorecard",
        "scorecard",
        "ScorecardConfig",
        "beatssl scorecard default random --out scorecard",
        show_line,
        "finished tasks are kept, the same command does the others",
    ),
    "transfer": Verb(
        "a classifier of PTB-XL's labels on a CinC store, through SNOMED CT",
        "beatssl.studies.transfer",
        "transfer",
        "TransferConfig",
        "beatssl transfer stores/cinc --classifier runs/finetune --out runs/transfer",
        show_figures,
    ),
    "shift": Verb(
        "what a classifier loses on other databases, one property of their recordings at a time",
        "beatssl.studies.shift.shift",
        "shift",
        "ShiftConfig",
        "beatssl shift stores --source data/ptb-xl --out results/shift",
        show_line,
    ),
    "recalibrate": Verb(
        "fit a classifier's temperatures and thresholds to another site",
        "beatssl.studies.recalibrate",
        "recalibrate",
        "RecalibrateConfig",
        "beatssl recalibrate runs/finetune stores/own --labels my.csv --out runs/own-site",
        show_figures,
    ),
    "study": Verb(
        "pretrain and evaluate every variant that a file names, in any number of processes, and table the figures",
        "beatssl.studies.study.study",
        "study",
        "StudyConfig",
        "beatssl study default --out runs/study --groups contrasts",
        show_study,
        "finished runs are kept, of the one in work what was done up to its last state; the same command goes on",
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
        "a record analysed; a synthetic cohort prepared, an encoder pretrained on it, and its waves found, as one page",
        "beatssl.demo.demo",
        "demo",
        "DemoConfig",
        "beatssl demo --out demo",
        show_line,
        "the same command begins again, and replaces what is there",
    ),
}
