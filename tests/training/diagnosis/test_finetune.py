"""Fine-tuning on the synthetic cohort, tiny: its figures, its model, and runs that were stopped."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.row_signals import RowSignals
from beatssl.inference.tensors import read_tensors
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.results import read_result, to_json
from beatssl.store.layout import ECG
from beatssl.store.store import Store
from beatssl.training.config import RunConfig
from beatssl.training.diagnosis.config import OPTIM, FinetuneConfig, ProbeConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.diagnosis.finetune import finetune
from beatssl.training.diagnosis.label_task import LabelTask
from beatssl.training.diagnosis.probe import probe
from beatssl.training.run import read_log
from beatssl.training.state import STATE
from beatssl.training.task import NotFinite
from beatssl.views.config import ViewsConfig

TINY = EncoderConfig(width=0.25, depth=0.1)
ASKED = {
    "encoder": "random", "network": TINY, "train_folds": "1-4", "valid_fold": 5, "test_fold": 6, "bootstrap_draws": 20,
}  # fmt: skip
SMALL = replace(OPTIM, batch_size=6, precision="float32")
FEW = ASKED | {
    "epochs": 2, "least_updates": 4, "optim": SMALL, "run": RunConfig(log_every=1, save_every=2, device="cpu"),
}  # fmt: skip


def reported(folder: Path, store: Store):
    """The saved model's probabilities beside the reported ones."""
    model = EcgClassifier.from_pretrained(folder / "head")
    table = pd.read_parquet(folder / "predictions.parquet").query("draw == 0")
    signals = RowSignals(store)(table["row"].to_numpy())
    found = model.probabilities(signals.ecg_mv, signals.lead_mask, signals.valid).numpy()
    return model, found, table[[f"p_{name}" for name in model.labels]].to_numpy()


@pytest.mark.parametrize(
    "options",
    [
        {"views": ViewsConfig(amplitude=1.0, lead_mask=0.5, temporal_scaling=0.5)},
        {"head": "mlp", "hidden": 8, "balance": 1.0, "optim": replace(SMALL, average=0.0, precision="bfloat16")},
        {"init": "fresh", "optim": replace(SMALL, average=0.5, precision="bfloat16")},
        {"train": "head", "head": "mlp", "hidden": 8, "optim": replace(SMALL, precision="bfloat16")},
        {"train": "head", "balance": 0.5, "label_share": 0.5, "draws": 2},
    ],
)
def test_figures_and_a_model_that_gives_them(folded, tmp_path, options):
    figures = finetune(FinetuneConfig(store=folded.path, out=tmp_path, **FEW | options))
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert written == to_json(figures) == to_json(read_result(tmp_path / "metrics.json", DiagnosisFigures))
    layout = probe(ProbeConfig(store=folded.path, out=tmp_path / "probe", device="cpu", **ASKED))
    assert set(to_json(layout)) <= set(written)
    assert layout.folds == figures.folds
    chosen = figures.chosen[0]
    assert chosen["valid_macro_auroc"] == max(one["valid_macro_auroc"] for one in chosen["evaluations"])
    assert {name: chosen[name] for name in ("update", "valid_macro_auroc")} in chosen["evaluations"]
    model, found, expected = reported(tmp_path, folded)
    assert np.allclose(found, expected, atol=1e-4)
    assert model.labels == tuple(figures.per_class)
    assert model.provenance["figures"]["macro_auroc"] == figures.macro_auroc


def test_training_repeats_itself_and_moves_the_encoder_or_not(folded, tmp_path):
    kept = {}
    for name, train in (("one", "all"), ("again", "all"), ("head", "head")):
        finetune(FinetuneConfig(store=folded.path, out=tmp_path / name, train=train, **FEW))
        kept[name] = EcgClassifier.from_pretrained(tmp_path / name / "head")
    fresh = build_encoder(TINY, 0).state_dict()
    one, again, head = (kept[name].state_dict() for name in kept)
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    assert all(torch.equal(value, head[f"encoder.{name}"]) for name, value in fresh.items())
    assert not all(torch.equal(value, one[f"encoder.{name}"]) for name, value in fresh.items())


def test_it_is_initialised_from_the_linear_probe(folded, tmp_path):
    straight = probe(ProbeConfig(store=folded.path, out=tmp_path / "probe", device="cpu", **ASKED))
    still = FEW | {"optim": replace(SMALL, rate=1e-12, average=0.0)}
    tuned = finetune(FinetuneConfig(store=folded.path, out=tmp_path / "tuned", **still))
    evaluations = tuned.chosen[0]["evaluations"]
    assert [one["update"] for one in evaluations] == [0, 2, 4]
    for one in evaluations:
        assert one["valid_macro_auroc"] == pytest.approx(straight.chosen[0]["valid_macro_auroc"])
    assert tuned.macro_auroc == pytest.approx(straight.macro_auroc)
    one, other = (EcgClassifier.from_pretrained(tmp_path / name / "head").state_dict() for name in ("probe", "tuned"))
    for name, value in one.items():
        assert torch.allclose(value, other[name], atol=1e-5), name
    before = read_log(tmp_path / "tuned")[0]
    assert before.keys() == {"update", "valid_macro_auroc"}
    assert before["update"] == 0


