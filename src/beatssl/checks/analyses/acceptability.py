"""Signal quality against the judgement of CinC 2011: acceptable or not."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from beatssl.analysis.model import EcgModel
from beatssl.checks.analyses.lines import Line, analysed_lines
from beatssl.metrics.classification import Interval, auroc, interval95, patient_weights, weighted_auroc
from beatssl.records.read import read
from beatssl.records.record import RecordError
from beatssl.results import Number

_LISTS = {"RECORDS-acceptable": True, "RECORDS-unacceptable": False}


@dataclass(frozen=True)
class AcceptabilityCheckConfig:
    """Of the intervals."""

    bootstrap_draws: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class AcceptabilityFigures:
    """The quality score of records (`Quality.score`) against acceptable; a refused record scores 0."""

    records: int
    acceptable: int
    refused: int
    """By `analyze`: nothing measured, or an amplitude that is no ECG's."""
    auroc: Number
    auroc_ci95: Interval
    flagged_acceptable: Number
    """Share of the acceptable records that are refused, or flagged no_beats or poor_quality."""
    flagged_unacceptable: Number
    with_rhythm_unacceptable: Number
    """Share of the unacceptable records that are given a rhythm."""


def check_acceptability(
    folder: Path, kept: Path, config: AcceptabilityCheckConfig = AcceptabilityCheckConfig()
) -> AcceptabilityFigures:
    """Quality scores of CinC 2011's records against its judges'; nothing was trained on them.

    Raises FileNotFoundError where `folder` has no RECORDS-acceptable and RECORDS-unacceptable.
    """
    if absent := [file for file in _LISTS if not (folder / file).is_file()]:
        raise FileNotFoundError(f"{folder} has no {absent[0]}; pass the folder of CinC 2011's set a")
    good = {name: is_good for file, is_good in _LISTS.items() for name in (folder / file).read_text().split()}

    def line_of(model: EcgModel, name: str) -> Line:
        try:
            a = model.analyze(read(folder / f"{name}.hea"), embeddings=False)
        except RecordError as error:
            return {"score": 0.0, "refused": error.reason, "flagged": True, "rhythm": False}
        flagged = any(flag.name in ("no_beats", "poor_quality") for flag in a.flags)
        return {"score": a.quality.score, "refused": "", "flagged": flagged, "rhythm": bool(a.rhythm.classes)}

    lines = analysed_lines(list(good), line_of, kept)
    true = np.array([good[line["record"]] for line in lines])
    score, flagged, rhythm = (np.array([line[key] for line in lines]) for key in ("score", "flagged", "rhythm"))
    weights = patient_weights(np.arange(len(lines)), config.bootstrap_draws, np.random.default_rng(config.seed))
    return AcceptabilityFigures(
        records=len(lines),
        acceptable=int(true.sum()),
        refused=sum(bool(line["refused"]) for line in lines),
        auroc=auroc(true, score),
        auroc_ci95=interval95(weighted_auroc(true, score, weights)),
        flagged_acceptable=float(flagged[true].mean()),
        flagged_unacceptable=float(flagged[~true].mean()),
        with_rhythm_unacceptable=float(rhythm[~true].mean()),
    )
