"""Times of a training step, as `bench step` gives them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LossTimes:
    """Milliseconds of forward and backward of the loss alone; None: lightly is not installed."""

    hard_ms: float
    soft_2_ms: float
    lightly_ms: float | None


@dataclass(frozen=True)
class StepTimes:
    """What `bench_step` measured."""

    batch_size: int
    beats_per_record: int
    steps: int
    encoder: str
    weights: int
    precision: str
    device: str
    threads: int
    load_before: float
    seconds: dict[str, dict[str, float]]
    """Medians by contestant and part of a step."""
    ratio: float
    loading_and_views_share: float
    records_per_s: float
    loss_only: LossTimes
    loop_update_s: dict[str, float]
    """Median of a whole weight update in the training loop, by task."""
