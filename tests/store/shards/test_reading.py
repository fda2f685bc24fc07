"""Reading and preparing one record: what the limits allow, and that no beat is looked for."""

from dataclasses import replace

import numpy as np
import pytest

from beatssl.records.record import RecordError
from beatssl.signals.leads import LEADS
from beatssl.signals.preparation import Preparation
from beatssl.store.config import PrepareConfig
from beatssl.store.shards.reading import Limits, PreparedRecord, Reject, prepare_record, read_record

TWELVE = Preparation(100.0, 0.5, 40.0)
AS_RECORDED = replace(TWELVE, leads=())


def read(fake_reader, what, preparation=TWELVE, limits=None, root="in"):
    reader = fake_reader(records=1, spoilt={0: what})
    config = PrepareConfig(kind="fake", source=root, out="out")
    (source,) = reader.sources(config.source)
    return read_record(reader, config.source, source, lambda record: prepare_record(record, preparation, limits))


@pytest.mark.parametrize("what", ["", "flat", "gaps", "one lead", "two limb leads missing"])
def test_without_limits_anything_measured_is_prepared(fake_reader, what):
    ready = read(fake_reader, what)
    assert isinstance(ready, PreparedRecord)
    assert ready.ecg_mv.shape == ready.raw_mv.shape == (12, 1000)
    assert ready.record.ecg_mv.shape[1] == 0
    assert ready.leads == LEADS
    assert ready.lead_names == (("I", *[""] * 11) if what == "one lead" else LEADS)


@pytest.mark.parametrize(
    ("what", "limits", "reason"),
    [
        ("one lead", Limits(), "missing-leads"),
        ("one lead", Limits(max_missing_leads=11), None),
        ("gaps", Limits(), "nan"),
        ("gaps", Limits(max_missing_share=0.5), None),
        ("short", None, "too-short"),
        ("checksum", None, "checksum"),
        ("crash", None, "unreadable"),
    ],
)
def test_limits_set_a_record_aside(fake_reader, what, limits, reason):
    found = read(fake_reader, what, limits=limits, root="/data/of/clinic")
    assert (found.reason if isinstance(found, Reject) else None) == reason
    if isinstance(found, Reject):
        assert "/data/of/clinic" not in found.message
        assert "secret" not in found.message


def test_a_record_without_a_measured_lead_of_those_wanted_is_set_aside(fake_reader):
    reader = fake_reader(records=1)
    record = reader.read("in", reader.sources("in")[0])
    nameless = replace(record, ecg_mv=record.ecg_mv[:1], leads=("belly",))
    with pytest.raises(RecordError, match=r"r000: no measured sample in any of its leads \(belly\)"):
        prepare_record(nameless, TWELVE)
    ready = prepare_record(nameless, AS_RECORDED)
    assert ready.lead_names == ("belly",)
    assert np.isfinite(ready.ecg_mv).all()
