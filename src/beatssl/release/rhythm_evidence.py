"""Evidence of rhythm in PTB-XL's records, with all twelve leads and with some: what the rhythm model is fitted on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from beatssl.analysis.model import EcgModel, load
from beatssl.analysis.rhythms.evidence import OF_BEATS, STATEMENTS, beat_evidence, statement_evidence
from beatssl.analysis.rhythms.truth import AF, SINUS, rhythm_by_statements
from beatssl.analysis.waves import store_record
from beatssl.files import package_sha256, read_json, write_json
from beatssl.progress import track
from beatssl.records.record import Record, RecordError
from beatssl.store.store import Store

LEAD_SETS = {("I",): 0.35, ("II",): 0.2, ("I", "II"): 0.15, ("II", "V1"): 0.15, ("V1",): 0.05, ("V5",): 0.1}
"""Leads that a record is analysed with a second time, and how often."""

_PART, _MADE_BY = 100, "made-by.json"


def evidence_table(
    store: Store, folds: tuple[int, ...], most: Mapping[str, int], records: int, seed: int, kept: Path
) -> pd.DataFrame:
    """A line a record and set of leads: record_id, fold, leads, rhythm, weight, and the evidence.

    Of a statement in `most` no more records than that are drawn, from the last fold and from the others together;
    `weight` makes up for it. Of all that are drawn the first `records`, in random order, are analysed.
    Finished parts lie in the folder `kept`: the same call goes on after them, unless the package has changed since.
    """
    made_by = {"package": package_sha256()}
    if not (kept / _MADE_BY).is_file() or read_json(kept / _MADE_BY) != made_by:
        for file in kept.glob("evidence-*.parquet"):
            file.unlink()
        write_json(kept / _MADE_BY, made_by)
    drawn = _drawn(store, folds, most, seed).iloc[:records]
    model: EcgModel | None = None
    parts: list[pd.DataFrame] = []
    for start in track(range(0, len(drawn), _PART), "Analysing", unit="parts"):
        file = kept / f"evidence-{start:06d}.parquet"
        if not file.is_file():
            model = model or load(device="cpu")
            some = drawn.iloc[start : start + _PART].to_dict("records")
            lines = [line for one in some for line in _lines(model, store, {str(k): v for k, v in one.items()}, seed)]
            pd.DataFrame(lines).to_parquet(file)
        parts.append(pd.read_parquet(file))
    return pd.concat(parts, ignore_index=True)


def _drawn(store: Store, folds: tuple[int, ...], most: Mapping[str, int], seed: int) -> pd.DataFrame:
    statements = store.targets("scp")
    fold = store.records["fold"].to_numpy()
    rhythm = rhythm_by_statements(statements)
    group = np.full(len(store), "", object)
    for name in ("SR", "STACH", "SBRAD", "SARRH", "AFIB"):
        stated = statements[name].to_numpy(bool) if name in statements else np.zeros(len(store), bool)
        group[stated & (group == "") & np.isin(rhythm, (SINUS, AF))] = name
    rng = np.random.default_rng(seed)
    rows: list[Int64[np.ndarray, " row"]] = []
    weights: list[Float64[np.ndarray, " row"]] = []
    validation = fold == max(folds)
    for side in (validation, np.isin(fold, folds) & ~validation):
        for name in np.unique(group):
            there = np.flatnonzero(side & (group == name) & (rhythm != ""))
            take = min(len(there), most.get(name, len(there)))
            rows.append(rng.permutation(there)[:take])
            weights.append(np.full(take, len(there) / max(take, 1)))
    row, weight = np.concatenate(rows), np.concatenate(weights)
    order = rng.permutation(len(row))
    return pd.DataFrame(
        {"record_id": store.records["record_id"].to_numpy()[row], "fold": fold[row], "rhythm": rhythm[row],
         "weight": weight}
    ).iloc[order].reset_index(drop=True)  # fmt: skip


def _lines(model: EcgModel, store: Store, drawn: Mapping[str, Any], seed: int) -> Iterator[dict[str, Any]]:
    record = store_record(store, drawn["record_id"])
    number = int("".join(filter(str.isdigit, drawn["record_id"])) or 0)
    rng = np.random.default_rng([seed, number])
    sets = list(LEAD_SETS)
    few = sets[rng.choice(len(sets), p=list(LEAD_SETS.values()))]
    for leads in (record.leads, few):
        if set(leads) <= set(record.leads) and (found := evidence_of(model, _with(record, leads))):
            yield {**drawn, "leads": ",".join(leads), **found}


def _with(record: Record, leads: tuple[str, ...]) -> Record:
    at = [record.leads.index(name) for name in leads]
    return record.replace(ecg_mv=record.ecg_mv[at], leads=leads)


def evidence_of(model: EcgModel, record: Record) -> dict[str, float] | None:
    """Evidence by name for one record of a store; None where it has too few beats."""
    try:
        found = model.analyze(record, embeddings=False, already_filtered=True)
    except RecordError:
        return None
    leads = sum("flat" not in lead.flags and "missing" not in lead.flags for lead in found.quality.leads)
    of_beats = beat_evidence(found.beats, 0.0, record.duration_s, leads)
    of_statements = statement_evidence(found.diagnoses.statements)
    if of_beats is None or of_statements is None:
        return None
    return dict(zip((*OF_BEATS, *STATEMENTS), (*of_beats.tolist(), *of_statements.tolist()), strict=True))
