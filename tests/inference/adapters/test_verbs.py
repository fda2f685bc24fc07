"""Published encoders in the verbs that take an encoder: measured, never trained; a file may be absent."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from beatssl import cli
from beatssl.inference.adapters.ecg_fm import EcgFmLayout
from beatssl.inference.adapters.published_weights import WeightsNotAtHand
from beatssl.inference.adapters.registry import ADAPTERS
from beatssl.inference.beat_embedding import embed_beats
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.source import open_encoder, open_encoder_beneath, start_encoder
from beatssl.models.config import EncoderConfig
from beatssl.results import read_result
from beatssl.store.store import Store
from beatssl.studies.compare import compare, names_of
from beatssl.studies.config import CompareConfig
from beatssl.training.diagnosis.config import FinetuneConfig, ProbeConfig
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.diagnosis.finetune import finetune
from beatssl.training.diagnosis.probe import probe

FOLDS = {"train_folds": "1-4", "valid_fold": 5, "test_fold": 6, "bootstrap_draws": 20, "device": "cpu"}


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A small ECG-FM with random weights, as a file."""
    adapter = replace(ADAPTERS["ecg-fm"], layout=EcgFmLayout(12, (8, 8, 8, 8), 16, 2, 2, 24, 8, 4))
    monkeypatch.setitem(ADAPTERS, "ecg-fm", adapter)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save({"model": adapter.network(adapter.layout).state_dict()}, tmp_path / "weights.pt")
    return f"ecg-fm:{tmp_path / 'weights.pt'}"


def test_a_probe_has_its_card_and_no_copy_of_the_model(source: str, folded: Store, tmp_path: Path) -> None:
    out = tmp_path / "probe"
    probe(ProbeConfig(store=folded.path, out=out, encoder=source, **FOLDS))  # type: ignore[arg-type]
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == []
    figures = read_result(out / "metrics.json", DiagnosisFigures)
    assert figures.encoder == "ecg-fm"
    assert figures.pretraining["trained_on"] == ADAPTERS["ecg-fm"].trained_on
    assert figures.pretraining["lost"]


def test_a_comparison_names_what_it_was_trained_on(source: str, folded: Store, tmp_path: Path) -> None:
    network = EncoderConfig(width=0.25, depth=0.1, embedding=16)
    config = CompareConfig(
        store=folded.path, encoders=("random", source), out=tmp_path / "compared", network=network, **FOLDS
    )  # type: ignore[arg-type]
    found = compare(config).encoders
    assert list(found) == ["random", "ecg-fm"]
    assert found["ecg-fm"].pretraining_set == ADAPTERS["ecg-fm"].trained_on
    assert found["random"].pretraining_set == "none"
    assert names_of(["ecg-fm:a/b.pt", "runs/one"], ()) == ("ecg-fm", "one")


def test_beats_are_read_from_its_map(source: str, store: Store) -> None:
    encoder = open_encoder(source, EncoderConfig(), 0, store).encoder
    values, lines = embed_beats(encoder, store, store.beats["row"].unique()[:2])
    assert values.shape == (len(lines), 4 * 16)
    assert values.std(axis=0).min() > 1e-3


def test_it_is_neither_trained_nor_begun_from(source: str, folded: Store, tmp_path: Path) -> None:
    said = "encoder, but ecg-fm is used as it was published"
    with pytest.raises(CheckpointError, match=f"finetune trains and saves its {said}"):
        finetune(FinetuneConfig(store=folded.path, out=tmp_path / "tuned", encoder=source))
    with pytest.raises(CheckpointError, match=f"segment trains and saves its {said}"):
        open_encoder_beneath(source, EncoderConfig(), 0, folded)
    with pytest.raises(CheckpointError, match=f"pretrain trains and saves its {said}"):
        start_encoder(EncoderConfig(), source, folded, 0)


def test_a_file_that_is_not_there(folded: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ProbeConfig(store=folded.path, out=tmp_path / "probe", encoder="ecgfounder:absent.pth", **FOLDS)  # type: ignore[arg-type]
    with pytest.raises(WeightsNotAtHand, match=r"weights not at hand: ecgfounder has no file absent\.pth; fetch"):
        probe(config)
    typed = "--encoder ecgfounder:absent.pth --train-folds 1-4 --valid-fold 5 --test-fold 6"
    with pytest.raises(SystemExit):
        cli.main(["probe", str(folded.path), *typed.split(), "--out", str(tmp_path / "other")])
    assert "weights not at hand: ecgfounder has no file absent.pth" in capsys.readouterr().err
