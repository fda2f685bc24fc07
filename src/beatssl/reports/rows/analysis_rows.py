"""Rows of the table of figures for the checks of `analyze`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from beatssl.reports.rows.wave_rows import FIBRILLATING, P_GROUPS

Json = Mapping[str, Any]
_FAST = ("all waves, 150/min", "all waves, 170/min", "all waves, 200/min")
"""Synthetic records with a P before every QRS."""
_S_BEATS = "Share of beats that `analyze` calls S"
_NO_S_GROUPS = ("sinus rhythm", *(name for name in P_GROUPS if "tachycardia" in name))
_S_GROUP = "supraventricular tachycardia"
AF = "atrial fibrillation or flutter"


def _interval(value: float, ends: Sequence[float]) -> str:
    return f"{value:.3f} ({ends[0]:.3f}–{ends[1]:.3f})"


def _detection(name: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        each = (f"{leads} {_interval(one[name]['auroc'], one[name]['auroc_ci95'])}" for leads, one in _by_leads(f))
        return "; ".join(each)

    return show


def _by_leads(f: Json) -> list[tuple[str, Json]]:
    return list(f["by_leads"].items())


def _of_rhythms(figure: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        return "; ".join(
            f"{leads} " + " / ".join(f"{rhythm[figure]:.3f}" for rhythm in one["by_rhythm"].values())
            for leads, one in _by_leads(f)
        )

    return show


def _brier(f: Json) -> str:
    return "; ".join(f"{leads} {one['brier']:.3f}" for leads, one in _by_leads(f))


def _by_time(name: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        one = f["by_time"][name]
        return f"{one['sensitivity']:.3f} / {one['ppv']:.3f} ({one['hours']:.1f} h)"

    return show


def _paced_beats(f: Json) -> str:
    one = f["paced_beats"]
    return f"{one['sensitivity']:.3f} / {one['ppv']:.3f} ({one['beats']:,} beats)"


def _stretches(f: Json) -> str:
    return f"{f['af_stretch_auroc']:.3f} / {f['paced_stretch_auroc']:.3f} ({f['stretches']:,} stretches)"


def _f1(mix: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        one = f[mix]
        each = " / ".join(f"{one[name]:.3f}" for name in ("normal", "af", "other", "noise"))
        return f"{each}; {one['mean_of_three']:.3f}"

    return show


def _p_per_beat(f: Json) -> str:
    return " / ".join(f"{share:.3f}" for share in f["p_per_beat"].values())


def _stated_p(part: str, group: str, said: str, records: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        of_leads = [one[group] for one in f[part].values()]
        shares = " / ".join(f"{one['p_per_beat']:.3f}" for one in of_leads)
        counted = " / ".join(str(one[records]) for one in of_leads)
        return f"{shares}; {said} {counted} of {of_leads[0]['records']}"

    return show


def _called_s(group: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        of_leads = [one[group] for one in f["by_leads"].values()]
        shares = " / ".join(f"{one['s_per_beat']:.3f}" for one in of_leads)
        return f"{shares} ({of_leads[0]['records']} records)"

    return show


def _acceptable(f: Json) -> str:
    return f"{_interval(f['auroc'], f['auroc_ci95'])} ({f['records']} records)"


def _flagged(f: Json) -> str:
    return f"{f['flagged_unacceptable']:.1%} / {f['flagged_acceptable']:.1%}"


def _measures(*names: str) -> Callable[[Json], str]:
    def show(f: Json) -> str:
        found = [f["by_measure"][name] for name in names]
        return " / ".join(f"{one['median_absolute_difference']:.1f} ({one['compared']})" for one in found)

    return show


SOURCES: tuple[tuple[str, str, str, tuple[tuple[str, Callable[[Json], str]], ...]], ...] = (
    (
        "ptb-xl/check-rhythm.json", "PTB-XL, fold 9", "check STORE --what rhythm",
        (
            ("AFIB against the rest by the rhythm's probability: AUROC", _detection("af_by_rhythm")),
            ("AFIB against the rest by the statement's probability: AUROC", _detection("af_by_statement")),
            ("sinus / AF or flutter / paced / other: AUROC", _of_rhythms("auroc")),
            ("sinus / AF or flutter / paced / other: expected calibration error", _of_rhythms("ece")),
            ("Brier score of the four rhythms", _brier),
        ),
    ),
    (
        "ptb-xl/check-stated-p.json", "PTB-XL fold 9", "check STORE --what stated-p",
        tuple(
            (
                f"P a beat as `analyze` states it, {group}: 12 leads / II, V5 / II",
                _stated_p("by_leads", group, "PR stated in", "pr_stated"),
            )
            for group in P_GROUPS
        ),
    ),
    (
        "ptb-xl/check-stated-p.json", "PTB-XL fold 9", "check STORE --what stated-p",
        tuple((f"{_S_BEATS}, {group}: 12 leads / II, V5 / II", _called_s(group)) for group in _NO_S_GROUPS),
    ),
    (
        "ptb-xl/check-stated-p.json", "PTB-XL, all folds, those trained on too", "check STORE --what stated-p",
        ((f"{_S_BEATS}, {_S_GROUP}: 12 leads / II, V5 / II", _called_s(_S_GROUP)),),
    ),
    (
        "ptb-xl/check-stated-p.json", "synthetic records", "check STORE --what stated-p",
        tuple(
            (
                f"P a beat as `analyze` states it, {kind}: 12 leads / II, V5 / II",
                _stated_p("made", kind, "called fibrillation or flutter:", "fibrillation"),
            )
            for kind in (*FIBRILLATING, *_FAST)
        ),
    ),
    (
        "mitdb/check-rhythm-annotations.json", "MIT-BIH, 48 records of half an hour",
        "check FOLDER --what rhythm-annotations",
        (
            ("AF or flutter by time: sensitivity / PPV", _by_time(AF)),
            ("paced by time: sensitivity / PPV", _by_time("paced")),
            ("beats of class Q against the marks of paced beats: sensitivity / PPV", _paced_beats),
            ("stretches of 30 s, AF or flutter / paced against the rest: AUROC", _stretches),
            ("P a beat, annotated sinus rhythm / AF or flutter / paced / other", _p_per_beat),
        ),
    ),
    (
        "cinc2017/check-single-lead-rhythm.json", "CinC 2017, 1,200 records of one lead",
        "check FOLDER --what single-lead-rhythm",
        (
            ("normal / AF / other / noise: F1; mean of the first three", _f1("this_mix")),
            ("the same at the challenge's prevalence (its winners: .83 on its hidden records)", _f1("challenge_mix")),
            ("the same, a single ectopic beat making a record other", _f1("by_beat_classes")),
        ),
    ),
    (
        "cinc2011/check-acceptability.json", "CinC 2011", "check FOLDER --what acceptability",
        (
            ("quality score, acceptable against not: AUROC", _acceptable),
            ("flagged or refused of the unacceptable / of the acceptable", _flagged),
        ),
    ),
    (
        "clinical/check-devices.json", "clinical files, against the recording machine", "check FOLDER --what devices",
        (
            (
                "rate (1/min) / PR / QRS / QT / QTc (ms): median absolute difference (files)",
                _measures("rate_bpm", "pr_ms", "qrs_ms", "qt_ms", "qtc_ms"),
            ),
            (
                "P / QRS / T axis (°): median absolute difference (files)",
                _measures("p_axis_deg", "qrs_axis_deg", "t_axis_deg"),
            ),
        ),
    ),
)  # fmt: skip
"""File of the figures, data, command, and the rows it gives."""
