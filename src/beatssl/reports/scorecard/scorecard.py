"""The verb `scorecard`: encoders scored, and what is written of it."""

from dataclasses import asdict

import pandas as pd

from beatssl.files import make_folder, write_bytes
from beatssl.reports.scorecard.page import scorecard_page
from beatssl.results import write_result
from beatssl.store.outputs import asked_of, open_folder
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.encoders import score_encoders, tasks_of
from beatssl.studies.scorecard.scores import Scorecard
from beatssl.studies.scorecard.sources import encoder_names

CARD, TABLE, PAGE = "scorecard.json", "scorecard.csv", "scorecard.html"


def scorecard(config: ScorecardConfig) -> Scorecard:
    """The scores of all encoders on all tasks.

    Also written as `out`/scorecard.json, scorecard.csv (a line a score) and, with a bar picture, scorecard.html, anew
    after every task. See `score_encoders` for what raises; ValueError too where `out` holds
    results of another command, or of other folds, stores or seed.
    """
    encoder_names(config)
    tasks_of(config)  # what cannot be asked is refused before the folder is made
    make_folder(config.out)
    open_folder(config.out, asked_of("scorecard", config, ("encoders", "names", "tasks")), config.overwrite)

    def write(card: Scorecard) -> None:
        write_result(config.out / CARD, card)
        write_bytes(config.out / TABLE, table_of(card).to_csv(index=False).encode())
        write_bytes(config.out / PAGE, scorecard_page(card).encode())

    return score_encoders(config, write)


def table_of(card: Scorecard) -> pd.DataFrame:
    """A line a score."""
    lines = [asdict(one) for one in card.scores]
    for line in lines:
        low, high = line.pop("ci95") or (None, None)
        line |= {"ci95_low": low, "ci95_high": high}
    return pd.DataFrame(lines)
