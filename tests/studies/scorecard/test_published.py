"""An encoder that others published on the scorecard."""

from dataclasses import replace

import torch

from beatssl.inference.adapters.ecg_fm import EcgFmLayout
from beatssl.inference.adapters.registry import ADAPTERS
from beatssl.store.store import Store
from beatssl.studies.scorecard.encoders import score_encoders
from beatssl.studies.scorecard.sources import open_source


def test_a_published_encoder_has_rows_like_any_other(config, tmp_path, monkeypatch):
    adapter = replace(ADAPTERS["ecg-fm"], layout=EcgFmLayout(12, (8, 8, 8, 8), 16, 1, 2, 24, 8, 4))
    monkeypatch.setitem(ADAPTERS, "ecg-fm", adapter)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save({"model": adapter.network(adapter.layout).state_dict()}, tmp_path / "weights.pt")
    source, tasks = f"ecg-fm:{tmp_path / 'weights.pt'}", ("superclass", "lead-II", "age")
    card = score_encoders(config(source, "ecgfounder:absent.pth", tasks=tasks))
    assert card.encoders == ("ecg-fm", "ecgfounder")
    store = Store(config("random").stores / "ptb-xl")
    opened = open_source(source, config(source), store)
    before = opened.fingerprint
    opened.encoder.takes = replace(opened.encoder.takes, scaling="record")
    assert opened.fingerprint != before
    values = {(one.encoder, one.task): one.value for one in card.scores}
    assert all(values["ecg-fm", task] is not None for task in tasks)
    assert all(values["ecgfounder", task] is None for task in tasks)
    assert {one.reason[:19] for one in card.scores if one.encoder == "ecgfounder"} == {"weights not at hand"}
