import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.source import stages
from beatssl.inference.tensors import read_tensors
from beatssl.models.config import EncoderConfig
from beatssl.store.splits import SplitError
from beatssl.studies.scorecard.sources import pretraining_of
from beatssl.training import loop
from beatssl.training.pretraining.objectives import METHODS
from beatssl.training.pretraining.pretrain import pretrain
from beatssl.training.run import read_log
from beatssl.training.state import STATE
from beatssl.training.task import NotFinite


def same_weights(one: Path, other: Path) -> bool:
    left, right = read_tensors(one / STATE)[0], read_tensors(other / STATE)[0]
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def test_killed_again_and_again_it_ends_with_the_same_bits(store, forked, tmp_path):
    assert forked(Path(__file__).parent / "killed.py", store.path, tmp_path)[-1] == "5 of 5"
    assert same_weights(tmp_path / "killed", tmp_path / "whole")
    for name in ("loss", "update", "rate", "gradient"):
        killed, whole = ([line.get(name) for line in read_log(tmp_path / run)] for run in ("killed", "whole"))
        assert killed == whole, name


def test_the_loss_falls(config):
    made = pretrain(config(epochs=8, preset="regression", rate=3e-3, save_every=50))
    losses = [line["loss_regression"] for line in read_log(made.out)]
    assert np.mean(losses[-4:]) < 0.9 * np.mean(losses[:4])


def test_another_seed_gives_other_weights(config, tmp_path):
    for seed in (0, 1):
        pretrain(config(seed=seed, epochs=1, out=tmp_path / str(seed)))
    assert not same_weights(tmp_path / "0", tmp_path / "1")


def test_a_run_can_begin_from_another_and_be_probed(config, store, tmp_path):
    first = pretrain(config(epochs=1, rate=1e-9))
    changed = config(epochs=1, rate=1e-9, init=str(first.out), out=tmp_path / "next", seed=5)
    second = pretrain(changed)
    one, two = (BeatEncoder.from_pretrained(run.out / "checkpoint") for run in (first, second))
    for name, weight in two.encoder.named_parameters():
        assert torch.allclose(weight, one.encoder.get_parameter(name), atol=1e-6), name
    assert two.provenance["epochs"] == 1
    assert stages(two.provenance)[1:] == [{"init": str(first.out)} | one.provenance]
    assert one.provenance["start"] == {}
    assert "begun with" in str(pretraining_of(str(second.out)))
    with pytest.raises(CheckpointError, match=r"another network.*width: 0.25 against 0.5"):
        pretrain(replace(changed, encoder=EncoderConfig(width=0.5, depth=0.5), out=tmp_path / "wider"))
    with pytest.raises(CheckpointError, match="default holds another network"):
        pretrain(replace(changed, init="default", out=tmp_path / "other"))


def test_probes_on_the_way(config, store, copied_with):
    number = pd.factorize(store.records["patient_id"])[0]
    folded = copied_with(store, records=store.records.assign(fold=number % 6 + 1))
    made = pretrain(config(stores=(folded.path,), epochs=2, probe_every=2, probe_folds="1-4", probe_valid_fold=5))
    probed = [line for line in read_log(made.out) if "probe_valid_macro_auroc" in line]
    assert [line["update"] for line in probed] == [8]
    assert 0 <= probed[0]["probe_valid_macro_auroc"] <= 1


def test_a_split_of_ones_own_trains_on_its_train_side_and_is_saved(config, store, tmp_path):
    made = pretrain(config(epochs=1, split="random:50,25,25", probe_every=1))
    sides = pd.read_csv(made.out / "split.csv", dtype=str).set_index("record_id")["split"]
    assert made.rows == (sides == "train").sum()
    assert abs(made.rows - len(store) / 2) <= 2
    assert BeatEncoder.from_pretrained(made.out).provenance["folds"] == "train of random:50,25,25"
    assert [line["update"] for line in read_log(made.out) if "probe_valid_macro_auroc" in line] == [made.updates]
    file = str(made.out / "split.csv")
    again = pretrain(config(epochs=1, split=file, probe_every=1, out=tmp_path / "again"))
    assert same_weights(made.out, again.out)
    (made.out / "split.csv").write_text((made.out / "split.csv").read_text().replace("valid", "test", 1))
    with pytest.raises(ValueError, match=r"results of another config .*split_sha256"):
        pretrain(config(epochs=1, split=file, probe_every=1, out=tmp_path / "again"))
    written = json.loads((pretrain(config(epochs=1, out=tmp_path / "all")).out / "config.json").read_text())
    assert "split" not in written["pretrain"]  # runs of before go on


