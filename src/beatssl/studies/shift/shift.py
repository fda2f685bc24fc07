"""What a classifier loses on other databases, and how much of it each property of their recordings explains."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64, Shaped

from beatssl.inference.device import torch_device
from beatssl.inference.tensors import hash_of_weights
from beatssl.metrics.classification import paired_weights
from beatssl.results import write_result
from beatssl.store.labels import SUPERCLASSES, Labels
from beatssl.store.outputs import asked_of, check_folder, open_folder
from beatssl.store.splits import patients
from beatssl.store.store import Store
from beatssl.studies.scorecard.further import LEAST_SHARE, Predicted, out_of_fold
from beatssl.studies.scorecard.sources import TEST_FOLD, EncoderSource, FeatureSource, pretraining_said, rows_in
from beatssl.studies.shift.answers import ENCODER, FEATURES, MODELS, Answered, learn_models
from beatssl.studies.shift.changes import Changes, Raw, recording_figures
from beatssl.studies.shift.config import ShiftConfig
from beatssl.studies.shift.figures import Areas, difference, estimate
from beatssl.studies.shift.questions import DATABASES, LABELS, Database, labels_in, labels_of_ptbxl
from beatssl.studies.shift.recordings import Recording, measured, recording_of, single
from beatssl.studies.shift.result import DatabaseShift, LabelShift, ModelShift, RecordingFigures, ShiftFigures
from beatssl.studies.shift.weights import by_age_and_sex, by_labels
from beatssl.studies.site import open_classifier

PTBXL = "ptb-xl"
"""Folder below `stores`."""
SHIFT = "shift.json"


def shift(config: ShiftConfig) -> ShiftFigures:
    """Figures of every database, also written as `out`/shift.json.

    Raises ValueError where the store of PTB-XL or a database asked for is missing, or `source` is not what the first
    was prepared from; CheckpointError where there is no such classifier.
    """
    asked = asked_of("shift", config)
    check_folder(config.out, asked, config.overwrite)
    names = _databases(config)
    study = _Study.begin(config)
    figures = ShiftFigures(
        classifier=config.classifier,
        weights_sha256=hash_of_weights(study.changes.models.classifier),
        encoder=str(pretraining_said(study.changes.models.classifier.provenance.get("pretraining", {}))),
        seed=config.seed,
        bootstrap_draws=config.bootstrap_draws,
        records=len(study.people),
        patients=study.people["patient"].nunique(),
        age_years=_age(study.people),
        female=_female(study.people),
        recording=recording_figures(
            study.changes.reference,
            study.changes.raw.fs_hz,
            1.0,
            study.changes.raw.ecg_mv.shape[2] / study.changes.raw.fs_hz,
        ),
        databases={name: study.database(config, name) for name in names},
    )
    open_folder(config.out, asked, config.overwrite)
    write_result(config.out / SHIFT, figures)
    return figures


def _databases(config: ShiftConfig) -> tuple[str, ...]:
    if unknown := [name for name in config.databases if name not in DATABASES]:
        raise ValueError(
            f"databases names {unknown[0]!r}, of which nothing is known; choose from {', '.join(DATABASES)}"
        )
    there = [name for name in DATABASES if (config.stores / name).is_dir()]
    if absent := [name for name in (PTBXL, *config.databases) if not (config.stores / name).is_dir()]:
        raise ValueError(f"no store {absent[0]} in {config.stores}; prepare it there, or pass another stores=")
    if not there:
        raise ValueError(f"none of the stores {', '.join(DATABASES)} is in {config.stores}; prepare one there")
    return config.databases or tuple(there)


@dataclass(frozen=True)
class _Study:
    """PTB-XL's test records, their labels, and weights of the draws of their patients."""

    changes: Changes
    labels: Labels
    people: pd.DataFrame
    weights: Float64[np.ndarray, "draws_and_one record"]

    @classmethod
    def begin(cls, config: ShiftConfig) -> "_Study":
        store = Store(config.stores / PTBXL)
        classifier = open_classifier(config.classifier, store)
        labels = labels_of_ptbxl(store)
        rows = _drawn(store, labels, config)
        raw = Raw.of(store, config.source, rows)
        models = learn_models(classifier, store, labels, config.seed, torch_device(config.device), config.cache)
        people = _people(store, rows)
        rng = np.random.default_rng(config.seed)
        return cls(
            Changes.of(store, raw, rows, models, config.seed),
            Labels(labels.given[rows], labels.known[rows], labels.names),
            people,
            paired_weights(people["patient"].to_numpy(str), config.bootstrap_draws, rng),
        )

    def database(self, config: ShiftConfig, name: str) -> DatabaseShift:
        """All figures of one database."""
        about, store = DATABASES[name], Store(config.stores / name).twelve_leads()
        own = _Own.of(store, about, config)
        recording = recording_of(store, own.first, about, self.changes.reference, self.changes.raw.fs_hz)
        kinds = {name: self.changes.answers(one) for name, one in single(recording).items()}
        plain, every = self.changes.answers(Recording()), self.changes.answers(recording)
        said = None
        if own.labels is not None:
            said = self.changes.models(store, own.rows, store.ecg_units(own.rows), own.samples)
        sources = {
            ENCODER: EncoderSource(
                config.classifier,
                self.changes.models.classifier.encoder,
                store,
                self.changes.models.device,
                config.cache,
            ),
            FEATURES: FeatureSource(store, config.cache),
        }
        models: dict[str, ModelShift] = {}
        for model in MODELS:
            within = None
            if own.labels is not None and model in sources:
                within = out_of_fold(sources[model], store, own.first, own.labels, config.seed)
            models[model] = self._model(model, own, plain, kinds, every, said, within)
        return DatabaseShift(
            title=about.title,
            records=len(own.first),
            patients=own.people["patient"].nunique(),
            age_years=_age(own.people),
            female=_female(own.people),
            recording=_recording(store, own, recording),
            asked=own.asked,
            without=about.without,
            models=models,
        )

    def _model(
        self,
        model: str,
        own: "_Own",
        plain: Answered,
        kinds: Mapping[str, Answered],
        every: Answered,
        said: Answered | None,
        within: Predicted | None,
    ) -> ModelShift:
        columns = [LABELS.index(name) for name in own.asked]
        labels = Labels(self.labels.given[:, columns], self.labels.known[:, columns], own.asked)

        def areas(answered: Answered, also: Float64[np.ndarray, "_label record"] | None = None) -> Areas:
            return Areas.of(labels, answered[model][:, columns], self.weights, also)

        here, changed = areas(plain), areas(every)
        there = own.areas(said[model][:, columns]) if said is not None else None
        whole = own.areas_of_whole(said[model][:, columns]) if said is not None else None
        inside = None
        if within is not None and own.labels is not None:
            inside = Areas.of(own.labels, within.scores, own.weights)
        mixes = {"age and sex": by_age_and_sex(self.people, own.people)}
        mixes = {name: np.tile(one, (len(columns), 1)) for name, one in mixes.items() if one is not None}
        if own.labels is not None and len(columns) > 1:
            mixes["labels together"] = np.stack([by_labels(labels, own.labels, at) for at in range(len(columns))])
        return ModelShift(
            ptbxl=estimate(here.macro),
            changes={name: difference(areas(one).macro, here.macro) for name, one in kinds.items()},
            all_changes=difference(changed.macro, here.macro),
            mix={name: difference(areas(plain, one).macro, here.macro) for name, one in mixes.items()},
            own=estimate(there.macro) if there is not None else None,
            rest=difference(there.macro, changed.macro) if there is not None else None,
            whole_records=difference(whole.macro, there.macro) if whole is not None and there is not None else None,
            within=estimate(inside.macro) if inside is not None else None,
            within_less_own=difference(inside.macro, there.macro) if inside is not None and there is not None else None,
            labels=_by_label(labels, own, here, changed, there, inside),
        )


