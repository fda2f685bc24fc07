"""The verb `analyze`: what it prints and writes of files and stores, what it refuses, and that it resumes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import wfdb

from beatssl import cli
from beatssl.analysis import parts
from beatssl.analysis.analyze import analyze
from beatssl.analysis.config import AnalyzeConfig
from beatssl.analysis.output.document import analysis_schema
from beatssl.analysis.result import USE
from beatssl.analysis.waves import of_store
from beatssl.files import write_json
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.records.formats.options import FileOptions
from beatssl.records.synthetic import synthetic_record
from beatssl.store.layout import StoreError
from beatssl.store.outputs import asked_of
from beatssl.store.store import Store

TABLES = ("records", "waves", "intervals", "refused")
OPTIONS = FileOptions(csv_fs_hz=100.0, unit="mV", lead_names=("II", "belly"))


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in TABLES}


@pytest.fixture
def files(store: Store, tmp_path: Path) -> Path:
    """A good record, one without a beat, and one that cannot be read."""
    folder = tmp_path / "files"
    folder.mkdir()
    np.save(folder / "good.npy", store.ecg_mv([20])[0, [1, 7]])
    np.save(folder / "silence.npy", np.linspace((0, 0), 0.05, 1000, dtype=np.float32).T)
    (folder / "broken.npy").write_bytes(b"no array")
    return folder


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight records, one of them bad, for parts of four."""
    monkeypatch.setattr(parts, "PART_RECORDS", 4)
    folder = tmp_path / "many"
    folder.mkdir()
    ecg_mv = synthetic_record(0).ecg_mv[1:2, ::5]
    for number in range(8):
        np.save(folder / f"{number}.npy", ecg_mv[:, : 300 + number])
    (folder / "5.npy").write_bytes(b"no array")
    return folder


SHORT = FileOptions(csv_fs_hz=100.0, unit="mV", lead_names=("II",))
WITH_SMALL_PARTS = """
import sys, time
from beatssl import cli
from beatssl.analysis import analyze, parts

def make_part(job, **rest):
    if job.number == 1:
        time.sleep(600)
    return parts.make_part(job, **rest)

parts.PART_RECORDS, sys.modules["beatssl.analysis.analyze"].make_part = 4, make_part
cli.main(sys.argv[1:])
"""
"""The command line with parts of four records, the second of which never ends."""


def test_files_and_a_store_give_one_set_of_tables(store: Store, files: Path, tmp_path: Path) -> None:
    result = analyze(AnalyzeConfig((files, store.path), tmp_path / "out", files=OPTIONS, device="cpu", workers=1))
    found = tables(tmp_path / "out")
    waves, intervals = found["waves"], found["intervals"]
    assert (result.records, result.refused) == (2 + len(store), 1)
    assert result.waves == {name: (waves["wave"] == name).sum() for name in ("P", "QRS", "T")}
    assert set(waves["record_id"]) == {"good.npy", *store.records["record_id"]}
    everything = ["good.npy", "silence.npy", *store.records["record_id"]]
    assert found["records"]["record_id"].tolist() == everything
    assert intervals["record_id"].unique().tolist() == everything
    assert found["refused"][["record_id", "reason"]].to_numpy().tolist() == [["broken.npy", "unreadable"]]
    own = found["records"].set_index("record_id").loc[store.records["record_id"]]
    assert np.median(np.abs(own["rate_bpm"].to_numpy() - store.features["rate_bpm"].to_numpy())) < 1
    assert own["p_NORM"].between(0, 1).all()
    assert found["records"].set_index("record_id").loc["silence.npy", "flags"].startswith("no_beats")
    assert str(result).startswith(f"{tmp_path / 'out'}: 26 records, waves in all leads: ")
    assert str(result).endswith(f"; 1 could not be used, see refused.parquet. {USE}")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        ["config.json", *(f"{name}.parquet" for name in TABLES)]
    )


