"""Fine-tuning on further databases: the probes' parts and labels, finetune's own settings."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from jaxtyping import Float64

from beatssl.inference.model_config import CheckpointError
from beatssl.inference.source import open_encoder
from beatssl.metrics.classification import auroc
from beatssl.models.config import EncoderConfig
from beatssl.store.labels import Cohort
from beatssl.store.store import Store
from beatssl.studies.scorecard import further, further_finetuned
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.encoders import tasks_of
from beatssl.studies.scorecard.further import Question, cross_validated, probed
from beatssl.studies.scorecard.further_finetuned import finetuned_records
from beatssl.studies.scorecard.sources import EncoderSource, open_source
from beatssl.studies.scorecard.tasks import TASKS, measure
from beatssl.training.diagnosis.config import OPTIM, FinetuneConfig
from beatssl.training.diagnosis.question import Question as Asked

Make = Callable[..., ScorecardConfig]
TINY = EncoderConfig(width=0.25, depth=0.1, embedding=0)
MADE = Question("made", least=5)


Learnt = list[tuple[FinetuneConfig, Asked]]


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(further.QUESTIONS, "ptbdb", MADE)  # type: ignore[index]


@pytest.fixture
def learnt(monkeypatch: pytest.MonkeyPatch) -> Learnt:
    """What is asked to be learnt; it is not: all models are `amplitude`."""
    asked: Learnt = []

    def learn(settings: FinetuneConfig, question: Asked, accelerator: object) -> list[SimpleNamespace]:
        asked.append((settings, question))
        settings.out.mkdir(parents=True)
        return [SimpleNamespace(model=amplitude)] * len(question.rounds)

    monkeypatch.setattr(further_finetuned, "learn", learn)
    return asked


def amplitude(ecg_mv: torch.Tensor, lead_mask: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """A model of two labels."""
    found = ecg_mv.abs().mean(dim=(1, 2))
    return torch.stack([found, -found], dim=1)


def test_parts_and_labels_are_those_of_the_probe_and_settings_finetunes_own(
    rowed: Store, config: Make, learnt: Learnt
) -> None:
    card = config("random", bootstrap_draws=20)
    source = open_source("random", card, rowed)
    area, less = finetuned_records("ptbdb", source, rowed, card)["ptbdb-finetuned"]
    ((settings, question),) = learnt
    own = {"init": "fresh", "optim": replace(OPTIM, encoder_rate=1.0), "encoder": "random", "network": card.network}
    kept = {"store": rowed.path, "out": settings.out, "labels": "made", "run": settings.run}
    assert settings == FinetuneConfig(**own, **kept)

    frozen_parts: list[Cohort] = []

    def seen(source: EncoderSource, store: Store, parts: Sequence[Cohort]):
        frozen_parts.extend(parts)
        return probed(source, store, parts)

    frozen = cross_validated(source, rowed, MADE, card.seed, seen)
    assert [used.tolist() for _, used in question.rounds] == [part.train.tolist() for part in frozen_parts]
    for one, other in zip(question.parts, frozen_parts, strict=True):
        for name in ("row", "labels", "known", "train", "valid", "test"):
            assert np.array_equal(getattr(one, name), getattr(other, name))

    by_hand = cross_validated(source, rowed, MADE, card.seed, lambda *_: [_amplitudes(rowed)] * 5)
    fine, probe = (np.mean([auroc(of.labels[:, k], of.scores[:, k]) for k in (0, 1)]) for of in (by_hand, frozen))
    assert area.value == pytest.approx(fine)
    assert less.value == pytest.approx(fine - probe)
    assert less.ci95 is not None
    assert less.ci95[0] <= fine - probe <= less.ci95[1]


def _amplitudes(store: Store) -> Float64[np.ndarray, "row label"]:
    found = np.abs(np.nan_to_num(store.ecg_mv(np.arange(len(store)))).astype(np.float64)).mean(axis=(1, 2))
    return np.stack([found, -found], axis=1)


def test_a_network_learns_where_the_task_is_named(
    rowed: Store, config: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stores").mkdir()
    (tmp_path / "stores" / "ptbdb").symlink_to(rowed.path)
    card = config("random", stores=tmp_path / "stores", bootstrap_draws=3, test=True)
    assert tasks_of(card) == ("ptbdb",)
    monkeypatch.setattr(further, "PARTS", 3)
    monkeypatch.setattr(further_finetuned, "FinetuneConfig", partial(FinetuneConfig, epochs=1, least_updates=2))
    area, less = measure("random", "ptbdb-finetuned", card)
    assert [(one.figure, one.records, one.chooses) for one in (area, less)] == [
        ("AUROC", 17, False), ("AUROC less frozen", 17, False)
    ]  # fmt: skip
    (frozen,) = measure("random", "ptbdb", card)
    assert area.value is not None
    assert frozen.value is not None
    assert less.value == pytest.approx(area.value - frozen.value)
    assert not list((card.out / "runs").iterdir())
    assert not any(task.chooses for task in TASKS.values() if task.named_only)


def test_an_encoder_that_came_with_weights_begins_at_its_probe(
    rowed: Store, config: Make, learnt: Learnt, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained = open_encoder("random", TINY, 0, rowed)
    monkeypatch.setattr(further_finetuned, "open_encoder", lambda *given: untrained)
    card = config("some")
    source = open_source("random", card, rowed)
    assert isinstance(source, EncoderSource)
    finetuned_records("ptbdb", replace(source, name="some"), rowed, card)
    ((settings, _),) = learnt
    assert (settings.encoder, settings.from_probe, settings.optim) == ("some", True, OPTIM)
    with pytest.raises(CheckpointError, match="fine-tuning trains and saves its encoder, but ecg-fm"):
        finetuned_records("ptbdb", replace(source, name="ecg-fm:weights.pt"), rowed, card)
    with pytest.raises(ValueError, match="measured features have no weights to fine-tune"):
        finetuned_records("ptbdb", open_source("features", card, rowed), rowed, card)