def test_splits_that_pretraining_cannot_take_are_refused(config, store, copied_with, tmp_path):
    words = np.array(["train", "valid", "test"])[np.arange(len(store)) % 3]
    leaking = copied_with(store, records=store.records.assign(patient_id="one", side=words, part=1.0))
    with pytest.raises(SplitError, match="1 patients stand in both train and valid"):
        pretrain(config(stores=(leaking.path,), split="column:side"))
    with pytest.raises(ValueError, match=r"column:part of .* holds numbers; .* and pass folds="):
        pretrain(config(stores=(leaking.path,), split="column:part", out=tmp_path / "other"))
    with pytest.raises(ValueError, match=r"split='kfold:5' tests every part once; pass column:NAME"):
        pretrain(config(split="kfold:5", out=tmp_path / "parts"))
    with pytest.raises(FileNotFoundError, match=r"there is no file mine.csv"):
        pretrain(config(split="mine.csv", out=tmp_path / "file"))
    with pytest.raises(ValueError, match=r"folds='1-8' and split='random' both say"):
        config(split="random", folds="1-8")
    (tmp_path / "s.csv").write_text("record_id,split\nx,train\n")
    with pytest.raises(ValueError, match=r"names the records of one store, 2 are given; .* split='column:split' here"):
        pretrain(config(stores=(store.path, leaking.path), split=str(tmp_path / "s.csv"), out=tmp_path / "two"))


def test_several_stores_are_split_alike(config, store, copied_with):
    words = np.array(["train", "valid", "test"])[pd.factorize(store.records["patient_id"])[0] % 3]
    one, other = (copied_with(store, records=store.records.assign(side=words)) for _ in range(2))
    made = pretrain(config(stores=(one.path, other.path), split="column:side", epochs=1))
    assert made.rows == 2 * (words == "train").sum()
    assert set(pd.read_csv(made.out / "split.csv")["store"]) == {one.path.name, other.path.name}


def test_a_folder_of_another_run_is_refused(config):
    pretrain(config(epochs=1))
    with pytest.raises(ValueError, match=r"another config.*batch_size: 6 against 8"):
        pretrain(config(epochs=1, batch_size=8))


def test_other_epochs_on_a_run_say_how_to_train_longer(config, tmp_path):
    made = pretrain(config(epochs=1))
    with pytest.raises(ValueError, match=r"run with epochs=1,.* to train 2 more .*pass init='.*run' and epochs=2 with"):
        pretrain(config(epochs=3))
    pretrain(config(epochs=2, init=str(made.out), out=tmp_path / "longer"))  # as it says
    with pytest.raises(ValueError, match=r"with epochs=2,.*epochs=1 would be another run; pass another out= folder"):
        pretrain(config(epochs=1, init=str(made.out), out=tmp_path / "longer"))
    again = pretrain(config(epochs=3, overwrite=True))
    assert again.updates == 3 * made.updates


def test_a_batch_larger_than_the_store_leaves_nothing_that_blocks_a_smaller_one(config):
    with pytest.raises(ValueError, match="batch size 64 with 24 rows; pass one from 1 to 24"):
        pretrain(config(epochs=1, preset="regression", batch_size=64))
    pretrain(config(epochs=1, preset="regression", batch_size=8))


def test_overwrite_does_not_lose_a_run_of_the_same_config(config):
    made = pretrain(config(epochs=1, overwrite=True))
    state = (made.out / "state.safetensors").stat().st_mtime_ns
    assert pretrain(config(epochs=1, overwrite=True)) == made
    assert (made.out / "state.safetensors").stat().st_mtime_ns == state


def test_a_folder_of_something_else_is_refused(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match=r"is a folder with thesis.tex; pretrain writes to an empty one"):
        pretrain(config())


def test_lines_of_the_log_are_whole(config):
    made = pretrain(config(preset="paper", average=0.9, accumulate=2))
    lines = read_log(made.out)
    assert [line["update"] for line in lines] == [1, 2, 3, 4]
    for name in ("loss_rhythm", "loss_beat", "rhythm_effective_rank", "beat_alignment", "rhythm_target_entropy"):
        assert all(np.isfinite(line[name]) for line in lines), name
    assert (
        json.loads((made.out / "config.json").read_text())["pretrain"]["preset"]["objective"]["beat"]["form"] == "hard"
    )


def test_in_half_precision_with_tensorboard(config, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "computes_in_bfloat16", lambda device: True)
    made = pretrain(config(epochs=1, precision="bfloat16", tensorboard=True))
    assert all(np.isfinite(line["loss"]) for line in read_log(made.out))
    assert list(made.out.rglob("events.out.tfevents*"))
    whole = pretrain(config(epochs=1, out=tmp_path / "whole"))
    first = [read_log(run.out)[0]["loss"] for run in (made, whole)]
    assert first[0] != first[1]
    assert np.isclose(*first, rtol=0.05)


def test_a_loss_that_is_not_finite_stops_the_run_with_its_records(config, monkeypatch):
    method = METHODS["regression"]

    def spoilt(rows, settings):
        columns = method.columns(rows, settings)
        columns.record["target"][:] = np.nan
        columns.record["measured"][:] = True
        return columns

    monkeypatch.setitem(METHODS, "regression", replace(method, columns=spoilt))
    with pytest.raises(NotFinite, match=r"loss of update 0 .*regression nan.* on records .*lower rate"):
        pretrain(config(preset="regression"))
