from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.records.record import Record
from beatssl.records.synthetic import SUPERCLASS, SyntheticReader, synthetic_record
from beatssl.records.synthetic.beats import Condition, beat_shapes
from beatssl.records.synthetic.patient import draw_patient, patient_number, rotation
from beatssl.records.synthetic.rhythm import F, N, Rhythm, S, V, beat_times, qt_stretch
from beatssl.records.synthetic.waves import (
    MARK_FRACTION,
    QRS,
    DrawnBeats,
    P,
    Shape,
    T,
    bounds_s,
    draw,
    parts,
    wave_bounds_s,
)
from beatssl.signals.leads import INDEPENDENT, LEADS
from beatssl.signals.vcg import to_vcg


@pytest.fixture(scope="module")
def cohort() -> list[Record]:
    """500 records; 4 s and 250 Hz are enough for most checks."""
    return [synthetic_record(index, seed=3, duration_s=4.0, fs_hz=250.0) for index in range(500)]


@pytest.fixture(scope="module")
def full() -> list[Record]:
    """A few as they come by default."""
    return [synthetic_record(index) for index in range(60)]


def names(record: Record, label_set: str) -> set[str]:
    return {label.name for label in record.labels if label.label_set == label_set}


def waves_of(record: Record, lead: str = "II") -> dict[str, np.ndarray]:
    """Onset, peak and offset by wave, one row a wave."""
    assert record.waves is not None
    out = defaultdict[str, list[tuple[float, float, float]]](list)
    marks = record.waves
    for at, wave, *times in zip(marks.lead, marks.wave, marks.onset_s, marks.peak_s, marks.offset_s, strict=True):
        if at == lead:
            out[wave].append(tuple(times))
    return {wave: np.array(rows) for wave, rows in out.items()}


# --- the signal


@settings(max_examples=15)
@given(index=st.integers(0, 10**6), seed=st.integers(0, 10**6))
def test_lead_identities_are_exact_noise_and_all(index, seed):
    i, ii, iii, avr, avl, avf = synthetic_record(index, seed, duration_s=2.0).ecg_mv[:6]
    for lead, expected in ((iii, ii - i), (avr, -(i + ii) / 2), (avl, i - ii / 2), (avf, ii - i / 2)):
        np.testing.assert_array_equal(lead, expected)


def test_a_record_has_the_form_that_readers_promise(full):
    for record in full:
        assert record.ecg_mv.shape == (12, 5000)
        assert record.ecg_mv.dtype == np.float32
        assert np.isfinite(record.ecg_mv).all()
        assert record.leads == LEADS
        assert record.fs_hz == 500
        assert record.source == "synthetic"
        assert record.age_years is not None
        assert 18 <= record.age_years <= 95
        assert record.sex in ("female", "male")


def test_amplitudes_are_those_of_an_ecg(cohort):
    peak_mv = np.array([np.abs(record.ecg_mv - np.median(record.ecg_mv)).max() for record in cohort])
    assert 1.0 < np.median(peak_mv) < 3.0
    assert peak_mv.min() > 0.3
    assert peak_mv.max() < 9.0


def test_r_grows_from_v1_to_v4_in_normal_records(cohort):
    normal = [r for r in cohort if "NORM" in names(r, "superclass")]
    ratios = []
    for record in normal:
        at = np.round(waves_of(record)["QRS"] * record.fs_hz).astype(int)
        chest = [np.median([record.ecg_mv[lead, a : c + 1].max() for a, _, c in at]) for lead in (6, 7, 8, 9)]
        ratios.append(chest)
    v1, v2, v3, v4 = np.median(ratios, axis=0)
    assert v1 < v2 < v3 < v4
    assert 0.8 < v4 < 1.7


def test_a_dipole_explains_nearly_all_but_noise(full):
    """Dower's own leads would leave nothing; each chest differs from Dower's a little."""
    for record in full[:10]:
        eight = record.ecg_mv[list(INDEPENDENT)].astype(np.float64)
        eight -= eight.mean(axis=1, keepdims=True)
        singular = np.linalg.svd(eight, compute_uv=False) ** 2
        assert singular[:3].sum() > 0.93 * singular.sum()


# --- the same again


def test_a_record_is_the_same_in_any_order_and_any_company():
    alone = synthetic_record(7, seed=5)
    list(map(synthetic_record, range(3)))
    again = SyntheticReader(seed=5).read(Path("20"), SyntheticReader(seed=5).sources(Path("20"))[7])
    np.testing.assert_array_equal(alone.ecg_mv, again.ecg_mv)
    assert alone.labels == again.labels
    assert alone.beats is not None
    assert again.beats is not None
    np.testing.assert_array_equal(alone.beats.time_s, again.beats.time_s)


