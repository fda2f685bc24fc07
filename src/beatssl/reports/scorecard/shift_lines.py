"""What a classifier loses on other databases, as tables in Markdown."""

import math

from beatssl.reports.markdown import table_lines
from beatssl.studies.shift.result import PROPERTIES, DatabaseShift, Estimate, ModelShift, ShiftFigures

_CLASSIFIER = "classifier"
_MIX = ("age and sex", "labels together")


def shift_lines(figures: ShiftFigures) -> list[str]:
    """Each database by model; the classifier by property and by population; its labels."""
    return [
        f"Other databases (`beatssl shift`): macro AUROC on {figures.records:,} records of PTB-XL's test fold, all "
        "properties of the recordings changed to those of the database, and the database itself; within: a linear "
        f"probe learnt there, by cross-validation. The classifier's encoder: {figures.encoder}.",
        "",
        *table_lines(
            ("database", "records", "labels", "model", "PTB-XL", "changed less PTB-XL", "itself",
             "itself less changed", "within", "within less itself"),
            (
                (one.title, f"{one.records:,}", ", ".join(one.asked), model, *_of_model(of))
                for one in figures.databases.values()
                for model, of in one.models.items()
            ),
        ),
        "",
        "The classifier, PTB-XL's records changed in one property alone, less PTB-XL:",
        "",
        *table_lines(
            ("database", *PROPERTIES),
            (
                (one.title, *(_less(of.changes.get(name)) for name in PROPERTIES))
                for one, of in _classifier(figures)
            ),
        ),
        "",
        "How the records were recorded (medians), and the population; the classifier on PTB-XL's records weighted as "
        "the database's, less unweighted, and on whole records less their first ten seconds:",
        "",
        *table_lines(
            ("database", "rate (Hz)", "leads", "noise (µV)", "baseline (µV)", "gain at 30 Hz", "length (s)", "age",
             "women", *_MIX, "whole records"),
            (
                ("PTB-XL", *_recording(figures), *["–"] * 3),
                *(
                    (one.title, *_recording(one), *(_less(of.mix.get(name)) for name in _MIX), _less(of.whole_records))
                    for one, of in _classifier(figures)
                ),
            ),
        ),
        "",
        "AUROC by label:",
        "",
        *table_lines(
            ("database", "label", "with it, of known", "share", "share in PTB-XL", "PTB-XL", "changed", "itself",
             "itself, encoder", "itself, features"),
            (row for one in figures.databases.values() for row in _labels(one)),
        ),
    ]  # fmt: skip


def _classifier(figures: ShiftFigures) -> list[tuple[DatabaseShift, ModelShift]]:
    return [(one, one.models[_CLASSIFIER]) for one in figures.databases.values()]


def _of_model(of: ModelShift) -> tuple[str, ...]:
    return (
        _is(of.ptbxl), _less(of.all_changes), _is(of.own), _less(of.rest), _is(of.within), _less(of.within_less_own),
    )  # fmt: skip


def _recording(of: DatabaseShift | ShiftFigures) -> tuple[str, ...]:
    one = of.recording
    leads = f"{one.leads}" if one.share_of_all_leads == 1 else f"{one.leads} in {one.share_of_all_leads:.0%}"
    return (
        f"{one.fs_hz:g}", leads, f"{one.noise_uv:.1f}", f"{one.wander_uv:.1f}", f"{one.gain_at_30_hz:.2f}",
        f"{one.seconds:g}", "–" if math.isnan(of.age_years) else f"{of.age_years:.0f}",
        "–" if math.isnan(of.female) else f"{of.female:.0%}",
    )  # fmt: skip


def _labels(one: DatabaseShift) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, of in one.models[_CLASSIFIER].labels.items():
        if not of.known:
            continue
        others = (_number(model.labels[name].own) for key, model in one.models.items() if key != _CLASSIFIER)
        rows.append(
            (one.title, name, f"{of.positives} of {of.known:,}", f"{of.share:.0%}", f"{of.share_ptbxl:.0%}",
             _number(of.ptbxl), _number(of.changed), _number(of.own), *others)
        )  # fmt: skip
    return rows


def _is(one: Estimate | None) -> str:
    if one is None:
        return "–"
    low, high = one.ci95
    return f"{one.value:.3f} ({low:.3f}–{high:.3f})"


def _less(one: Estimate | None) -> str:
    if one is None:
        return "–"
    low, high = one.ci95
    return f"{one.value:+.3f} ({low:+.3f} to {high:+.3f})"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
