import numpy as np
import pandas as pd
import pytest

from beatssl.beats.classes.classifier import CLASSES
from beatssl.records.mitdb import DS2
from beatssl.store.store import Store
from beatssl.studies.scorecard.beats import figures_of_pairs
from beatssl.studies.scorecard.sources import open_source
from beatssl.studies.scorecard.tasks import measure
from beatssl.training.diagnosis.beat_probe import BINS, classed_beats, figures_of_beats, mitdb_rows


@pytest.mark.parametrize("encoder", ["random", "features"])
def test_one_pass_over_the_beats_serves_both_tasks(config, stores, encoder, monkeypatch):
    card = config(encoder)
    linear = measure(encoder, "beats-linear", card)
    monkeypatch.setattr("beatssl.studies.scorecard.beats.classed_beats", None)
    nearest = measure(encoder, "beats-nearest", card)
    assert [one.figure for one in linear] == [one.figure for one in nearest] == ["macro F1", "F1 of S", "F1 of V"]
    assert [one.chooses for one in linear] == [True, False, False]
    assert not any(one.chooses for one in nearest)
    assert {one.records for one in linear + nearest} == {4}
    assert linear[0].ci95[0] <= linear[0].value <= linear[0].ci95[1]


@pytest.mark.parametrize("validation_only", [True, False])
def test_the_records_scored_are_those_of_one_side(config, stores, validation_only):
    store = Store(stores / "mitdb")
    card = config("features")
    values, line = open_source("features", card, store).of_beats(mitdb_rows(store), BINS)
    classed = classed_beats(store, values, line, 0, validation_only)
    ids = set(classed.pairs["record_id"])
    assert ids == {"114", "124", "205", "223"} if validation_only else ids <= set(DS2) and len(ids) == 22
    scored = store.beats["record_id"].isin(ids).to_numpy()
    assert (classed.by_probe[~scored] == len(CLASSES)).all()
    assert (classed.by_probe[scored] < len(CLASSES)).mean() > 0.9
    figures = figures_of_beats(classed.pairs, classed.by_probe)
    (macro, *_) = measure("features", "beats-linear", config("features", test=not validation_only))
    assert macro.value == pytest.approx(figures.macro_f1)


def test_intervals_are_over_patients_where_they_are_known(config):
    rng = np.random.default_rng(0)
    ids = [str(k) for k in range(8)]
    pairs = pd.DataFrame({"record_id": np.repeat(ids, 20), "true": rng.integers(0, 3, 160)})
    found = rng.integers(0, 3, 160)

    def drawn(whose):
        records = pd.DataFrame({"record_id": ids, "source": "made", "patient_id": whose})
        macro, *_ = figures_of_pairs(pairs, found, Store.in_memory(records=records), config("random"))
        return macro.ci95

    low, high = drawn(["one"] * 8)
    assert low == pytest.approx(high)  # nobody else can be drawn
    assert drawn([None] * 8) == drawn(list("zyxwvuts"))
    low, high = drawn([None] * 8)
    assert low < high