def test_seeds_and_indices_give_different_records():
    waves = [synthetic_record(index, seed).ecg_mv for index, seed in ((0, 0), (1, 0), (0, 1))]
    assert not np.array_equal(waves[0], waves[1])
    assert not np.array_equal(waves[0], waves[2])


def test_the_rate_changes_the_samples_not_the_heart():
    slow, fast = (synthetic_record(4, fs_hz=fs_hz) for fs_hz in (250.0, 1000.0))
    assert slow.beats is not None
    assert fast.beats is not None
    np.testing.assert_array_equal(slow.beats.time_s, fast.beats.time_s)
    heart_slow, heart_fast = to_vcg(slow.ecg_mv), to_vcg(fast.ecg_mv)[:, ::4]
    assert np.corrcoef(heart_slow[0], heart_fast[0])[0, 1] > 0.95


# --- the truth sits on the signal


def test_r_marks_stand_on_the_qrs_of_the_dipole(full):
    """Noise, chest and all: the VCG's magnitude peaks within 10 ms of each mark."""
    for record in full[:25]:
        vcg = to_vcg(record.ecg_mv.astype(np.float64))
        assert record.beats is not None
        for time_s in record.beats.time_s:
            at = round(time_s * record.fs_hz)
            if at < 60 or at > 4940:
                continue
            near = vcg[:, at - 60 : at + 60]
            size = np.linalg.norm(near - np.median(vcg[:, max(at - 400, 0) : at + 400], axis=1, keepdims=True), axis=0)
            assert abs(int(size.argmax()) - 60) <= 5, record.id  # 10 ms


def test_qrs_marks_are_read_off_the_drawn_dipole():
    """Without noise: one beat drawn, and its marks read off the drawing."""
    for index in range(20):
        patient = draw_patient(index, 0)
        shapes = beat_shapes(patient, Condition("none", False), 1.0, np.random.default_rng(index))
        for kind in range(4):
            onset_s, peak_s, offset_s = wave_bounds_s(shapes[kind], QRS)
            beat = DrawnBeats(np.array([0]), np.array([1.0]), np.array([onset_s]), np.array([1.0]), np.eye(3)[None])
            alone = draw([shapes[kind].only(QRS)], beat, 1000.0, 2000)
            size = np.linalg.norm(alone, axis=0)
            assert abs(peak_s) <= 0.0015
            assert abs(int(size.argmax()) - 1000) <= 2
            begins, ends = MARK_FRACTION[QRS]
            assert size[round(1000 * (1 + onset_s)) + 1] >= begins * size.max()
            assert size[: round(1000 * (1 + onset_s)) - 2].max() < begins * size.max()
            assert size[round(1000 * (1 + offset_s)) - 1] >= ends * size.max()
            assert size[round(1000 * (1 + offset_s)) + 3 :].max() < ends * size.max()


def test_marks_are_in_order_and_the_same_in_every_lead(full):
    for record in full:
        per_lead = [waves_of(record, lead) for lead in LEADS]
        for wave, rows in per_lead[0].items():
            assert (np.diff(rows, axis=1) > 0).all(), (record.id, wave)
            assert rows.min() >= 0
            assert rows.max() < record.duration_s
            for other in per_lead[1:]:
                np.testing.assert_array_equal(rows, other[wave])


def test_waves_do_not_overlap(full):
    for record in full:
        spans = np.concatenate([rows[:, [0, 2]] for rows in waves_of(record).values()])
        spans = spans[spans[:, 0].argsort()]
        assert (spans[1:, 0] >= spans[:-1, 1] - 1e-9).all(), record.id


def test_every_beat_inside_has_its_qrs_mark(full):
    for record in full:
        assert record.beats is not None
        qrs = waves_of(record)["QRS"][:, 1]
        inside = (record.beats.time_s > 0.2) & (record.beats.time_s < record.duration_s - 0.2)
        distance = np.abs(record.beats.time_s[inside, None] - qrs).min(axis=1)
        assert distance.max() < 0.002


def test_intervals_are_those_of_their_findings(cohort):
    by_label = defaultdict[str, list[dict[str, float]]](list)
    for record in cohort:
        for name in names(record, "synthetic"):
            by_label[name].append(dict(record.metadata))
    normal = by_label["normal"]
    assert all(0.115 <= r["pr_s"] <= 0.205 for r in normal)
    assert np.percentile([r["qrs_s"] for r in normal], [2, 98]).tolist() == pytest.approx([0.076, 0.076], abs=0.015)
    assert all(0.06 <= r["qrs_s"] <= 0.11 for r in normal)
    qtc = [r["qt_s"] / (60 / r["rate_bpm"]) ** (1 / 3) for r in normal]
    assert min(qtc) > 0.36
    assert max(qtc) < 0.46
    assert all(r["pr_s"] > 0.21 for r in by_label["av-block-1"])
    assert all(r["qrs_s"] >= 0.12 for r in by_label["lbbb"] + by_label["rbbb"])
    assert all(r["qt_s"] / (60 / r["rate_bpm"]) ** (1 / 3) > 0.465 for r in by_label["long-qt"])
    assert all("pr_s" not in r for r in by_label["atrial-fibrillation"])


