"""Beat classes of MIT-BIH's DS2 by a linear probe and by nearest neighbour on an encoder's embeddings of beats."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from beatssl.checks.beat_classes import figures_of_marked_beats
from beatssl.inference.beat_embedding import embed_beats
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.inference.source import open_encoder
from beatssl.metrics.beat_classes import ClassFigures
from beatssl.models.config import EncoderConfig
from beatssl.results import FOR_FILES, Number
from beatssl.store.store import Store
from beatssl.training.diagnosis.beat_probe import BINS, classed_beats, figures_of_beats, mitdb_rows


@dataclass(frozen=True)
class BeatProbeChoice:
    """What the validation records of DS1 decide."""

    inverse_penalty: float
    prior_share: float
    inner_macro_f1: Number
    """On these records."""


@dataclass(frozen=True)
class MacroF1:
    """Macro F1 on DS2 by three ways to a class."""

    beat_embeddings: Number
    """By the linear probe."""
    nearest_neighbour: Number
    """The class of the most similar training beat."""
    small_classifier: Number
    """The classifier that `prepare` applies."""
    shape_clusters: Number
    """Clusters of beat shape, mapped to classes on DS1; NaN where the store has none."""


@dataclass(frozen=True)
class BeatEmbeddingFigures:
    """Beat classes from an encoder's embeddings of beats."""

    encoder: str
    DS2: ClassFigures
    """By a linear probe."""
    DS2_nearest_neighbour: ClassFigures
    chosen: BeatProbeChoice
    training_beats: dict[str, int]
    """Training beats of each class."""
    macro_f1_of: MacroF1
    pretraining: Mapping[str, Any] = field(metadata=FOR_FILES)
    """The encoder's provenance."""


def check_beat_embeddings(
    store: Store, encoder: str = "default", device: Device = "auto", seed: int = 0
) -> BeatEmbeddingFigures:
    """Per class sensitivity, PPV and F1 on DS2, and the macro F1 of the shape clusters and of the small classifier.

    Beats are classed as `classed_beats` says; matching and counting are those of `check_beat_classes`.

    Raises ValueError where the store has no reference beats, SplitError where it is not MIT-BIH, CheckpointError where
    the encoder expects signals prepared otherwise.
    """
    twelve, rows = store.twelve_leads(), mitdb_rows(store)
    opened = open_encoder(encoder, EncoderConfig(), seed, twelve)
    where = torch_device(device)
    values, line = embed_beats(opened.encoder.to(where), twelve, rows, BINS, device=where)
    classed = classed_beats(store, values, line, seed)
    figures, by_neighbour = (figures_of_beats(classed.pairs, of) for of in (classed.by_probe, classed.by_neighbour))
    probe, of_store = classed.probe, figures_of_marked_beats(store)
    clusters = of_store.clusters_mapped_on_DS1
    return BeatEmbeddingFigures(
        encoder=opened.name,
        DS2=figures,
        DS2_nearest_neighbour=by_neighbour,
        chosen=BeatProbeChoice(probe.line.inverse_penalty, probe.prior_share, probe.inner_macro_f1),
        training_beats=classed.training_beats,
        macro_f1_of=MacroF1(
            beat_embeddings=figures.macro_f1,
            nearest_neighbour=by_neighbour.macro_f1,
            small_classifier=of_store.sets["DS2"].macro_f1,
            shape_clusters=float("nan") if clusters is None else clusters.macro_f1,
        ),
        pretraining=opened.provenance,
    )
