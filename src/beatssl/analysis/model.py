"""`load()` and `EcgModel.analyze`: one call from a file or an array to everything that is found of a record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32

from beatssl._version import __version__
from beatssl.analysis.assembly import beats_of, flags_of, notes_of, quality_of
from beatssl.analysis.diagnoses import Recorded, diagnose, embed_record, no_diagnoses
from beatssl.analysis.diagnoses import without_leads as of_fewer_leads
from beatssl.analysis.examine import COARSE, Examined, Stretch, examine, joined_waves
from beatssl.analysis.measures import lead_measurements, measured_intervals
from beatssl.analysis.pieces import pieces
from beatssl.analysis.result import (
    Analysis,
    Beats,
    Diagnoses,
    Embeddings,
    ModelUsed,
    Provenance,
    Quality,
    RecordInfo,
    Similar,
)
from beatssl.analysis.rhythm import rhythm_of
from beatssl.analysis.rhythms.episodes import rhythms_of
from beatssl.analysis.rhythms.no_p import beats_without_p, measures_without_p, waves_without_p
from beatssl.analysis.rhythms.pacing import with_paced_beats
from beatssl.analysis.rhythms.result import Rhythms
from beatssl.analysis.rhythms.sinus import with_early_s_alone
from beatssl.analysis.stores.similar import Searched
from beatssl.beats.classes.classifier import WEIGHTS
from beatssl.beats.windows import known_intervals
from beatssl.features.wave_intervals import WaveMeasures
from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.device import torch_device
from beatssl.inference.device_name import Device
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.folding import folded
from beatssl.inference.model_folder import SavedModel
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.records.arrays import record_from_array
from beatssl.records.read import read
from beatssl.records.record import Record, RecordError
from beatssl.signals.leads import canonical_leads, lead_kind, present_leads, without_constant, without_dropouts
from beatssl.store.config import MIN_DURATION_S, RATES_HZ

EMBEDDED_S = 60.0
"""Records up to this length get embeddings unless told otherwise."""

Signal = Float32[np.ndarray, "lead time"]


def load(
    segmenter: str | Path = "default",
    classifier: str | Path = "default",
    encoder: str | Path = "default",
    device: Device = "auto",
    similar_to: str | Path | Searched | None = None,
) -> "EcgModel":
    """The bundled models as one, ready to analyze; each may be another folder or repository of its kind.

    `similar_to`: a store, or files, among whose records look-alikes are found. They and the encoder are read when
    embeddings are first asked for. Raises CheckpointError where there is no such model.
    """
    models = EcgSegmenter.from_pretrained(segmenter), EcgClassifier.from_pretrained(classifier)
    return EcgModel(*models, encoder, device, similar_to)


class EcgModel:
    """A segmenter of waves, a classifier of records, an encoder, and the classifier of beats.

    `analyze` runs them on one record; all of them give the same for the same input.
    """

    def __init__(
        self, segmenter: EcgSegmenter, classifier: EcgClassifier, encoder: str | Path = "default",
        device: Device = "auto", similar_to: str | Path | Searched | None = None,
    ) -> None:  # fmt: skip
        self.device, self._device_name = torch_device(device), device
        self._similar_to = Path(similar_to) if isinstance(similar_to, str) else similar_to
        self.segmenter = segmenter.to(self.device)
        self.classifier = classifier.to(self.device)
        self._encoder = encoder
        # On a GPU the folded weights would be rounded to bfloat16 otherwise than those that were trained.
        on_cpu = self.device.type == "cpu"
        self._fast_segmenter = folded(self.segmenter) if on_cpu else self.segmenter
        self._fast_classifier = folded(self.classifier) if on_cpu else self.classifier

    @cached_property
    def encoder(self) -> BeatEncoder:
        """Read when first asked for."""
        return BeatEncoder.from_pretrained(self._encoder).to(self.device)

    @cached_property
    def searched(self) -> Searched | None:
        """The records among which look-alikes are found, embedded when first asked for; None where none were given."""
        place = self._similar_to
        return Searched.of(self.encoder, place, device=self._device_name) if isinstance(place, Path) else place

    def analyze(
        self,
        what: Record | Path | str | Any,
        *,
        leads: Sequence[str] | str = (),
        fs_hz: float | None = None,
        unit: str | None = None,
        embeddings: bool | None = None,
        without_leads: bool = False,
        already_filtered: bool = False,
    ) -> Analysis:
        """Everything that is found of one record: 2 s to 48 h, 50 Hz at least, any leads from one on.

        Args:
            what: a file of any format that `beatssl.read` takes, a `Record`, or an array (lead, time).
            leads: names of an array's leads, or of a file's that names none.
            fs_hz: sampling rate of an array, or of a file that states none.
            unit: of an array (default mV), or of a file that states none.
            embeddings: whether to embed record and beats; None: of records up to a minute.
            without_leads: whether to see how each probability changes without each lead; pages show it.
            already_filtered: the record comes from a store.

        Raises RecordError, a ValueError, with its `reason`, for what cannot be an ECG: under two seconds, nothing
        measured, an amplitude of another unit, a rate that no QRS can be seen at. What is only doubtful is in `flags`.
        """
        record = checked(_record(what, leads, fs_hz, unit))
        return self.analyze_records([record], embeddings, already_filtered, without_leads)[0]

    @torch.inference_mode()
    def analyze_records(
        self,
        records: Sequence[Record],
        embeddings: bool | None = None,
        already_filtered: bool = False,
        without_leads: bool = False,
    ) -> list[Analysis]:
        """As `analyze`, several records that `checked` has passed, those of one length and number of leads through the
        networks together: twice as fast for records of ten seconds. What is found differs by rounding alone."""
        found = self._examined(records, already_filtered)
        ready = [
            Recorded(one.usable_mv, one.usable, one.record.fs_hz, already_filtered, one.parts[0].opening_mv)
            for one in found
        ]
        with_beats = [number for number, one in enumerate(found) if len(one.beats)]
        diagnosed = dict(
            zip(with_beats, diagnose(self._fast_classifier, [ready[number] for number in with_beats]), strict=True)
        )
        out: list[Analysis] = []
        for number, (one, recorded) in enumerate(zip(found, ready, strict=True)):
            diagnoses = diagnosed.get(number) or no_diagnoses(self.classifier, one.usable, "no heartbeat was found")
            short = one.record.duration_s <= EMBEDDED_S
            wanted = (short and self._similar_to is not None) or (short if embeddings is None else embeddings)
            embedded = embed_record(self.encoder, recorded, one.beats.time_s) if wanted else None
            rhythms = rhythms_of(self._fast_classifier, recorded, one.beats, diagnoses, one.quality)
            analysis = self._analysis(one, diagnoses, embedded, rhythms, already_filtered)
            if self._similar_to is not None:
                analysis = replace(analysis, similar=self._similar(one.record, embedded))
            if without_leads and diagnoses.statements:
                analysis = replace(analysis, without_leads=of_fewer_leads(self._fast_classifier, recorded))
            out.append(analysis)
        return out

    def _similar(self, record: Record, embedded: Embeddings | None) -> Similar:
        if embedded is not None and self.searched is not None:
            return self.searched.nearest(embedded.record)
        long = record.duration_s > EMBEDDED_S
        return Similar(None, f"the record is longer than {EMBEDDED_S:g} s" if long else "it has no lead of the twelve")

    def _examined(self, records: Sequence[Record], filtered: bool) -> list["_Found"]:
        """Waves and beats of all records; the pieces of a long one follow one another."""
        begun: list[_Begun] = [_Begun.of(record, filtered) for record in records]
        short = [number for number, one in enumerate(begun) if len(one.stretches) == 1]
        alone = examine(self._fast_segmenter, [begun[number].stretches[0] for number in short])
        parts = {number: [part] for number, part in zip(short, alone, strict=True)}
        for number, one in enumerate(begun):
            if number not in parts:
                parts[number] = [part for piece in one.stretches for part in examine(self._fast_segmenter, [piece])]
        return [_Found.of(one, parts[number]) for number, one in enumerate(begun)]

    def _analysis(
        self, one: "_Found", diagnoses: Diagnoses, embedded: Embeddings | None, rhythms: Rhythms, filtered: bool
    ) -> Analysis:
        record, usable = one.record, one.usable
        episodes = rhythms.episodes
        beats = with_early_s_alone(with_paced_beats(beats_without_p(one.beats, episodes), episodes), episodes)
        measures = measures_without_p(one.measures, episodes)
        return Analysis(
            record=RecordInfo(
                record.id, str(record.metadata.get("format", record.source)), tuple(canonical_leads(record.leads)),
                float(record.fs_hz), float(record.duration_s), record.age_years, record.sex,
            ),
            beats=beats,
            rhythm=rhythm_of(beats.time_s, beats.rr_s, beats.class_probability, beats.labels, rhythms),
            intervals=measured_intervals(measures, beats.time_s, beats.rr_s, record.duration_s, usable, one.measures),
            lead_measures=lead_measurements(np.concatenate([part.amplitude_mv for part in one.parts]), usable),
            waves=waves_without_p(joined_waves([part.waves for part in one.parts]), episodes),
            diagnoses=diagnoses,
            quality=one.quality,
            flags=flags_of(record, one.recorded_mv, one.parts, beats, one.quality),
            provenance=self._provenance(record, usable, embedded is not None, filtered),
            embeddings=embedded,
            signal=record,
        )  # fmt: skip

    def _provenance(self, record: Record, leads: Sequence[str], embedded: bool, filtered: bool) -> Provenance:
        models: list[SavedModel] = [self.segmenter, self.classifier, *([self.encoder] if embedded else [])]
        used = [ModelUsed(one.kind.name, one.source, one.weights_sha256) for one in models]
        used.append(
            ModelUsed("beat classifier", "default", WEIGHTS.with_suffix(".safetensors.sha256").read_text()[:64])
        )
        takes = {one.kind.name: one.preparation for one in models} | {"beats and amplitudes": COARSE}
        preprocessing = tuple(
            f"{name}: {p.low_hz:g}–{p.high_hz:g} Hz, {p.fs_hz:g} samples/s, no phase shift" for name, p in takes.items()
        )
        rates = sorted({p.fs_hz for p in takes.values()})
        return Provenance(__version__, tuple(used), preprocessing, notes_of(record, leads, rates, filtered))


@dataclass(frozen=True, slots=True)
class _Begun:
    """A record as it comes in, and its pieces."""

    record: Record
    recorded_mv: Signal
    leads: tuple[str, ...]
    stretches: tuple[Stretch, ...]

    @classmethod
    def of(cls, record: Record, filtered: bool) -> "_Begun":
        fs_hz = record.fs_hz
        recorded_mv = without_dropouts(without_constant(record.ecg_mv), fs_hz)
        there = present_leads(recorded_mv)
        leads = tuple(name if some else "" for name, some in zip(canonical_leads(record.leads), there, strict=True))
        plan = pieces(recorded_mv.shape[1], fs_hz, len(leads))
        return cls(
            record, recorded_mv, leads, tuple(Stretch(recorded_mv, leads, fs_hz, piece, filtered) for piece in plan)
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """A record with its waves and beats."""

    record: Record
    recorded_mv: Signal
    usable_mv: Signal
    """Flat leads NaN."""
    usable: tuple[str, ...]
    """Names of the leads that are measured and not flat, else ""."""
    parts: tuple[Examined, ...]
    measures: WaveMeasures
    beats: Beats
    quality: Quality

    @classmethod
    def of(cls, begun: _Begun, parts: Sequence[Examined]) -> "_Found":
        record, recorded_mv = begun.record, begun.recorded_mv
        quality, flat = quality_of(parts, begun.leads, record)
        usable_mv = np.where(flat[:, None], np.float32(np.nan), recorded_mv) if flat.any() else recorded_mv
        usable = tuple(name if not off else "" for name, off in zip(begun.leads, flat, strict=True))
        measures = WaveMeasures.joined([part.measures for part in parts])
        beat_s = np.concatenate([part.beat_s for part in parts])
        rr_s = known_intervals(beat_s, np.asarray(np.isfinite(usable_mv).any(axis=0)), record.fs_hz)
        beats = beats_of(parts, measures, rr_s)
        return cls(record, recorded_mv, usable_mv, usable, tuple(parts), measures, beats, quality)


def _record(what: Any, leads: Sequence[str] | str, fs_hz: float | None, unit: str | None) -> Record:
    if isinstance(what, Record):
        if leads or fs_hz is not None or unit is not None:
            raise ValueError("a Record has its own leads, rate and unit; change them with record.replace(…)")
        return what
    if isinstance(what, str | Path):
        return read(what, fs_hz=fs_hz, unit=unit, leads=(leads,) if isinstance(leads, str) else tuple(leads))
    if fs_hz is None or not leads:
        raise ValueError("an array needs leads= (a name for each) and fs_hz= (its sampling rate in Hz)")
    record = record_from_array(what, fs_hz, unit or "mV", leads)
    if strange := [name for name in record.leads if lead_kind(name) == "no-ecg"]:
        raise RecordError(
            "no-ecg", f"{', '.join(map(repr, strange))} is no name of an ECG lead; leave such signals out"
        )
    return record


def checked(record: Record) -> Record:
    """The record. Raises RecordError for one that is too short, too coarse, or not measured."""
    if record.fs_hz < RATES_HZ[0]:
        raise RecordError(
            "sampling-rate",
            f"record {record.id}: no QRS can be seen at {record.fs_hz:g} Hz; at least {RATES_HZ[0]:g} Hz are needed",
        )
    if record.duration_s < MIN_DURATION_S:
        raise RecordError(
            "too-short", f"record {record.id}: {record.duration_s:.2f} s; at least {MIN_DURATION_S:g} s are needed"
        )
    if not present_leads(without_constant(record.ecg_mv)).any():
        raise RecordError(
            "missing-leads", f"record {record.id}: nothing measured in any of its leads ({', '.join(record.leads)})"
        )
    return record
