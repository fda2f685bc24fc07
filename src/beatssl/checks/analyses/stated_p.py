"""P waves, PR and S beats that `analyze` states of PTB-XL's records, by statement and rate, and of synthetic ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from beatssl.analysis.model import EcgModel, load
from beatssl.analysis.rhythms.truth import AF
from beatssl.analysis.waves import store_record
from beatssl.checks.analyses.lines import Line, analysed_lines
from beatssl.checks.synthetic_waves import FS_HZ, LEAST_SHARE, MADE, MadeOf, drawn_records
from beatssl.checks.wave_presence import LEAD_SETS, PresenceFigures, record_groups
from beatssl.records.record import Record, RecordError
from beatssl.results import Number
from beatssl.store.store import Store

TACHYCARDIA = "supraventricular tachycardia"
"""Group of records, by the statements SVTAC and PSVT."""


@dataclass(frozen=True)
class StatedFigures(PresenceFigures):
    """Over the records of one group, the beats those of `analyze`."""

    fibrillation: int
    """Records whose likeliest rhythm is atrial fibrillation or flutter: no P of theirs is stated."""
    s_per_beat: Number
    """Share of the beats of class S (supraventricular ectopic)."""


@dataclass(frozen=True)
class StatedPCheck:
    """By leads and group of records: the groups of `check --what wave-presence`, and `TACHYCARDIA`."""

    by_leads: dict[str, dict[str, StatedFigures]]
    made: dict[str, dict[str, StatedFigures]]
    """The same of synthetic records, by leads and kind."""


def check_stated_p(store: Store, kept: Path) -> StatedPCheck:
    """P, PR and S by `analyze`, of PTB-XL's test fold (records in AV block of second and third degree or in
    supraventricular tachycardia: of all folds), and of synthetic records of every kind.

    Raises ValueError where the store has no PTB-XL statements.
    """
    statements = store.targets("scp").reindex(columns=["SVTAC", "PSVT"], fill_value=False)
    groups = record_groups(store) | {TACHYCARDIA: np.flatnonzero(statements.to_numpy(bool).any(axis=1))}
    ids = store.records["record_id"].astype(str).to_numpy()

    def line_of(model: EcgModel, record_id: str) -> Line:
        return {name: _found(model, store, record_id, leads) for name, leads in LEAD_SETS.items()}

    some = np.unique(np.concatenate(list(groups.values())))
    lines = dict(zip(ids[some].tolist(), analysed_lines(ids[some].tolist(), line_of, kept), strict=True))
    by_leads = {
        name: {group: _figures([lines[ids[row]][name] for row in rows]) for group, rows in groups.items()}
        for name in LEAD_SETS
    }
    model = load(device="cpu")
    made = {
        name: {kind: _figures(_of_made(model, made, leads)) for kind, made in MADE.items()}
        for name, leads in LEAD_SETS.items()
    }
    return StatedPCheck(by_leads, made)


def _of_made(model: EcgModel, made: MadeOf, leads: Sequence[str]) -> list[Line | None]:
    return [_line(model, Record(ecg_mv, tuple(leads), FS_HZ, "", "made")) for _, ecg_mv in drawn_records(made, leads)]


def _found(model: EcgModel, store: Store, record_id: str, leads: Sequence[str]) -> Line | None:
    record = store_record(store, record_id)
    at = [k for k, lead in enumerate(record.leads) if lead in leads]
    record = record.replace(ecg_mv=record.ecg_mv[at], leads=tuple(record.leads[k] for k in at))
    return _line(model, record, already_filtered=True)


def _line(model: EcgModel, record: Record, already_filtered: bool = False) -> Line | None:
    try:
        a = model.analyze(record, embeddings=False, already_filtered=already_filtered)
    except RecordError:
        return None
    return {
        "beats": len(a.beats),
        "with_p": int((a.beats.p_share >= LEAST_SHARE).sum()),
        "pr": a.intervals["pr_interval_ms"].value is not None,
        "s": a.beats.labels.count("S"),
        "af": any(one.name == AF for one in a.rhythm.episodes),
    }


def _figures(lines: Sequence[Line | None]) -> StatedFigures:
    there = [line for line in lines if line is not None]
    beats, with_p, stated, fibrillation, s = (
        int(sum(line[name] for line in there)) for name in ("beats", "with_p", "pr", "af", "s")
    )
    shares = (with_p / beats, s / beats) if beats else (float("nan"),) * 2
    return StatedFigures(len(there), beats, shares[0], stated, fibrillation, shares[1])
