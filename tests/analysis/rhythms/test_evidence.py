"""Evidence of rhythm, on beats made by hand, and the bundled model that reads it."""

import json

import numpy as np
import pytest

from beatssl.analysis.result import Beats
from beatssl.analysis.rhythms.evidence import LEAST_BEATS, OF_BEATS, STATEMENTS, beat_evidence, log_odds_of
from beatssl.analysis.rhythms.model import WEIGHTS, Regression, rhythm_model, rhythm_probability
from beatssl.analysis.rhythms.truth import AF, RHYTHMS, SINUS
from beatssl.beats.global_beats import GlobalBeats


def beats(time_s: np.ndarray, labels: str = "", p_share: float = 1.0) -> Beats:
    names = labels or "N" * len(time_s)
    nothing = np.full(len(time_s), np.nan)
    marks = GlobalBeats(
        time_s - 0.2, time_s - 0.15, time_s - 0.1, time_s - 0.05, time_s, time_s + 0.04, nothing, nothing, nothing
    )
    share = np.full(len(time_s), 1, np.float32)
    return Beats(
        time_s=time_s,
        rr_s=np.diff(time_s, prepend=np.nan),
        class_probability=np.array([[one == kind for kind in "NSVF"] for one in names], np.float32),
        lead_share=share,
        marks=marks,
        p_share=np.float32(p_share) * share,
        t_share=share,
        paced=np.zeros(len(time_s), bool),
        r_confidence=share,
    )


def evidence(*args: object, **more: object) -> dict[str, float]:
    found = beat_evidence(beats(*args, **more), 0.0, 100.0, 2)  # type: ignore[arg-type]
    assert found is not None
    return dict(zip(OF_BEATS, found.tolist(), strict=True))


STEADY = 0.5 + 0.8 * np.arange(12)
RANDOM = np.cumsum(np.random.default_rng(0).uniform(0.4, 1.2, 12))


def test_a_steady_rhythm() -> None:
    found = evidence(STEADY)
    assert found["rr_irregularity"] == pytest.approx(0, abs=1e-6)
    assert found["normal_irregularity"] == pytest.approx(0, abs=1e-6)
    assert found["rate_ratio"] == pytest.approx(np.log2(75 / 70))
    assert (found["p_share"], found["p_beats"], found["leads"]) == (1, 1, 1)
    assert found["pr_spread_ms"] == pytest.approx(0, abs=1e-6)
    assert found["qrs_ms"] == pytest.approx(90)


def test_ectopic_beats_make_no_irregularity_of_normal_ones() -> None:
    times = np.cumsum([0.8, 0.8, 0.5, 1.1, 0.8, 0.5, 1.1, 0.8, 0.8, 0.8])
    found = evidence(times, "NNVNNVNNNN")
    assert found["rr_irregularity"] > 0.05
    assert found["normal_irregularity"] == pytest.approx(0, abs=1e-6)
    assert found["class_v_share"] == pytest.approx(0.2)


def test_only_beats_of_the_stretch_count_and_too_few_give_none() -> None:
    one = beats(np.concatenate([STEADY, STEADY[-1] + RANDOM]))
    first = beat_evidence(one, 0.0, float(STEADY[-1]) + 0.01, 1)
    assert first is not None
    assert first[OF_BEATS.index("rr_irregularity")] == pytest.approx(0, abs=1e-6)
    assert beat_evidence(beats(STEADY[: LEAST_BEATS - 1]), 0, 10, 1) is None
    assert beat_evidence(beats(STEADY[:LEAST_BEATS]), 0, 10, 1) is not None


def test_log_odds_need_every_statement() -> None:
    p = dict.fromkeys(STATEMENTS, 0.5) | {"AFIB": 1.0}
    found = log_odds_of(p)
    assert found is not None
    assert found[STATEMENTS.index("SR")] == pytest.approx(0)
    assert found[STATEMENTS.index("AFIB")] == 10
    assert log_odds_of({"AFIB": 0.5}) is None


def probability(found: dict[str, float], statements: dict[str, float] | None = None) -> dict[str, float]:
    odds = None if statements is None else log_odds_of(dict.fromkeys(STATEMENTS, 0.01) | statements)
    p = rhythm_probability(np.array([list(found.values())]), None if odds is None else odds[None])
    return dict(zip(RHYTHMS, p[0].tolist(), strict=True))


def test_the_bundled_model_reads_beats_and_statements() -> None:
    steady, random = evidence(STEADY), evidence(RANDOM, p_share=0.0)
    assert probability(steady)[SINUS] > 0.8
    assert probability(random)[AF] > 0.5
    assert probability(steady, {"SR": 0.95})[SINUS] > 0.8
    assert probability(random, {"AFIB": 0.9})[AF] > 0.8
    wide = steady | {"qrs_ms": 160.0, "p_share": 0.2, "p_beats": 0.1}
    paced = probability(wide, {"PACE": 0.95})
    assert max(paced, key=paced.__getitem__) == "paced"
    assert probability(wide, {"PACE": 0.99})["paced"] > 0.5
    assert sum(probability(random, {"AFIB": 0.9}).values()) == pytest.approx(1)


def test_what_is_not_known_counts_as_the_mean() -> None:
    found = evidence(STEADY)
    model = rhythm_model()[1]
    usual = found | {"qrs_ms": float(model.mean[OF_BEATS.index("qrs_ms")])}
    assert probability(found | {"qrs_ms": np.nan}) == pytest.approx(probability(usual))


def test_the_weights_are_small_and_come_back_from_their_file() -> None:
    assert WEIGHTS.stat().st_size < 100_000
    content = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    assert Regression.from_json(content["beats_alone"]).to_json() == content["beats_alone"]
    assert content["config"]["train_folds"] == [1, 2, 3, 4, 5, 6, 7]
    assert content["config"]["valid_fold"] == 8
