"""The verb `segment`: a segmenter a fold and the protocol's figures, or a saved segmenter on new records."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import tyro
from jaxtyping import Float32, Int64
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass as checked_dataclass

from beatssl.analysis.waves import FileOptions, apply_segmenter, waves_of_rows
from beatssl.beats.decoding.wave_decoding import CONFIDENCE_S
from beatssl.files import read_json, write_json
from beatssl.inference.model_folder import CONFIG, Preprocessing
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.inference.source import Opened, open_encoder_beneath
from beatssl.metrics.segmentation import confidence_figures, segmentation_figures
from beatssl.models.encoded import EncoderConfig
from beatssl.progress import progress
from beatssl.results import to_json
from beatssl.store.labels import parse_folds
from beatssl.store.splits import Split, SplitError, check_split, patients, split_ludb, take_share
from beatssl.store.store import Store
from beatssl.training.run import open_run
from beatssl.training.segmentation.fit import Beside, FitConfig, Fitted, fit_segmenter, sample_f1
from beatssl.training.segmentation.marks import classes_of, marked_rows
from beatssl.training.segmentation.pseudo_labels import MeasuredRows, rows_beside

METRICS, WAVES, SEGMENTER, FOLD = "metrics.json", "waves.parquet", "segmenter", "fold.json"
PROBABILITIES, BESIDE = "probabilities.npz", "beside"


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class SegmentConfig:
    """P, QRS and T waves in every lead: train and report a segmenter over folds, or use a saved one.

    With a store of marked waves: one network a fold. Each is trained on all folds but two, when to stop is chosen on
    the fold after the reported one, and every record is reported once. A stopped run goes on with the next fold.

    With `apply`: the segmenter saved in `encoder` finds the waves of new records.
    """

    out: Path
    """Folder for metrics.json, waves.parquet and the segmenters."""
    store: tyro.conf.Positional[Path | None] = None
    """Folder of a prepared store with wave marks in every lead, such as LUDB's."""
    encoder: str = "default"
    """Run or checkpoint; "default": the shipped weights; "random": an untrained network. With apply: a segmenter."""
    network: EncoderConfig = field(default_factory=EncoderConfig)
    """Which network, and how large, where the encoder is random."""
    fit: FitConfig = field(default_factory=FitConfig)
    """How each network is trained."""
    folds: Annotated[int, Field(ge=3)] = 5
    """Parts that the patients are cut into; of LUDB by record number."""
    only: tuple[int, ...] = ()
    """The folds to report; none named: all."""
    beside: Path | None = None
    """A store without marks, such as PTB-XL's, whose waves as `prepare` measured them are learnt before and beside the
    marks: less exact, but of many more people. At the rate of the marked one, or a half or a quarter of it. People of
    the marked store take no part."""
    beside_folds: str = "1-8"
    """The folds of it that are used; where it has none, all its rows are."""
    label_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the training patients whose marks are used, drawn at random."""
    final: bool = False
    """Also train one segmenter on all records, and keep it for use."""
    apply: tuple[Path, ...] = ()
    """Files, folders of files or prepared stores to find the waves of."""
    files: FileOptions = field(default_factory=FileOptions)
    """With apply: what CSV and .npy files do not say."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of weights, order, views, the draw of patients and a random encoder."""
    cpu: bool = False
    """Use no GPU, even where there is one."""

    def __post_init__(self) -> None:
        if (self.store is None) == (not self.apply):
            raise ValueError("pass either a store of marked waves to train on, or records to apply= a segmenter to")
        if wrong := [fold for fold in self.only if not 0 <= fold < self.folds]:
            raise ValueError(f"only={wrong[0]} of {self.folds} folds; they count from 0 to {self.folds - 1}")

    def device(self) -> torch.device:
        """Where the networks run."""
        return torch.device("cuda" if torch.cuda.is_available() and not self.cpu else "cpu")

    def what_counts(self) -> dict[str, Any]:
        """All that a fold's network depends on."""
        free = ("out", "only", "final", "apply", "files", "cpu")
        values = {name: value for name, value in asdict(self).items() if name not in free}
        places = {name: str(place.resolve()) for name in ("store", "beside") if (place := getattr(self, name))}
        return values | places