def test_waves_of_a_store_are_those_of_the_segmenter(store: Store, tmp_path: Path) -> None:
    analyze(AnalyzeConfig((store.path,), tmp_path / "out", device="cpu"))
    waves = tables(tmp_path / "out")["waves"]
    whole = pd.concat([one.waves for one in of_store(EcgSegmenter.from_pretrained("default"), store)])
    assert len(waves) == pytest.approx(len(whole), rel=0.002)
    fibrillating = store.labels.loc[store.labels["label"] == "atrial-fibrillation", "record_id"]
    listed = [  # in an episode of atrial fibrillation no P is
        table[(table["wave"] != "P") | ~table["record_id"].isin(fibrillating)] for table in (waves, whole)
    ]
    at = [table.groupby(["record_id", "lead", "wave"])["onset_s"].apply(np.array).to_dict() for table in listed]
    assert at[0].keys() == at[1].keys()
    # What a processor rounds otherwise in a batch of another size may tip a doubtful wave, no more.
    lost = [np.abs(at[0][of][:, None] - onset_s).min(axis=0) > 0.002 for of, onset_s in at[1].items()]
    assert np.concatenate(lost).mean() < 0.002


def test_files_of_one_name_are_told_apart(store: Store, tmp_path: Path) -> None:
    for ward, row in (("ward7", 20), ("ward8", 21)):
        (tmp_path / ward).mkdir()
        np.save(tmp_path / ward / "ecg.npy", store.ecg_mv([row])[0, [1, 7]])
    given = (tmp_path / "ward7", tmp_path / "ward8" / "ecg.npy")
    assert analyze(AnalyzeConfig(given, tmp_path / "out", files=OPTIONS, device="cpu")).records == 2
    found = tables(tmp_path / "out")
    ids = [set(found[name]["record_id"]) for name in ("records", "waves", "intervals")]
    assert ids == [{"ward7/ecg.npy", "ward8/ecg.npy"}] * 3


def test_tables_have_their_columns_where_nothing_was_found(files: Path, tmp_path: Path) -> None:
    result = analyze(AnalyzeConfig((files / "broken.npy",), tmp_path / "out", files=OPTIONS, device="cpu"))
    found = tables(tmp_path / "out")
    assert (result.records, result.waves) == (0, {"P": 0, "QRS": 0, "T": 0})
    assert [len(found[name]) for name in TABLES] == [0, 0, 0, 1]
    assert {"record_id", "lead", "wave", "onset_s", "onset_confidence"} <= set(found["waves"].columns)
    assert {"record_id", "measure", "value"} <= set(found["intervals"].columns)


def test_nothing_is_written_for_a_path_that_is_not_there(files: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no file or folder .*typo"):
        analyze(AnalyzeConfig((files, tmp_path / "typo"), tmp_path / "out", files=OPTIONS))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="no ECG below"):
        analyze(AnalyzeConfig((tmp_path / "empty",), tmp_path / "out", device="cpu"))
    with pytest.raises(ValueError, match="no paths given"):
        AnalyzeConfig((), tmp_path / "out")
    with pytest.raises(ValueError, match="pass a folder as out="):
        AnalyzeConfig((files,), annotations=True)
    assert not (tmp_path / "out").exists()


def test_an_unfinished_store_is_no_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")
    with pytest.raises(StoreError, match="not finished"):
        analyze(AnalyzeConfig((tmp_path,), tmp_path / "out", device="cpu"))


def test_a_store_prepared_otherwise_is_refused(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "Store", lambda path: store.with_config(low_hz=0.05))
    with pytest.raises(CheckpointError, match="low_hz"):
        analyze(AnalyzeConfig((store.path,), device="cpu"))


def test_another_kind_of_model_is_refused(store: Store, files: Path, tmp_path: Path) -> None:
    EcgSegmenter.from_pretrained("default").save_pretrained(tmp_path / "kept")
    with pytest.raises(CheckpointError, match="there is no folder"):
        analyze(AnalyzeConfig((files,), tmp_path / "out", segmenter=str(tmp_path / "none")))
    again = AnalyzeConfig((files,), tmp_path / "out2", segmenter=str(tmp_path / "kept"), files=OPTIONS, device="cpu")
    assert analyze(again).records == 2


