"""What `EcgModel.analyze` finds of one record, typed; every part that could not be measured says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float32, Float64, Int8

from beatssl.analysis.measurement import Measurement
from beatssl.analysis.rhythms.result import Rhythm
from beatssl.beats.classes.classifier import CLASSES
from beatssl.beats.global_beats import GlobalBeats
from beatssl.records.record import Record
from beatssl.signals.waves import WAVE_CLASSES

FORMAT_VERSION = 1
"""Of the JSON form; raised whenever a reader of the old one would misread the new one."""

USE = "Research, not for diagnosis."
"""Stands in every output."""


PACED_BEAT = "Q"
"""Class of paced beats (AAMI EC57)."""


@dataclass(frozen=True, slots=True)
class RecordInfo:
    """What was analysed. Names nobody."""

    id: str
    source: str
    leads: tuple[str, ...]
    fs_hz: float
    duration_s: float
    age_years: float | None
    sex: str | None


@dataclass(frozen=True, slots=True)
class Beats:
    """Every heartbeat; all arrays have one entry a beat, times are in seconds from the record's start."""

    time_s: Float64[np.ndarray, " beat"]
    """R peak, over all leads."""
    rr_s: Float64[np.ndarray, " beat"]
    """From the beat before; NaN for the first one, and across what was not measured."""
    class_probability: Float32[np.ndarray, "beat 4"]
    """Of N, S, V and F (AAMI EC57); NaN where the beat could not be compared."""
    lead_share: Float32[np.ndarray, " beat"]
    """Share of the usable leads in which the segmenter shows a QRS there."""
    marks: GlobalBeats
    """Boundaries over the leads together; NaN where no lead has the wave: then there is none."""
    p_share: Float32[np.ndarray, " beat"]
    """Share of the beat's leads that show a P wave; 0 in an episode of atrial fibrillation or flutter."""
    t_share: Float32[np.ndarray, " beat"]
    paced: Bool[np.ndarray, " beat"]
    """Class Q: the beat follows the pacemaker (`analysis.rhythms.pacing`)."""
    r_confidence: Float32[np.ndarray, " beat"]
    """Probability that the R peak is one (`beats.peaks`); NaN where the segmenter alone found the beat."""

    def __len__(self) -> int:
        return len(self.time_s)

    def between(self, start_s: float, stop_s: float) -> "Beats":
        """The beats from `start_s` to before `stop_s`."""
        some = slice(*np.searchsorted(self.time_s, (start_s, stop_s)).tolist())
        marks = {one.name: getattr(self.marks, one.name)[some] for one in fields(self.marks)}
        own = {one.name: getattr(self, one.name)[some] for one in fields(self) if one.name != "marks"}
        return Beats(**own, marks=GlobalBeats(**marks))

    @property
    def labels(self) -> tuple[str, ...]:
        """The class of each beat: Q where it is paced, else the likeliest of N, S, V and F; "" where none is known."""
        names = (*CLASSES, PACED_BEAT, "")
        known = np.isfinite(self.class_probability).all(axis=1)
        best = np.where(known, np.nan_to_num(self.class_probability).argmax(axis=1), names.index(""))
        best = np.where(self.paced, names.index(PACED_BEAT), best)
        return tuple(names[at] for at in best.tolist())

    @property
    def confidence(self) -> Float32[np.ndarray, " beat"]:
        """Probability of each beat's likeliest class."""
        return self.class_probability.max(axis=1)


@dataclass(frozen=True, slots=True)
class WavesOfLeads:
    """P, QRS and T of every lead; all arrays have one entry a wave, in order of lead and time."""

    leads: tuple[str, ...]
    lead: Int8[np.ndarray, " wave"]
    """Index into `leads`."""
    wave: Int8[np.ndarray, " wave"]
    """Index into `signals.waves.WAVE_CLASSES`: 1 is P, 2 QRS, 3 T."""
    onset_s: Float64[np.ndarray, " wave"]
    peak_s: Float64[np.ndarray, " wave"]
    offset_s: Float64[np.ndarray, " wave"]
    onset_confidence: Float32[np.ndarray, " wave"]
    """Probability that the boundary lies within 40 ms of where it is stated."""
    offset_confidence: Float32[np.ndarray, " wave"]
    confidence: Float32[np.ndarray, " wave"]
    """Probability that there is such a wave; a P or T below 0.5 is absent and not listed."""

    def __len__(self) -> int:
        return len(self.lead)

    def to_frame(self) -> "pd.DataFrame":
        """A line a wave, as `EcgSegmenter.predict` gives them."""
        return pd.DataFrame(
            {
                "lead": np.array(self.leads, object)[self.lead],
                "wave": np.array(WAVE_CLASSES, object)[self.wave],
                "onset_s": self.onset_s,
                "peak_s": self.peak_s,
                "offset_s": self.offset_s,
                "onset_confidence": self.onset_confidence.astype(np.float64),
                "offset_confidence": self.offset_confidence.astype(np.float64),
                "confidence": self.confidence.astype(np.float64),
            }
        )


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One statement of the classifier."""

    name: str
    text: str
    probability: float
    threshold: float
    prevalence: float | None
    """Share of the training records that have it."""
    auroc: float | None
    """On the test fold, twelve leads."""

    @property
    def above(self) -> bool:
        """Whether the probability reaches the threshold."""
        return self.probability >= self.threshold


@dataclass(frozen=True, slots=True)
class Diagnoses:
    """Calibrated probabilities, and what they rest on."""

    statements: tuple[Diagnosis, ...]
    reason: str
    """Why there are none; "" where there are."""
    trained_on: str
    leads_missing: tuple[str, ...]
    """Of the twelve; nothing was known of them."""
    windows: int
    """Stretches of ten seconds whose log odds were averaged; 1 for a record up to 15 s."""


@dataclass(frozen=True, slots=True)
class WithoutLeads:
    """What the probabilities rest on: how each changes where one lead is hidden from the classifier."""

    leads: tuple[str, ...]
    names: tuple[str, ...]
    """Of the statements."""
    change: Float32[np.ndarray, "lead statement"]
    """Probability without the lead, less that with all."""


@dataclass(frozen=True, slots=True)
class LeadQuality:
    """How good one lead is."""

    lead: str
    score: float
    """Mean over its seconds: 0 nothing usable, 1 clean."""
    flags: tuple[str, ...]
    """Of missing, flat, clipped, lead_off and noisy; see `signals.quality`."""
    seconds: Float32[np.ndarray, " second"]


@dataclass(frozen=True, slots=True)
class Quality:
    """Signal quality; see `analysis.quality`."""

    score: float
    """Of the record: 0 unusable, 1 clean."""
    leads: tuple[LeadQuality, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """Something the reader of the result should know."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The encoder's numbers: of the record, and of every beat (`beat_embedding`)."""

    record: Float32[np.ndarray, " embedding"]
    beats: Float32[np.ndarray, "beat channel_bins"]


