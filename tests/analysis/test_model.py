"""`load()` and `analyze`: what is found of arrays, records and files, and what is said of bad ones."""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import beatssl
from beatssl.analysis import pieces as pieces_of_records
from beatssl.analysis.model import EcgModel, load
from beatssl.analysis.output.document import analysis_schema
from beatssl.analysis.result import USE, Analysis
from beatssl.beats.decoding.absent import STRETCH_S
from beatssl.features.wave_intervals import global_name
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.records.record import Record, RecordError
from beatssl.records.synthetic import synthetic_record
from beatssl.records.synthetic.drawn import drawn_ecg, regular
from beatssl.signals.leads import LEADS
from beatssl.store.store import Store


@pytest.fixture(scope="module")
def model() -> EcgModel:
    return load(device="cpu")


@pytest.fixture(scope="module")
def record() -> Record:
    return synthetic_record(0)


@pytest.fixture(scope="module")
def analysis(model: EcgModel, record: Record) -> Analysis:
    return model.analyze(record)


def lasting(record: Record, seconds: float) -> Record:
    """The record repeated or cut to a length."""
    samples = round(seconds * record.fs_hz)
    times = -(-samples // record.ecg_mv.shape[1])
    return record.replace(ecg_mv=np.tile(record.ecg_mv, (1, times))[:, :samples])


def valid(a: Analysis) -> dict:
    """The JSON form, which must be JSON, and as the schema says."""
    document = json.loads(json.dumps(a.to_dict(), allow_nan=False))
    jsonschema.Draft202012Validator(analysis_schema()).validate(document)
    return document


def test_a_record_an_array_and_a_file_give_the_same(model, record, analysis, tmp_path: Path) -> None:
    of_array = model.analyze(record.ecg_mv, leads=record.leads, fs_hz=record.fs_hz)
    of_file = model.analyze(record.save(tmp_path / "one.csv"))
    for other in (of_array, of_file):
        np.testing.assert_allclose(other.beats.time_s, analysis.beats.time_s, atol=1e-6)
        assert other.rhythm.rate_bpm == analysis.rhythm.rate_bpm
        assert [one.probability for one in other.diagnoses.statements] == pytest.approx(
            [one.probability for one in analysis.diagnoses.statements], abs=1e-4
        )


def test_beats_are_those_of_the_truth(record, analysis) -> None:
    true_s = record.beats.time_s
    found = np.abs(analysis.beats.time_s[:, None] - true_s).min(axis=0) < 0.05
    assert found.mean() > 0.95
    assert len(analysis.beats) <= len(true_s)
    assert set(analysis.beats.labels) == {"N"}
    assert (analysis.beats.confidence > 0.8).all()
    assert analysis.rhythm.regularity == "regular"


def test_measures_agree_with_the_features_of_prepare(model, store: Store) -> None:
    """The same rate, axes and amplitudes; intervals by the segmenter's boundaries instead of the rules'."""
    rows = (0, 3, 5, 8)
    off: dict[str, list[float]] = {}
    for row in rows:
        a = model.analyze(
            Record(store.ecg_mv([row])[0], tuple(store.leads), store.fs_hz, "x", "store"), already_filtered=True
        )
        features = store.features.iloc[row]
        pairs = {
            "rate_bpm": a.rhythm.rate_bpm.value,
            "qrs_axis_deg": a.intervals["qrs_axis_deg"].value,
            "pr_interval_ms": a.intervals["pr_interval_ms"].value,
            "qrs_duration_ms": a.intervals["qrs_duration_ms"].value,
            "qt_interval_ms": a.intervals["qt_interval_ms"].value,
            "r_amplitude_mv_II": a.lead_measures["II"]["r_mv"].value,
            "st_j60_mv_V5": a.lead_measures["V5"]["st_mv"].value,
            "t_amplitude_mv_V2": a.lead_measures["V2"]["t_mv"].value,
        }
        for name, value in pairs.items():
            if value is not None and np.isfinite(features[name]):
                off.setdefault(name, []).append(abs(value - float(features[name])))
    allowed = {"rate_bpm": 1, "qrs_axis_deg": 10, "pr_interval_ms": 20, "qrs_duration_ms": 20, "qt_interval_ms": 30,
               "r_amplitude_mv_II": 0.1, "st_j60_mv_V5": 0.05, "t_amplitude_mv_V2": 0.08}  # fmt: skip
    assert off.keys() == allowed.keys()
    assert {name: np.median(values) for name, values in off.items() if np.median(values) > allowed[name]} == {}


def test_the_json_form_is_as_its_schema_says(analysis) -> None:
    document = valid(analysis)
    assert document["format"] == 1
    assert document["use"] == USE
    assert [beat["time_s"] for beat in document["beats"]] == pytest.approx(analysis.beats.time_s.tolist(), abs=1e-4)
    assert len(document["waves"]) == len(analysis.waves)
    assert document["embeddings"] is None
    small = analysis.to_dict(waves=False, embeddings=True)
    assert small["waves"] is None
    assert len(small["embeddings"]["record"]) == 1024
    jsonschema.Draft202012Validator(analysis_schema()).validate(json.loads(json.dumps(small)))


def test_the_schema_refuses_what_is_not_of_it(analysis) -> None:
    validator = jsonschema.Draft202012Validator(analysis_schema())
    jsonschema.Draft202012Validator.check_schema(analysis_schema())
    for change in ({"format": 2}, {"more": 1}, {"beats": [{"time_s": 1.0}]}, {"use": None}):
        assert not validator.is_valid(analysis.to_dict() | change)


def test_the_report_is_short_and_says_what_it_is_for(analysis) -> None:
    text = str(analysis)
    assert text.splitlines()[-1] == USE
    assert 15 < len(text.splitlines()) <= 30
    assert f"{analysis.rhythm.rate_bpm.value:.0f}/min" in text
    assert f"{analysis.diagnoses.statements[0].prevalence:.0%}" in text
    assert f"{analysis.diagnoses.statements[0].auroc:.3f}" in text


def test_diagnoses_say_what_they_rest_on(analysis) -> None:
    found = analysis.diagnoses
    assert [one.name for one in found.statements][:5] == ["NORM", "MI", "STTC", "CD", "HYP"]
    assert {"AFIB", "IMI", "1AVB"} < {one.name for one in found.statements}
    assert all(0.1 < one.prevalence < 0.5 and 0.9 < one.auroc < 1 for one in found.statements[:5])
    assert all(0 < one.prevalence < 1 and one.auroc > 0.5 for one in found.statements)
    assert all(one.above == (one.probability >= one.threshold) for one in found.statements)
    assert "folds 1-7, 15,245 records" in found.trained_on
    assert (found.leads_missing, found.windows) == ((), 1)
    used = {one.kind: one for one in analysis.provenance.models}
    assert set(used) == {"segmenter", "classifier", "encoder", "beat classifier"}
    assert all(len(one.weights_sha256) == 64 for one in used.values())
    assert any("resampled: from 500" in note for note in analysis.provenance.notes)


def test_the_table_of_beats_has_a_line_a_beat(analysis) -> None:
    table = analysis.to_frame()
    assert len(table) == len(analysis.beats)
    assert table["qrs_duration_ms"].median() == pytest.approx(
        analysis.intervals[global_name("qrs_duration_ms")].value, abs=10
    )
    assert {"time_s", "rr_s", "class", "class_p_V", "p_onset_s", "pr_interval_ms"} <= set(table.columns)


def test_the_picture_shows_waves_and_beats(analysis, record) -> None:
    picture = analysis.plot()
    assert picture.startswith("<svg")
    assert USE in picture
    with pytest.raises(ValueError, match="lasts 10 s"):
        analysis.plot(start_s=12)
    with pytest.raises(ValueError, match="without its signal"):
        replace(analysis, signal=None).plot()


@pytest.mark.parametrize(
    ("leads", "fs_hz", "seconds"),
    [(("II",), 50.0, 3.0), (("V2", "V5"), 128.0, 10.0), (LEADS, 1000.0, 4.0), (("belly",), 250.0, 20.0)],
)
def test_any_leads_rate_and_length(model, record, leads, fs_hz, seconds) -> None:
    places = [LEADS.index(lead) if lead in LEADS else 1 for lead in leads]
    signal = lasting(record, seconds)
    time_s = np.arange(round(seconds * fs_hz)) / fs_hz
    ecg_mv = np.stack([np.interp(time_s, np.arange(signal.ecg_mv.shape[1]) / 500, signal.ecg_mv[k]) for k in places])
    a = model.analyze(ecg_mv.astype(np.float32), leads=leads, fs_hz=fs_hz)
    valid(a)
    assert len(a.beats) == pytest.approx(seconds * a.rhythm.rate_bpm.value / 60, abs=1.6)
    assert set(a.lead_measures) == set(leads)
    if leads == ("belly",):
        assert a.diagnoses.statements == ()
        assert "no lead of the twelve" in a.diagnoses.reason
        assert a.embeddings is None
        assert a.intervals["qrs_axis_deg"].reason.startswith("not determinable, because it takes two limb leads")
    else:
        assert set(a.diagnoses.leads_missing).isdisjoint(leads)


def test_pieces_and_what_is_decided_by_stretches_cut_time_alike() -> None:
    assert pieces_of_records._STEP_S % STRETCH_S == 0


def test_a_long_record_in_pieces_gives_what_it_gives_at_once(model, data_root: Path, monkeypatch) -> None:
    """No beat and no wave is lost or doubled where two pieces meet, and boundaries stay."""
    record = beatssl.read(data_root / "mitdb" / "208")
    record = record.replace(ecg_mv=record.ecg_mv[:, : 340 * 360])
    at_once = model.analyze(record, embeddings=False)
    monkeypatch.setattr(pieces_of_records, "_LEAST_STEPS", 2)
    monkeypatch.setattr(pieces_of_records, "_LEAD_SECONDS", 224.0)
    assert len(pieces_of_records.pieces(record.ecg_mv.shape[1], 360.0, 2)) == 3
    in_pieces = model.analyze(record, embeddings=False)
    one, many = at_once.beats, in_pieces.beats
    assert abs(len(one) - len(many)) <= 1
    near = np.abs(one.time_s[:, None] - many.time_s).min(axis=1)
    assert (near < 0.001).mean() > 0.998
    assert np.diff(many.time_s).min() > 0.2
    same = np.abs(one.time_s[:, None] - many.time_s).argmin(axis=1)
    assert np.nanmedian(np.abs(one.marks.qrs_onset_s - many.marks.qrs_onset_s[same])) < 1e-4
    assert len(at_once.waves) == pytest.approx(len(in_pieces.waves), rel=0.004)
    assert np.array_equal(*(np.bincount(of.waves.wave, minlength=4) for of in (at_once, in_pieces)))
    assert in_pieces.rhythm.rate_bpm.value == pytest.approx(at_once.rhythm.rate_bpm.value, rel=0.002)
    assert in_pieces.quality.leads[0].seconds.shape == at_once.quality.leads[0].seconds.shape
    valid(in_pieces)


def test_ventricular_beats_of_a_real_record_are_found(model, data_root: Path) -> None:
    record = beatssl.read(data_root / "mitdb" / "208")
    a = model.analyze(record.replace(ecg_mv=record.ecg_mv[:, : 120 * 360]))
    assert a.rhythm.ectopic_beats["V"] > 40
    assert a.rhythm.regularity == "irregular"
    assert a.embeddings is None  # longer than a minute
    assert a.diagnoses.windows == 12


def test_doubtful_p_are_absent_and_so_is_pr(model) -> None:
    """An irregular record without P; the decoding sees P in four of its beats, each likelier none than one."""
    rng = np.random.default_rng(1)
    r_s = regular(90, 10.0)
    r_s = r_s + np.clip(0.2 * rng.standard_normal(len(r_s)), -0.3, 0.3) * 60 / 90
    ecg_mv = drawn_ecg(r_s, 10.0, rng.uniform(0.5, 1.3, 1).tolist(), p_ratio=0.0, noise_mv=0.02, to_hz=500.0, seed=1)
    a = model.analyze(ecg_mv, leads=("II",), fs_hz=500)
    assert len(a.beats) == 14
    assert set(a.waves.to_frame()["wave"]) == {"QRS", "T"}
    assert np.isnan(a.beats.marks.p_onset_s).all()
    assert (a.beats.p_share == 0).all()
    reason = "not determinable, because most leads show a P wave in only 0 of 14 beats"
    assert a.intervals["pr_interval_ms"].reason == reason
    assert {(beat["has_p"], beat["p_onset_s"]) for beat in valid(a)["beats"]} == {(False, None)}


# ------------------------------------------------------------------------------------------------------- bad input


def test_silence_gives_nothing_and_says_so(model) -> None:
    quiet = np.random.default_rng(0).normal(0, 0.001, (12, 5000)).astype(np.float32)
    with pytest.raises(RecordError, match="an ECG ranges over"):
        model.analyze(quiet, leads=LEADS, fs_hz=500)
    drift = np.linspace(0, 0.1, 5000, dtype=np.float32)
    a = model.analyze(quiet + drift, leads=LEADS, fs_hz=500)
    nothing(a)
    assert {flag.name for flag in a.flags} >= {"no_beats", "lead_flat"}


def nothing(a: Analysis) -> None:
    """No beat, no wave, no measure, no class: and a reason for each."""
    assert (len(a.beats), len(a.waves)) == (0, 0)
    measures = [*a.intervals.values(), *(one for own in a.lead_measures.values() for one in own.values())]
    assert all(one.value is None and one.reason.startswith("not determinable, because ") for one in measures)
    assert a.diagnoses.statements == ()
    assert a.diagnoses.reason == "no heartbeat was found"
    assert "no heartbeat" in str(a)
    no_rhythm(a)
    assert a.quality.score < 0.3
    valid(a)


def no_rhythm(a: Analysis) -> None:
    assert (a.rhythm.classes, a.rhythm.episodes, a.rhythm.af_burden.value) == ((), (), None)
    assert a.rhythm.classes_reason
    assert f"kind not determinable, because {a.rhythm.classes_reason}" in str(a)


@pytest.mark.parametrize("kind", ["white", "walk", "mains"])
@pytest.mark.parametrize("leads", [LEADS, ("II",)], ids=["twelve", "one"])
def test_noise_has_no_beats(model, kind, leads) -> None:
    rng = np.random.default_rng(1)
    white = rng.normal(0, 0.1, (len(leads), 5000))
    signal = {
        "white": white,
        "walk": np.cumsum(white / 5, axis=1),
        "mains": 0.3 * np.sin(2 * np.pi * 50 * np.arange(5000) / 500) + white / 20,
    }[kind]
    a = model.analyze(signal.astype(np.float32), leads=leads, fs_hz=500)
    assert len(a.beats) == 0
    assert a.flags[0].name == "no_beats"
    assert a.diagnoses.statements == ()
    assert all(one.value is None for one in a.intervals.values())
    assert a.quality.score < 0.4
    no_rhythm(a)


@pytest.mark.parametrize("written", [np.nan, 0.0])
def test_a_gap_makes_no_beat_ectopic(model, data_root: Path, written: float) -> None:
    """Intervals across what was not measured are unknown to the classes of beats too, whatever the recorder wrote."""
    for name in ("00000/00001_hr", "00000/00005_hr", "00000/00006_hr", "00000/00007_hr"):
        whole = beatssl.read(data_root / "ptb-xl" / "records500" / name)
        assert set(model.analyze(whole, embeddings=False).beats.labels) == {"N"}
        ecg_mv = whole.ecg_mv.copy()
        ecg_mv[:, 2000:2995] = written
        a = model.analyze(whole.replace(ecg_mv=ecg_mv), embeddings=False)
        assert set(a.beats.labels) == {"N"}
        assert np.isnan(a.beats.rr_s).sum() == 2  # of the first beat, and of that after the gap
        assert "gaps" in {flag.name for flag in a.flags}
        assert a.diagnoses.windows == 2
        above = {one.name for one in a.diagnoses.statements if one.above}
        assert not above & {"SARRH", "PAC", "PVC", "SVARR", "AFIB"}


def test_leads_that_were_not_recorded_leave_the_quality_as_it_is(model, record, analysis) -> None:
    empty = np.full((3, record.ecg_mv.shape[1]), np.nan, np.float32)
    a = model.analyze(
        record.replace(ecg_mv=np.concatenate([record.ecg_mv, empty]), leads=(*record.leads, "vx", "vy", "vz")),
        embeddings=False,
    )
    assert a.quality.score == pytest.approx(analysis.quality.score, abs=0.01)
    assert [lead.lead for lead in a.quality.leads if "missing" in lead.flags] == ["vx", "vy", "vz"]


def test_noise_has_no_exchanged_electrodes(model) -> None:
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(0, 0.1, (12, 5000)).astype(np.float32)
        a = model.analyze(noise, leads=LEADS, fs_hz=500, embeddings=False)
        assert not len(a.beats)
        assert "electrodes_exchanged" not in {flag.name for flag in a.flags}


def test_leads_of_the_wrong_sign_are_flagged(model, record) -> None:
    a = model.analyze(record.replace(ecg_mv=-record.ecg_mv), embeddings=False)
    assert "leads_inverted" in {flag.name for flag in a.flags}


def test_bursts_of_muscle_noise_are_hardly_beats_and_flagged(model) -> None:
    rng = np.random.default_rng(0)
    burst = rng.normal(0, 0.1, (12, 5000)) * (np.sin(np.arange(5000) / 500 * 3) > 0)
    a = model.analyze(burst.astype(np.float32), leads=LEADS, fs_hz=500)
    assert len(a.beats) <= 2
    assert {"no_beats", "poor_quality"} & {flag.name for flag in a.flags}
    assert a.intervals[global_name("pr_interval_ms")].value is None
    no_rhythm(a)


def test_one_beat_in_ten_seconds_is_found(model, record, analysis) -> None:
    at = round(analysis.beats.time_s[3] * 500)
    ecg_mv = np.random.default_rng(0).normal(0, 0.003, (12, 5000)).astype(np.float32)
    ecg_mv[:, 2000:2500] += record.ecg_mv[:, at - 200 : at + 300] * np.hanning(500).astype(np.float32)
    a = model.analyze(ecg_mv, leads=LEADS, fs_hz=500)
    assert a.beats.time_s.tolist() == [pytest.approx(4.4, abs=0.03)]
    assert a.rhythm.rate_bpm.value is None
    no_rhythm(a)
    assert a.intervals[global_name("qtc_bazett_ms")].reason.endswith("it takes an RR interval (1 beat found)")
    valid(a)


def test_leads_whose_wires_are_off_are_left_out(model, record, analysis) -> None:
    off = record.ecg_mv.copy()
    for lead in ("V1", "V2", "V3"):
        off[LEADS.index(lead)] = np.random.default_rng(0).normal(0, 0.002, off.shape[1])
    a = model.analyze(record.replace(ecg_mv=off))
    assert {flag.name: flag.message for flag in a.flags}["lead_flat"].startswith("V1, V2, V3: ")
    assert a.diagnoses.leads_missing == ("V1", "V2", "V3")
    assert set(a.lead_measures) == set(LEADS) - {"V1", "V2", "V3"}
    assert not {"V1", "V2", "V3"} & {a.waves.leads[at] for at in a.waves.lead}
    assert a.rhythm.rate_bpm.value == pytest.approx(analysis.rhythm.rate_bpm.value, abs=0.5)
    assert a.quality.score < analysis.quality.score
    assert a.rhythm.classes[0].probability > 0.5
    valid(a)


def test_one_second_is_refused(model, record) -> None:
    with pytest.raises(RecordError, match="at least 2 s are needed") as error:
        model.analyze(record.ecg_mv[:, :500], leads=LEADS, fs_hz=500)
    assert error.value.reason == "too-short"


def test_a_photo_renamed_is_refused(model, tmp_path: Path) -> None:
    (tmp_path / "photo.dcm").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 40)
    with pytest.raises(RecordError) as error:
        model.analyze(tmp_path / "photo.dcm")
    assert error.value.reason == "unreadable"


