"""Episodes of stretches made by hand, and rhythms of records whose beats are made by hand."""

import numpy as np
import pytest

from beatssl.analysis.model import EcgModel, load
from beatssl.analysis.rhythms import episodes
from beatssl.analysis.rhythms.episodes import MARGIN, STRETCH_S, WHOLE_S, episodes_of
from beatssl.analysis.rhythms.truth import AF, RHYTHMS, SINUS
from beatssl.beats.peaks import find_r_peaks
from beatssl.records.record import Record
from beatssl.records.synthetic import synthetic_record


def stretches(*p_af: float) -> np.ndarray:
    """Probabilities of sinus and AF, which sum to one; NaN: no rhythm."""
    return np.array([[1 - p, p, 0.0, 0.0] for p in p_af])


def found(*p_af: float) -> list[tuple[float, float, str]]:
    edges = 30.0 * np.arange(len(p_af) + 1)
    return [(one.start_s, one.stop_s, one.name) for one in episodes_of(edges, stretches(*p_af))]


def test_an_episode_begins_and_ends_where_the_rhythm_changes() -> None:
    assert found(0.1, 0.1, 0.9, 0.9, 0.2) == [(0, 60, SINUS), (60, 120, AF), (120, 150, SINUS)]


def test_a_stretch_that_is_not_clear_stays_with_the_rhythm_before_it() -> None:
    little = 0.5 + MARGIN / 2 - 0.01
    assert found(0.1, little, 0.1) == [(0, 90, SINUS)]
    assert found(0.9, 1 - little, 0.9) == [(0, 90, AF)]
    assert len(found(0.1, little + 0.02, 0.1)) == 3


def test_a_stretch_without_rhythm_ends_an_episode_and_is_in_none() -> None:
    assert found(0.9, np.nan, 0.9) == [(0, 30, AF), (60, 90, AF)]


def test_the_probability_of_an_episode_is_the_mean_of_its_stretches() -> None:
    (one,) = episodes_of(np.array([0.0, 30, 60]), stretches(0.8, 0.9))
    assert one.probability == pytest.approx(0.85)


@pytest.fixture(scope="module")
def model() -> EcgModel:
    return load(device="cpu")


def irregular(record: Record, seconds: float, seed: int = 0) -> Record:
    """A beat of the record, its P wave cut off, at random intervals: what atrial fibrillation looks like."""
    rng, fs = np.random.default_rng(seed), record.fs_hz
    r = round(find_r_peaks(record.ecg_mv, fs)[1] * fs)
    beat = record.ecg_mv[:, r - round(0.06 * fs) : r + round(0.42 * fs)]
    beat = beat * np.hanning(beat.shape[1])[None] ** 0.25
    out = rng.normal(0, 0.005, (len(record.leads), round(seconds * fs))).astype(np.float32)
    at_s = 0.3
    while at_s + 0.6 < seconds:
        start = round(at_s * fs)
        out[:, start : start + beat.shape[1]] += beat
        at_s += rng.uniform(0.5, 1.3)
    return record.replace(ecg_mv=out)


def test_a_synthetic_record_is_in_sinus_rhythm(model: EcgModel) -> None:
    rhythm = model.analyze(synthetic_record(0)).rhythm
    p = {one.name: one.probability for one in rhythm.classes}
    assert tuple(p) == RHYTHMS
    assert sum(p.values()) == pytest.approx(1)
    assert p[SINUS] > 0.8
    ((start_s, stop_s, name),) = [(one.start_s, one.stop_s, one.name) for one in rhythm.episodes]
    assert (start_s, stop_s, name) == (0, pytest.approx(10), SINUS)
    assert rhythm.classes_reason == ""
    assert "no longer than" in rhythm.af_burden.reason


