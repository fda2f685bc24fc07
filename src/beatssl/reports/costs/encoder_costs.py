"""The tables of what a record costs encoders, bundled models and published networks, from `bench encoders`."""

from pathlib import Path

from beatssl.bench.times import EncoderCosts, PassCost
from beatssl.reports.markdown import table_lines
from beatssl.results import read_result

FILE = "bench-encoders.json"
MISSING = f"Not measured: `results/{FILE}` is missing; `beatssl bench encoders --out results/{FILE}` writes it."

_MODELS = {
    "encoder": "bundled encoder: embedding",
    "classifier": "bundled classifier: probabilities of labels",
    "segmenter": "bundled segmenter: waves of twelve leads",
}
_PUBLISHED = "{}: embedding, published network, random weights"


def encoder_costs_table(results: Path) -> str:
    """Markdown: a line an encoder, then a line a bundled model or published network.

    One sentence where the file is missing. Raises ValueError where the file holds something else.
    """
    if not (results / FILE).is_file():
        return MISSING
    costs = read_result(results / FILE, EncoderCosts)
    batch = costs.batch_size
    about = (
        f"Twelve leads, {costs.samples} samples, width 1, float32, CPU, threads: {costs.threads}; load before: "
        f"{costs.load_before:.1f}."
    )
    encoders = table_lines(
        ("encoder", "million weights", "GFLOP a record", "a record alone, ms", f"a record in a batch of {batch}, ms",
         f"memory, alone / batch of {batch}, MB", "training views a second, float32 / bfloat16"),
        (
            (
                name, f"{cost.million_weights:.1f}", f"{cost.gflop:.2f}", _times(cost.alone), _times(cost.batched),
                f"{cost.alone.memory_mb:,.0f} / {cost.batched.memory_mb:,.0f}",
                " / ".join(
                    f"{cost.training_views_per_cpu_s[precision]:.0f} ({cost.training_views_per_s[precision]:.0f})"
                    for precision in ("float32", "bfloat16")
                ),
            )
            for name, cost in costs.encoders.items()
        ),
    )  # fmt: skip
    used = [(_MODELS[name], cost) for name, cost in costs.models.items()]
    used += [(_PUBLISHED.format(name), cost) for name, cost in costs.published.items()]
    models = table_lines(
        ("one record", "million weights", "GFLOP", "time, ms", "memory, MB"),
        (
            (what, f"{cost.million_weights:.1f}", f"{cost.gflop:.2f}", _times(cost.record),
             f"{cost.record.memory_mb:,.0f}")
            for what, cost in used
        ),
    )  # fmt: skip
    return "\n\n".join([about, "\n".join(encoders), "\n".join(models)])


def _times(cost: PassCost) -> str:
    return f"{cost.cpu_ms:.1f} ({cost.wall_ms:.1f})"
