"""Labels that are numbers: probed, fine-tuned, saved, cross-validated and drawn, or refused with a remedy."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from beatssl.inference.regressor import EcgRegressor
from beatssl.reports.draw import draw
from beatssl.results import read_result
from beatssl.store.labels import labels_of
from beatssl.store.quantities import quantities, quantities_of, strata
from beatssl.store.store import Store
from beatssl.studies.compare import compare
from beatssl.studies.config import CompareConfig
from beatssl.studies.predictions import read_figures
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.diagnosis.config import FinetuneConfig, ProbeConfig
from beatssl.training.diagnosis.finetune import finetune
from beatssl.training.diagnosis.learnable import LearntNumbers
from beatssl.training.diagnosis.number_figures import RegressionFigures
from beatssl.training.diagnosis.probe import fit, probe
from beatssl.training.diagnosis.ridge import ridge_path

FOLDS = {"train_folds": "1-4", "valid_fold": 5, "test_fold": 6, "bootstrap_draws": 20, "encoder": "random"}


@pytest.fixture
def written(folded: Store, tmp_path: Path) -> Callable[..., str]:
    """`written(name=numbers, …)`: a file of these columns, a line a record, as `labels` takes it."""

    def write(**columns: object) -> str:
        lines = folded.records[["record_id"]].assign(**columns).drop_duplicates("record_id")
        lines.to_csv(tmp_path / "my.csv", index=False)
        return str(tmp_path / "my.csv")

    return write


@pytest.fixture
def amplitude(folded: Store) -> np.ndarray:
    """A number that an untrained encoder knows: the standard deviation of lead II, in mV."""
    ii = list(folded.leads).index("II")
    return np.nanstd(folded.ecg_mv(np.arange(len(folded)))[:, ii], axis=1).astype(np.float64)


def test_ridge_regression_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(60, 7)).astype(np.float32)
    numbers = values[:, :2] * 2 + rng.normal(size=(60, 2)) + 5
    known = rng.random((60, 2)) < 0.8
    for line, alpha in zip(ridge_path(values, numbers, (0.1, 0.001), known), (1000.0, 10.0), strict=True):
        for k in range(2):
            at = known[:, k]
            expected = Ridge(alpha=alpha).fit(values[at].astype(np.float64), numbers[at, k])
            assert line.inverse_penalty == pytest.approx(1 / alpha)
            assert np.allclose(line.weight[:, k], expected.coef_, rtol=1e-4, atol=1e-6)
            assert line.bias[k] == pytest.approx(expected.intercept_, rel=1e-5)


def test_a_probe_of_numbers_gives_errors_in_their_units_and_a_regressor(folded, written, amplitude, tmp_path):
    labels = written(spread_uv=amplitude * 1000, noise=np.random.default_rng(0).normal(3, 2, len(folded)))
    figures = probe(ProbeConfig(store=folded.path, out=tmp_path / "probe", labels=labels, **FOLDS))
    assert isinstance(figures, RegressionFigures)
    known, unknown = figures.per_number["spread_uv"], figures.per_number["noise"]
    assert known.correlation > 0.8
    assert known.r2_ci95[0] <= known.r2 <= known.r2_ci95[1]
    assert known.mae < known.mae_of_median
    assert figures.mean_r2 == pytest.approx((known.r2 + unknown.r2) / 2)
    assert read_result(tmp_path / "probe" / "metrics.json", RegressionFigures).per_number == figures.per_number

    table = pd.read_parquet(tmp_path / "probe" / "predictions.parquet")
    test = table[table["fold"] == 6]
    error = test["predicted_spread_uv"] - test["true_spread_uv"]
    assert known.mae == pytest.approx(error.abs().mean())
    assert known.bias == pytest.approx(error.mean())
    assert known.records == len(test)

    model = EcgRegressor.from_pretrained(tmp_path / "probe")
    one = table.iloc[3]
    samples = int(folded.records["samples"].iloc[one["row"]])
    ecg_mv = folded.ecg_mv([one["row"]])[0, :, :samples]
    said = model.predict(ecg_mv, folded.leads, folded.fs_hz, already_filtered=True, check="off")
    assert said["spread_uv"] == pytest.approx(one["predicted_spread_uv"], rel=1e-3)
    assert set(said) == {"spread_uv", "noise"}


def test_a_number_that_is_not_known_is_neither_learnt_nor_scored(folded, written, amplitude):
    some = pd.Series(amplitude).where(np.arange(len(folded)) % 3 > 0)
    file = quantities_of(folded, written(spread=some))
    group = quantities(folded, file, (1, 2, 3, 4), 5, 6)
    assert group.dropped == some.isna().sum()
    assert np.isfinite(group.values).all()
    assert np.allclose(group.values[:, 0], some.dropna())


def test_the_test_fold_takes_no_part(folded, written, amplitude):
    group = quantities(folded, quantities_of(folded, written(spread=amplitude)), (1, 2, 3, 4), 5, 6)
    values = np.random.default_rng(0).normal(size=(len(group.row), 12)).astype(np.float32)
    line, quality = fit(values, LearntNumbers(group, group.train), (0.01, 0.1))
    values[group.test] = np.nan
    group.values[group.test] = 1e9
    again, same = fit(values, LearntNumbers(group, group.train), (0.01, 0.1))
    assert (line.weight == again.weight).all()
    assert quality == same


@pytest.mark.parametrize("train", ["head", "all"])
def test_fine_tuning_on_numbers(folded, written, amplitude, train, tmp_path):
    config = FinetuneConfig(
        store=folded.path, out=tmp_path / "run", labels=written(spread=amplitude), train=train, epochs=2,
        optim=OptimConfig(batch_size=8, rate=1e-3), run=RunConfig(device="cpu", save_every=1, log_every=1),
        **FOLDS,
    )  # fmt: skip
    figures = finetune(config)
    assert isinstance(figures, RegressionFigures)
    assert "valid_mean_r2" in figures.chosen[0]
    table = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    test = table[table["fold"] == 6]
    assert figures.per_number["spread"].mae == pytest.approx(
        (test["predicted_spread"] - test["true_spread"]).abs().mean()
    )
    assert EcgRegressor.from_pretrained(tmp_path / "run").labels == ("spread",)


def test_draws_of_labels_and_cross_validation(folded, written, amplitude, tmp_path):
    labels = written(spread=amplitude)
    shared = {"store": folded.path, "labels": labels}
    drawn = probe(ProbeConfig(out=tmp_path / "draws", label_share=0.6, draws=3, **shared, **FOLDS))
    assert len(drawn.chosen) == 3
    assert np.isfinite(drawn.mean_r2)
    parts = probe(ProbeConfig(out=tmp_path / "parts", split="kfold:3", encoder="random", bootstrap_draws=20, **shared))
    table = pd.read_parquet(tmp_path / "parts" / "predictions.parquet")
    assert sorted(table["row"]) == list(range(len(folded)))  # each once
    error = table["predicted_spread"] - table["true_spread"]
    assert parts.per_number["spread"].mae == pytest.approx(error.abs().mean())
    assert parts.per_number["spread"].r2 == pytest.approx(1 - (error**2).mean() / table["true_spread"].var(ddof=0))


def test_a_split_at_random_spreads_the_quarters_of_a_number(folded, written, amplitude):
    found = strata(folded, written(spread=amplitude))
    assert found.given.sum(axis=0).tolist() == pytest.approx([len(folded) / 4] * 4, abs=1.5)
    assert (found.given.sum(axis=1) == 1).all()


def test_columns_of_the_records_are_labels(folded, copied_with, amplitude, tmp_path):
    records = folded.records.assign(LVEF=amplitude * 50, AF=np.arange(len(folded)) % 2 == 0, site="north")
    store = copied_with(folded, records=records)
    assert labels_of(store, "column:AF").given[:, 0].tolist() == records["AF"].tolist()
    figures = probe(ProbeConfig(store=store.path, out=tmp_path / "probe", labels="column:LVEF", **FOLDS))
    assert figures.per_number["LVEF"].correlation > 0.8
    with pytest.raises(ValueError, match=r"has no column 'EF'; it has .*LVEF"):
        labels_of(store, "column:EF")


def test_pictures_of_numbers(folded, written, amplitude, tmp_path):
    labels = written(**{"<b>spread": amplitude, "noise": np.random.default_rng(0).normal(3, 2, len(folded))})
    probe(ProbeConfig(store=folded.path, out=tmp_path / "probe", labels=labels, **FOLDS))
    text = draw(tmp_path / "probe")["numbers"].read_text()
    assert "predicted" in text
    assert "<b>spread" not in text
    with pytest.raises(ValueError, match="holds predictions of numbers; pass a folder of labels of yes or no"):
        read_figures(tmp_path / "probe")


def test_what_numbers_do_not_take(folded, written, amplitude, tmp_path):
    labels = written(spread=amplitude)
    shared = {"store": folded.path, "out": tmp_path / "out", "labels": labels, **FOLDS}
    with pytest.raises(ValueError, match=r"keep_unlabelled= is for labels of yes or no; leave it out"):
        probe(ProbeConfig(keep_unlabelled=True, **shared))
    with pytest.raises(ValueError, match=r"balance= is for labels of yes or no; leave it out"):
        finetune(FinetuneConfig(balance=0.5, **shared))
    with pytest.raises(ValueError, match=r"holds numbers .*, where labels of yes or no are needed"):
        compare(CompareConfig(folded.path, encoders=("random", "default"), out=tmp_path / "c", labels=labels))
    constant = written(spread=np.where(folded.records["fold"] <= 4, 61.5, amplitude))
    with pytest.raises(ValueError, match=r"training rows all have 61.5 for 'spread'; different numbers are needed"):
        probe(ProbeConfig(**shared | {"labels": constant}))
    nowhere = written(spread=np.where(folded.records["fold"] == 6, np.nan, amplitude))
    with pytest.raises(ValueError, match="test rows none has a number for 'spread'"):
        probe(ProbeConfig(**shared | {"labels": nowhere}))


def test_columns_of_several_kinds_are_told_how_to_be_spelled(folded, copied_with, amplitude):
    store = copied_with(folded, records=folded.records.assign(LVEF=amplitude, AF=np.arange(len(folded)) % 2 == 0))
    with pytest.raises(ValueError, match=r"say which to learn, such as labels='column:AF'"):
        labels_of(store, "column:LVEF,AF")
    with pytest.raises(ValueError, match=r"labels='column:' lacks a name; write a column of the records"):
        labels_of(store, "column:")
