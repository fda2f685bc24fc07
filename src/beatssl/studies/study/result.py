"""What comes of a study, as study.json holds it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from beatssl.metrics.classification import Interval
from beatssl.results import Number

JSON, CSV = "study.json", "study.csv"


@dataclass(frozen=True)
class PairedDifference:
    """Mean difference over seeds with its 95 % interval over seeds; NaN ends for fewer than two."""

    mean: Number
    low: Number
    high: Number
    seeds: int

    def __str__(self) -> str:
        if not math.isfinite(self.low):
            return f"{self.mean:+.4f}, one seed"
        return f"{self.mean:+.4f} ({self.low:+.4f} to {self.high:+.4f} over {self.seeds} seeds)"


@dataclass(frozen=True)
class Ranks:
    """Variants ranked within each task, 1 the best."""

    mean_rank: Mapping[str, float]
    """From the best on."""
    tasks: tuple[str, ...]
    friedman_p: Number
    """Of no difference between the variants; NaN for fewer than three variants or two tasks."""
    critical_difference: Number
    """Nemenyi: mean ranks that lie nearer than this do not differ at the 5 % level; NaN for fewer than two tasks."""


@dataclass(frozen=True)
class Mean:
    """A figure of a variant over its seeds."""

    group: str
    budget: str
    variant: str
    task: str
    figure: str
    mean: Number
    sd: Number
    """NaN for one seed."""
    seeds: int
    higher_is_better: bool
    chooses: bool

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.sd:.3f}" if math.isfinite(self.sd) else f"{self.mean:.3f}"


@dataclass(frozen=True)
class Cost:
    """Time of a variant's training."""

    group: str
    budget: str
    variant: str
    seconds: Number
    """Median over seeds."""
    seeds: int


@dataclass(frozen=True)
class ContrastFigure:
    """A named contrast on one task: variant `a` less variant `b`."""

    name: str
    a: str
    b: str
    budget: str
    task: str
    figure: str
    chooses: bool
    difference: PairedDifference
    patients: Interval = (math.nan, math.nan)
    """95 % interval of the mean difference over the same bootstrap draws of patients; NaN where a run has no draws."""

    def __str__(self) -> str:
        low, high = self.patients
        patients = f", over patients {low:+.4f} to {high:+.4f}" if math.isfinite(low) else ""
        return f"{self.name}, {self.task}, {self.figure} ({self.budget}): {self.difference}{patients}"


@dataclass(frozen=True)
class GroupRanks:
    """The variants of a group ranked over the tasks that choose."""

    group: str
    budget: str
    seeds: int
    """That all ranked variants have; their figures are means over these."""
    ranks: Ranks
    left_out: tuple[str, ...] = ()
    """Variants and tasks that are not among the ranks, with the reason."""


@dataclass(frozen=True)
class SetAside:
    """A run that failed."""

    hash: str
    variant: str
    seed: int
    reason: str


@dataclass(frozen=True)
class StudyResult:
    """The contents of study.json; study.csv has the figures of every run."""

    file: str
    means: tuple[Mean, ...]
    costs: tuple[Cost, ...]
    contrasts: tuple[ContrastFigure, ...]
    ranks: tuple[GroupRanks, ...]
    set_aside: tuple[SetAside, ...]
    out: str = ""
    planned: int = 0
    """Runs that were asked for."""
    finished: int = 0
    """Of them."""
    lacking: tuple[str, ...] = ()
    """Stores that runs need and that are not there."""

    @property
    def complete(self) -> bool:
        """Whether no run failed and none waits for a store."""
        return not self.set_aside and not self.lacking

    def __str__(self) -> str:
        lines = [
            f"{self.out}: {self.finished} of {self.planned} runs are finished; {JSON} and {CSV} hold their figures"
        ]
        lines += [str(one) for one in self.contrasts if one.chooses]
        lines += [f"set aside: {one.variant}, seed {one.seed} ({one.hash}): {one.reason}" for one in self.set_aside]
        lines += [f"no store {name}; the runs and tasks that need it wait" for name in self.lacking]
        return "\n".join(lines)
