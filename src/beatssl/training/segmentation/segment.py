"""The verb `segment`: a segmenter a fold, and the protocol's figures."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from accelerate import Accelerator
from jaxtyping import Float32, Int64

from beatssl.analysis.waves import records_by_rhythm, waves_of_rows
from beatssl.beats.decoding.wave_decoding import CONFIDENCE_S
from beatssl.files import write_bytes
from beatssl.inference.model_config import CONFIG
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.inference.source import Opened, open_encoder_beneath
from beatssl.metrics.segmentation import (
    ConfidenceFigures,
    SegmentationFigures,
    confidence_figures,
    segmentation_figures,
)
from beatssl.metrics.wave_details import WaveDetails, presence_confidence, wave_details
from beatssl.results import FOR_FILES, Number, read_result, to_json, write_result
from beatssl.store.labels import parse_folds
from beatssl.store.own_data.sides import FOLDS, SPLIT
from beatssl.store.splits import Split, take_share
from beatssl.store.store import Store
from beatssl.training.run import start_accelerator
from beatssl.training.segmentation.config import SegmentConfig
from beatssl.training.segmentation.fit import CoTraining, Fitted, fit_segmenter, mean_of
from beatssl.training.segmentation.folds import splits_of
from beatssl.training.segmentation.marks import classes_of, marked_rows
from beatssl.training.segmentation.pseudo_labels import PseudoLabelledRows, rows_to_cotrain
from beatssl.training.segmentation.task import sample_f1
from beatssl.training.state import STATE

METRICS, WAVES, SEGMENTER, FOLD = "metrics.json", "waves.parquet", "segmenter", "fold.json"
PROBABILITIES, COTRAINING, FINAL = "probabilities.npz", "pseudo-labels", "final"


@dataclass(frozen=True)
class FoldFigures:
    """How the network of one fold was trained, and how the weights that were chosen did on its validation records; with
    co-training before their mean with those from before the marks was taken."""

    test_fold: int
    valid_fold: int
    updates: int
    """After which the weights were the best."""
    valid_sample_f1: dict[str, Number]
    records: dict[str, int]
    training_s: float
    evaluations: list[dict[str, Number]]


@dataclass(frozen=True, kw_only=True)
class SegmentFigures(SegmentationFigures):
    """The protocol's figures over the folds, and what the networks were trained on."""

    encoder: str
    train: str
    updates: int
    seed: int
    label_share: float
    cotraining: str | None
    """Name of the store of pseudo-labels."""
    confidence: ConfidenceFigures
    presence: dict[str, ConfidenceFigures]
    """Whether P, QRS and T are there as often as their confidence says."""
    details: WaveDetails
    folds: list[FoldFigures] = field(metadata=FOR_FILES)
    pretraining: dict[str, Any] = field(metadata=FOR_FILES)
    split: str = FOLDS
    validation_only: bool = False
    """Whether the figures are of the validation records."""


def segment(config: SegmentConfig) -> SegmentFigures:
    """The figures over the folds, also written as `out`/metrics.json.

    `out`/waves.parquet holds every wave found, a line a wave. Each fold leaves its segmenter and its test records'
    probabilities in `out`/fold-k. A run that was stopped goes on at its last state. With `validation_only` all of this
    is of the validation records instead.

    Raises ValueError where the store has no marks, SplitError where its patients are too few, CheckpointError where
    the encoder is none or expects signals prepared otherwise.
    """
    return _Segmentation(config).run()