def segment(config: SegmentConfig) -> dict[str, Any]:
    """The figures over the folds, also written as `out`/metrics.json; or, with `apply`, what was found, counted.

    `out`/waves.parquet holds every wave found, a line a wave. In training each fold leaves its segmenter, its test
    records' probabilities and waves in `out`/fold-k.

    Raises ValueError where the store has no marks, SplitError where its patients are too few, CheckpointError where
    the encoder or segmenter is none or expects signals prepared otherwise.
    """
    if config.store is None:
        return apply_segmenter(
            EcgSegmenter.from_pretrained(config.encoder), config.apply, config.out, config.files, config.device()
        )
    store = Store(config.store)
    opened = open_encoder_beneath(config.encoder, config.network, config.seed, store)
    wanted = sorted(set(config.only)) or range(config.folds)
    splits = {fold: fold_split(store, fold, config.folds) for fold in wanted}
    rows = config.beside and rows_beside(Store(config.beside), store, parse_folds(config.beside_folds))
    open_run(config.out, to_json(json.loads(json.dumps(config.what_counts(), default=str))))
    beside = _beside(config, rows, opened) if rows else None
    with progress("Segmenting", len(splits) * config.fit.updates, "updates") as advance:
        for fold, split in splits.items():
            if not (config.out / f"fold-{fold}" / FOLD).exists():
                _run_fold(config, store, opened, beside, fold, split, advance)
    figures = _figures(config, store, opened, list(splits))
    if config.final:
        _final(config, store, opened, beside, figures)
    return figures


def _beside(config: SegmentConfig, rows: MeasuredRows, opened: Opened) -> Beside:
    """What is learnt beside the marks, and the segmenter that knows nothing else, kept as `out`/beside."""
    kept = config.out / BESIDE
    if not (kept / CONFIG).exists():
        fit = replace(config.fit, updates=config.fit.beside_updates)
        provenance = {
            "data": f"{rows.store.kind}, {len(rows)} records, waves as measured", "seed": config.seed,
            "encoder": opened.name, "pretraining": opened.provenance, "fit": asdict(fit),
        }  # fmt: skip
        with progress("Learning measured waves", fit.updates, "updates") as advance:
            fitted = fit_segmenter(
                fit, opened.encoder, rows, None, rows.preprocessing, provenance, config.seed, config.device(), advance,
                opened.preprocessing,
            )  # fmt: skip
        fitted.segmenter.cpu().save_pretrained(kept)
    return Beside(rows, EcgSegmenter.from_pretrained(str(kept)))


def fold_split(store: Store, fold: int, folds: int) -> Split:
    """LUDB by record number, others by patient as they come: fold k reports, the next one chooses, the others train."""
    if store.kind == "ludb":
        return split_ludb(store.records, fold, folds)
    people = patients(store.records)
    part = pd.factorize(people)[0] % folds
    valid = (fold + 1) % folds
    split = Split(*(np.flatnonzero(side) for side in ((part != fold) & (part != valid), part == valid, part == fold)))
    if empty := [name for name, rows in split.sides().items() if rows.size == 0]:
        raise SplitError(
            f"{people.nunique()} patients in {folds} folds leave none to {' and '.join(empty)}; pass fewer"
        )
    check_split(store.records, split)
    return split


def _run_fold(
    config: SegmentConfig, store: Store, opened: Opened, beside: Beside | None, fold: int, split: Split, advance: Any
) -> None:
    """Train one fold's network, and leave all that is known of it in its folder; the file `FOLD` comes last."""
    began = time.perf_counter()
    folder = config.out / f"fold-{fold}"
    train = split.train
    if config.label_share < 1:
        train = take_share(store.records, train, config.label_share, np.random.default_rng([config.seed, fold]))
    fitted = _fit(config, store, opened, beside, train, split.valid, fold, advance)
    trained_s = time.perf_counter() - began
    fitted.segmenter.save_pretrained(folder / SEGMENTER)
    probability = np.concatenate(list(_probabilities(fitted.segmenter, store, split.test)))
    np.savez_compressed(folder / PROBABILITIES, row=split.test, probability=probability.astype(np.float16))
    waves_of_rows(store, split.test, probability).assign(fold=fold).to_parquet(folder / WAVES, index=False)
    about = {
        "test_fold": fold, "valid_fold": (fold + 1) % config.folds, "updates": fitted.best.updates,
        "valid_sample_f1": fitted.best.f1 | {"macro": fitted.best.macro},
        "records": {"train": len(train), "valid": len(split.valid), "test": len(split.test)}, "training_s": trained_s,
        "history": [asdict(seen) for seen in fitted.history],
    }  # fmt: skip
    write_json(folder / FOLD, to_json(about))


