"""Pretraining from the config to the run folder: everything is put together here and handed to the loop."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import pandas as pd
import torch
from accelerate import Accelerator
from torch import nn

from beatssl.files import read_json, write_bytes
from beatssl.inference.model_config import Provenance
from beatssl.inference.source import keep_encoder, provenance_of_start, start_encoder
from beatssl.store.labels import Cohort, cohort, parse_folds
from beatssl.store.outputs import CONFIG
from beatssl.store.own_data.sides import FOLDS, SPLIT, Sides, sides_table
from beatssl.store.store import Store
from beatssl.training.diagnosis.probe import valid_auroc
from beatssl.training.loop import train
from beatssl.training.pretraining.batches import Batches
from beatssl.training.pretraining.columns import Columns, Rows, load_rows
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.objective import Objective
from beatssl.training.pretraining.objectives import METHODS
from beatssl.training.pretraining.task import Pretraining
from beatssl.training.random_streams import WEIGHTS, seed_of, seeded
from beatssl.training.run import read_log, start_accelerator


@dataclass(frozen=True)
class Pretrained:
    """What came of a run."""

    out: Path
    rows: int
    updates: int
    figures: dict[str, float]

    def __str__(self) -> str:
        losses = ", ".join(f"{name} {value:.4g}" for name, value in self.figures.items() if name.startswith("loss"))
        return f"{self.out}: {self.updates:,} updates on {self.rows:,} rows; {losses}"


def pretrain(config: PretrainConfig) -> Pretrained:
    """Pretrain an encoder; the weights come to `out`/checkpoint, the losses and diagnostics to `out`/metrics.jsonl.

    Started again, with the same config, a run goes on from its last state; see `training.loop.train`. Under
    `accelerate launch` it runs on several GPUs or hosts: the batch is shared, and all its rows are compared with each
    other.

    Raises:
        StoreError: where a store is not finished or the stores were prepared differently.
        ValueError: where `out` holds another run, or a value of the config does not fit the data.
        NotFinite: where a loss or gradient is not finite, with the update, the records and a remedy.
    """
    _check_epochs(config)
    accelerator = start_accelerator(config.run, config.out, {"pretrain": config.what_counts()})
    folds = parse_folds(config.folds)
    rows = load_rows(config.stores, folds, config.rows, config.memory_gb, config.seed, config.split)
    method, values = METHODS[config.values().method], config.values()
    columns = method.columns(rows, values.objective)
    share = accelerator.process_index, accelerator.num_processes
    task = Pretraining(
        model=_objective(config, rows, columns, accelerator.device),
        stream=Batches(rows, columns, config.optim.batch_size, config.beats_per_record, config.seed, *share),
        preset=values,
        epochs=config.epochs,
        accumulate=config.optim.accumulate,
        probe_every=config.probe_every,
        probe=_prober(config, rows, accelerator),
        keep=_keeper(config, rows),
    )
    if accelerator.is_main_process and config.split != FOLDS:
        write_bytes(config.out / SPLIT, _split_table(rows).to_csv(index=False).encode())
    trained = train(task, config.optim, config.run, config.seed, config.out, accelerator)
    if accelerator.is_main_process:  # after training: views that the store cannot have leave no files behind
        for name, scale in columns.scales.items():
            scale.save(config.out / name)
    return Pretrained(config.out, len(rows), trained.updates, _last_figures(config.out))


def _split_table(rows: Rows) -> pd.DataFrame:
    """Record and side; of several stores with the store's name, ids may be alike."""
    tables = [(store.path, sides_table(store, Sides(store, (0,), 1, 2))) for store in rows.stores]
    if len(tables) == 1:
        return tables[0][1]
    return pd.concat([table.assign(store=path.name) for path, table in tables])


def _check_epochs(config: PretrainConfig) -> None:
    """Raises ValueError, saying how to train longer, where `out` holds the same run with other epochs.

    The learning rate follows a curve over all updates, so that a run of 20 epochs is no beginning of one of 30.
    """
    path = config.out / CONFIG
    there = read_json(path).get("pretrain") if path.is_file() and not config.run.overwrite else None
    asked = json.loads(json.dumps(config.what_counts()))
    if isinstance(there, dict) and [key for key in asked if asked[key] != there.get(key)] == ["epochs"]:
        more = config.epochs - there["epochs"]
        longer = (
            f"to train {more} more on what it learnt, pass init={str(config.out)!r} and epochs={more} with another "
            "out= folder (a new warm-up and curve of the learning rate, and new heads of the objective, on its encoder)"
        )
        raise ValueError(
            f"{config.out} holds this run with epochs={there['epochs']}, and its learning rate was set for these: "
            f"epochs={config.epochs} would be another run; {longer if more > 0 else 'pass another out= folder'}"
        )


def _objective(config: PretrainConfig, rows: Rows, columns: Columns, device: torch.device) -> Objective:
    """The network as it begins, on its device."""
    values = config.values()
    with seeded(seed_of(config.seed, WEIGHTS), torch.device("cpu")):
        encoder = start_encoder(config.encoder, config.init, rows.stores[0], seed_of(config.seed, WEIGHTS, 1))
        return METHODS[values.method].build(encoder, values.objective, columns).to(device)


def _keeper(config: PretrainConfig, rows: Rows) -> Callable[[nn.Module, int], None]:
    made_of = _provenance(config, rows)

    def keep(model: nn.Module, updates: int) -> None:
        encoder = cast(Objective, model).encoder
        keep_encoder(config.out, encoder, rows.stores[0], made_of | {"updates": updates})

    return keep


def _prober(config: PretrainConfig, rows: Rows, accelerator: Accelerator) -> Callable[[nn.Module], dict[str, float]]:
    """Macro AUROC of a linear probe on the first store's validation fold."""
    if not config.probe_every:
        return lambda model: {}
    store = rows.stores[0]
    group = _probe_cohort(config, store)

    def probe(model: nn.Module) -> dict[str, float]:
        value = valid_auroc(cast(Objective, model).encoder, store, group, device=accelerator.device)
        return {"probe_valid_macro_auroc": value}

    return probe


def _probe_cohort(config: PretrainConfig, store: Store) -> Cohort:
    if config.split != FOLDS:
        return cohort(store, config.probe_labels, (0,), 1, 2)
    store_folds = sorted(set(store.records["fold"].dropna().astype(int)) - set(parse_folds(config.probe_folds)))
    others = [fold for fold in store_folds if fold != config.probe_valid_fold]
    if not others:
        raise ValueError(f"store {store.path} has no fold beside those of the probe; pass other probe_folds=")
    return cohort(store, config.probe_labels, parse_folds(config.probe_folds), config.probe_valid_fold, others[0])


def _provenance(config: PretrainConfig, rows: Rows) -> Provenance:
    """What the weights were made of, for the checkpoint."""
    return {
        "method": config.preset,
        "pretraining": [
            {"store": store.kind, "rows": int((rows.store_of == index).sum()), "inputs": store.manifest["inputs"]}
            for index, store in enumerate(rows.stores)
        ],
        "folds": config.folds or ("all" if config.split == FOLDS else f"train of {config.split}"),
        "epochs": config.epochs,
        "seed": config.seed,
        "preset": asdict(config.values()),
        "start": provenance_of_start(config.init),
    }


def _last_figures(out: Path) -> dict[str, Any]:
    lines = [line for line in read_log(out) if "loss" in line]
    return {name: value for name, value in (lines[-1] if lines else {}).items() if isinstance(value, float)}
