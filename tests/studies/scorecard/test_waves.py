from dataclasses import replace

import numpy as np
import pytest

from beatssl.metrics.segmentation import segmentation_figures
from beatssl.models.config import EncoderConfig
from beatssl.store.store import Store
from beatssl.studies.scorecard import waves as module
from beatssl.studies.scorecard.tasks import measure
from beatssl.studies.scorecard.waves import f1_by_draw

TINY = EncoderConfig(width=0.25, depth=0.1, embedding=0)


def test_waves_of_few_subjects_are_those_of_the_verb_segment(config, store, tmp_path, monkeypatch):
    asked = []

    def segment(config):
        asked.append(config)
        config.out.mkdir(parents=True)
        store.waves.to_parquet(config.out / "waves.parquet")

    monkeypatch.setattr(module, "segment", segment)
    (tmp_path / "stores").mkdir()
    (tmp_path / "stores" / "ludb200").symlink_to(store.path)
    card = config("random", "features", stores=tmp_path / "stores")
    found = measure("random", "waves-sixteenth", card)
    assert measure("random", "waves-sixteenth", card) == found
    (wanted,) = asked
    assert (wanted.encoder, wanted.network, wanted.label_share, wanted.fit.updates) == ("random", TINY, 1 / 16, 400)
    assert (wanted.fit.train, wanted.validation_only, wanted.only) == ("decoder", True, ())
    measure("random", "waves-sixteenth", replace(card, test=True))
    assert not asked[1].validation_only
    assert str(Store(store.path).fingerprint())[:16] in asked[0].out.name
    assert [one.figure for one in found] == ["F1", "F1 of P", "F1 of QRS", "F1 of T"]
    assert [one.chooses for one in found] == [True, False, False, False]
    assert found[0].value == pytest.approx(1)
    assert found[0].records == store.records["record_id"].nunique()
    assert not list((card.out / "runs").iterdir())
    (none,) = measure("features", "waves-sixteenth", card)
    assert (none.value, none.reason) == (None, "measured features have no feature map for a decoder")


def test_f1_is_that_of_the_protocol(config, store):
    reference = store.waves
    late = reference.assign(**{name: reference[name] + 0.02 for name in ("onset_s", "peak_s", "offset_s")})
    fs_hz = float(store.records["source_fs_hz"].max())
    of = segmentation_figures(reference, late, fs_hz).sample_f1
    found = f1_by_draw(store, late, config("random"))
    assert found[0] == pytest.approx([of[name] for name in ("macro", "P", "QRS", "T")])
    assert found.shape == (11, 4)
    assert np.ptp(found[1:, 0]) > 0