def test_one_file_is_reported_and_a_folder_is_a_table(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--files.csv-fs-hz", "100", "--files.unit", "mV", "--files.lead-names", "II", "belly", "--device", "cpu")
    cli.main(("analyze", str(files / "good.npy"), *options))
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "good.npy: 2 leads (II belly)"
    assert said.out.splitlines()[-1] == USE
    with pytest.raises(SystemExit) as end:
        cli.main(("analyze", str(files), *options))
    assert end.value.code == 1
    said = capsys.readouterr()
    assert [line.split()[0] for line in said.out.splitlines()[:3]] == ["record", "good.npy", "silence.npy"]
    assert said.out.rstrip().endswith(USE)
    assert "refused: broken.npy: unreadable: " in said.err
    cli.main(("analyze", str(files), *options, "--json", "--keep-going"))
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for document in documents:
        jsonschema.Draft202012Validator(analysis_schema()).validate(document)
    assert [one["record"]["id"] for one in documents] == ["good.npy", "silence.npy"]


def test_the_command_line_says_what_was_found(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--files.csv-fs-hz", "100", "--files.unit", "mV", "--files.lead-names", "II", "belly")
    command = ("analyze", str(files), "--out", str(tmp_path / "out"), "--device", "cpu", *options)
    with pytest.raises(SystemExit) as end:
        cli.main(command)
    assert end.value.code == 1
    said = capsys.readouterr()
    assert "2 records, waves in all leads" in said.out
    assert "refused: broken.npy: unreadable: " in said.err
    cli.main((*command, "--keep-going"))
    said = capsys.readouterr()
    assert "refused: broken.npy: unreadable: " in said.err
    assert "status" not in said.err
    with pytest.raises(SystemExit) as end:
        cli.main((*command, "--files.fs-hz-override", "200"))
    assert end.value.code == 2
    assert "holds results of another config" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        cli.main(("analyze", str(tmp_path / "typo"), "--out", str(tmp_path / "out")))
    assert end.value.code == 2
    assert "there is no file or folder" in capsys.readouterr().err


def test_files_of_single_records(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (files / "ward").mkdir()
    np.save(files / "ward" / "a b.npy", np.load(files / "good.npy"))
    analyze(AnalyzeConfig((files,), out, json=True, csv=True, annotations=True, files=OPTIONS, device="cpu"))
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"json/good.npy.json", "json/silence.npy.json", "json/ward/a b.npy.json", "csv/good.npy.csv"} <= written
    document = json.loads((out / "json" / "good.npy.json").read_text())
    assert len(pd.read_csv(out / "csv" / "good.npy.csv")) == len(document["beats"])
    name = parts.wfdb_name("good.npy")
    beats = wfdb.rdann(str(out / "annotations" / name), "beats")
    assert len(beats.sample) == len(document["beats"])
    assert f"annotations/{parts.wfdb_name('ward/a b.npy')}.ii" in written


def test_overwriting_leaves_nothing_of_another_command(files: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    analyze(AnalyzeConfig((files,), out, json=True, csv=True, annotations=True, files=OPTIONS, device="cpu"))
    (out / "mine.txt").write_text("kept")
    analyze(AnalyzeConfig((files / "good.npy",), out, files=OPTIONS, device="cpu", overwrite=True))
    left = sorted(path.name for path in out.iterdir())
    assert left == sorted(["config.json", "mine.txt", *(f"{name}.parquet" for name in TABLES)])
    assert tables(out)["records"]["record_id"].tolist() == ["good.npy"]


def test_gaps_are_taken_and_only_what_holds_nothing_is_refused(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    gaps = store.ecg_mv([20])[0, [1, 7]]
    np.save(folder / "volts.npy", 1000 * gaps)
    gaps[:, 300:700] = np.nan
    np.save(folder / "gaps.npy", gaps)
    np.save(folder / "nothing.npy", np.full((2, 1000), np.nan, np.float32))
    np.save(folder / "short.npy", gaps[:, :150])
    (folder / "photo.dcm").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(5000))
    result = analyze(AnalyzeConfig((folder,), tmp_path / "out", files=OPTIONS, device="cpu"))
    found = tables(tmp_path / "out")
    reasons = found["refused"].set_index("record_id")["reason"].to_dict()
    assert [reasons.pop(name) for name in ("nothing.npy", "short.npy", "volts.npy")] == [
        "nan",
        "too-short",
        "amplitude",
    ]
    assert list(reasons.values()) == ["unreadable"]  # the photo's name is hashed
    assert not any(str(tmp_path) in one.message for one in result.refusals)
    assert found["records"]["record_id"].tolist() == ["gaps.npy"]
    assert len(found["waves"])
    assert not found["waves"]["peak_s"].between(3.05, 6.95).any()


def test_the_terminal_names_files_as_they_are_called(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    np.save(folder / "good.npy", store.ecg_mv([20])[0, [1, 7]])
    (folder / "Miller.dcm").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(5000))
    shown, kept = (
        analyze(AnalyzeConfig((folder,), files=OPTIONS, device="cpu", json=json)).refusals[0] for json in (False, True)
    )
    assert (shown.file, shown.record_id) == ("Miller.dcm", "Miller.dcm")
    assert "Miller" not in str(kept)  # JSON goes on to others


def test_a_folder_with_one_bad_file(many: Path, tmp_path: Path) -> None:
    result = analyze(AnalyzeConfig((many,), tmp_path / "out", files=SHORT, device="cpu", workers=2))
    assert (result.records, result.refused, result.complete) == (7, 1, False)
    found = tables(tmp_path / "out")
    names = [f"{number}.npy" for number in range(8) if number != 5]
    assert found["records"]["record_id"].tolist() == names  # in order, though two processes made them
    assert found["refused"]["file"].tolist() == ["5.npy"]


def test_a_dask_cluster_gives_the_same_tables(many: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    few = tuple(sorted(many.glob("*.npy")))[:3]
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")
    try:
        address = cluster.scheduler_address
        analyze(AnalyzeConfig(few, tmp_path / "there", files=SHORT, device="cpu", dask=address, keep_going=True))
    finally:
        cluster.close()
    analyze(AnalyzeConfig(few, tmp_path / "here", files=SHORT, device="cpu", workers=1, keep_going=True))
    for name, table in tables(tmp_path / "here").items():
        pd.testing.assert_frame_equal(table, tables(tmp_path / "there")[name])


def test_a_killed_command_goes_on(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    command = [
        sys.executable, "-c", WITH_SMALL_PARTS, "analyze", str(many), "--out", str(out), "--device", "cpu",
        "--workers", "1", "--files.csv-fs-hz", "100", "--files.unit", "mV", "--files.lead-names", "II", "--keep-going",
    ]  # fmt: skip
    running = subprocess.Popen(command, start_new_session=True)
    first = out / parts.PARTS / "part-00000"
    for _ in range(1200):
        if first.is_dir() or running.poll() is not None:
            break
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert first.is_dir()
    assert not (out / "records.parquet").exists()
    kept = parts.read_part(out, 0)
    assert kept is not None
    assert kept.records == 4
    config = AnalyzeConfig((many,), out, files=SHORT, device="cpu", keep_going=True, workers=1)
    made_again: list[int] = []

    def make(job: parts.Job, **rest: object) -> parts.PartResult:
        made_again.append(job.number)
        return parts.make_part(job, **rest)

    monkeypatch.setattr("beatssl.analysis.analyze.make_part", make)
    whole = analyze(config)
    assert made_again == [1]
    assert (whole.records, whole.refused) == (7, 1)
    again = analyze(AnalyzeConfig((many,), tmp_path / "afresh", files=SHORT, device="cpu", keep_going=True, workers=1))
    assert again.waves == whole.waves
    for name, table in tables(out).items():
        pd.testing.assert_frame_equal(table, tables(tmp_path / "afresh")[name])


def test_parts_of_another_package_are_made_again(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = parts.jobs_of((many,), SHORT)
    plan = parts.plan_of(jobs)
    assert parts.plan_of(jobs) == plan
    monkeypatch.setattr(parts, "package_sha256", lambda: "of another package")
    assert parts.plan_of(jobs) != plan


def test_parts_of_files_that_changed_are_made_again(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = AnalyzeConfig((many,), out, files=SHORT, device="cpu", workers=1)
    jobs = parts.jobs_of((many,), SHORT)
    parts.make_part(jobs[0], config, False, None)
    parts.make_part(jobs[1], config, False, None)
    plan = parts.plan_of(jobs)
    write_json(out / parts.PARTS / "plan.json", plan)
    shutil.copy(many / "4.npy", many / "5.npy")  # no longer broken
    assert parts.plan_of(jobs) != plan
    (out / "config.json").write_text(json.dumps(asked_of("analyze", config, ("dask", "keep_going", "workers"))))
    assert analyze(config).records == 8
