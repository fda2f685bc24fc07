"""An encoder before and after pretraining: maps of its embeddings, and linear probes of diagnoses."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Float32, Shaped
from sklearn.manifold import TSNE

from beatssl.inference.embedding import embed
from beatssl.inference.source import open_encoder
from beatssl.metrics.classification import PairedDifference
from beatssl.reports.page import Section, figure, percent, table
from beatssl.reports.pretrain_pictures import GROUP_NAMES, EmbeddingMap, Interval, embedding_maps, interval_rows
from beatssl.reports.target_section import superclass_table
from beatssl.store.labels import SUPERCLASSES, parse_folds
from beatssl.store.store import Store
from beatssl.training.diagnosis.figures import DiagnosisFigures
from beatssl.training.diagnosis.probe import scaled
from beatssl.training.pretraining.config import PretrainConfig

_NEIGHBOURS = 5


def embedding_section(
    store: Store, config: PretrainConfig, probes: Mapping[str, DiagnosisFigures], gain: PairedDifference
) -> tuple[Section, dict[str, str]]:
    """The section, and its pictures by name.

    Args:
        store: what the run was trained on; rows outside the run's folds are mapped.
        config: of the finished run.
        probes: figures of a linear probe by name of the encoder: "random" and "pretrained".
        gain: macro AUROC of the pretrained encoder less that of the random one.
    """
    rows = np.flatnonzero(~store.records["fold"].isin(parse_folds(config.folds)).to_numpy(np.bool_))
    labels = superclass_table(store)[rows]
    maps = [
        _map(store, config, rows, labels, title, source)
        for title, source in (("Random: before training", "random"), ("Pretrained", str(config.out)))
    ]
    pictures = {
        "embedding-map": embedding_maps(maps, _groups(labels)),
        "probe": interval_rows(_aurocs(probes), "AUROC on the test fold"),
    }
    map_caption = (
        f"{len(rows)} records of patients not used in pretraining, each a dot coloured by diagnosis. Near dots have "
        "near embeddings (t-SNE keeps neighbours; the axes have no unit). Of two "
        f"records drawn at random, {percent(_chance_of_sharing(labels))} share a diagnosis."
    )
    figures = table(("AUROC", *probes, "records with it"), _auroc_rows(probes), "dense", "The same in numbers")
    probed = (
        f"<div>{figure(pictures['probe'], _probe_caption(probes), 26)}</div><div>{figures}{_difference(gain)}</div>"
    )
    lead = (
        "The encoder turns a record into a vector, its embedding. Do records of one diagnosis have near embeddings, "
        "and can a linear model predict diagnoses from them? The same network before training is the baseline."
    )
    body = figure(pictures["embedding-map"], map_caption, 50) + f'<div class="two">{probed}</div>'
    return Section("embeddings", "Embeddings before and after pretraining", lead, body), pictures


def _map(
    store: Store,
    config: PretrainConfig,
    rows: Shaped[np.ndarray, " row"],
    labels: Bool[np.ndarray, "row label"],
    title: str,
    source: str,
) -> EmbeddingMap:
    values = embed(open_encoder(source, config.encoder, config.seed, store).encoder, store, rows)
    standard = scaled(values, np.ones(len(values), bool))
    agree = _neighbours_sharing(standard, labels)
    return EmbeddingMap(
        title,
        _in_two_dimensions(standard),
        f"of a record’s {_NEIGHBOURS} nearest, {percent(agree)} share a diagnosis",
    )


def _groups(labels: Bool[np.ndarray, "row label"]) -> Shaped[np.ndarray, " row"]:
    """The one superclass of every row, or "several", or "none"."""
    count = labels.sum(axis=1)
    one = np.array(SUPERCLASSES)[labels.argmax(axis=1)]
    return np.where(count == 1, one, np.where(count == 0, "none", "several"))


def _in_two_dimensions(values: Float32[np.ndarray, "row feature"]) -> Float[np.ndarray, "row 2"]:
    perplexity = min(30.0, (len(values) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(values).astype(np.float64)


def _neighbours_sharing(values: Float32[np.ndarray, "row feature"], labels: Bool[np.ndarray, "row label"]) -> float:
    """Of the nearest rows by cosine, the share with a label in common; over the rows that have a label."""
    unit = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-9)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    nearest = np.argsort(-cosine, axis=1)[:, :_NEIGHBOURS]
    sharing = np.take_along_axis(_sharing(labels), nearest, axis=1)
    return float(sharing[labels.any(axis=1)].mean())


def _chance_of_sharing(labels: Bool[np.ndarray, "row label"]) -> float:
    """What `_neighbours_sharing` would be were neighbours drawn at random."""
    sharing = _sharing(labels)[labels.any(axis=1)]
    return float((sharing.sum(axis=1) - 1).mean() / (len(labels) - 1))


def _sharing(labels: Bool[np.ndarray, "row label"]) -> Bool[np.ndarray, "row row"]:
    """Which two rows have a label in common."""
    return labels.astype(np.int64) @ labels.T > 0


def _aurocs(probes: Mapping[str, DiagnosisFigures]) -> dict[str, dict[str, Interval]]:
    """By encoder, then by diagnosis; a diagnosis that no test record has is left out."""
    found: dict[str, dict[str, Interval]] = {}
    for name, figures in probes.items():
        rows = {"mean of all": Interval(figures.macro_auroc, *figures.ci95.macro_auroc)}
        for label, of_label in figures.per_class.items():
            if np.isfinite(of_label.auroc):
                rows[f"{label} {GROUP_NAMES[label]}"] = Interval(of_label.auroc, *of_label.auroc_ci95)
        found[name] = rows
    return found


def _auroc_rows(probes: Mapping[str, DiagnosisFigures]) -> list[list[str]]:
    first = next(iter(probes.values()))
    count = {f"{label} {GROUP_NAMES[label]}": f"{of.positives}" for label, of in first.per_class.items()}
    count["mean of all"] = f"of {first.records.test}"
    aurocs = _aurocs(probes)
    return [[row, *(f"{found[row].value:.3f}" for found in aurocs.values()), count[row]] for row in aurocs["random"]]


def _probe_caption(probes: Mapping[str, DiagnosisFigures]) -> str:
    records, fold = probes["pretrained"].records, probes["pretrained"].folds.test
    return (
        f"A linear probe: logistic regression on the frozen embeddings, fitted to diagnoses of {records.train} "
        f"records, tested on {records.test} records of other patients (fold {fold}). AUROC is the chance that a record "
        "with the diagnosis scores higher than one without it: 0.5 is guessing, 1 is perfect. Bars: 95 % intervals."
    )


def _difference(gain: PairedDifference) -> str:
    low, high = gain.ci95
    text = f"Pretrained less random: {gain.difference:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}."
    return f"<p>{text.replace('-', '−')}</p>"