@dataclass(frozen=True)
class _Own:
    """Rows of a database, a line a row, those of a record together; and its records, a line a record, in one order."""

    rows: Int64[np.ndarray, " row"]
    record: Int64[np.ndarray, " row"]
    """The line of its record."""
    samples: Int64[np.ndarray, " row"]
    first: Int64[np.ndarray, " record"]
    """The first row of each."""
    labels: Labels | None
    """Of the records; None where none of them is PTB-XL's."""
    asked: tuple[str, ...]
    people: pd.DataFrame
    seed: int
    draws: int

    @classmethod
    def of(cls, store: Store, about: Database, config: ShiftConfig) -> "_Own":
        """Rows of records of which a label is known; of one without labels all. A short rest is left out."""
        records = store.records
        labels = None if about.without else labels_in(store, about)
        samples = records["samples"].to_numpy(np.int64)
        kept = samples >= LEAST_SHARE * round(store.duration_s * store.fs_hz)
        if labels is not None:
            kept &= labels.known.any(axis=1)
        rows = np.flatnonzero(kept)
        ids = (records["source"].astype(str) + "/" + records["record_id"].astype(str)).to_numpy(str)[rows]
        _, first, record = np.unique(ids, return_index=True, return_inverse=True)
        at = rows[first]
        known = None if labels is None else Labels(labels.given[at], labels.known[at], labels.names)
        asked = SUPERCLASSES if labels is None else labels.names
        return cls(
            rows, record, samples[rows], at, known, asked, _people(store, at), config.seed, config.bootstrap_draws
        )

    @cached_property
    def weights(self) -> Float64[np.ndarray, "draws_and_one record"]:
        """Of draws of the patients, other draws than those of PTB-XL's."""
        rng = np.random.default_rng([self.seed, 1])
        return paired_weights(self.people["patient"].to_numpy(str), self.draws, rng)

    def areas(self, scores: Float64[np.ndarray, "row label"]) -> Areas:
        """By the first row of each record."""
        assert self.labels is not None
        return Areas.of(self.labels, scores[np.searchsorted(self.rows, self.first)], self.weights)

    def areas_of_whole(self, scores: Float64[np.ndarray, "row label"]) -> Areas | None:
        """By the mean over all rows of each record; None where all have one."""
        if len(self.rows) == len(self.first):
            return None
        assert self.labels is not None
        count = np.bincount(self.record)
        means = [np.bincount(self.record, column) / count for column in scores.T]
        return Areas.of(self.labels, np.stack(means, axis=1), self.weights)


