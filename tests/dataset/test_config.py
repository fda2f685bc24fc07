import pytest
from pydantic import ValidationError

from beatssl.dataset.config import PrepareConfig


def config(**changes: object) -> PrepareConfig:
    return PrepareConfig(**({"kind": "ptbxl", "source": "in", "out": "out"} | changes))


def test_unknown_keys_and_impossible_values_fail():
    with pytest.raises(ValidationError, match="fs"):
        config(fs=250)
    with pytest.raises(ValidationError, match="fs_hz"):
        config(fs_hz=0)


def test_leads_follow_the_kind_unless_stated():
    assert config().twelve_leads
    assert not config(kind="mitdb").twelve_leads
    assert config(kind="mitdb", leads="twelve").twelve_leads


def test_what_counts_names_no_folder_and_no_worker_and_hides_the_salt():
    one = config(salt="hush", workers=1, out="a", source="b").what_counts()
    assert one == config(salt="hush", workers=9, out="c", source="d", dask="tcp://x:1").what_counts()
    assert one != config(salt="other").what_counts()
    assert "hush" not in repr(one) + repr(config(salt="hush"))


def test_patient_keys_are_salted_hashes_unless_identifiers_are_kept():
    key = config().patient_key("ptbxl", "1234")
    assert key is not None
    assert "1234" not in key
    assert key == config().patient_key("ptbxl", "1234")
    assert key != config(salt="other").patient_key("ptbxl", "1234")
    assert key != config().patient_key("ludb", "1234")
    assert config(keep_identifiers=True).patient_key("ptbxl", "1234") == "1234"
    assert config().patient_key("ptbxl", None) is None
