"""INCART's beats by a probe of MIT-BIH's, on made-up stores."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.records.mitdb import aami_class
from beatssl.store.store import Store
from beatssl.studies.scorecard import further_beats
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure
from beatssl.studies.scorecard.further_beats import incart_beats, with_lead_alone
from beatssl.studies.scorecard.sources import EncoderSource, FeatureSource, open_source
from beatssl.studies.scorecard.tasks import TASKS, measure

Make = Callable[..., ScorecardConfig]


class Knowing(EncoderSource):
    """Embeddings that say the class of the beat that stands nearest in time."""

    def of_beats(self, rows, bins):
        beats = self.store.beats
        line = np.flatnonzero(beats["row"].isin(rows))
        marks = self.store.reference_beats
        own = [marks[marks["record_id"] == one] for one in beats["record_id"].iloc[line]]
        near = [
            of["symbol"].iloc[np.abs(of["time_s"] - at).argmin()]
            for of, at in zip(own, beats["time_in_record_s"].iloc[line], strict=True)
        ]
        groups = np.array([aami_class(symbol) for symbol in near])
        return (groups[:, None] == np.array(list("NSVF"))).astype(np.float32), line


def of_four_classes(store: Store) -> Store:
    """The store with every fifth beat V, every seventh S and every eleventh F."""
    marks = store.reference_beats.reset_index(drop=True)
    number = np.arange(len(marks))
    symbol = np.select([number % 11 == 0, number % 7 == 0, number % 5 == 0], ["F", "S", "V"], "N")
    return store.with_tables(reference_beats=marks.assign(symbol=symbol))


def test_a_probe_of_one_database_is_applied_to_the_other(
    larger: Store, config: Make, stores: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, asked, card = of_four_classes(Store(stores / "mitdb")), of_four_classes(larger), config("random")
    monkeypatch.setattr(further_beats, "_trained_on", lambda folder, store: known)
    source = open_source("random", card, asked)
    figures = incart_beats(Knowing(**vars(source)), asked, card)["incart"]
    assert [one.name for one in figures] == ["macro F1", "F1 of S", "F1 of V"]
    assert all(one.value == pytest.approx(1.0, abs=0.06) for one in figures)  # a beat that was not found is missed
    assert figures[0].records == 34
    (other, *_) = incart_beats(source, asked, card)["incart"]
    assert 0 < other.value < 0.5  # type: ignore[operator]


def test_a_kept_score_depends_on_the_store_that_was_learnt_from(
    larger: Store, store: Store, config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = iter([[Figure("macro F1", value, None, 1)] for value in (0.25, 0.75)])
    task = replace(TASKS["incart"], measure=lambda source, store, config: {"incart": next(figures)})
    monkeypatch.setitem(TASKS, "incart", task)
    (tmp_path / "incartdb").symlink_to(larger.path)
    (learnt := tmp_path / further_beats.TRAINED_ON).symlink_to(store.path)
    card = config("random", stores=tmp_path, test=True)
    assert [measure("random", "incart", card)[0].value for _ in range(2)] == [0.25, 0.25]
    learnt.unlink()
    learnt.symlink_to(larger.path)
    assert measure("random", "incart", card)[0].value == 0.75


def test_other_leads_are_withheld(larger: Store) -> None:
    alone = with_lead_alone(larger, "II")
    np.testing.assert_array_equal(alone.ecg_mv([3])[:, 1], larger.ecg_mv([3])[:, 1])
    assert np.isnan(np.delete(alone.ecg_mv([3]), 1, axis=1)).all()
    pd.testing.assert_frame_equal(alone.beats, larger.beats)
    with pytest.raises(ValueError, match="'MLII' is no lead"):
        with_lead_alone(larger, "MLII")


def test_what_it_cannot_do_it_says(larger: Store, config: Make, stores: Path, tmp_path: Path) -> None:
    card = config("random", stores=tmp_path)
    source = open_source("random", card, larger)
    with pytest.raises(ValueError, match="no store mitdb-baseline to train on; prepare mitdb --baseline medians"):
        incart_beats(source, larger, card)
    (tmp_path / further_beats.TRAINED_ON).symlink_to(stores / "mitdb")
    with pytest.raises(ValueError, match="was prepared otherwise"):
        incart_beats(source, larger, card)
    with pytest.raises(ValueError, match="of both its leads"):
        incart_beats(FeatureSource(larger, cache=False), larger, replace(card, names=()))
