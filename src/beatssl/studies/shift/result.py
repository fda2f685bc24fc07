"""What the study of other databases finds."""

from collections.abc import Mapping
from dataclasses import dataclass

from beatssl.metrics.classification import Interval
from beatssl.results import Number

PROPERTIES = ("rate", "leads", "amplitude step", "band", "noise", "baseline", "length")
"""Of recordings, that are changed one at a time."""


@dataclass(frozen=True)
class Estimate:
    """A figure, or a difference of two, and its 95 % interval over bootstrap draws of patients."""

    value: Number
    ci95: Interval


@dataclass(frozen=True)
class LabelShift:
    """One label: how often it is, and a model's AUROC."""

    share_ptbxl: Number
    """Of the records of which it is known, those that have it."""
    share: Number
    positives: int
    known: int
    ptbxl: Number
    changed: Number
    """PTB-XL with all properties changed."""
    own: Number
    """The database itself."""
    within: Number
    """By a model learnt within the database; NaN where there is none."""


@dataclass(frozen=True)
class ModelShift:
    """One model on PTB-XL's test fold as it is, as it is changed, and on the database: macro AUROC of its labels."""

    ptbxl: Estimate
    changes: Mapping[str, Estimate]
    """By property: changed less as it is, over the same patients."""
    all_changes: Estimate
    """All properties at once, less as it is."""
    mix: Mapping[str, Estimate]
    """PTB-XL's unchanged records weighted as the database's, less unweighted: "age and sex", "labels together"."""
    own: Estimate | None
    """On the database, on the first row of every record; None where it has no label of PTB-XL's."""
    rest: Estimate | None
    """`own` less PTB-XL with all properties changed: population and labels, and what was not changed."""
    whole_records: Estimate | None
    """Mean over all rows of every record less the first row; None where all have one."""
    within: Estimate | None
    """A linear probe of the same input learnt within the database, by cross-validation over patients."""
    within_less_own: Estimate | None
    labels: Mapping[str, LabelShift]


@dataclass(frozen=True)
class RecordingFigures:
    """How the records were recorded: medians over records and leads."""

    fs_hz: Number
    leads: int
    """In the record of most leads."""
    share_of_all_leads: Number
    """Of records, those with as many."""
    noise_uv: Number
    wander_uv: Number
    gain_at_30_hz: Number
    """Amplitude spectrum over PTB-XL's, at most 1."""
    seconds: Number


@dataclass(frozen=True)
class DatabaseShift:
    """One database."""

    title: str
    records: int
    patients: int
    age_years: Number
    """Mean."""
    female: Number
    """Share of those whose sex is known."""
    recording: RecordingFigures
    asked: tuple[str, ...]
    """Labels that figures are of: those of PTB-XL that the database has, else PTB-XL's superclasses."""
    without: str
    """Why there is no figure on the database itself."""
    models: Mapping[str, ModelShift]


@dataclass(frozen=True)
class ShiftFigures:
    """The contents of shift.json."""

    classifier: str
    weights_sha256: str
    encoder: str
    """What the classifier's encoder was pretrained on, in one line."""
    seed: int
    bootstrap_draws: int
    records: int
    """Of PTB-XL's test fold."""
    patients: int
    age_years: Number
    female: Number
    recording: RecordingFigures
    databases: Mapping[str, DatabaseShift]

    def __str__(self) -> str:
        """A line a database: the classifier's macro AUROC on PTB-XL, changed, and on the database."""
        lines = [f"macro AUROC of the classifier, {self.records} records of PTB-XL's test fold and other databases"]
        for database in self.databases.values():
            one = next(iter(database.models.values()))
            own = "–" if one.own is None else f"{one.own.value:.3f}"
            changed = one.ptbxl.value + one.all_changes.value
            lines.append(f"{database.title}: PTB-XL {one.ptbxl.value:.3f}, changed {changed:.3f}, itself {own}")
        return "\n".join(lines)
