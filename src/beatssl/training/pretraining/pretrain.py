"""Pretraining from the config to the run folder: everything is put together here and handed to the loop."""

import copy
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import is_tensorboard_available

from beatssl.inference.model_config import Provenance
from beatssl.inference.source import keep_encoder, start_encoder
from beatssl.store.labels import cohort, parse_folds
from beatssl.targets.kernel import KernelTargets
from beatssl.training.diagnosis.probe import valid_auroc
from beatssl.training.loop import Loop, seeded
from beatssl.training.optim import make_optimizer
from beatssl.training.pretraining.batches import WEIGHTS, Stream, seed_of
from beatssl.training.pretraining.columns import Spaces, TrainingData, load
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.objectives.beatssl import Contrast, Objective, ObjectiveConfig
from beatssl.training.run import Log, open_run, read_log
from beatssl.training.state import Position, load_state, save_state
from beatssl.views.registry import build_views


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

    Started again, with the same config, a run goes on from its last state; on one CPU with the same number of threads
    the weights are then, to the bit, those of a run that was never stopped. Under `accelerate launch` it runs on
    several GPUs or hosts: the batch is shared, and all its rows are contrasted with each other.

    Raises:
        StoreError: where a store is not finished or the stores were prepared differently.
        ValueError: where `out` holds another run, or a value of the config does not fit the data.
        NotFinite: where a loss or gradient is not finite, with the update, the records and a remedy.
    """
    accelerator = _begin(config)
    data = _data(config)
    objective = _objective(config, data, accelerator)
    average = copy.deepcopy(objective).requires_grad_(False) if config.average else None
    optimizer = make_optimizer(objective, config.rate, config.weight_decay)
    position = load_state(config.out, objective, average, optimizer) or Position(0)
    share = accelerator.process_index, accelerator.num_processes
    loop = Loop(
        config=config,
        accelerator=accelerator,
        stream=Stream(data, config.batch_size, config.beats_per_record, config.seed, *share),
        recipe=config.recipe(),
        views=build_views(config.recipe().views),
        model=accelerator.prepare(objective),
        objective=objective,
        average=average,
        optimizer=optimizer,
        save=_saver(config, data, objective, average, optimizer, accelerator),
        probe=_prober(config, average or objective, data, accelerator),
        log=_logger(config, position, accelerator),
    )
    if accelerator.is_main_process:
        data.scales.save(config.out)
    loop.run(position.updates)
    accelerator.end_training()
    return Pretrained(config.out, len(data), loop.updates, _last_figures(config.out))


def _data(config: PretrainConfig) -> TrainingData:
    objective = config.recipe().objective
    spaces = Spaces(*_space(objective.rhythm), *_space(objective.beat), _kernel(objective))
    data = load(
        config.stores, parse_folds(config.folds), config.rows, config.beat_shape, spaces, config.memory_gb, config.seed
    )
    _check_kinds(objective.beat, data)
    return data


def _objective(config: PretrainConfig, data: TrainingData, accelerator: Accelerator) -> Objective:
    """The network as it begins, on its device."""
    with seeded(seed_of(config.seed, WEIGHTS), torch.device("cpu")):
        encoder = start_encoder(config.encoder, config.init, data.stores[0], seed_of(config.seed, WEIGHTS, 1))
        features = data.record_told.values.shape[1], data.beat.values.shape[1]
        objective = Objective(encoder, config.recipe().objective, *features).to(accelerator.device)
    if accelerator.num_processes > 1 and accelerator.device.type == "cuda":
        torch.nn.SyncBatchNorm.convert_sync_batchnorm(objective)
    return objective


def _saver(
    config: PretrainConfig,
    data: TrainingData,
    objective: Objective,
    average: Objective | None,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
) -> Callable[[int], None]:
    """Keeps the encoder for use and the state to go on from; the first process writes, the others wait."""
    encoder = (average or objective).encoder

    def save(updates: int) -> None:
        if accelerator.is_main_process:
            keep_encoder(config.out, encoder, data.stores[0], _provenance(config, data) | {"updates": updates})
            save_state(config.out, Position(updates), objective, average, optimizer)
        accelerator.wait_for_everyone()

    return save


def _logger(
    config: PretrainConfig, position: Position, accelerator: Accelerator
) -> Callable[[int, dict[str, Any]], None]:
    """Lines of figures to metrics.jsonl and, where asked for, to TensorBoard."""
    log = Log(config.out, position.updates) if accelerator.is_main_process else None

    def write(update: int, figures: dict[str, Any]) -> None:
        if log is not None:
            log.write(update, figures)
            accelerator.log({name: value for name, value in figures.items() if isinstance(value, float)}, step=update)

    return write


def _begin(config: PretrainConfig) -> Accelerator:
    """Open the run's folder, or refuse to, and find the devices."""
    if config.tensorboard and not is_tensorboard_available():
        raise ImportError("tensorboard is not installed: pip install tensorboard, or leave tensorboard out")
    accelerator = Accelerator(
        cpu=config.cpu,
        mixed_precision="no",  # the loop casts, so that the losses stay outside of it
        log_with="tensorboard" if config.tensorboard else None,
        project_dir=str(config.out) if config.tensorboard else None,
    )
    if accelerator.is_main_process:
        open_run(config.out, {"pretrain": config.what_counts()})
    accelerator.wait_for_everyone()
    if config.tensorboard:
        accelerator.init_trackers("tensorboard")
    return accelerator