def test_nothing_but_nan_is_refused_and_gaps_are_bridged(model, record, analysis) -> None:
    with pytest.raises(RecordError) as error:
        model.analyze(np.full((12, 5000), np.nan, np.float32), leads=LEADS, fs_hz=500)
    assert error.value.reason == "nan"
    with pytest.raises(RecordError, match="nothing measured"):
        model.analyze(record.replace(ecg_mv=np.full((12, 5000), np.nan, np.float32)))
    gaps = record.ecg_mv.copy()
    gaps[:, 1500:3500] = np.nan
    a = model.analyze(record.replace(ecg_mv=gaps))
    assert not ((a.beats.time_s > 3.1) & (a.beats.time_s < 6.9)).any()
    assert np.isnan(a.beats.rr_s[a.beats.time_s > 6.9][0])
    assert a.rhythm.pauses == ()
    assert a.rhythm.rate_bpm.value == pytest.approx(analysis.rhythm.rate_bpm.value, abs=3)
    assert "gaps" in {flag.name for flag in a.flags}
    valid(a)


def test_another_unit_is_refused(model, record) -> None:
    with pytest.raises(RecordError, match="unit") as error:
        model.analyze(record.ecg_mv * 1000, leads=LEADS, fs_hz=500)
    assert error.value.reason == "amplitude"
    assert len(model.analyze(record.ecg_mv * 1000, leads=LEADS, fs_hz=500, unit="uV").beats) > 8


