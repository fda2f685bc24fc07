"""Rows of the table of figures for P, QRS and T waves."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Json = Mapping[str, Any]

_BOUNDARIES = ("P_on", "P_off", "QRS_on", "QRS_off", "T_on", "T_off")


def wave_lines(figures: Json) -> list[str]:
    """Figures of a segmenter as a Markdown table."""
    return ["| what | figure |", "| --- | --- |", *(f"| {what} | {show(figures)} |" for what, show in _WAVE_ROWS)]


def _of(name: str, show: Callable[[Json], str]) -> Callable[[Json], str]:
    return lambda f: show(f[name])


def _sample_f1(f: Json) -> str:
    return " / ".join(f"{f['sample_f1'][wave]:.3f}" for wave in ("P", "QRS", "T", "macro"))


def _boundary_f1(f: Json) -> str:
    return " / ".join(f"{f['boundaries'][name]['150']['f1']:.3f}" for name in _BOUNDARIES)


def _boundary_sd(f: Json) -> str:
    return " / ".join(f"{f['boundaries'][name]['sd_ms']:.1f}" for name in _BOUNDARIES) + " ms"


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
    return " / ".join(f"{f['presence'][wave]['expected_calibration_error']:.4f}" for wave in ("P", "QRS", "T"))


def _marked_points(lead: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        points = (f["segmenter"][lead][name] for name in _BOUNDARIES)
        return " / ".join(f"{point['se']:.3f} ({point['mean_ms']:+.0f} ± {point['sd_ms']:.0f})" for point in points)

    return show


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


_WAVE_ROWS = (
    ("sample F1 of P / QRS / T / mean", _sample_f1),
    ("boundary F1 at 150 ms, onset and offset of P, QRS, T", _boundary_f1),
    ("boundary error SD, onset and offset of P, QRS, T", _boundary_sd),
    ("F1 within Martínez's tolerances, lead II / all leads", _martinez),
    ("errors within the CSE limits: P on / off, QRS on / off, T off", _within_cse),
    ("P found where marked / where not marked / in records without any", _presence),
)

_SEGMENT_ROWS = (
    ("pretrained", "pretrained encoder", "--encoder default"),
    ("random", "random encoder", "--encoder random"),
    ("scratch", "from scratch", "--encoder random --train all"),
    ("quarter", "pretrained, 1/4 of the training subjects", "--encoder default --label-share 0.25"),
    ("sixteenth", "pretrained, 1/16 of the training subjects", "--encoder default --label-share 0.0625"),
)
"""Segmenters trained briefly with the same settings: folder of the figures, title, command."""

SOURCES = (
    (
        "ludb/segment/metrics.json", "LUDB, 200 records, five folds",
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
            ("segmenter, better lead: errors within the CSE limits", _points_within_cse),
        ),
    ),
    (
        "ptb-xl/check-wave-presence.json", "PTB-XL fold 9", "check STORE --what wave-presence",
        tuple(
            (f"P a beat, {group}: 12 leads / II, V5 / II", _p_per_beat(group))
            for group in (
                "sinus rhythm", "sinus tachycardia, 100-110/min", "sinus tachycardia, 110-120/min",
                "sinus tachycardia, 120-130/min", "sinus tachycardia, 130-150/min", "first-degree AV block",
                "atrial fibrillation", "atrial flutter", "second- or third-degree AV block",
            )
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
        ),
    ),
    (
        "ludb/check-delineation.json", "LUDB, 200 records", "check STORE --what delineation",
        tuple(
            (f"{title}: {what}", _of(name, show))
            for name, title in (
                ("neurokit2_dwt", "NeuroKit2 DWT"), ("rules_each_lead", "rules, each lead"),
                ("annotation_repeatability", "upper bound from annotation repeatability"),
            )
            for what, show in _WAVE_ROWS
        ),
    ),
)  # fmt: skip
"""File, data, command and rows, as `tables` reads them."""
