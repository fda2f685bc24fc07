"""Active learning closes: what is corrected in the viewer is what `prepare`, `segment` and `probe` learn from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi")

from beatssl import FinetuneConfig, PrepareConfig, ProbeConfig, SegmentConfig, Store, finetune, prepare, probe, segment
from beatssl.analysis.model import load
from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.records.files import FilesReader
from beatssl.records.synthetic import synthetic_record
from beatssl.store.own_data.label_file import read_label_file
from beatssl.training.config import RunConfig
from beatssl.training.segmentation.config import OPTIM, FitConfig
from beatssl.training.segmentation.marks import classes_of
from beatssl.viewer.corrections import Corrections
from beatssl.viewer.edits import BeatEdit, Edits, WaveEdit, edited
from beatssl.viewer.refusal import Refused
from beatssl.viewer.worker import sha256_of


@pytest.fixture(scope="module")
def analysis() -> Any:
    return load(device="cpu").analyze(synthetic_record(0), embeddings=False)


def of_lead(a: Any, lead: str) -> np.ndarray:
    own = a.waves.lead == a.waves.leads.index(lead)
    return np.stack([a.waves.wave[own], a.waves.onset_s[own], a.waves.offset_s[own]], axis=1)


def ticks(time_s: float) -> int:
    return round(time_s * 10_000)


def changes(a: Any, **more: Any) -> Edits:
    """The second wave of II a little longer, its third removed, and a P wave added in V1 before the first wave."""
    second, third = of_lead(a, "II")[1:3]
    longer = WaveEdit(lead="II", kind=int(second[0]), before=[ticks(second[1]), ticks(second[2])],
                      after=[ticks(second[1]) - 120, ticks(second[2])])  # fmt: skip
    removed = WaveEdit(lead="II", kind=int(third[0]), before=[ticks(third[1]), ticks(third[2])])
    added = WaveEdit(lead="V1", kind=1, after=[20, 520])
    return Edits(revision=0, waves=[longer, removed, added], beats=[BeatEdit(beat=1, label="V")], labels={}, **more)


def test_edits_change_what_they_name_and_nothing_else(analysis: Any) -> None:
    a = edited(analysis, changes(analysis))
    before, after = of_lead(analysis, "II"), of_lead(a, "II")
    assert len(after) == len(before) - 1
    assert after[1, 1] == pytest.approx(before[1, 1] - 0.012, abs=1e-4)
    np.testing.assert_array_equal(after[2:], before[3:])
    np.testing.assert_array_equal(of_lead(a, "V5"), of_lead(analysis, "V5"))
    np.testing.assert_allclose(of_lead(a, "V1")[0], [1, 0.002, 0.052])
    assert a.beats.labels[1] == "V"
    assert a.rhythm.ectopic_beats["V"] == analysis.rhythm.ectopic_beats["V"] + 1
    assert [flag.name for flag in a.flags].count("corrected") == 1
    assert int(np.isnan(a.waves.onset_confidence).sum()) == 2


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (WaveEdit(lead="II", kind=1, before=[1, 2]), "has no P"),
        (WaveEdit(lead="II", kind=1, after=[5000, 400]), "no wave lasts"),
        (WaveEdit(lead="II", kind=1, after=[0, 30_000]), "no wave lasts"),
        (WaveEdit(lead="II", kind=1, after=[99_900, 100_900]), "no wave lasts"),
        (WaveEdit(lead="II", kind=3, after=[0, 15_000]), "overlap"),
        (WaveEdit(lead="../x", kind=1, after=[0, 15_000]), "no lead"),
    ],
)
def test_waves_that_no_lead_can_have_are_refused(analysis: Any, edit: WaveEdit, said: str) -> None:
    with pytest.raises(Refused, match=said):
        edited(analysis, Edits(revision=0, waves=[edit], beats=[], labels={}))


@pytest.mark.parametrize("name", ["=1+1", "", "a,b", "record_id", "x" * 41, "-AF", "a\nb", "label", "na"])
def test_names_that_no_label_can_have_are_refused(analysis: Any, name: str) -> None:
    with pytest.raises(Refused, match="no name of a label"):
        edited(analysis, Edits(revision=0, waves=[], beats=[], labels={name: True}))


def test_a_corrected_record_is_opened_as_it_was_saved(analysis: Any, tmp_path: Path) -> None:
    folder = Corrections(tmp_path)
    a = edited(analysis, changes(analysis))
    sha = sha256_of(analysis.signal)
    folder.save(a, sha, {"AFIB": True, "NORM": False})
    again, labels = Corrections(tmp_path).load(analysis, sha)
    assert labels == {"AFIB": True, "NORM": False}
    assert again.beats.labels == a.beats.labels
    for lead in a.waves.leads:
        np.testing.assert_allclose(of_lead(again, lead), of_lead(a, lead), atol=0.5 / a.record.fs_hz + 1e-9)
    known = ~np.isnan(a.waves.onset_confidence)
    np.testing.assert_array_equal(again.waves.onset_confidence[known], a.waves.onset_confidence[known])
    assert folder.load(analysis, "0" * 64)[0] is analysis


def test_saving_again_replaces_marks_and_labels(analysis: Any, tmp_path: Path) -> None:
    folder, sha = Corrections(tmp_path), sha256_of(analysis.signal)
    folder.save(analysis, sha, {"AFIB": True})
    name = folder.save(edited(analysis, changes(analysis)), sha, {"my own": False})
    assert (tmp_path / "labels.csv").read_text() == f"record_id,my own\n{name},0\n"
    assert len(list((tmp_path / "ecgs").glob("*.hea"))) == 1


def test_corrections_go_to_prepare_to_segment_and_to_the_labels_of_probe(analysis: Any, tmp_path: Path) -> None:
    a = edited(analysis, changes(analysis))
    name = Corrections(tmp_path).save(a, sha256_of(analysis.signal), {"AFIB": True, "NORM": False})
    (source,) = FilesReader().sources(tmp_path / "ecgs")
    record = FilesReader().read(tmp_path / "ecgs", source)
    assert record.waves is not None
    assert record.beats is not None
    assert record.beats.symbol[1] == "V"
    for lead in a.waves.leads:
        own = [at for at, other in enumerate(record.waves.lead) if other == lead]
        read = np.stack([record.waves.onset_s[own], record.waves.offset_s[own]], axis=1)
        np.testing.assert_allclose(read, of_lead(a, lead)[:, 1:], atol=0.5 / a.record.fs_hz + 1e-9)
    prepare(PrepareConfig("files", tmp_path / "ecgs", out=tmp_path / "store", workers=1, fs_hz=200, high_hz=80))
    store = Store(tmp_path / "store")
    assert list(store.records["record_id"]) == [name]
    assert len(store.waves) == len(a.waves)
    classes = classes_of(store, np.array([0]))[0]  # what segment learns from, at 500 Hz
    lead = store.leads.index("II")
    changed = of_lead(a, "II")[1]
    middle = round((changed[1] + changed[2]) / 2 * 500)
    assert classes[lead, middle] == changed[0]
    assert classes[lead, round(changed[1] * 500) + 2] == changed[0]  # within what the correction added
    gone = of_lead(analysis, "II")[2]
    assert classes[lead, round((gone[1] + gone[2]) / 2 * 500)] != gone[0]
    labels = read_label_file(str(tmp_path / "labels.csv"))
    assert {(line.record, line.name, line.value) for line in labels.lines} == {(name, "AFIB", 1.0), (name, "NORM", 0.0)}


def test_segment_probe_and_finetune_learn_from_a_folder_of_corrections(tmp_path: Path) -> None:
    model, folder = load(device="cpu"), Corrections(tmp_path / "corrections")
    for number in range(16):
        a = model.analyze(synthetic_record(number), embeddings=False)
        folder.save(a, sha256_of(a.signal), {"AF": number % 2 == 0})
    prepare(PrepareConfig("files", tmp_path / "corrections" / "ecgs", out=tmp_path / "store", workers=1, clusters=3))
    store = tmp_path / "store"
    tiny = EncoderConfig(width=0.25, depth=0.1)
    optim = replace(OPTIM, batch_size=5, precision="float32")
    fit = FitConfig(decoder=DecoderConfig(width=0.25, kernel=5), updates=2, evaluate_every=2, optim=optim)
    run = RunConfig(device="cpu")
    segmented = SegmentConfig(
        store, tmp_path / "segment", encoder="random", network=tiny, fit=fit, fold_count=3, only=(1,), run=run
    )
    assert segment(segmented).folds
    learnt = {"store": store, "labels": f"{tmp_path / 'corrections' / 'labels.csv'}:AF", "split": "random:50,25,25"}
    assert 0 <= probe(ProbeConfig(out=tmp_path / "probe", **learnt)).macro_auroc <= 1
    tuned = finetune(FinetuneConfig(out=tmp_path / "finetune", epochs=1, least_updates=2, run=run, **learnt))
    assert 0 <= tuned.macro_auroc <= 1
