"""Tasks on further databases with every weight trained, on the parts and labels of the linear probes."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float64

from beatssl.inference.row_signals import RowSignals
from beatssl.inference.source import frozen_only, open_encoder
from beatssl.store.labels import Cohort
from beatssl.store.own_data.sides import NO_FOLD, Sides
from beatssl.store.store import Store
from beatssl.studies.scorecard.config import ScorecardConfig
from beatssl.studies.scorecard.figures import Figure
from beatssl.studies.scorecard.further import QUESTIONS, areas, cross_validated, figures_of, macro
from beatssl.studies.scorecard.sources import FeatureSource, Source
from beatssl.training.config import RunConfig
from beatssl.training.diagnosis.config import OPTIM, FinetuneConfig
from beatssl.training.diagnosis.finetune import learn
from beatssl.training.diagnosis.question import Question
from beatssl.training.run import start_accelerator

_ROWS_AT_ONCE = 256


def finetuned_records(task: str, source: Source, store: Store, config: ScorecardConfig) -> dict[str, list[Figure]]:
    """As `further_records`, by models that `finetune` trains in place of the probes: figures of TASK-finetuned, and the
    AUROC less that of the probes on the same draws of patients.

    With finetune's own settings, none of them chosen on these databases; an untrained network learns from scratch, all
    weights at one rate. A run that was stopped goes on. Raises ValueError for features, which are no encoder,
    CheckpointError for an encoder that others published, and as `further_records`.
    """
    if isinstance(source, FeatureSource):
        raise ValueError("measured features have no weights to fine-tune")
    frozen_only(source.name, "fine-tuning")
    made_of = f"{source.fingerprint[:16]}-{str(Store(store.path).fingerprint())[:16]}"
    folder = config.out / "runs" / f"{task}-finetuned-{made_of}-{config.seed}"
    scratch = source.name == "random"
    settings = FinetuneConfig(
        store=store.path,
        out=folder,
        encoder=source.name,
        network=config.network,
        labels=QUESTIONS[task].label_set,
        init="fresh" if scratch else "probe",
        optim=replace(OPTIM, encoder_rate=1.0) if scratch else OPTIM,
        seed=config.seed,
        cache=config.cache,
        run=RunConfig(device=config.device),
    )

    def scored(source: Source, store: Store, parts: Sequence[Cohort]) -> Iterable[Float64[np.ndarray, "row label"]]:
        return _finetuned(settings, store, parts)

    question = QUESTIONS[task]
    frozen = cross_validated(source, store, question, config.seed)
    found = cross_validated(source, store, question, config.seed, scored)
    less = macro("AUROC less frozen", areas(found, config) - areas(frozen, config), len(found.patient))
    shutil.rmtree(folder)
    return {f"{task}-finetuned": [*figures_of(found, question, config), less]}


def _finetuned(
    settings: FinetuneConfig, store: Store, parts: Sequence[Cohort]
) -> Iterable[Float64[np.ndarray, "row label"]]:
    """Log odds of all rows by the model of each part."""
    opened = open_encoder(settings.encoder, settings.network, settings.seed, store)
    sides = Sides(store, tuple(range(len(parts))), NO_FOLD, NO_FOLD)
    question = Question(store, parts[0], opened, [part.train for part in parts], sides, tuple(parts))
    accelerator = start_accelerator(settings.run, settings.out)
    signals, rows = RowSignals(store), parts[0].row
    for answer in learn(settings, question, accelerator):
        with torch.inference_mode():
            read = (signals(rows[at : at + _ROWS_AT_ONCE]) for at in range(0, len(rows), _ROWS_AT_ONCE))
            found = [answer.model(one.ecg_mv, one.lead_mask, one.valid) for one in read]
        yield torch.cat(found).double().numpy()