def _space(contrast: Contrast) -> tuple[int, float]:
    used = contrast.weight > 0 and contrast.targets == "features"
    return (contrast.components if used else 0, contrast.evenness)


def _kernel(objective: ObjectiveConfig) -> KernelTargets:
    return objective.kernel if objective.regression else KernelTargets()


def _check_kinds(contrast: Contrast, data: TrainingData) -> None:
    """Raises ValueError where beats are to be alike by what they do not have."""
    kinds = {"classes": data.beat_class, "clusters": data.beat_cluster}.get(contrast.targets)
    if contrast.weight and kinds is not None and (kinds < 0).all():
        raise ValueError(
            f"no beat has one of the {contrast.targets} that objective.beat.targets asks for; clusters hold within one "
            "store alone: train on one that was prepared with clusters=, or choose classes or features"
        )


def _prober(
    config: PretrainConfig, objective: Objective, data: TrainingData, accelerator: Accelerator
) -> Callable[[], dict[str, float]]:
    """Macro AUROC of a linear probe on the first store's choosing fold; every process waits for the first."""
    if not config.probe_every:
        return dict
    store = data.stores[0]
    store_folds = sorted(set(store.records["fold"].dropna().astype(int)) - set(parse_folds(config.probe_folds)))
    others = [fold for fold in store_folds if fold != config.probe_valid_fold]
    if not others:
        raise ValueError(f"store {store.path} has no fold beside those of the probe; pass other probe_folds=")
    group = cohort(store, config.probe_labels, parse_folds(config.probe_folds), config.probe_valid_fold, others[0])

    def probe() -> dict[str, float]:
        figures: dict[str, float] = {}
        if accelerator.is_main_process:
            value = valid_auroc(objective.encoder, store, group, device=accelerator.device)
            figures = {"probe_valid_macro_auroc": value}
        accelerator.wait_for_everyone()
        return figures

    return probe


def _provenance(config: PretrainConfig, data: TrainingData) -> Provenance:
    """What the weights were made of, for the checkpoint."""
    return {
        "method": config.preset,
        "pretraining": [
            {"store": store.kind, "rows": int((data.store_of == index).sum()), "inputs": store.manifest["inputs"]}
            for index, store in enumerate(data.stores)
        ],
        "folds": config.folds or "all",
        "epochs": config.epochs,
        "seed": config.seed,
        "recipe": asdict(config.recipe()),
    }


def _last_figures(out: Path) -> dict[str, float]:
    lines = [line for line in read_log(out) if "loss" in line]
    return {name: value for name, value in (lines[-1] if lines else {}).items() if isinstance(value, float)}
