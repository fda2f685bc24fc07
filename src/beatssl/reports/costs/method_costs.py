"""The table of what a training step of every method costs, from `bench methods`."""

from pathlib import Path

from beatssl.bench.times import MethodCosts, StepCost
from beatssl.results import read_result

FILE = "bench-methods.json"
MISSING = f"Not measured: `results/{FILE}` is missing; `beatssl bench methods STORE --out results/{FILE}` writes it."

_PARTS = ("loading", "views", "encoder", "losses", "optimizer", "step")
_VARIED = {"batch_size": "records a batch", "beats_per_record": "beats a record", "leads": "leads"}


def method_costs_table(results: Path) -> str:
    """Markdown: a line a method, then how each grows; one sentence where the file is missing.

    Raises ValueError where the file holds something else.
    """
    if not (results / FILE).is_file():
        return MISSING
    costs = read_result(results / FILE, MethodCosts)
    about = (
        f"Batches of {costs.batch_size} records of {costs.leads} leads, {costs.beats_per_record} beats a record, "
        f"{costs.encoder} of {costs.weights / 1e6:.1f} million weights, {costs.precision}, {costs.device}, "
        f"{costs.threads} threads; load before: {costs.load_before:.1f}. Energy: {costs.energy_from}."
    )
    return "\n\n".join([about, "\n".join(_methods(costs)), "\n".join(_growth(costs))])


def _methods(costs: MethodCosts) -> list[str]:
    head = "| preset | " + " / ".join(_PARTS) + ", ms | against SimCLR | memory, MB | arithmetic, GFLOP | energy, J |"
    lines = [head, "| --- " * 6 + "|"]
    for name, cost in costs.methods.items():
        parts = " / ".join(f"{1000 * cost.seconds[part]:.0f}" for part in _PARTS)
        energy = "–" if cost.energy_j is None else f"{cost.energy_j:.1f}"
        memory = f"{cost.memory_mb:,.0f} ({cost.memory_ratio:.2f})"
        arithmetic = f"{cost.gflops:,.1f} ({cost.flops_ratio:.2f})"
        lines.append(f"| {name} | {parts} | {cost.ratio:.2f} | {memory} | {arithmetic} | {energy} |")
    return lines


def _growth(costs: MethodCosts) -> list[str]:
    """Step, memory and arithmetic as shares of the method's own in the table above, a column a setting."""
    settings = [(name, value) for name, values in costs.growth.items() for value in values]
    named = " | ".join(f"{_VARIED.get(name, name)}: {value}" for name, value in settings)
    lines = [
        f"| step / memory / arithmetic, as shares of the above | {named} |",
        "| --- " * (len(settings) + 1) + "|",
    ]
    for preset, usual in costs.methods.items():
        cells = (_shares(costs.growth[name][value].get(preset), usual) for name, value in settings)
        lines.append(f"| {preset} | " + " | ".join(cells) + " |")
    return lines


def _shares(cost: StepCost | None, usual: StepCost) -> str:
    if cost is None:
        return "–"
    step = cost.seconds["step"] / usual.seconds["step"]
    return f"{step:.2f} / {cost.memory_mb / usual.memory_mb:.2f} / {cost.gflops / usual.gflops:.2f}"
