"""Records on ECG paper with the waves found in each lead coloured, and the reference marks as bars beneath."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pandas as pd

from beatssl.drawing.ecg_paper import WaveSpan, ecg_paper
from beatssl.drawing.figures import drawing, svg_text
from beatssl.files import read_json
from beatssl.metrics.segmentation import record_f1
from beatssl.signals.leads import LEADS
from beatssl.store.layout import MANIFEST
from beatssl.store.store import Store
from beatssl.training.run import CONFIG
from beatssl.training.segmentation.segment import METRICS, WAVES

EXAMPLES = ("best", "median", "worst")
"""Which records are drawn, by the mean over P, QRS and T of their sample F1."""


def draw_segmentation(folder: Path) -> dict[str, Path]:
    """Best, median and worst record of a folder that `segment` wrote, and how often waves are there against their
    confidence, as SVG files in it, by name.

    Raises ValueError where the store it was trained on is no longer where it was.
    """
    store = Path(read_json(folder / CONFIG)["store"])
    if not (store / MANIFEST).is_file():
        raise ValueError(f"{folder / CONFIG} names the store {store}, which is not there; prepare it there again")
    files = draw_examples(Store(store), pd.read_parquet(folder / WAVES), folder)
    files["reliability"] = folder / "segment-reliability.svg"
    files["reliability"].write_text(reliability_picture(read_json(folder / METRICS)["presence"]), encoding="utf-8")
    return files


def reliability_picture(presence: Mapping[str, Any]) -> str:
    """Share of found waves that are marked over their confidence, for P, QRS and T, as SVG text; `presence` as in
    metrics.json of `segment`."""
    with drawing(2.5 * len(presence) + 0.3, 2.8) as figure:
        for place, (wave, one) in enumerate(presence.items()):
            axes, bins = figure.add_subplot(1, len(presence), place + 1), one["bins"]
            said, right = ([of[name] for of in bins] for name in ("confidence", "right"))
            size = 2 + 26 * np.sqrt(np.array([of["boundaries"] for of in bins]) / max(of["boundaries"] for of in bins))
            axes.plot([0, 1], [0, 1], color="#94a3b8", linewidth=0.8, linestyle=(0, (4, 3)))
            axes.plot(said, right, color="#0072B2", linewidth=1.2)
            axes.scatter(said, right, s=size, color="#0072B2", linewidths=0)
            error = one["expected_calibration_error"]
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal", title=f"{wave}, off by {error:.3f}")
            axes.set(xlabel="confidence", ylabel="share that is marked" if place == 0 else "")
        figure.tight_layout()
        return svg_text(figure)


def draw_examples(store: Store, waves: pd.DataFrame, out: Path) -> dict[str, Path]:
    """Best, median and worst record among those in `waves`, each as an SVG in `out`.

    Args:
        store: twelve leads, with reference waves of each.
        waves: found waves: `record_id`, `lead`, `wave`, `onset_s`, `peak_s`, `offset_s` in seconds of record time.
        out: folder for segment-best.svg, segment-median.svg and segment-worst.svg.

    Returns the files by name. Raises ValueError where the store has no marks of these records.
    """
    chosen = choose_examples(store, waves)
    out.mkdir(parents=True, exist_ok=True)
    files = {name: out / f"segment-{name}.svg" for name in EXAMPLES}
    for name, (record_id, f1) in chosen.items():
        title = f"Record {record_id}: {name} of {waves['record_id'].nunique()}, sample F1 {f1:.3f}"
        files[name].write_text(draw_record(store, waves, record_id, title), encoding="utf-8")
    return files


def choose_examples(store: Store, waves: pd.DataFrame) -> dict[str, tuple[str, float]]:
    """Record and sample F1 of each of `EXAMPLES`; records of equal F1 in the store's order."""
    reference = store.waves[store.waves["record_id"].isin(waves["record_id"].unique())]
    f1 = record_f1(reference, waves, float(store.records["source_fs_hz"].max())).dropna()
    ordered = f1.sort_values(ascending=False, kind="stable")
    places = (0, (len(ordered) - 1) // 2, len(ordered) - 1)
    return {name: (str(ordered.index[at]), float(ordered.iloc[at])) for name, at in zip(EXAMPLES, places, strict=True)}


def draw_record(
    store: Store,
    waves: pd.DataFrame,
    record_id: str,
    title: str = "",
    note: str = "coloured: found; bars: marked by hand",
) -> str:
    """SVG of one record's first row: the found waves coloured on each lead's trace, the reference as bars beneath.

    Raises ValueError for a record that the store does not have, or a store whose leads are not the twelve.
    """
    if store.leads != LEADS:
        raise ValueError(f"{store.path} holds leads as recorded; ECG paper takes the twelve, so prepare it with them")
    rows = np.flatnonzero(store.records["record_id"].to_numpy(str) == record_id)
    if not rows.size:
        raise ValueError(
            f"record {record_id!r} is not in {store.path}; its first is {store.records['record_id'].iloc[0]}"
        )
    start_s = float(store.records["start_s"].iloc[rows[0]])
    return ecg_paper(
        store.ecg_mv(rows[:1])[0],
        store.fs_hz,
        waves=_spans(waves, record_id, start_s),
        reference=_spans(store.waves, record_id, start_s),
        title=title or f"Record {record_id}",
        note=note,
    )


def _spans(waves: pd.DataFrame, record_id: str, start_s: float) -> list[WaveSpan]:
    """A record's waves with both boundaries; one that is cut by the record is drawn from or to its peak."""
    mine = waves[(waves["record_id"] == record_id) & waves["wave"].isin(["P", "QRS", "T"])]
    onset, peak, offset = (mine[name].to_numpy(np.float64) - start_s for name in ("onset_s", "peak_s", "offset_s"))
    begin, end = np.where(np.isnan(onset), peak, onset), np.where(np.isnan(offset), peak, offset)
    return [
        WaveSpan(cast(Literal["P", "QRS", "T"], wave), float(a), float(b), str(lead))
        for wave, a, b, lead in zip(mine["wave"], begin, end, mine["lead"], strict=True)
    ]