@dataclass(frozen=True, slots=True)
class SimilarRecord:
    """A record that looks like this one."""

    record_id: str
    similarity: float
    """Cosine of the two embeddings, standardised over all records searched: 1 alike, 0 unrelated."""
    labels: tuple[str, ...] = ()
    """Those that its store states of it."""


@dataclass(frozen=True, slots=True)
class Similar:
    """Look-alikes among the records of a store (`load(similar_to=…)`), the most alike first."""

    records: tuple[SimilarRecord, ...] | None = None
    """None: nothing was looked for."""
    reason: str = "no records given to look among (similar_to=)"
    """Why nothing was looked for; "" where it was."""


@dataclass(frozen=True, slots=True)
class ModelUsed:
    """Weights that took part."""

    kind: str
    name: str
    weights_sha256: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What the result was made by and of."""

    beatssl: str
    models: tuple[ModelUsed, ...]
    preprocessing: tuple[str, ...]
    notes: tuple[str, ...]
    """What was assumed, derived, resampled, bridged or left out, a sentence each."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """One record analysed. `print` gives a short report; the JSON form is described by `analysis_schema`."""

    record: RecordInfo
    beats: Beats
    rhythm: Rhythm
    intervals: Mapping[str, Measurement]
    """PR, QRS, QT and QTc over the leads together (`…_global_ms`) and within leads, and axes; see
    `features.wave_intervals.DEFINITIONS`."""
    lead_measures: Mapping[str, Mapping[str, Measurement]]
    """By lead: `st_mv` (60 ms after J), `t_mv`, `r_mv` and `s_mv`, above the level before the QRS."""
    waves: WavesOfLeads
    diagnoses: Diagnoses
    quality: Quality
    flags: tuple[Flag, ...]
    provenance: Provenance
    embeddings: Embeddings | None = None
    """None unless asked for; by default those of records up to a minute."""
    similar: Similar = field(default_factory=Similar)
    """Records that look alike; none without an index."""
    without_leads: WithoutLeads | None = None
    """None unless asked for; for `to_html` and `to_pdf`."""
    use: str = USE
    signal: Record | None = field(default=None, repr=False, compare=False)
    """The record itself, for `plot` and `save_annotations`."""

    def __str__(self) -> str:
        from beatssl.analysis.output.report import report

        return report(self)

    def to_dict(self, waves: bool = True, embeddings: bool = False) -> dict[str, Any]:
        """The result as JSON takes it (None for what is not known), as `analysis_schema` describes it.

        Without `waves` the table of single leads is left out, the largest part; `embeddings` are left out unless asked.
        """
        from beatssl.analysis.output.document import document

        return document(self, waves, embeddings)

    def to_frame(self) -> "pd.DataFrame":
        """A line a beat: time, RR, class and probabilities, boundaries over leads, and its intervals in ms."""
        from beatssl.analysis.output.document import beat_frame

        return beat_frame(self)

    def plot(self, start_s: float = 0.0) -> str:
        """Ten seconds from `start_s` on ECG paper, waves coloured and beats marked, as SVG text."""
        from beatssl.analysis.output.picture import picture

        return picture(self, start_s)

    def to_fhir(self) -> dict[str, Any]:
        """Rate, intervals and axes as a FHIR R5 Observation, coded by LOINC; see `output.fhir`."""
        from beatssl.analysis.output.fhir import observation

        return observation(self)

    def save_annotations(self, path: Path | str, leads: Sequence[str] | None = None) -> tuple[Path, ...]:
        """Write the waves of every lead (or some) as WFDB annotations, and the beats; see `annotations`."""
        from beatssl.analysis.output.annotations import save_annotations

        return save_annotations(self, Path(path), leads)

    def to_html(self, path: Path | str | None = None) -> str:
        """The whole result as one HTML page that needs no network, and is written to `path` where one is given.

        Analyze with `without_leads=True` to see what each diagnosis rests on. Raises ValueError without the signal.
        """
        from beatssl.analysis.page.page import page

        return page(self, None if path is None else Path(path))

    def to_pdf(self, path: Path | str, start_s: float = 0.0) -> None:
        """Write an A4 sheet of ten seconds from `start_s` to scale (25 mm/s, 10 mm/mV), and a second one of tables.

        Raises ValueError without the signal, and for a start beyond the record.
        """
        from beatssl.analysis.page.pdf import write_pdf

        write_pdf(self, Path(path), start_s)
