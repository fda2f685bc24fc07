"""Training of the networks of atrial fibrillation on a store of made-up records."""

from pathlib import Path

import numpy as np
import pytest

from beatssl.beats.classes.fibrillation import FIBRILLATION
from beatssl.beats.classes.networks import load_networks
from beatssl.release import fibrillation
from beatssl.release.fibrillation import TrainFibrillationConfig, auroc_of, train_fibrillation


def test_networks_are_trained_on_some_folds_and_measured_on_the_next(
    store, copied_with, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = store.labels["row"][store.labels["label"] == "atrial-fibrillation"].unique()
    is_true = np.isin(np.arange(len(store)), true)
    order = np.argsort(np.argsort(~is_true, kind="stable"))
    marked = copied_with(
        store,
        records=store.records.assign(fold=np.array([1, 8, 9])[order % 3]),
        labels=store.labels.replace({"label": {"atrial-fibrillation": "AFIB"}}),
    )
    monkeypatch.setattr(fibrillation, "_SHARE", 1.0)
    out = tmp_path / "fibrillation.safetensors"
    seen: list[np.ndarray] = []
    fit = fibrillation.fit_networks

    def noted(names, table, target, *others):  # type: ignore[no-untyped-def]
        seen.append(target)
        return fit(names, table, target, *others)

    monkeypatch.setattr(fibrillation, "fit_networks", noted)
    config = TrainFibrillationConfig(store=marked.path, out=out, nets=2, hidden=(8,), epochs=100)
    figures = train_fibrillation(config)
    rows, sets = len(store) // 3, 6
    assert (len(seen[0]), seen[0].sum()) == (rows * sets, is_true[order % 3 == 0].sum() * sets)
    assert list(figures) == ["all", "II and V1", "II", "V1", "V5 and II", "two at random"]
    assert figures["all"] > 0.7
    assert auroc_of(out) == pytest.approx(figures)
    (networks,) = load_networks(out, [FIBRILLATION])
    assert networks.biases[-1].shape == (2, 1, 2)
    with pytest.raises(KeyError):
        load_networks(out, ["first"])