@pytest.mark.parametrize("leads", [("I",), ("II", "V1"), ()])
def test_irregular_beats_without_p_waves_are_atrial_fibrillation(model: EcgModel, leads: tuple[str, ...]) -> None:
    record = irregular(synthetic_record(0), 30.0)
    if leads:
        at = [record.leads.index(name) for name in leads]
        record = record.replace(ecg_mv=record.ecg_mv[at], leads=leads)
    p = {one.name: one.probability for one in model.analyze(record).rhythm.classes}
    assert p[AF] > 0.5


def test_leads_that_the_classifier_does_not_know_are_judged_by_their_beats(model: EcgModel) -> None:
    record = irregular(synthetic_record(0), 30.0)
    of_one = record.replace(ecg_mv=record.ecg_mv[1:2], leads=("ECG",))
    a = model.analyze(of_one)
    assert a.diagnoses.statements == ()
    assert max(a.rhythm.classes, key=lambda one: one.probability).name == AF
    steady = synthetic_record(0)
    b = model.analyze(steady.replace(ecg_mv=steady.ecg_mv[1:2], leads=("ECG",)))
    assert max(b.rhythm.classes, key=lambda one: one.probability).name == SINUS


def test_a_long_record_has_stretches_episodes_and_a_burden(model: EcgModel) -> None:
    steady = synthetic_record(0)
    sinus_mv = np.tile(steady.ecg_mv[:2], (1, 12))
    af_mv = irregular(steady, 120.0).ecg_mv[:2]
    record = steady.replace(ecg_mv=np.concatenate([sinus_mv, af_mv, sinus_mv], axis=1), leads=("I", "II"))
    rhythm = model.analyze(record).rhythm
    assert record.duration_s > WHOLE_S
    assert len(rhythm.stretches) == round(record.duration_s / STRETCH_S) == 12
    assert [one.stop_s for one in rhythm.stretches[:-1]] == [one.start_s for one in rhythm.stretches[1:]]
    assert [one.name for one in rhythm.episodes] == [SINUS, AF, SINUS]
    assert rhythm.episodes[1].start_s == pytest.approx(120, abs=STRETCH_S)
    assert rhythm.af_burden.value == pytest.approx(100 / 3, abs=10)
    mean = np.mean([one.probability for one in rhythm.stretches], axis=0)
    assert [one.probability for one in rhythm.classes] == pytest.approx(mean.tolist())


def test_four_stretches_of_a_day_share_the_statements_of_ten_seconds(
    model: EcgModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[np.ndarray] = []
    plainly = episodes.window_probabilities
    monkeypatch.setattr(episodes, "window_probabilities", lambda *a: asked.append(a[2]) or plainly(*a))
    record = irregular(synthetic_record(0), 300)
    each = model.analyze(record, embeddings=False).rhythm
    monkeypatch.setattr(episodes, "LONG_S", 200.0)
    shared = model.analyze(record, embeddings=False).rhythm
    assert [len(middle_s) for middle_s in asked] == [10, 3]
    assert asked[1] == pytest.approx([60, 180, 270])
    assert len(shared.stretches) == len(each.stretches) == 10
    assert [one.name for one in shared.episodes] == [one.name for one in each.episodes] == [AF]


def test_noise_between_two_stretches_has_no_rhythm(model: EcgModel) -> None:
    steady = synthetic_record(0)
    sinus_mv = np.tile(steady.ecg_mv[:2], (1, 9))
    noise_mv = np.random.default_rng(0).normal(0, 0.5, sinus_mv.shape).astype(np.float32)
    record = steady.replace(ecg_mv=np.concatenate([sinus_mv, noise_mv, sinus_mv], axis=1), leads=("I", "II"))
    rhythm = model.analyze(record).rhythm
    silent = [one for one in rhythm.stretches if not one.probability]
    assert {one.start_s for one in silent} >= {120.0}
    assert {one.name for one in rhythm.episodes} == {SINUS}
    assert not any(one.start_s <= 135 < one.stop_s for one in rhythm.episodes)
