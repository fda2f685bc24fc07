"""How long a weight update takes in the training loop, for each of its tasks."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator

from beatssl.inference.classifier import EcgClassifier, HeadConfig
from beatssl.inference.device import computes_in_bfloat16
from beatssl.inference.device_name import Device
from beatssl.inference.row_signals import RowSignals
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.store.labels import Cohort
from beatssl.store.store import Store
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.diagnosis.config import OPTIM
from beatssl.training.diagnosis.finetune import RecordInputs
from beatssl.training.diagnosis.label_task import LabelTask
from beatssl.training.diagnosis.learnable import LearntLabels
from beatssl.training.loop import train
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.pretrain import pretrain
from beatssl.training.run import read_log, start_accelerator
from beatssl.training.segmentation.config import FitConfig
from beatssl.training.segmentation.fit import fit_segmenter
from beatssl.training.segmentation.pseudo_labels import PseudoLabelledRows
from beatssl.views.registry import build_views, preset

_ROWS = 256
_LABELS = 5

Bench = Callable[[Store, Path, int, RunConfig, Accelerator], None]


def update_s_by_task(store: Path, updates: int, warm_up: int, device: Device = "auto") -> dict[str, float]:
    """Median seconds of an update of each task, the first `warm_up` left out: default settings, 256 rows of a store.

    Labels are drawn at random and the marks are the waves measured on the store: neither changes how long it takes.
    """
    opened = Store(store)
    run = RunConfig(log_every=1, save_every=10**9, device=device)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="beatssl-bench-") as scratch:
        for name, bench in _TASKS.items():
            out = Path(scratch) / name
            bench(opened, out, updates, run, start_accelerator(run, out))
            lines = [line["update_s"] for line in read_log(out) if "update_s" in line]
            found[name] = float(np.median(lines[warm_up:]))
    return found


def _pretraining(store: Store, out: Path, updates: int, run: RunConfig, accelerator: Accelerator) -> None:
    size = min(64, len(store) // 2)
    rows = min(_ROWS, len(store))
    epochs = -(-updates // (rows // size))
    pretrain(PretrainConfig((store.path,), out, rows=rows, epochs=epochs, optim=OptimConfig(batch_size=size), run=run))


def _fine_tuning(store: Store, out: Path, updates: int, run: RunConfig, accelerator: Accelerator) -> None:
    rows = np.arange(min(_ROWS, len(store)))
    used, none = np.ones(len(rows), bool), np.zeros(len(rows), bool)
    names = tuple(f"label {number}" for number in range(_LABELS))
    labels = np.random.default_rng(0).random((len(rows), _LABELS)) < 0.3
    known, patient = np.ones_like(labels), rows.astype(str)
    group = Cohort(
        row=rows, labels=labels, known=known, names=names, train=used, valid=none, test=none, patient=patient, dropped=0
    )
    about = store.preparation
    model = EcgClassifier(build_encoder(EncoderConfig()), HeadConfig(names), about, {}).to(accelerator.device)
    shown = torch.ones(len(store.leads), dtype=torch.bool, device=accelerator.device)
    task = LabelTask(
        model=model,
        trained=((model.encoder, OPTIM.encoder_rate), (model.head, 1.0)),
        inputs=RecordInputs(RowSignals(store), rows, build_views(preset("none")), shown),
        labels=LearntLabels(group, used),
        record_id=rows,
        epochs=1,
        least_updates=updates,
        batch_size=OPTIM.batch_size,
        accumulate=1,
        half=computes_in_bfloat16(accelerator.device),
        seed=0,
        device=accelerator.device,
        share=(0, 1),
    )
    train(task, OPTIM, run, 0, out, accelerator)


def _segmentation(store: Store, out: Path, updates: int, run: RunConfig, accelerator: Accelerator) -> None:
    about = store.preparation
    data = PseudoLabelledRows(store, np.arange(min(_ROWS, len(store))), about)
    encoder = build_encoder(EncoderConfig())
    fit_segmenter(FitConfig(updates=updates), run, encoder, data, about, {}, 0, out, accelerator)


_TASKS: dict[str, Bench] = {
    "pretraining": _pretraining, "fine-tuning": _fine_tuning, "segmentation": _segmentation,
}  # fmt: skip
