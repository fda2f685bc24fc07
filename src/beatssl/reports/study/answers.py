"""What the package's study answers across variants, as tables in Markdown: best rates of rivals, epochs to a probe."""

from collections.abc import Sequence

from beatssl.reports.markdown import table_lines
from beatssl.studies.study.result import Mean, StudyResult

RECORDS = ("superclass", "AUROC")
"""Task and figure by which rates are chosen and epochs counted."""

RATES, UNTRAINED, LENGTHS = "rival-rates", "untrained", ("epochs", "network-epochs")
"""Groups of the package's study: presets at several rates, what needs no pretraining, variants at several lengths."""

PROBES = (0.85, 0.90, 0.92, 0.93)


def rate_lines(result: StudyResult) -> list[str]:
    """Each preset of the group `RATES` at the rate with its highest superclass AUROC, from the best preset on; below
    them what needs no pretraining. Nothing for a study without that group."""
    lines: list[str] = []
    for budget in _budgets(result, RATES):
        rates = _variants(result, RATES, budget)
        columns = list(dict.fromkeys(column for one in rates.values() for column in one))
        best: dict[str, str] = {}
        ordered = sorted(
            (name for name in rates if RECORDS in rates[name]), key=lambda name: -rates[name][RECORDS].mean
        )
        for name in ordered:
            best.setdefault(name.rpartition(", ")[0], name)
        rows = [(*name.rpartition(", ")[::2], rates[name]) for name in best.values()]
        rows += [(name, "–", of) for name, of in _variants(result, UNTRAINED, budget).items()]
        lines += [
            f"Study, rivals, each at its own best rate, budget {budget}: that of group {RATES} with the highest "
            "superclass AUROC, chosen on the validation fold that the figures are of; below what needs no pretraining.",
            "",
            *table_lines(
                ("preset", "rate", *(", ".join(column) for column in columns)),
                ((name, rate, *(str(of.get(column, "–")) for column in columns)) for name, rate, of in rows),
            ),
            "",
        ]
    return lines[:-1]


def length_lines(result: StudyResult) -> list[str]:
    """Epochs after which each variant of the groups `LENGTHS` first reaches a superclass AUROC, for each of `PROBES`.

    Seconds are those of the training, in the median over seeds. Nothing for a study without these groups.
    """
    lines: list[str] = []
    for budget in dict.fromkeys(budget for group in LENGTHS for budget in _budgets(result, group)):
        seconds = {(one.group, one.variant): one.seconds for one in result.costs if one.budget == budget}
        rows: list[tuple[str, ...]] = []
        for group in LENGTHS:
            runs: dict[str, list[tuple[int, float, float]]] = {}
            for name, of in _variants(result, group, budget).items():
                method, _, epochs = name.rpartition(", ")
                if RECORDS in of and epochs.isdecimal():
                    runs.setdefault(method, []).append((int(epochs), of[RECORDS].mean, seconds[group, name]))
            rows += [
                (group, method, ", ".join(str(epochs) for epochs, *_ in sorted(found)),
                 *(_first(sorted(found), probe) for probe in PROBES))
                for method, found in runs.items()
            ]  # fmt: skip
        if not rows:
            continue
        lines += [
            f"Study, epochs to a given linear probe, budget {budget}: the shortest of the lengths run that has this "
            "superclass AUROC on the validation fold, with the seconds of its training.",
            "",
            *table_lines(("group", "variant", "epochs run", *(f"{probe:.2f}" for probe in PROBES)), rows),
            "",
        ]
    return lines[:-1]


def _first(runs: Sequence[tuple[int, float, float]], probe: float) -> str:
    return next((f"{epochs} ({seconds:,.0f} s)" for epochs, auroc, seconds in runs if auroc >= probe), "not reached")


def _budgets(result: StudyResult, group: str) -> list[str]:
    return list(dict.fromkeys(one.budget for one in result.means if one.group == group))


def _variants(result: StudyResult, group: str, budget: str) -> dict[str, dict[tuple[str, str], Mean]]:
    """By variant the figures that choose, by task and name."""
    found: dict[str, dict[tuple[str, str], Mean]] = {}
    for one in result.means:
        if (one.group, one.budget) == (group, budget) and one.chooses:
            found.setdefault(one.variant, {})[one.task, one.figure] = one
    return found