class _Segmentation:
    """One run over folds."""

    def __init__(self, config: SegmentConfig) -> None:
        self.config = config
        self.store = Store(config.store)
        self.opened: Opened = open_encoder_beneath(config.encoder, config.network, config.seed, self.store)
        self.folds = splits_of(self.store, config.split, config.fold_count, config.only, config.seed)
        self.pseudo: PseudoLabelledRows | None = None
        if config.cotrain is not None:
            self.pseudo = rows_to_cotrain(Store(config.cotrain), self.store, parse_folds(config.cotrain_folds))
        asked = json.loads(json.dumps(config.what_counts(), default=str))
        self.accelerator: Accelerator = start_accelerator(config.run, config.out, asked)
        self.cotraining: CoTraining | None = None

    def run(self) -> SegmentFigures:
        if self.pseudo is not None:
            self.cotraining = self._cotraining(self.pseudo)
        for fold, split in self.folds.splits.items():
            if not (self.config.out / f"fold-{fold}" / FOLD).exists():
                self._fold(fold, split)
        figures = self._figures()
        if self.accelerator.is_main_process:
            if self.folds.table is not None:
                write_bytes(self.config.out / SPLIT, self.folds.table.to_csv(index=False).encode())
            write_result(self.config.out / METRICS, figures)
        if self.config.final:
            self._final(figures)
        return figures

    def _cotraining(self, rows: PseudoLabelledRows) -> CoTraining:
        """The rows, and the segmenter that was trained on nothing else, kept as `out`/pseudo-labels."""
        kept, config = self.config.out / COTRAINING, self.config
        if not (kept / SEGMENTER / CONFIG).exists():
            fit = replace(config.fit, updates=config.fit.cotrain_updates)
            provenance = {
                "data": f"{rows.store.kind}, {len(rows)} records, pseudo-labels", "seed": config.seed,
                "encoder": self.opened.name, "pretraining": self.opened.provenance, "fit": asdict(fit),
            }  # fmt: skip
            fitted = fit_segmenter(
                fit, config.run, self.opened.encoder, rows, rows.preparation, provenance, config.seed, kept,
                self.accelerator, encoder_takes=self.opened.preparation, title="Training on pseudo-labels",
            )  # fmt: skip
            self._keep(fitted.segmenter, kept / SEGMENTER)
        self.accelerator.wait_for_everyone()
        start = EcgSegmenter.from_pretrained(str(kept))
        return CoTraining(rows.with_teacher(start.eval().to(self.accelerator.device)), start)

    def _fold(self, fold: int, split: Split) -> None:
        """Train one fold's network, and leave all that is known of it in its folder; the file `FOLD` comes last."""
        began, config = time.perf_counter(), self.config
        folder = config.out / f"fold-{fold}"
        train = split.train
        if config.label_share < 1:
            rng = np.random.default_rng([config.seed, fold])
            train = take_share(self.store.records, train, config.label_share, rng)
        fitted = self._fit(train, split.valid, fold, folder)
        if self.accelerator.is_main_process:
            trained_s = time.perf_counter() - began
            self._keep(fitted.segmenter, folder / SEGMENTER)
            scored = split.valid if config.validation_only else split.test
            probability = np.concatenate(list(_probabilities(fitted.segmenter, self.store, scored)))
            np.savez_compressed(folder / PROBABILITIES, row=scored, probability=probability.astype(np.float16))
            best = fitted.trained.best
            assert best is not None
            figures = FoldFigures(
                test_fold=fold,
                valid_fold=self.folds.valid_fold[fold],
                updates=int(best["update"]),
                valid_sample_f1={name: value for name, value in best.items() if name != "update"},
                records={"train": len(train), "valid": len(split.valid), "test": len(scored)},
                training_s=trained_s,
                evaluations=fitted.trained.evaluations,
            )
            write_result(folder / FOLD, figures)
            (folder / STATE).unlink(missing_ok=True)
        self.accelerator.wait_for_everyone()

    def _fit(
        self, train: Int64[np.ndarray, " train"], valid: Int64[np.ndarray, " valid"], fold: int, folder: Any
    ) -> Fitted:
        config, store = self.config, self.store
        classes = classes_of(store, valid)

        def evaluation(segmenter: EcgSegmenter) -> dict[str, float]:
            return sample_f1(np.concatenate(list(_probabilities(segmenter, store, valid))), classes, store.fs_hz)

        provenance = {
            "data": f"{store.kind}, {len(train)} records, {len(valid)} for validation", "seed": config.seed,
            "encoder": self.opened.name, "pretraining": self.opened.provenance, "fit": asdict(config.fit),
            "cotraining": None if self.cotraining is None else self.cotraining.start.provenance["data"],
        }  # fmt: skip
        return fit_segmenter(
            config.fit, config.run, self.opened.encoder, marked_rows(store, train), store.preparation,
            provenance, config.seed + 1000 * fold, folder, self.accelerator,
            evaluation=evaluation if len(valid) else None, encoder_takes=self.opened.preparation,
            cotraining=self.cotraining, title=f"Fold {fold}" if len(valid) else "All records",
        )  # fmt: skip

    def _figures(self) -> SegmentFigures:
        """The protocol's figures, waves of all folds pooled; decoded anew, for the decoding may have changed."""
        config, store = self.config, self.store
        folders = {fold: config.out / f"fold-{fold}" for fold in self.folds.splits}
        decoded: list[pd.DataFrame] = []
        of_fold: list[Int64[np.ndarray, " row"]] = []
        for fold, folder in folders.items():
            kept = np.load(folder / PROBABILITIES)
            of_fold.append(kept["row"])
            decoded.append(waves_of_rows(store, kept["row"], kept["probability"].astype(np.float32)).assign(fold=fold))
        waves, rows = pd.concat(decoded, ignore_index=True), np.concatenate(of_fold)
        if self.accelerator.is_main_process:
            waves.to_parquet(config.out / WAVES, index=False)
        ids = set(store.records["record_id"].iloc[rows].astype(str))
        reference = store.waves[store.waves["record_id"].astype(str).isin(ids)]
        fs_hz = float(store.records["source_fs_hz"].iloc[rows].max())
        return SegmentFigures(
            **vars(segmentation_figures(reference, waves, fs_hz)),
            encoder=self.opened.name,
            train=config.fit.train,
            updates=config.fit.updates,
            seed=config.seed,
            label_share=config.label_share,
            split=config.split,
            validation_only=config.validation_only,
            cotraining=None if config.cotrain is None else config.cotrain.name,
            confidence=confidence_figures(reference, waves, CONFIDENCE_S),
            presence=presence_confidence(reference, waves),
            details=wave_details(reference, waves, records_by_rhythm(store)),
            folds=[read_result(folder / FOLD, FoldFigures) for folder in folders.values()],
            pretraining=self.opened.provenance,
        )

    def _final(self, figures: SegmentFigures) -> None:
        """The segmenter for use: with co-training, which initialises all folds alike, the mean of their weights; else
        one from all records, trained as long as they were, with nothing left to choose on."""
        networks = [self.config.out / f"fold-{fold}" for fold in self.folds.splits]
        if self.cotraining is not None and len(networks) > 1 and not self.config.only:
            segmenter = mean_of([EcgSegmenter.from_pretrained(str(folder)) for folder in networks])
            segmenter.provenance["data"] = f"{self.store.kind}, {len(self.folds.rows)} records"
            segmenter.provenance["mean_of"] = len(networks)
        else:
            rows, folder = self.folds.rows, self.config.out / FINAL
            segmenter = self._fit(rows, rows[:0], self.config.fold_count, folder).segmenter
        shown = {
            name: to_json(getattr(figures, name)) for name in ("records", "leads", "sample_f1", "iou", "boundaries")
        }
        segmenter.provenance["figures_over_folds"] = shown
        self._keep(segmenter, self.config.out / SEGMENTER)

    def _keep(self, segmenter: EcgSegmenter, folder: Any) -> None:
        if self.accelerator.is_main_process:
            segmenter.save_pretrained(folder)


def _probabilities(
    segmenter: EcgSegmenter, store: Store, rows: Int64[np.ndarray, " row"], batch: int = 16
) -> Iterator[Float32[np.ndarray, "some lead 4 time"]]:
    place = np.arange(len(store.leads))
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        yield segmenter.of_batch(store.ecg_mv(some), np.broadcast_to(place, (len(some), len(place))), store.preparation)