def test_epochs_that_are_asked_for_are_not_exceeded(folded, tmp_path, capsys):
    one = {name: value for name, value in FEW.items() if name not in ("epochs", "least_updates")} | {"epochs": 1}
    figures = finetune(FinetuneConfig(store=folded.path, out=tmp_path / "one", train="head", init="fresh", **one))
    rows = figures.records.train
    assert [line["update"] for line in read_log(tmp_path / "one") if "loss" in line] == [*range(1, rows // 6 + 1)]
    assert "that probe" not in capsys.readouterr().out

    default = FinetuneConfig(store=folded.path, out=tmp_path)
    assert (default.epoch_count, default.update_minimum) == (10, 200)
    assert (replace(default, epochs=2).epoch_count, replace(default, epochs=2).update_minimum) == (2, 1)
    assert (replace(default, least_updates=7).epoch_count, replace(default, least_updates=7).update_minimum) == (10, 7)


@pytest.mark.parametrize("improves", [False, True])
def test_it_says_when_the_probe_was_never_improved_on(folded, tmp_path, capsys, monkeypatch, improves):
    def evaluate(task: LabelTask, model: torch.nn.Module, update: int) -> dict[str, float]:
        return {"valid_macro_auroc": 0.5 + update / 100 * (1 if improves else -1)}

    monkeypatch.setattr(LabelTask, "evaluate", evaluate)
    figures = finetune(FinetuneConfig(store=folded.path, out=tmp_path, **FEW))
    assert figures.chosen[0]["update"] == (4 if improves else 0)
    assert ("none of 4 updates was better" in capsys.readouterr().out) is not improves


def test_the_log_has_losses_and_evaluations(folded, tmp_path):
    figures = finetune(FinetuneConfig(store=folded.path, out=tmp_path, init="fresh", **FEW))
    lines = read_log(tmp_path)
    updates = [line for line in lines if "loss" in line]
    assert [line["update"] for line in updates] == [1, 2, 3, 4]
    assert all(np.isfinite([line[name] for name in ("loss", "rate", "gradient", "epoch")]).all() for line in updates)
    evaluations = [line for line in lines if "valid_macro_auroc" in line]
    assert [line["update"] for line in evaluations] == [2, 4]
    expected = [one["valid_macro_auroc"] for one in figures.chosen[0]["evaluations"]]
    assert [line["valid_macro_auroc"] for line in evaluations] == pytest.approx(expected, abs=1e-5)


def loud(store: Store, rows: np.ndarray, folder: Path) -> Store:
    """A copy of a store that has 5 mV throughout in some rows."""
    shutil.copytree(store.path, folder)
    first = 0
    for path in sorted(folder.glob(f"shard-*/{ECG}")):
        units = np.load(path, mmap_mode="r+")
        units[np.isin(np.arange(first, first + len(units)), rows)] = 5000
        units.flush()
        first += len(units)
    return Store(folder)


def test_the_test_fold_takes_no_part(folded, tmp_path):
    last = folded.records.index[folded.records["fold"] == 6].to_numpy()
    other = loud(folded, last, tmp_path / "loud")
    assert (other.ecg_mv(last) == 5).all()

    def trained(store: Store, name: str):
        finetune(FinetuneConfig(store=store.path, out=tmp_path / name, **FEW))
        return EcgClassifier.from_pretrained(tmp_path / name / "head").state_dict()

    before, after = trained(folded, "before"), trained(other, "after")
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    only = finetune(FinetuneConfig(store=folded.path, out=tmp_path / "valid", validation_only=True, **FEW))
    assert only.folds.test == 5


def test_a_finished_run_gives_its_figures_again_and_another_config_is_refused(folded, tmp_path):
    config = FinetuneConfig(store=folded.path, out=tmp_path, train="head", **FEW)
    figures = finetune(config)
    log = (tmp_path / "metrics.jsonl").read_text()
    assert to_json(finetune(config)) == to_json(figures)
    assert (tmp_path / "metrics.jsonl").read_text() == log
    with pytest.raises(ValueError, match=r"another config.*seed: 0 against 1"):
        finetune(replace(config, seed=1))


def test_views_on_a_frozen_encoder_are_refused(folded, tmp_path):
    with pytest.raises(ValueError, match="views change what the encoder sees"):
        FinetuneConfig(store=folded.path, out=tmp_path, train="head", views=ViewsConfig(noise=0.5))


def test_one_record_is_too_few(folded, tmp_path):
    records = folded.records
    kept = records[records["fold"] >= 5].index.union(records[records["fold"] == 1].index[:1])
    path = tmp_path / "few.csv"
    path.write_text("record_id,odd\n" + "".join(f"{records['record_id'][row]},{row % 2}\n" for row in kept))
    with pytest.raises(ValueError, match="of the training rows 0 of 1 have 'odd'; both rows with it and rows without"):
        finetune(FinetuneConfig(store=folded.path, out=tmp_path / "run", labels=str(path), **FEW))


def test_a_rate_that_is_far_too_high_is_named(folded, tmp_path):
    wild = FEW | {"optim": replace(SMALL, rate=1e30)}
    with pytest.raises(NotFinite, match=r"of update 1 is .*lower rate than 1e\+30"):
        finetune(FinetuneConfig(store=folded.path, out=tmp_path, **wild))


def test_killed_again_and_again_it_ends_with_the_same_bits(folded, forked, tmp_path):
    assert forked(Path(__file__).parent / "killed.py", folded.path, tmp_path) == ["5 of 5"]
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    weights = "head/model.safetensors"
    assert (killed / weights).read_bytes() == (whole / weights).read_bytes()
    one, other = (json.loads((run / "metrics.json").read_text()) for run in (killed, whole))
    assert one == other
    evaluations = one["chosen"][0]["evaluations"]
    assert [line["update"] for line in evaluations] == [3, 6, 9]
    states = [read_tensors(run / STATE)[0] for run in (killed, whole)]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    logs = [[{k: v for k, v in line.items() if k[-2:] != "_s"} for line in read_log(run)] for run in (killed, whole)]
    assert logs[0] == logs[1]
