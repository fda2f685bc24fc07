import pytest
from pydantic import ValidationError

from beatssl.store.config import PrepareConfig


def config(**changes: object) -> PrepareConfig:
    return PrepareConfig(**({"kind": "ptbxl", "source": "in", "out": "out"} | changes))


def test_unknown_keys_and_impossible_values_fail():
    with pytest.raises(ValidationError, match="fs"):
        config(fs=250)
    with pytest.raises(ValidationError, match="fs_hz"):
        config(fs_hz=0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"low_hz": 40.0}, "low_hz=40, high_hz=40: .*pass low_hz < high_hz"),
        ({"low_hz": 50.0}, "low_hz=50, high_hz=40"),
        ({"fs_hz": 49.0, "high_hz": 20.0}, "fs_hz=49: pass 50 to 5000 Hz"),
        ({"fs_hz": 1e6}, "fs_hz=1e.06: pass"),
        ({"fs_hz": 60.0}, "high_hz=40: a store at fs_hz=60 holds nothing above 30 Hz; pass a lower high_hz"),
        ({"duration_s": 1.9}, "duration_s=1.9: a row needs 2 s"),
        ({"duration_s": float("inf")}, "finite"),
        ({"min_rate": 100.0, "max_rate": 100.0}, "min_rate=100, max_rate=100: .*pass min_rate < max_rate"),
        ({"salt": ""}, "salt=''"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_that_no_record_could_meet_are_refused_at_once(changes, said):
    with pytest.raises(ValidationError, match=said):
        config(**changes)


def test_errors_do_not_show_the_salt():
    with pytest.raises(ValidationError) as error:
        config(salt="hush", low_hz=50.0)
    assert "hush" not in str(error.value)


def test_leads_follow_the_kind_unless_stated():
    assert config().twelve_leads
    assert not config(kind="mitdb").twelve_leads
    assert config(kind="mitdb", leads="twelve").twelve_leads


def test_what_counts_names_no_folder_and_no_worker_and_hides_the_salt():
    one = config(salt="hush", workers=1, out="a", source="b").what_counts()
    assert one == config(salt="hush", workers=9, out="c", source="d", dask="tcp://x:1").what_counts()
    assert one != config(salt="other").what_counts()
    assert "baseline" not in one  # stores made before it was there have the same settings
    assert config(baseline="medians").what_counts()["baseline"] == "medians"
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


def test_missing_leads_follow_the_kind_unless_stated():
    assert config().missing_leads_allowed == 4
    assert config(kind="cinc2017").missing_leads_allowed == 11
    assert config(kind="cinc2017", max_missing_leads=2).missing_leads_allowed == 2
    assert config().what_counts() == config(max_missing_leads=4).what_counts()
