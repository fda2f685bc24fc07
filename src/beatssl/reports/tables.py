"""The table of figures, written from the JSON files of a folder of results."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tyro
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.files import read_json
from beatssl.reports.costs.encoder_costs import encoder_costs_table
from beatssl.reports.costs.method_costs import method_costs_table
from beatssl.reports.costs.published_costs import published_costs_table
from beatssl.reports.rows import analysis_rows, encoder_rows, peak_rows, wave_rows
from beatssl.reports.rows.speed_rows import ANALYZE_ROWS
from beatssl.reports.scorecard.lines import TITLES, scorecard_lines
from beatssl.reports.scorecard.shift_lines import shift_lines
from beatssl.reports.study.lines import study_lines
from beatssl.results import read_result
from beatssl.studies.scorecard.scores import Scorecard
from beatssl.studies.shift.result import ShiftFigures
from beatssl.studies.study.result import StudyResult

Json = Mapping[str, Any]
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_OPTIONAL: dict[Callable[[Path], str], tuple[str, str]] = {
    table: (f"<!-- {name} costs: begin -->", f"<!-- {name} costs: end -->")
    for name, table in (
        ("method", method_costs_table), ("encoder", encoder_costs_table), ("published", published_costs_table),
    )
}  # fmt: skip
"""Tables that a page may hold beside the one of figures, and their marks; each says where its file is missing."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TablesConfig:
    """Write the table of figures between its two marks in a page, from a folder of results."""

    results: tyro.conf.Positional[Path]
    """Folder with SET/check-WHAT.json, SET/…/metrics.json, SET/…/compare.json and bench-….json, as `make figures` and
    `make labels` fill it."""
    page: Path = Path("docs/results.md")
    """The page; it must hold the marks "figures: begin" and "figures: end". Where it holds these too, the table of
    bench-methods.json stands between "method costs: begin" and "method costs: end", that of bench-encoders.json between
    the marks "encoder costs", that of published/costs.json between the marks "published costs"."""


def tables(config: TablesConfig) -> Path:
    """Put the tables into the page, and return the page's path.

    Raises:
        ValueError: the page has no marks.
        FileNotFoundError: a file of results is missing.
    """
    text = config.page.read_text(encoding="utf-8")
    if text.count(_BEGIN) != 1 or text.count(_END) != 1:
        raise ValueError(f"{config.page} must hold one line {_BEGIN} and one line {_END}; the table stands between")
    text = _between(text, _BEGIN, _END, figures_table(config.results))
    for table, (begin, end) in _OPTIONAL.items():
        if begin in text and end in text:
            text = _between(text, begin, end, table(config.results))
    config.page.write_text(text, encoding="utf-8")
    return config.page


def _between(text: str, begin: str, end: str, content: str) -> str:
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def figures_table(results: Path) -> str:
    """The table in Markdown: what was measured, on what, the figure, and the command that gives it.

    Below it LUDB's figures by rhythm and width of the QRS, what other encoders know of the features, the scorecards
    among the results, if any (`TITLES` of scorecard), what is lost on other databases (shift/shift.json), and the study
    (study/study.json).
    """
    lines = ["| what | data | figure | command |", "| --- | --- | --- | --- |"]
    sources = _SOURCES + encoder_rows.SOURCES + peak_rows.SOURCES + wave_rows.SOURCES + analysis_rows.SOURCES
    for file, data, command, rows in sources:
        if file in encoder_rows.OPTIONAL and not (results / file).is_file():
            continue
        figures: Json = read_json(results / file)
        lines += [f"| {what} | {data} | {show(figures)} | `{command}` |" for what, show in rows]
    lines += ["", *wave_rows.group_lines(results)]
    if known := encoder_rows.other_encoders_lines(results):
        lines += ["", *known]
    for name, title in TITLES.items():
        if (file := results / "scorecard" / f"{name}.json").is_file():
            lines += ["", *scorecard_lines(read_result(file, Scorecard), title)]
    if (file := results / "shift" / "shift.json").is_file():
        lines += ["", *shift_lines(read_result(file, ShiftFigures))]
    if (file := results / "study" / "study.json").is_file():
        lines += ["", *study_lines(read_result(file, StudyResult))]
    return "\n".join(lines)


def _peaks(f: Json) -> str:
    return f"{f['sensitivity']:.4f} / {f['ppv']:.4f} ({f['beats']:,} beats)"