# --- labels and splits


def test_every_class_and_beat_kind_occurs_in_500_records(cohort):
    superclasses = Counter(name for record in cohort for name in names(record, "superclass"))
    assert set(superclasses) == {"NORM", "MI", "STTC", "CD", "HYP"}
    assert min(superclasses.values()) >= 25
    found = {name for record in cohort for name in names(record, "synthetic")}
    rhythms = {"sinus-rhythm", "sinus-bradycardia", "sinus-tachycardia", "atrial-fibrillation", "pac", "pvc", "fusion"}
    assert found == set(SUPERCLASS) | rhythms
    beats = Counter(symbol for record in cohort if record.beats for symbol in record.beats.symbol)
    assert set(beats) == {"N", "S", "V", "F"}
    assert beats["N"] > 10 * (beats["V"] + beats["S"] + beats["F"])


def test_superclasses_follow_from_the_names(cohort):
    for record in cohort:
        assert names(record, "superclass") == {
            SUPERCLASS[name] for name in names(record, "synthetic") if name in SUPERCLASS
        }
        assert not ("normal" in names(record, "synthetic") and len(names(record, "superclass")) > 1)


def test_ectopic_labels_are_the_beats_in_the_record(cohort):
    for record in cohort:
        assert record.beats is not None
        for symbol, name in (("S", "pac"), ("V", "pvc"), ("F", "fusion")):
            assert (symbol in record.beats.symbol) == (name in names(record, "synthetic"))


def test_no_patient_in_two_folds_and_some_have_several_records(cohort):
    folds, records = defaultdict[str, set[int]](set), Counter[str]()
    for record in cohort:
        assert record.patient_id is not None
        assert record.fold is not None
        folds[record.patient_id].add(record.fold)
        records[record.patient_id] += 1
    assert all(len(fold) == 1 for fold in folds.values())
    assert set().union(*folds.values()) == set(range(1, 11))
    assert set(records.values()) == {1, 2, 3}


def test_a_patient_keeps_age_sex_and_findings(cohort):
    by_patient = defaultdict[str, list[Record]](list)
    for record in cohort:
        by_patient[str(record.patient_id)].append(record)
    standing = {"anterior-infarct", "inferior-infarct", "lbbb", "rbbb", "lafb", "lvh", "rvh", "av-block-1"}
    for records in by_patient.values():
        assert len({(r.age_years, r.sex) for r in records}) == 1
        assert len({frozenset(names(r, "synthetic") & standing) for r in records}) == 1
        assert len({r.ecg_mv.tobytes() for r in records}) == len(records)


def test_findings_show_in_the_signal(cohort):
    """Classes must be there to be learnt: a few textbook signs, by group medians."""
    deflection = defaultdict[str, list[np.ndarray]](list)
    for record in cohort:
        if len(names(record, "superclass")) != 1 or (60 / record.metadata["rate_bpm"]) < 0.5:
            continue
        at = np.round(waves_of(record)["QRS"] * record.fs_hz).astype(int)
        level = np.array([record.ecg_mv[:, max(a - 4, 0)] for a, _, _ in at])
        highest = np.median([record.ecg_mv[:, a : c + 1].max(axis=1) for a, _, c in at] - level, axis=0)
        for name in names(record, "synthetic"):
            deflection[name].append(highest)
    median = {name: np.median(rows, axis=0) for name, rows in deflection.items()}
    lead = {name: position for position, name in enumerate(LEADS)}
    assert median["lvh"][lead["V5"]] > 1.3 * median["normal"][lead["V5"]]
    assert median["rbbb"][lead["V1"]] > 2 * median["normal"][lead["V1"]]
    assert median["rvh"][lead["V1"]] > 3 * median["normal"][lead["V1"]]
    assert median["anterior-infarct"][lead["V3"]] < 0.6 * median["normal"][lead["V3"]]
    assert median["inferior-infarct"][lead["II"]] < 0.9 * median["normal"][lead["II"]]


# --- rhythm


def test_a_pause_after_a_ventricular_beat_compensates_fully():
    rhythm = Rhythm(0.8, breath_share=0.0, slow_share=0.0, pvc_share=0.3)
    beats = beat_times(rhythm, 60.0, np.random.default_rng(0))
    for at in np.flatnonzero(np.isin(beats.kind, (V, F)))[:-1]:
        assert beats.time_s[at + 1] - beats.time_s[at - 1] == pytest.approx(1.6, rel=0.04)
        assert beats.kind[at - 1] == beats.kind[at + 1] == N


