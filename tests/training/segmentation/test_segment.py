"""The verb `segment` on the synthetic cohort, tiny: what it writes, and runs that were stopped."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.inference.segmenter import EcgSegmenter
from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.results import read_result, to_json
from beatssl.store.splits import SplitError
from beatssl.training.config import RunConfig
from beatssl.training.run import read_log
from beatssl.training.segmentation.config import OPTIM, FitConfig, SegmentConfig
from beatssl.training.segmentation.fit import mean_of
from beatssl.training.segmentation.folds import fold_split, splits_of
from beatssl.training.segmentation.segment import FoldFigures, segment

TINY = EncoderConfig(width=0.25, depth=0.1)
SMALL = replace(OPTIM, batch_size=5, precision="float32")
FIT = FitConfig(decoder=DecoderConfig(width=0.25, kernel=5), updates=3, evaluate_every=2, optim=SMALL)
RUN = RunConfig(log_every=1, save_every=1, device="cpu")
FEW = {"encoder": "random", "network": TINY, "fit": FIT, "fold_count": 3, "run": RUN}

OF_SPLIT = {name: value for name, value in FEW.items() if name != "fold_count"}


@pytest.fixture(scope="module")
def run(store, tmp_path_factory):
    out = tmp_path_factory.mktemp("segment") / "run"
    config = SegmentConfig(store.path, out, only=(1,), final=True, **FEW)
    return config, segment(config)


def test_a_run_writes_the_protocols_figures_every_wave_and_its_segmenters(store, run):
    config, figures = run
    written = json.loads((config.out / "metrics.json").read_text())
    assert written == to_json(figures)
    assert written["folds"] == [to_json(read_result(config.out / "fold-1" / "fold.json", FoldFigures))]
    assert set(written["sample_f1"]) == {"P", "QRS", "T", "macro"}
    assert {"se", "ppv", "f1"} == set(written["boundaries"]["QRS_on"]["150"])
    test = fold_split(store, 1, 3).test
    assert figures.records == len(test)
    found = np.load(config.out / "fold-1" / "probabilities.npz")
    np.testing.assert_array_equal(found["row"], test)
    np.testing.assert_allclose(found["probability"].astype(np.float32).sum(axis=2), 1, atol=3e-3)
    waves = pd.read_parquet(config.out / "waves.parquet")
    assert {"record_id", "lead", "wave", "onset_s", "peak_s", "offset_s", "fold"} <= set(waves.columns)
    kept = EcgSegmenter.from_pretrained(config.out / "segmenter")
    assert kept.provenance["figures_over_folds"]["sample_f1"] == written["sample_f1"]


def test_validation_records_alone(store, tmp_path):
    config = SegmentConfig(store.path, tmp_path / "run", only=(1,), validation_only=True, **FEW)
    figures = segment(config)
    assert figures.validation_only
    valid = fold_split(store, 1, 3).valid
    assert np.load(config.out / "fold-1" / "probabilities.npz")["row"].tolist() == valid.tolist()
    assert figures.records == len(valid) == figures.folds[0].records["test"]
    assert "validation_only" not in replace(config, validation_only=False).what_counts()


def test_the_log_of_a_fold_has_losses_and_evaluations_whose_best_is_kept(run):
    config, figures = run
    lines = read_log(config.out / "fold-1")
    updates = [line for line in lines if "loss" in line]
    assert [line["update"] for line in updates] == [1, 2, 3]
    assert all(np.isfinite([line[name] for name in ("loss", "rate", "gradient", "epoch")]).all() for line in updates)
    evaluations = [line for line in lines if "macro" in line]
    assert [line["update"] for line in evaluations] == [2, 3]
    fold = figures.folds[0]
    for line, one in zip(evaluations, fold.evaluations, strict=True):
        assert line == pytest.approx(one, abs=1e-5)
        assert one["macro"] == pytest.approx(np.mean([one[name] for name in ("P", "QRS", "T")]))
    best = max(fold.evaluations, key=lambda one: one["macro"])
    assert {"update": fold.updates} | fold.valid_sample_f1 == best
    assert not [line for line in read_log(config.out / "final") if "macro" in line]


def test_a_run_goes_on_with_what_is_done_and_refuses_another_config(run):
    config, figures = run
    assert to_json(segment(replace(config, final=False))) == to_json(figures)
    with pytest.raises(ValueError, match="another config"):
        segment(replace(config, seed=1))


def test_pseudo_labels_of_another_store_are_learnt_first_and_then_with_the_marks(store, larger, tmp_path):
    changes = FEW | {"fit": replace(FIT, cotrain_updates=2), "cotrain": larger.path}
    config = SegmentConfig(store.path, tmp_path, only=(1,), **changes)
    figures = segment(config)
    assert figures.cotraining == larger.path.name
    first = EcgSegmenter.from_pretrained(tmp_path / "pseudo-labels")
    assert first.provenance["data"] == "synthetic, 6 records, pseudo-labels"  # those of folds 1 to 8
    kept = EcgSegmenter.from_pretrained(tmp_path / "fold-1" / "segmenter")
    assert kept.provenance["cotraining"] == first.provenance["data"]
    assert kept.state_dict().keys() == first.state_dict().keys()
    lines = [line for line in read_log(tmp_path / "fold-1") if "loss" in line]
    for line in lines:
        assert line["loss"] == pytest.approx(line["loss_marks"] + 0.5 * line["loss_pseudo"], rel=1e-4)
    weights = tmp_path / "pseudo-labels" / "segmenter" / "model.safetensors"
    made = weights.stat().st_mtime_ns
    assert segment(replace(config, only=(0,))).cotraining == larger.path.name
    assert weights.stat().st_mtime_ns == made


def test_with_co_training_the_segmenter_for_use_is_the_mean_of_the_folds(store, larger, tmp_path):
    changes = FEW | {"fit": replace(FIT, cotrain_updates=2), "cotrain": larger.path}
    segment(SegmentConfig(store.path, tmp_path, final=True, **changes))
    folds = [EcgSegmenter.from_pretrained(tmp_path / f"fold-{fold}").state_dict() for fold in range(3)]
    kept = EcgSegmenter.from_pretrained(tmp_path / "segmenter")
    assert kept.provenance["mean_of"] == 3
    assert kept.provenance["data"] == f"synthetic, {len(store)} records"
    assert not (tmp_path / "final").exists()
    differ = 0
    for name, value in kept.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, sum(of[name] for of in folds) / 3)
            differ += not torch.equal(folds[0][name], folds[1][name])
    assert differ


def test_networks_that_were_not_initialised_alike_have_no_mean(run):
    kept = EcgSegmenter.from_pretrained(run[0].out / "segmenter")
    with pytest.raises(ValueError, match=r"a network of synthetic.* was trained without co-training.*--cotrain"):
        mean_of([kept, kept])


@pytest.mark.parametrize(
    ("changes", "error"),
    [({}, "none of the 0 rows"), ({"cotrain_folds": "x"}, "no folds"), ({"cotrain": "no"}, "no store")],
)
def test_a_wrong_store_to_cotrain_leaves_nothing_behind(store, tmp_path, changes, error):
    """The marked store has nobody to learn from but those who are tested."""
    changes = changes | ({"cotrain": tmp_path / "none"} if "cotrain" in changes else {})
    config = SegmentConfig(store.path, tmp_path / "run", **FEW | {"cotrain": store.path} | changes)
    with pytest.raises((ValueError, FileNotFoundError), match=error):
        segment(config)
    assert not (tmp_path / "run").exists()


def test_folds_share_no_patient_and_test_every_row_once(store):
    splits = [fold_split(store, fold, 4) for fold in range(4)]
    tested = np.concatenate([split.test for split in splits])
    assert sorted(tested) == list(range(len(store)))
    np.testing.assert_array_equal(splits[0].valid, splits[1].test)
    patient = store.records["patient_id"].to_numpy()
    for split in splits:
        sides = [set(patient[rows]) for rows in split.sides().values()]
        assert sum(map(len, sides)) == len(set.union(*sides))


def test_a_split_of_ones_own_is_one_network_and_saved(store, tmp_path):
    config = SegmentConfig(store.path, tmp_path / "run", **OF_SPLIT | {"split": "random:50,25,25", "final": True})
    figures = segment(config)
    (fold,) = figures.folds
    assert (fold.test_fold, fold.valid_fold, figures.split) == (2, 1, "random:50,25,25")
    sides = pd.read_csv(config.out / "split.csv", dtype=str)["split"].value_counts()
    assert fold.records == {name: sides[name] for name in ("train", "valid", "test")}
    assert figures.records == sides["test"]
    again = replace(config, split=str(config.out / "split.csv"), out=tmp_path / "again", final=False)
    assert segment(again).sample_f1 == figures.sample_f1
    assert EcgSegmenter.from_pretrained(config.out).provenance["figures_over_folds"]["sample_f1"]


def test_parts_and_sides_test_what_they_say(store):
    drawn = splits_of(store, "kfold:4", 5, (), 0)
    assert sorted(np.concatenate([split.test for split in drawn.splits.values()])) == list(range(len(store)))
    assert drawn.valid_fold == {1: 2, 2: 3, 3: 4, 4: 1}
    assert list(splits_of(store, "kfold:4", 5, (3,), 0).splits) == [3]
    number = pd.factorize(store.records["patient_id"])[0]
    words = np.array(["train", "valid", "test", ""])[number % 4]
    own = store.with_tables(records=store.records.assign(part=number % 4 + 7.0, side=words, two=number % 2 + 1.0))
    numbered = splits_of(own, "column:part", 5, (), 0)
    assert numbered.valid_fold == {7: 8, 8: 9, 9: 10, 10: 7}
    np.testing.assert_array_equal(numbered.splits[9].test, np.flatnonzero(number % 4 == 2))
    sides = splits_of(own, "column:side", 5, (), 0)
    np.testing.assert_array_equal(sides.splits[2].valid, np.flatnonzero(words == "valid"))
    np.testing.assert_array_equal(sides.rows, np.flatnonzero(words != ""))
    with pytest.raises(ValueError, match="only=0: split 'column:part' has the folds 7, 8, 9, 10"):
        splits_of(own, "column:part", 5, (0,), 0)
    with pytest.raises(SplitError, match="split 'column:two' has 2 parts"):
        splits_of(own, "column:two", 5, (), 0)
    leaking = own.with_tables(records=own.records.assign(patient_id="one"))
    with pytest.raises(SplitError, match="1 patients stand in both train and valid"):
        splits_of(leaking, "column:side", 5, (), 0)


def test_a_fold_that_is_none_is_refused(tmp_path):
    with pytest.raises(ValueError, match="fold_count=3 and split='random' both say the parts"):
        SegmentConfig(tmp_path, tmp_path, **FEW | {"split": "random"})
    with pytest.raises(ValueError, match="only=3 of 3 folds; they count from 0 to 2"):
        SegmentConfig(tmp_path, tmp_path, **FEW | {"only": (3,)})


def test_killed_again_and_again_it_ends_with_the_same_bits(store, larger, forked, tmp_path):
    lines = forked(Path(__file__).parent / "killed.py", store.path, larger.path, tmp_path)
    assert lines == ["5 of 5, 4 of 4"]
    for kind, parts in (("marks", ("fold-1",)), ("cotrained", ("pseudo-labels", "fold-1"))):
        killed, whole = tmp_path / f"{kind}-killed", tmp_path / f"{kind}-whole"
        for part in parts:
            weights = f"{part}/segmenter/model.safetensors"
            assert (killed / weights).read_bytes() == (whole / weights).read_bytes()
            assert logged(killed / part) == logged(whole / part)
        one, other = (json.loads((run / "metrics.json").read_text()) for run in (killed, whole))
        assert [fold.pop("training_s") > 0 for figures in (one, other) for fold in figures["folds"]] == [True, True]
        assert one == other
        assert [line["update"] for line in one["folds"][0]["evaluations"]] == [3, 6]
        arrays = [np.load(run / "fold-1" / "probabilities.npz")["probability"] for run in (killed, whole)]
        np.testing.assert_array_equal(*arrays)


def logged(folder: Path) -> list[dict[str, float]]:
    """The lines of a log without times."""
    return [{name: value for name, value in line.items() if name[-2:] != "_s"} for line in read_log(folder)]