def test_a_wrong_rate_is_flagged_or_refused(model, record) -> None:
    for fs_hz, flag, said in ((1000, "sampling_rate_doubted", "500 Hz would fit"), (100, "impossible_rate", "500 Hz?")):
        found = {one.name: one.message for one in model.analyze(record.ecg_mv, leads=LEADS, fs_hz=fs_hz).flags}
        assert said in found[flag]
    with pytest.raises(RecordError, match="at least 50 Hz"):
        model.analyze(record.ecg_mv, leads=LEADS, fs_hz=40)


def test_other_signals_and_missing_arguments_are_named(model, record) -> None:
    with pytest.raises(RecordError, match="'PLETH' is no name of an ECG lead"):
        model.analyze(record.ecg_mv[:2], leads=("II", "PLETH"), fs_hz=500)
    with pytest.raises(ValueError, match=r"leads= .* and fs_hz="):
        model.analyze(record.ecg_mv)
    with pytest.raises(ValueError, match="has its own leads"):
        model.analyze(record, fs_hz=500)


def test_the_same_input_gives_the_same_and_models_can_be_ones_own(model, record, analysis, tmp_path: Path) -> None:
    assert json.dumps(model.analyze(record).to_dict()) == json.dumps(analysis.to_dict())
    EcgSegmenter.from_pretrained("default").save_pretrained(tmp_path / "own")
    own = load(segmenter=tmp_path / "own", device="cpu").analyze(record)
    assert own.beats.time_s.tolist() == analysis.beats.time_s.tolist()
    assert own.provenance.models[0].name == str(tmp_path / "own")