def _fit(
    config: SegmentConfig,
    store: Store,
    opened: Opened,
    beside: Beside | None,
    train: Int64[np.ndarray, " train"],
    valid: Int64[np.ndarray, " valid"],
    fold: int,
    advance: Any,
) -> Fitted:
    classes = classes_of(store, valid)

    def judge(segmenter: EcgSegmenter) -> dict[str, float]:
        return sample_f1(np.concatenate(list(_probabilities(segmenter, store, valid))), classes, store.fs_hz)

    provenance = {
        "data": f"{store.kind}, {len(train)} records, {len(valid)} to choose when to stop", "seed": config.seed,
        "encoder": opened.name, "pretraining": opened.provenance, "fit": asdict(config.fit),
        "beside": None if beside is None else beside.start.provenance["data"],
    }  # fmt: skip
    return fit_segmenter(
        config.fit, opened.encoder, marked_rows(store, train), judge if len(valid) else None,
        Preprocessing.of_store(store), provenance, config.seed + 1000 * fold, config.device(), advance,
        opened.preprocessing, beside,
    )  # fmt: skip


def _probabilities(
    segmenter: EcgSegmenter, store: Store, rows: Int64[np.ndarray, " row"], batch: int = 16
) -> Iterator[Float32[np.ndarray, "some lead 4 time"]]:
    place = np.arange(len(store.leads))
    for start in range(0, len(rows), batch):
        some = rows[start : start + batch]
        yield segmenter.of_batch(store.ecg_mv(some), np.broadcast_to(place, (len(some), len(place))))


def _figures(config: SegmentConfig, store: Store, opened: Opened, folds: list[int]) -> dict[str, Any]:
    """The protocol's figures, waves of all folds pooled."""
    waves = pd.concat([pd.read_parquet(config.out / f"fold-{fold}" / WAVES) for fold in folds], ignore_index=True)
    waves.to_parquet(config.out / WAVES, index=False)
    rows = np.concatenate([np.load(config.out / f"fold-{fold}" / PROBABILITIES)["row"] for fold in folds])
    ids = set(store.records["record_id"].iloc[rows].astype(str))
    reference = store.waves[store.waves["record_id"].astype(str).isin(ids)]
    fs_hz = float(store.records["source_fs_hz"].iloc[rows].max())
    figures = to_json({
        "encoder": opened.name, "train": config.fit.train, "updates": config.fit.updates, "seed": config.seed,
        "label_share": config.label_share, "beside": config.beside and config.beside.name,
        **vars(segmentation_figures(reference, waves, fs_hz)),
        "confidence": confidence_figures(reference, waves, CONFIDENCE_S),
        "folds": [read_json(config.out / f"fold-{fold}" / FOLD) for fold in folds],
        "pretraining": opened.provenance,
    })  # fmt: skip
    write_json(config.out / METRICS, figures)
    return figures


def _final(config: SegmentConfig, store: Store, opened: Opened, beside: Beside | None, figures: dict[str, Any]) -> None:
    """One segmenter from all records, trained as long as the folds' were; nothing is left to choose on."""
    folder = config.out / SEGMENTER
    rows = np.arange(len(store))
    with progress("Training on all records", config.fit.updates, "updates") as advance:
        fitted = _fit(config, store, opened, beside, rows, rows[:0], config.folds, advance)
    shown = {name: figures[name] for name in ("records", "leads", "sample_f1", "iou", "boundaries")}
    fitted.segmenter.provenance["figures_over_folds"] = shown
    fitted.segmenter.save_pretrained(folder)
