"""Times and costs as the benches give them, without PyTorch."""

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


@dataclass(frozen=True)
class StepCost:
    """What a training step of one method costs."""

    seconds: dict[str, float]
    """Medians by part; see `bench.contestant.Contestant.time`."""
    ratio: float
    """Median over turns of the whole step against SimCLR's step on the same rows."""
    memory_mb: float
    memory_ratio: float
    gflops: float
    """Thousand millions of operations of matrix products and convolutions, forward and backward."""
    flops_ratio: float
    energy_j: float | None
    """Mean of a step, by the processors' counters; None: not known."""


@dataclass(frozen=True)
class MethodCosts:
    """What `bench_methods` measured."""

    batch_size: int
    beats_per_record: int
    leads: int
    steps: int
    encoder: str
    weights: int
    precision: str
    device: str
    threads: int
    load_before: float
    energy_from: str
    methods: dict[str, StepCost]
    """By preset."""
    growth: dict[str, dict[str, dict[str, StepCost]]]
    """By what is varied (batch_size, beats_per_record, leads), its value, and preset."""


@dataclass(frozen=True)
class PassCost:
    """What a forward pass costs: milliseconds a record, and 10⁶ bytes of all tensors that are alive at once at the
    most, weights and input included."""

    wall_ms: float
    cpu_ms: float
    memory_mb: float


@dataclass(frozen=True)
class EncoderCost:
    """What embedding with an encoder costs, and how many views a second it trains on, by precision."""

    million_weights: float
    gflop: float
    """Thousand millions of operations of matrix products and convolutions for one record, forward."""
    alone: PassCost
    batched: PassCost
    training_views_per_s: dict[str, float]
    training_views_per_cpu_s: dict[str, float]


@dataclass(frozen=True)
class ModelCost:
    """What an answer of a bundled model, or of a published network, for one record costs."""

    million_weights: float
    gflop: float
    record: PassCost


@dataclass(frozen=True)
class EncoderCosts:
    """What `bench_encoders` measured."""

    batch_size: int
    samples: int
    threads: int
    load_before: float
    encoders: dict[str, EncoderCost]
    """By name."""
    models: dict[str, ModelCost]
    """By kind: encoder, classifier, segmenter."""
    published: dict[str, ModelCost]
    """By name: networks of others, with random weights."""
