"""Messages name what was typed: arguments in Python, flags on the command line."""

from pathlib import Path

import numpy as np
import pytest

import beatssl
from beatssl import cli
from beatssl.analysis.analyze import AnalyzeConfig
from beatssl.messages import as_flags, flags_of, renamed
from beatssl.records.download import download
from beatssl.records.record import RecordError
from beatssl.records.synthetic import synthetic_record
from beatssl.store.config import PrepareConfig
from beatssl.store.store import Store
from beatssl.training.diagnosis.finetune import FinetuneConfig

PREPARE = flags_of(PrepareConfig)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("states no rate; pass csv_fs_hz=", "states no rate; pass --csv-fs-hz"),
        ("fs_hz=5: pass 50 to 5000 Hz", "--fs-hz 5: pass 50 to 5000 Hz"),
        ("10 % not measured; see max_missing_share", "10 % not measured; see --max-missing-share"),
        ("takes it (leads='as-recorded')", "takes it (--leads as-recorded)"),
        ("more missing (max_missing_leads=11)", "more missing (--max-missing-leads 11)"),
        ("high_hz=60: a store at fs_hz=100.5 holds less", "--high-hz 60: a store at --fs-hz 100.5 holds less"),
        ("pass a new folder as out=", "pass a new folder as --out"),
        ("on purpose (keep_identifiers=True)", "on purpose (--keep-identifiers)"),
        ("/a/fs_hz/x.csv, 'fs_hz', fs_hz.csv, split='random'", "/a/fs_hz/x.csv, 'fs_hz', fs_hz.csv, split='random'"),
    ],
)  # fmt: skip
def test_options_as_flags(text, said):
    assert as_flags(text, PREPARE) == said


def test_flags_of_configs_with_parts_and_of_functions():
    assert flags_of(AnalyzeConfig)["csv_fs_hz"] == "--files.csv-fs-hz"
    assert flags_of(FinetuneConfig)["batch_size"] == "--batch-size"
    assert "leads" not in flags_of(FinetuneConfig)  # of a part with a name: the network's
    assert "kind" not in PREPARE  # by position
    assert flags_of(download)["base_url"] == "--base-url"
    assert renamed("pass csv_fs_hz=500 or unit=", {"csv_fs_hz": "fs_hz"}) == "pass fs_hz=500 or unit="


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A CSV file that states neither rate nor unit nor leads."""
    path = tmp_path / "bare.csv"
    np.savetxt(path, synthetic_record(0).ecg_mv.T[:, :3], delimiter=",", fmt="%.3f")
    return path


def failing(*args: str, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as end:
        cli.main(args)
    assert end.value.code == 2
    return capsys.readouterr().err


def test_python_names_arguments(bare):
    with pytest.raises(RecordError, match=r"pass leads=$"):
        beatssl.read(bare)
    with pytest.raises(RecordError, match=r"pass fs_hz=$"):
        beatssl.read(bare, leads=("I", "II", "III"))


def test_the_command_line_names_flags_of_the_verb(bare, tmp_path, capsys):
    assert "pass --lead-names; " in failing("prepare", "files", str(bare), "--out", str(tmp_path / "s"), capsys=capsys)
    cli.main(["inspect", str(bare)])
    assert "pass --files.lead-names\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (["--fs-hz", "5"], "beatssl: error: --fs-hz 5: pass 50 to 5000 Hz\n"),
        (["--fs-hz", "-5"], "beatssl: error: --fs-hz: the value should be greater than 0\n"),
        (["--min-rate", "90", "--max-rate", "80"], "beatssl: error: --min-rate 90, --max-rate 80: nothing between; "
         "pass --min-rate < --max-rate\n"),
    ],
)  # fmt: skip
def test_a_value_that_a_config_refuses_is_one_line(option, said, tmp_path, capsys):
    assert failing("prepare", "files", "nowhere", "--out", str(tmp_path), *option, capsys=capsys) == said


@pytest.mark.parametrize(
    ("verb", "option", "said"),
    [
        ("pretrain", ["--encoder.width", "0"], "--encoder.width: the value should be greater than 0\n"),
        ("segment", ["--decoder.width", "-1"], "--decoder.width: the value should be greater than 0\n"),
        ("segment", ["--batch-size", "-1"], "--batch-size: the value should be greater than or equal to 1\n"),
    ],
)
def test_of_a_part_of_a_config_too(verb, option, said, tmp_path, capsys):
    assert failing(verb, "nowhere", "--out", str(tmp_path / "a"), *option, capsys=capsys) == f"beatssl: error: {said}"


def test_a_prepare_that_kept_nothing_does_not_block_the_corrected_command(bare, tmp_path, capsys):
    out = str(tmp_path / "store")
    failing("prepare", "files", str(bare), "--out", out, capsys=capsys)
    assert len(Store(out).rejects) == 1
    right = ["--lead-names", "I", "II", "III", "--csv-fs-hz", "500", "--unit", "mV", "--max-missing-leads", "8"]
    cli.main(["prepare", "files", str(bare), "--out", out, "--workers", "1", "--clusters", "0", *right])
    assert len(Store(out)) == 1
    said = failing("prepare", "files", str(bare), "--out", out, "--fs-hz", "250", *right, capsys=capsys)
    assert "made to another plan" in said  # a store with records is nobody's to replace


def test_a_prepare_that_was_stopped_at_once_does_not_block_either(bare, tmp_path):
    out = tmp_path / "store"
    config = PrepareConfig(
        "files", bare, out, lead_names=("I", "II", "III"), csv_fs_hz=500, unit="mV", max_missing_leads=8, workers=1,
        clusters=0,
    )  # fmt: skip
    beatssl.prepare(config)
    (out / "manifest.json").rename(out / "plan.json")
    for path in (out / "shard-00000").iterdir():
        path.unlink()
    (out / "shard-00000").rmdir()
    assert beatssl.prepare(PrepareConfig(**(vars(config) | {"fs_hz": 250.0}))).records == 1


def test_places_that_are_not_there_empty_or_not_to_be_written_to(bare, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    out = str(tmp_path / "store")
    assert "there is no file or folder" in failing("prepare", "files", "nowhere", "--out", out, capsys=capsys)
    assert "no ECG below" in failing("prepare", "files", str(tmp_path / "empty"), "--out", out, capsys=capsys)
    assert not Path(out).exists()
    said = failing("prepare", "files", str(bare), "--out", str(bare / "store"), capsys=capsys)
    assert f"nothing can be written to {bare}/store (not a directory); pass another folder as --out" in said
