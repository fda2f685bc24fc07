"""Damaged files: the seeds are whole, the judge sees what it should, and a run finds nothing."""

import re
from pathlib import Path

import numpy as np
import pytest

from beatssl.bench.fuzz import Case, Seed, bench_fuzz, damaged, made_seeds, tried
from beatssl.records.record import Record
from beatssl.records.synthetic.clinical_files import ecg_uv
from beatssl.signals.leads import LEADS

SEEDS = {seed.name: seed for seed in made_seeds()}
TRUE = (ecg_uv() / 1000).astype(np.float32)


@pytest.mark.parametrize("name", SEEDS)
def test_whole_files_are_whole(name: str) -> None:
    assert _tried_again(SEEDS[name], SEEDS[name].files) == ("whole", "")


def test_every_format_is_damaged() -> None:
    from beatssl.records.formats.formats import FORMATS, TABLES, format_of

    made = {format_of(name, content[:4096]) for seed in SEEDS.values() for name, content in seed.files.items()}
    assert made >= ({*FORMATS, *TABLES} - {"contec"}) | {"wfdb", "zip"}


def test_equal_numbers_make_equal_damages() -> None:
    case = Case("cart.scp", "block", 5)
    assert damaged(SEEDS["cart.scp"], case) == damaged(SEEDS["cart.scp"], case) != SEEDS["cart.scp"].files


def _record(ecg_mv: np.ndarray, fs_hz: float = 500.0, **metadata: object) -> Record:
    return Record(ecg_mv.astype(np.float32), LEADS, fs_hz, "r", "test", metadata={"format": "x"} | metadata)


@pytest.mark.parametrize(
    ("record", "outcome"),
    [
        (_record(TRUE), "whole"),
        (_record(TRUE * 3 + 1), "explained"),
        (_record(TRUE, 250.0), "explained"),
        (_record(TRUE[::-1].copy()), "explained"),
        (_record(TRUE[:, :-1]), "changed"),
        (_record(TRUE[:, :-1], trailing=True), "flagged"),
        (_record(np.where(np.arange(1000) == 500, 0.3, TRUE)), "changed"),  # one sample of each lead
        (_record(np.roll(TRUE, 1, axis=1)), "changed"),
    ],
)
def test_the_judge(record: Record, outcome: str) -> None:
    from beatssl.bench.fuzz import judged

    assert judged(record, TRUE)[0] == outcome


NUMBERS = ("0", "-1", "7", "99999999", "1e30", "nan", "")


@pytest.mark.parametrize(
    "name", ["hl7.xml", "muse.xml", "holter.edf", "philips.xml", "mortara.xml", "soft.xml", "w16.hea"]
)
def test_every_number_of_a_text_header_made_another_is_refused_or_seen(name: str) -> None:
    seed = SEEDS[name]
    main = seed.files[name]
    head = main[: seed.samples.get(name, (len(main), 0))[0]]
    for i, match in enumerate(re.finditer(rb"\d+(?:\.\d+)?", head)):
        new = NUMBERS[i % len(NUMBERS)].encode()
        _is_seen(
            seed, name, main[: match.start()] + new.ljust(len(match[0]) * name.endswith(".edf")) + main[match.end() :]
        )


@pytest.mark.parametrize("name", ["cart.dcm", "holter.ecg", "cart.scp", "nihon.mwf", "hand.atc"])
def test_every_two_bytes_of_a_binary_header_made_others_are_refused_or_seen(name: str) -> None:
    seed = SEEDS[name]
    main = seed.files[name]
    end = seed.samples[name][0]
    for at in range(0, end - 2, max(2, end // 150)):
        for new in (b"\xff\x7f", b"\0\0"):
            _is_seen(seed, name, main[:at] + new + main[at + 2 :])


def _is_seen(seed: Seed, name: str, content: bytes) -> None:
    outcome, said = _tried_again(seed, {**seed.files, name: content})
    assert outcome in ("whole", "refused", "flagged", "explained"), (said, content[:200])


def test_a_short_run_finds_nothing(tmp_path: Path) -> None:
    result = bench_fuzz(None, tmp_path / "fuzz.json", files=200, seed=5, workers=1)
    assert result.files == sum(result.outcomes.values()) == 200
    assert result.outcomes["refused"] > 100
    assert (tmp_path / "fuzz.json").is_file()
    assert "200 damaged files" in str(result)


def _tried_again(seed: Seed, files: dict[str, bytes]) -> tuple[str, str]:
    """What becomes of the files; of slow ones the second time, for a pause of the process does not come again."""
    outcome, said, _ = tried(seed, files, TRUE)
    return (outcome, said) if outcome != "slow" else tried(seed, files, TRUE)[:2]