def _median_errors(f: Json) -> str:
    names = ("qrs_onset", "qrs_offset", "t_offset", "p_onset")
    return " / ".join(f"{f['beats'][name]['median_absolute_error_ms']:.1f}" for name in names) + " ms"


def _even_errors(f: Json) -> str:
    return _median_errors({"beats": f["beats_even_records"]})


def _auroc(model: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        low, high = f[model]["ci95"]["macro_auroc"]
        return f"{f[model]['macro_auroc']:.3f} ({low:.3f}–{high:.3f}), F1 {f[model]['macro_f1']:.3f}"

    return show


def _classes(figure: str, part: str = "DS2") -> Callable[[Json], str]:
    def show(f: Json) -> str:
        per_class = f[part]["per_class"]
        return " / ".join(f"{per_class[name][figure]:.3f}" for name in "NSVF")

    return show


def _macro_f1(part: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        text, ends = f"{f[part]['macro_f1']:.3f}", f[part].get("ci95", {}).get("macro F1")
        return text if ends is None else f"{text} ({ends[0]:.3f}–{ends[1]:.3f})"

    return show


def _s_curve(part: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        pairs = f[part]["ppv_of_S"].items()
        return ", ".join(f"{least} → {'not reached' if ppv is None else format(ppv, '.2f')}" for least, ppv in pairs)

    return show


def _ends(figure: str, part: str = "DS2") -> Callable[[Json], str]:
    def show(f: Json) -> str:
        ends = (f[part]["ci95"][f"{figure} of {name}"] for name in "NSVF")
        return " / ".join("–" if None in of else f"{of[0]:.3f}–{of[1]:.3f}" for of in ends)

    return show


def _electrodes(figures: Json) -> str:
    found = {one["exchange"]: one["sensitivity"] for one in figures["exchanges"] if one["detected"]}
    least = min(found, key=lambda name: found[name])
    named = [found["RA-LA"], found["V1-V6 reversed"], found[least]]
    shares = " / ".join(f"{share:.1%}" for share in named)
    return f"{shares} ({least}) / {1 - figures['specificity']:.1%}"


def _damaged(figures: Json) -> str:
    counts = figures["outcomes"]
    wrong = sum(counts.get(name, 0) for name in ("crash", "slow", "memory", "changed"))
    return f"{wrong} of {figures['files']:,}; {counts['refused'] + counts['flagged']:,}"


def _time(f: Json) -> str:
    return f"{f['wall_s']:.0f} s on {f['workers']} cores ({f['records_per_s']:.0f} records/s), {f['memory_gb']:.2f} GB"


def _against_neurokit(f: Json) -> str:
    return f"{f['times_faster_than_neurokit']:.0f} times faster per record and core"


def _probed(name: str) -> Callable[[Json], str]:
    return lambda f: _auroc(name)(f["encoders"])


def _above(name: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        less = f["first_less_other"][name]
        low, high = less["ci95"]["macro_auroc"]
        return f"{less['macro_auroc']:+.4f} ({low:+.4f} to {high:+.4f})"

    return show


_SETS = ("superclass", "all", "diagnostic", "subclass", "form", "rhythm")


def _sets(f: Json) -> str:
    found = [f["by_set"][name] for name in _SETS]
    each = (
        f"{one['macro_auroc']:.3f} ({'–'.join(f'{end:.3f}' for end in one['ci95']['macro_auroc'])})" for one in found
    )
    return " / ".join(each)


def _sets_without_few(f: Json) -> str:
    return " / ".join(f"{f['by_set'][name]['macro_auroc_without_few']:.3f}" for name in _SETS)


def _lead_sets(f: Json) -> str:
    each = (f"{name.replace(',', ', ')} {of['superclass']['macro_auroc']:.3f} / {of['all']['macro_auroc']:.3f} / "
            f"{of['rhythm']['macro_auroc']:.3f}" for name, of in f["by_leads"].items())  # fmt: skip
    return "; ".join(each)


def set_lines(figures: Json) -> list[str]:
    """Figures of a classifier of several label sets as Markdown tables: each set, lead sets, and labels with few
    positives."""
    lines = ["| label set | labels | AUROC (95 %) | F1 | AUROC of labels with ten positives |", "| --- " * 5 + "|"]
    for name, one in figures["by_set"].items():
        low, high = one["ci95"]["macro_auroc"]
        without = "–" if one["macro_auroc_without_few"] is None else f"{one['macro_auroc_without_few']:.3f}"
        auroc = f"{one['macro_auroc']:.3f} ({low:.3f} to {high:.3f})"
        lines.append(f"| {name} | {one['labels']} | {auroc} | {one['macro_f1']:.3f} | {without} |")
    few = sorted({name for one in figures["by_set"].values() for name in one["few"]})
    lines += ["", f"Labels with fewer than ten positives in the test fold: {', '.join(few) or 'none'}.", ""]
    if figures["by_leads"]:
        lines += [
            "| leads recorded | " + " | ".join(figures["by_set"]) + " |",
            "| --- " * (len(figures["by_set"]) + 1) + "|",
        ]
        for leads, of in figures["by_leads"].items():
            cells = " | ".join(f"{one['macro_auroc']:.3f}" for one in of.values())
            lines.append(f"| {leads.replace(',', ', ')} | {cells} |")
        lines.append("")
    return lines


_ENCODERS = ("beatssl", "regression", "simclr", "random")


def _step(f: Json) -> str:
    return f"{f['ratio']:.2f} times; loading and views {f['loading_and_views_share']:.1%} of a step"


_SHARE_ROWS = (
    (
        "finetune STORE --epochs 6 --least-updates 100 --label-share",
        (("default encoder fine-tuned: macro AUROC", _probed("finetuned")),),
    ),
    (
        "finetune STORE --encoder random --encoder-rate 1 --init fresh --epochs 6 --least-updates 300 --label-share",
        (("the same network from scratch: macro AUROC", _probed("scratch")),),
    ),
    (
        "compare STORE --encoders … --label-share",
        (
            ("linear probe of the default encoder: macro AUROC", _probed("probe")),
            ("fine-tuned less from scratch: macro AUROC", _above("scratch")),
            ("fine-tuned less linear probe: macro AUROC", _above("probe")),
        ),
    ),
)
"""With a share of the labels: command, and the rows it gives."""

_SOURCES: tuple[tuple[str, str, str, tuple[tuple[str, Callable[[Json], str]], ...]], ...] = (
    (
        "ludb/check-peaks.json", "LUDB, 200 records", "check STORE --what peaks",
        (("R peaks within 75 ms: sensitivity / PPV", _peaks),),
    ),
    (
        "mitdb/check-peaks.json", "MIT-BIH, 48 records", "check STORE --what peaks",
        (("R peaks within 150 ms: sensitivity / PPV", _peaks),),
    ),
    (
        "ludb/check-fiducials.json", "LUDB at 100 Hz", "check STORE --what fiducials",
        (
            ("QRS onset / QRS offset / T offset / P onset: median absolute error", _median_errors),
            ("the same on the even records (constants were chosen on the odd ones)", _even_errors),
        ),
    ),
    (
        "qtdb/check-fiducials.json", "QTDB, 30 records, two leads, at 100 Hz", "check STORE --what fiducials",
        (("the same on a database that nothing was developed on", _median_errors),),
    ),
    (
        "ptb-xl/check-features.json", "PTB-XL superclass, fold 9", "check STORE --what features",
        (
            ("record features, logistic regression: macro AUROC", _auroc("logistic_regression")),
            ("record features, boosted trees: macro AUROC", _auroc("boosted_trees")),
        ),
    ),
    (
        "ptb-xl/check-electrodes.json", "PTB-XL, fold 9, exchanges made in software", "check STORE --what electrodes",
        (("exchanged electrodes: arms / chest leads reversed / the least found / records wrongly named", _electrodes),),
    ),
    (
        "ptb-xl/encoders/compare.json", "PTB-XL superclass, fold 9", "compare STORE --encoders …",
        (
            *((f"linear probe, {name}: macro AUROC", _probed(name)) for name in _ENCODERS),
            *((f"beatssl less {name}: macro AUROC", _above(name)) for name in _ENCODERS[1:]),
        ),
    ),
    (
        "ptb-xl/default/compare.json", "PTB-XL superclass, fold 9", "make default",
        (
            ("linear probe, bundled encoder: macro AUROC", _probed("default")),
            ("bundled encoder less beatssl: macro AUROC", _above("beatssl")),
        ),
    ),
    (
        "ptb-xl/encoders-lead-II/compare.json", "PTB-XL superclass, fold 9, lead II alone",
        "compare STORE --encoders … --shown-leads II",
        (
            *((f"linear probe, {name}: macro AUROC", _probed(name)) for name in _ENCODERS),
            ("beatssl less regression: macro AUROC", _above("regression")),
        ),
    ),
    (
        "ptb-xl/labels-1/compare.json", "PTB-XL superclass, fold 9",
        "finetune STORE --epochs 6 --views.lead-mask 0.4 --views.share 0.4",
        (
            ("default encoder fine-tuned with masked leads: macro AUROC", _probed("finetuned")),
            ("fine-tuned less linear probe: macro AUROC", _above("probe")),
        ),
    ),
    *(
        (f"ptb-xl/labels-{share}/compare.json", f"PTB-XL superclass, fold 9, {title}", f"{command} {share}", rows)
        for share, title in (("0.1", "10 % of the labels"), ("0.01", "1 % of the labels"))
        for command, rows in _SHARE_ROWS
    ),
    (
        "ptb-xl/subclass/compare.json", "PTB-XL subclass, fold 9", "compare STORE --encoders … --labels subclass",
        tuple((f"linear probe, {name}: macro AUROC", _probed(name)) for name in ("default", "random")),
    ),
    (
        "ptb-xl/statements/metrics.json", "PTB-XL, fold 9", "make statements",
        (
            ("bundled classifier, AUROC of superclass / all / diagnostic / subclass / form / rhythm", _sets),
            ("the same of statements with ten positives at least", _sets_without_few),
            ("with fewer leads: superclass / all / rhythm", _lead_sets),
        ),
    ),
    (
        "mitdb/check-beat-embeddings.json", "MIT-BIH DS2", "check STORE --what beat-embeddings",
        (
            ("beat classes by a linear probe of beat embeddings: macro F1", _macro_f1("DS2")),
            ("beat classes by the nearest neighbour of beat embeddings: macro F1", _macro_f1("DS2_nearest_neighbour")),
        ),
    ),
    (
        "mitdb/check-beat-classes.json", "MIT-BIH DS2, detected peaks", "check STORE --what beat-classes",
        (
            ("beat classes N / S / V / F: sensitivity", _classes("sensitivity")),
            ("beat classes N / S / V / F: PPV", _classes("ppv")),
            ("beat classes N / S / V / F: F1", _classes("f1")),
            ("the same: 95 % intervals over patients", _ends("F1")),
            ("beat classes: macro F1", _macro_f1("DS2")),
            ("S at any limit, sensitivity → best PPV", _s_curve("DS2")),
            ("the same without record 232: sensitivity", _classes("sensitivity", "DS2_without_232")),
            ("the same without record 232: PPV", _classes("ppv", "DS2_without_232")),
            ("the same without record 232: S, sensitivity → best PPV", _s_curve("DS2_without_232")),
            ("every ten seconds a record of its own: sensitivity", _classes("sensitivity", "DS2_ten_seconds")),
            ("every ten seconds a record of its own: PPV", _classes("ppv", "DS2_ten_seconds")),
            ("every ten seconds a record of its own: S, sensitivity → best PPV", _s_curve("DS2_ten_seconds")),
            ("every ten seconds a record of its own: macro F1", _macro_f1("DS2_ten_seconds")),
            ("clusters of beat shape, mapped on DS1: macro F1", _macro_f1("clusters_mapped_on_DS1")),
        ),
    ),
    (
        "incartdb/check-beat-classes.json", "INCART, 30 records, lead II, detected peaks",
        "check STORE --what beat-classes",
        (
            ("beat classes N / S / V / F: sensitivity", _classes("sensitivity", "all")),
            ("beat classes N / S / V / F: PPV", _classes("ppv", "all")),
            ("beat classes: macro F1", _macro_f1("all")),
            ("S at any limit, sensitivity → best PPV", _s_curve("all")),
        ),
    ),
    (
        "bench-analyze.json", "a 10-s record of twelve leads, 500 Hz", "bench analyze",
        ANALYZE_ROWS,
    ),
    (
        "bench-step.json", "a training step", "bench step STORE",
        (("soft records and soft beats against plain SimCLR, same network, batch and views", _step),),
    ),
    (
        "bench-fuzz.json", "damaged files of every format", "bench fuzz",
        (("files read wrongly, crashed, hung or over 500 MB, of how many; refused or flagged", _damaged),),
    ),
    (
        "bench-prepare.json", "PTB-XL, 19,601 records", "bench prepare SOURCE",
        (
            ("files to finished store", _time),
            ("against NeuroKit2 (clean, peaks, DWT delineation of 12 leads)", _against_neurokit),
        ),
    ),
)  # fmt: skip