def test_an_atrial_premature_beat_resets_the_clock():
    rhythm = Rhythm(0.8, breath_share=0.0, slow_share=0.0, pac_share=0.3)
    beats = beat_times(rhythm, 60.0, np.random.default_rng(0))
    early = np.flatnonzero(beats.kind == S)[:-1]
    assert early.size > 5
    around = beats.time_s[early + 1] - beats.time_s[early - 1]
    assert (around < 1.55).all()


def test_fibrillation_is_irregular_and_has_no_p(cohort):
    spread = {True: [], False: []}
    for record in cohort:
        assert record.beats is not None
        fibrillates = "atrial-fibrillation" in names(record, "synthetic")
        assert fibrillates != ("P" in waves_of(record))
        if set(record.beats.symbol) == {"N"} and len(record.beats.symbol) > 3:
            intervals = np.diff(record.beats.time_s)
            spread[fibrillates].append(intervals.std() / intervals.mean())
    assert np.median(spread[True]) > 0.12
    assert np.percentile(spread[False], 95) < 0.09


def test_qt_follows_the_rate_with_a_lag():
    regular = beat_times(Rhythm(0.8, breath_share=0.0, slow_share=0.0), 30.0, np.random.default_rng(0))
    assert np.abs(qt_stretch(regular, 1.0)[-1] - 0.8 ** (1 / 3)) < 0.01
    assert qt_stretch(regular, 1.0)[1] > 0.95


# --- Gaussians


def test_bounds_of_one_gaussian_are_where_the_fraction_says():
    shape = parts(T, [(250, 40, (0.3, 0.0, 0.0))])
    edge_s = 0.040 * np.sqrt(2 * np.log(1 / 0.05))
    np.testing.assert_allclose(bounds_s(shape)[T], [0.25 - edge_s, 0.25, 0.25 + edge_s], atol=0.0011)
    assert np.isnan(bounds_s(shape)[[P, QRS]]).all()


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_drawing_agrees_with_the_plain_sum(seed):
    rng = np.random.default_rng(seed)
    shapes = [
        Shape(
            np.array([P, QRS, T]), rng.uniform(-0.2, 0.3, 3), rng.uniform(0.01, 0.05, 3), rng.uniform(0.01, 0.05, 3),
            rng.normal(size=(3, 3)),
        )
        for _ in range(2)
    ]  # fmt: skip
    beats = DrawnBeats(
        np.array([0, 1, 0]), np.array([-0.1, 0.7, 1.9]), np.full(3, -0.04), np.array([1.0, 0.9, 1.2]),
        np.stack([rotation(*rng.uniform(-40, 40, 3)) for _ in range(3)]),
    )  # fmt: skip
    expected = np.zeros((3, 400))
    for beat in range(3):
        shape = shapes[beats.shape[beat]]
        for part in range(3):
            stretch = beats.stretch[beat] if shape.wave[part] == T else 1.0
            centre_s = beats.r_time_s[beat] - 0.04 + (shape.centre_s[part] + 0.04) * stretch
            for sample in range(400):
                after_s = sample / 200 - centre_s
                sigma_s = stretch * (shape.rise_s[part] if after_s < 0 else shape.fall_s[part])
                height = np.exp(-0.5 * (after_s / sigma_s) ** 2)
                expected[:, sample] += beats.turn[beat] @ shape.dipole_mv[part] * height
    np.testing.assert_allclose(draw(shapes, beats, 200.0, 400), expected, atol=3e-4)


def test_rotations_are_rotations_and_turn_the_way_they_say():
    turn = rotation(30.0, 20.0, 10.0)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(rotation(90.0, 0.0, 0.0) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(rotation(0.0, 90.0, 0.0) @ [1, 0, 0], [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation(0.0, 0.0, 90.0) @ [0, 1, 0], [0, 0, 1], atol=1e-12)


# --- the reader


def test_the_reader_lists_as_many_records_as_asked():
    sources = SyntheticReader().sources(Path("cohorts/12"))
    assert len({source.id for source in sources}) == 12
    assert SyntheticReader(duration_s=3.0, fs_hz=100.0).read(Path("12"), sources[3]).ecg_mv.shape == (12, 300)


@pytest.mark.parametrize("root", ["many", "0", "-3", ""])
def test_a_source_that_is_no_number_is_refused(root):
    with pytest.raises(ValueError, match="its number of records, such as 256"):
        SyntheticReader().sources(Path(root))


def test_impossible_records_are_refused():
    with pytest.raises(ValueError, match="index and seed start at 0"):
        synthetic_record(-1)
    with pytest.raises(ValueError, match="must be above zero"):
        synthetic_record(0, fs_hz=0.0)


def test_patients_of_neighbouring_records():
    assert [patient_number(index) for index in range(12)] == [0, 1, 2, 2, 3, 4, 4, 4, 5, 6, 7, 8]
