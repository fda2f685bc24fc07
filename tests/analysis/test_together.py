"""Records that go through the networks together give what each gives alone."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beatssl.analysis.config import AnalyzeConfig
from beatssl.analysis.model import EcgModel, load
from beatssl.analysis.parts import jobs_of, make_part
from beatssl.records.record import Record
from beatssl.records.synthetic import synthetic_record

TOLERANCE = 1e-3
"""Of what differs by rounding: of milliseconds, mV, seconds and probabilities alike."""


@pytest.fixture(scope="module")
def model() -> EcgModel:
    return load(device="cpu")


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Paths at which two JSON forms differ by more than rounding."""
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [f"{path}: {one.keys() ^ other.keys()}"]
        return [line for name in one for line in differences(one[name], other[name], f"{path}.{name}")]
    if isinstance(one, list):
        if len(one) != len(other):
            return [f"{path}: {len(one)} against {len(other)}"]
        return [line for a, b in zip(one, other, strict=True) for line in differences(a, b, path)]
    if isinstance(one, float) and isinstance(other, float):
        return [] if math.isclose(one, other, rel_tol=1e-4, abs_tol=TOLERANCE) else [f"{path}: {one} against {other}"]
    return [] if one == other else [f"{path}: {one} against {other}"]


def some_records() -> list[Record]:
    """Of several shapes, one without beats, one with a lead that is off."""
    records = [synthetic_record(number) for number in range(5)]
    cut = records[0].replace(ecg_mv=records[0].ecg_mv[:2, :3000], leads=records[0].leads[:2], id="two leads")
    still = records[1].replace(
        ecg_mv=np.random.default_rng(0).normal(0, 0.02, (12, 5000)).astype(np.float32), id="noise"
    )
    off = records[2].ecg_mv.copy()
    off[7] = 0
    return [*records, cut, still, records[2].replace(ecg_mv=off, id="off")]


def test_together_is_as_alone(model: EcgModel) -> None:
    records = some_records()
    together = model.analyze_records(records, embeddings=False)
    assert [a.record.id for a in together] == [record.id for record in records]
    for record, found in zip(records, together, strict=True):
        alone = model.analyze(record, embeddings=False)
        assert not differences(alone.to_dict(), found.to_dict())


def test_no_records_give_nothing(model: EcgModel) -> None:
    assert model.analyze_records([]) == []


def test_one_record_that_breaks_stops_no_other(
    model: EcgModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        synthetic_record(number).save(tmp_path / f"{number}.hea")
    whole = EcgModel.analyze_records

    def breaks(self: EcgModel, records: list[Record], *arguments: Any, **options: Any) -> Any:
        if any(record.id.startswith("1") for record in records):
            raise RuntimeError("this record breaks it")
        return whole(self, records, *arguments, **options)

    monkeypatch.setattr(EcgModel, "analyze_records", breaks)
    config = AnalyzeConfig((tmp_path,), json=True, device="cpu")
    result = make_part(jobs_of(config.paths, config.files)[0], config, False, None)
    assert [json.loads(text)["record"]["id"][0] for text in result.texts] == ["0", "2"]
    assert [one.reason for one in result.rejects] == ["unreadable"]
    assert "RuntimeError" in result.rejects[0].message
