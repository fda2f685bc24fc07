"""Names that files of a clinic bear and hold reach no store."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.clinical import hashed_path
from beatssl.records.privacy import find_hashed
from beatssl.signals.leads import LEADS
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store

pytest.importorskip("ecgdatakit")


@pytest.fixture
def clinic(tmp_path: Path, heartbeat) -> Path:
    """Files named after their patient: damaged, without a name inside, and a table whose first row names one."""
    folder = tmp_path / "clinic"
    folder.mkdir()
    (folder / "Quellmann_trunc.edf").write_bytes(b"0       " + b"Quellmann Z".ljust(80) + b"cut")
    (folder / "Quellmann_1950_bad.xml").write_text("<RestingECG><MuseInfo/></RestingECG>")
    units = {name: np.round(1000 * lead).astype(int).tolist() for name, lead in zip(LEADS[:6], heartbeat, strict=False)}
    samples = {f"lead{name}" if name[0] == "I" else name: lead for name, lead in units.items()}
    raw = {"frequency": 100, "mainsFrequency": 50, "amplitudeResolution": 1000, "numLeads": 6, "samples": samples}
    kardia = {"recordedAt": "2020-06-01T08:30:00Z", "patientID": "4711", "data": {"raw": raw}}
    (folder / "kardia_Quellmann.json").write_text(json.dumps(kardia))
    rows = "\n".join(",".join(f"{value:.3f}" for value in row) for row in heartbeat[:3].T)
    (folder / "table.csv").write_text(f"Zacharias Quellmann,1950-03-14,MRN4711\n{rows}\n")
    return folder


def _named(word: bytes, content: bytes) -> bool:
    """Whether a content has a word other than among the digits of a hash."""
    return re.search(rb"(?<![0-9a-f])" + word + rb"(?![0-9a-f])", content) is not None


def store_of(clinic: Path, **changes: object) -> Store:
    out = clinic.parent / "store"
    given = {"salt": "a salt", "csv_fs_hz": 100.0, "unit": "mV", "workers": 1, "clusters": 0, "max_missing_leads": 6}
    prepare(PrepareConfig(kind="files", source=clinic, out=out, **(given | changes)))
    for path in out.rglob("*"):
        content = path.read_bytes().lower() if path.is_file() else b""
        kept = [word for word in (b"quellmann", b"zacharias", b"1950", b"4711") if _named(word, content)]
        assert bool(changes.get("keep_identifiers")) or kept == [], path
    return Store(out)


def test_no_name_reaches_a_store_and_the_owner_of_the_salt_finds_the_files(clinic):
    store = store_of(clinic)
    assert store.records["record_id"].tolist() == [hashed_path("kardia_Quellmann.json", b"a salt")]
    aside = store.rejects.set_index("reason")["file"].to_dict()
    assert aside["missing-leads"] == "table.csv"
    hashed = [file for file in store.rejects["file"] if file != "table.csv"]
    assert sorted(Path(file).suffix for file in hashed) == [".edf", ".xml"]
    found = {find_hashed(clinic, file, b"a salt").name for file in hashed}
    assert found == {"Quellmann_trunc.edf", "Quellmann_1950_bad.xml"}
    assert (store.rejects["record_id"] == store.rejects["file"]).all()


def test_as_recorded_no_lead_is_named_after_a_person(clinic):
    names = store_of(clinic, leads="as-recorded").records.set_index("record_id")["lead_names"]
    assert names["table.csv"].tolist()[:3] == ["lead 1", "lead 2", "lead 3"]


def test_paths_are_kept_on_request(clinic):
    store = store_of(clinic, keep_identifiers=True)
    assert store.records["record_id"].tolist() == ["kardia_Quellmann.json"]
    assert "Quellmann_trunc.edf" in store.rejects["file"].tolist()