def _drawn(store: Store, labels: Labels, config: ShiftConfig) -> Int64[np.ndarray, " row"]:
    """Rows of the test fold with a known label: patients in random order, until there are enough records."""
    rows = rows_in(store, (TEST_FOLD,))
    rows = rows[labels.known[rows].any(axis=1)]
    if not len(rows):
        raise ValueError(f"store {store.path} has no labelled record in fold {TEST_FOLD}; prepare all of PTB-XL")
    person = pd.factorize(patients(store.records).iloc[rows])[0]
    order = np.random.default_rng(config.seed).permutation(person.max() + 1)
    return np.sort(rows[np.argsort(order[person], kind="stable")][: config.records])


def _people(store: Store, rows: Int64[np.ndarray, " row"]) -> pd.DataFrame:
    """Patient, age and sex of rows."""
    who: Shaped[np.ndarray, " row"] = patients(store.records).to_numpy(str)[rows]
    return store.records.iloc[rows][["age_years", "sex"]].reset_index(drop=True).assign(patient=who)


def _age(people: pd.DataFrame) -> float:
    return float(people["age_years"].astype("Float64").mean()) if people["age_years"].notna().any() else float("nan")


def _female(people: pd.DataFrame) -> float:
    known = people["sex"].dropna()
    return float((known == "female").mean()) if len(known) else float("nan")


def _recording(store: Store, own: _Own, recording: Recording) -> RecordingFigures:
    records = store.records.iloc[own.first]
    full = own.first[records["samples"].to_numpy(np.int64) == round(store.duration_s * store.fs_hz)]
    gain = 1.0 if recording.gain is None else float(np.interp(30, np.arange(len(recording.gain)), recording.gain))
    seconds = np.bincount(own.record, own.samples / store.fs_hz)
    found = measured(store.ecg_mv(full), store.fs_hz)
    return recording_figures(found, float(records["source_fs_hz"].median()), gain, float(np.median(seconds)))


def _by_label(
    labels: Labels, own: _Own, here: Areas, changed: Areas, there: Areas | None, inside: Areas | None
) -> dict[str, LabelShift]:
    out: dict[str, LabelShift] = {}
    nothing = dict.fromkeys(labels.names, float("nan"))
    for at, name in enumerate(labels.names):
        positives = int(own.labels.given[:, at].sum()) if own.labels is not None else 0
        known = int(own.labels.known[:, at].sum()) if own.labels is not None else 0
        out[name] = LabelShift(
            share_ptbxl=float(labels.given[labels.known[:, at], at].mean()),
            share=positives / known if known else float("nan"),
            positives=positives,
            known=known,
            ptbxl=here.values()[name],
            changed=changed.values()[name],
            own=(there.values() if there is not None else nothing)[name],
            within=(inside.values() if inside is not None else nothing)[name],
        )
    return out
