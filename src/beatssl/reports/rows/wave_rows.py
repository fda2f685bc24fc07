"""Rows of the table of figures for P, QRS and T waves, and LUDB's by rhythm and width of the QRS."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from beatssl.files import read_json
from beatssl.reports.markdown import table_lines

Json = Mapping[str, Any]

_WAVES = ("P", "QRS", "T")
_BOUNDARIES = ("P_on", "P_off", "QRS_on", "QRS_off", "T_on", "T_off")
_SEGMENTER, _DELINEATION = "ludb/segment/metrics.json", "ludb/check-delineation.json"
_BOUND = "annotation_repeatability"


def wave_lines(figures: Json) -> list[str]:
    """Figures of a segmenter as a Markdown table."""
    return ["| what | figure |", "| --- | --- |", *(f"| {what} | {show(figures)} |" for what, show in _WAVE_ROWS)]


def _of(name: str, show: Callable[[Json], str]) -> Callable[[Json], str]:
    return lambda f: show(f[name])


def _sample_f1(f: Json) -> str:
    return " / ".join(f"{f['sample_f1'][wave]:.3f}" for wave in (*_WAVES, "macro"))


def _boundary_f1(f: Json) -> str:
    return " / ".join(f"{f['boundaries'][name]['150']['f1']:.3f}" for name in _BOUNDARIES)


def _signed(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:+.{digits}f}"  # + 0.0: no sign of a zero's own


def _boundary_error(f: Json) -> str:
    of = (f["boundaries"][name] for name in _BOUNDARIES)
    return " / ".join(f"{_signed(one['mean_ms'], 1)} ± {one['sd_ms']:.1f}" for one in of) + " ms"


def _short_training(f: Json) -> str:
    return f"{_sample_f1(f)} ({f['records']} records, {f['updates']} updates)"


def _martinez(f: Json) -> str:
    return " / ".join(f"{f['details']['martinez_f1'][leads]:.3f}" for leads in ("lead_II", "all_leads"))


def _within_cse(f: Json) -> str:
    return " / ".join(f"{share:.3f}" for share in f["details"]["within_cse"].values())


def _presence(f: Json) -> str:
    p, none = (f["details"][name] for name in ("P", "P_records_without"))
    return f"{p['found']:.3f} / {p['invented']:.3f} / {none['invented']:.3f}"


def _presence_error(f: Json) -> str:
    return " / ".join(f"{f['presence'][wave]['expected_calibration_error']:.4f}" for wave in _WAVES)


def _marked_points(lead: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        points = (f["segmenter"][lead][name] for name in _BOUNDARIES)
        return " / ".join(
            f"{point['se']:.3f} ({_signed(point['mean_ms'], 0)} ± {point['sd_ms']:.0f})" for point in points
        )

    return show


def _points_martinez(f: Json) -> str:
    leads = (f["segmenter"][lead] for lead in ("better_lead", "first_lead"))
    return "; ".join(" / ".join(f"{points[name]['se_martinez']:.3f}" for name in _BOUNDARIES) for points in leads)


def _published(data: str) -> Callable[[Json], str]:
    return lambda f: f"{f['openecg']['martinez_f1'][data]:.3f}"


def _points_within_cse(f: Json) -> str:
    points = {name: f["segmenter"]["better_lead"][name]["within_cse"] for name in _BOUNDARIES}
    return ", ".join(f"{name} {share:.3f}" for name, share in points.items() if share is not None)


def _p_per_beat(group: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        of = [groups[group] for groups in f["by_leads"].values()]
        shares = " / ".join(f"{one['p_per_beat']:.3f}" for one in of)
        return f"{shares}; PR stated in {of[0]['pr_stated']} of {of[0]['records']}"

    return show


def _invented(wave: str, kind: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        each = ([of[wave] for name, of in kinds.items() if name.startswith(kind)] for kinds in f["made"].values())
        return " / ".join(f"{max(shares):.3f}" for shares in each)

    return show


def _made(wave: str, rates: Sequence[int]) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        each = ([kinds[f"all waves, {rate}/min"][wave] for kinds in f["made"].values()] for rate in rates)
        return " / ".join(f"{min(shares):.3f}" for shares in each)

    return show


def _made_p(kind: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        return " / ".join(f"{kinds[kind]['p']:.3f}" for kinds in f["made"].values())

    return show


def _true_p(kind: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        of = [kinds[kind] for kinds in f["made"].values()]
        found = " / ".join(f"{one['p_found']:.3f}" for one in of)
        invented = " / ".join(str(one["p_invented"]) for one in of)
        return f"{found} of {of[0]['true_p']}; invented {invented}"

    return show


_WAVE_ROWS = (
    ("sample F1 of P / QRS / T / mean", _sample_f1),
    ("boundary F1 at 150 ms, onset and offset of P, QRS, T", _boundary_f1),
    ("boundary error, mean ± SD, onset and offset of P, QRS, T", _boundary_error),
    ("F1 within Martínez's tolerances, lead II / all leads", _martinez),
    ("errors within the CSE limits: P on / off, QRS on / off, T off", _within_cse),
    ("P found where marked / where not marked / in records without any", _presence),
)


def group_lines(results: Path) -> list[str]:
    """LUDB's records by rhythm and by median width of the QRS, a line each, in Markdown; `results` is their folder.

    F1 of a wave is the mean of its onset's and offset's at 150 ms; there is none where no such wave is marked.

    Raises FileNotFoundError where the figures of the segmenter or of the other delineators are missing.
    """
    found: Json = read_json(results / _DELINEATION)
    groups = {
        name: of["details"]["groups"]
        for name, of in (
            ("segmenter", read_json(results / _SEGMENTER)),
            *((name, found[name]) for name in ("neurokit2_dwt", "rules_each_lead", _BOUND)),
        )
    }
    marked = {name: [one["f1"][wave] is not None for wave in _WAVES] for name, one in groups[_BOUND].items()}

    def f1(name: str, group: str) -> str:
        of = (groups[name][group]["f1"][wave] for wave in _WAVES)
        return " / ".join(f"{value:.3f}" if there else "–" for value, there in zip(of, marked[group], strict=True))

    def sd(group: str) -> str:
        of = (groups["segmenter"][group]["sd_ms"][name] for name in _BOUNDARIES)
        return " / ".join("–" if value is None else f"{value:.1f}" for value in of)

    head = ("records", "number", "segmenter: F1 of P / QRS / T", "segmenter: error SD, on and off of P, QRS, T (ms)",
            "NeuroKit2 DWT: F1", "rules, each lead: F1")  # fmt: skip
    return [
        "LUDB by rhythm and by the median width of the QRS: F1 of a wave is the mean of onset and offset at 150 ms; –: "
        "no such wave is marked there. A record may stand in several lines.",
        "",
        *table_lines(
            head,
            (
                (_rhythm(group), str(one["records"]), f1("segmenter", group), sd(group), f1("neurokit2_dwt", group),
                 f1("rules_each_lead", group))
                for group, one in groups["segmenter"].items()
            ),
        ),
    ]  # fmt: skip


def _rhythm(group: str) -> str:
    return re.sub(r"\bav[ -]block", "AV block", group).replace("Iii ", "III ")


_SEGMENT_ROWS = (
    ("pretrained", "pretrained encoder", "--encoder default"),
    ("random", "random encoder", "--encoder random"),
    ("scratch", "from scratch", "--encoder random --train all"),
    ("quarter", "pretrained, 1/4 of the training subjects", "--encoder default --label-share 0.25"),
    ("sixteenth", "pretrained, 1/16 of the training subjects", "--encoder default --label-share 0.0625"),
)
"""Segmenters trained briefly with the same settings: folder of the figures, title, command."""

P_GROUPS = (
    "sinus rhythm", "sinus tachycardia, 100-110/min", "sinus tachycardia, 110-120/min",
    "sinus tachycardia, 120-130/min", "sinus tachycardia, 130-150/min", "first-degree AV block", "atrial fibrillation",
    "atrial flutter", "second- or third-degree AV block",
)  # fmt: skip
"""Records of PTB-XL by what their statements say of P, those of `checks.wave_presence.record_groups`."""

FIBRILLATING = (
    "atrial fibrillation, 70/min", "atrial fibrillation, 110/min", "atrial flutter, 2:1", "atrial flutter, 4:1",
)  # fmt: skip
"""Synthetic records without P, by kind."""

SOURCES = (
    (
        _SEGMENTER, "LUDB, 200 records, five folds",
        "segment STORE --encoder default --cotrain PTB-XL",
        (
            *((f"segmenter: {what}", show) for what, show in _WAVE_ROWS),
            ("segmenter: calibration error of a wave's confidence, P / QRS / T", _presence_error),
        ),
    ),
    *(
        (
            f"ludb/segment-{row}/metrics.json", "LUDB, 200 records, five folds, short training",
            f"segment STORE {command} --updates 400",
            ((f"segmenter, {title}: sample F1 of P / QRS / T / mean", _short_training),),
        )
        for row, title, command in _SEGMENT_ROWS
    ),
    (
        "qtdb/check-marked-points.json", "QTDB, 30 records, at 200 Hz",
        "check STORE --what marked-points --segmenter …",
        (
            ("segmenter, better lead: sensitivity (ms), on and off of P, QRS, T", _marked_points("better_lead")),
            ("segmenter, first lead: the same", _marked_points("first_lead")),
            ("segmenter, better lead; first lead: sensitivity within Martínez's tolerances", _points_martinez),
            ("segmenter, better lead: errors within the CSE limits", _points_within_cse),
        ),
    ),
    *(
        (
            "published/delineation.json", data, "published at github.com/vitaldb/openecg, not measured here",
            (("openecg v56c: F1 within Martínez's tolerances, mean of the six boundaries", _published(key)),),
        )
        for key, data in (
            ("ludb_lead_II", "LUDB, lead II of its 41 validation records"),
            ("qtdb_first_lead", "QTDB, first lead of 44 records with marks of T"),
        )
    ),
    (
        "ptb-xl/check-wave-presence.json", "PTB-XL fold 9", "check STORE --what wave-presence",
        tuple(
            (f"P a beat, {group}: 12 leads / II, V5 / II", _p_per_beat(group))
            for group in P_GROUPS
        ),
    ),
    (
        "ptb-xl/check-wave-presence.json", "synthetic records", "check STORE --what wave-presence",
        (
            ("P invented where there is none, worst of four rhythms: 12 leads / II, V5 / II", _invented("p", "no P")),
            ("T invented where there is none, worst of three rates: the same", _invented("t", "no T")),
            ("P found at 60 / 100 / 120 / 140 / 150/min, the worst of these", _made("p", (60, 100, 120, 140, 150))),
            ("QRS found at 20 / 30 / 200 / 240 / 270 / 300/min, the worst",
             _made("qrs", (20, 30, 200, 240, 270, 300))),
            *(
                (f"P a beat, {kind}: 12 leads / II, V5 / II", _made_p(kind))
                for kind in FIBRILLATING
            ),
            *(
                (f"true P found, {kind}: the same", _true_p(kind))
                for kind in (
                    "second-degree AV block, 2:1", "second-degree AV block, Wenckebach 4:3",
                    "third-degree AV block, 75 and 38/min",
                )
            ),
        ),
    ),
    (
        _DELINEATION, "LUDB, 200 records", "check STORE --what delineation",
        tuple(
            (f"{title}: {what}", _of(name, show))
            for name, title in (
                ("neurokit2_dwt", "NeuroKit2 DWT"), ("rules_each_lead", "rules, each lead"),
                (_BOUND, "upper bound from annotation repeatability"),
            )
            for what, show in _WAVE_ROWS
        ),
    ),
)  # fmt: skip
"""File, data, command and rows, as `tables` reads them."""
