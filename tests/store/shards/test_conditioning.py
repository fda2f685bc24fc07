from pathlib import Path

import numpy as np
import pytest

from beatssl.store.config import PrepareConfig
from beatssl.store.shards.conditioning import Conditioned, Reject, condition

CONFIG = PrepareConfig(kind="fake", source=Path("/data/of/clinic"), out=Path("out"))


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("checksum", "checksum"),
        ("crash", "unreadable"),
        ("short", "too-short"),
        ("flat", "no-beats"),
        ("constant", "missing-leads"),
        ("gaps", "nan"),
        ("one lead", "missing-leads"),
    ],
)
def test_what_is_wrong_with_a_record_sets_it_aside(fake_reader, what, reason):
    reader = fake_reader(spoilt={3: what})
    result = condition(reader, reader.sources(CONFIG.source)[3], CONFIG)
    assert isinstance(result, Reject)
    assert (result.file, result.record_id, result.reason) == ("files/r003", "r003", reason)
    assert "/data/of/clinic" not in result.message
    assert "\n" not in result.message


def test_an_unexpected_exception_is_named_and_not_quoted(fake_reader):
    reader = fake_reader(spoilt={0: "crash"})
    result = condition(reader, reader.sources(CONFIG.source)[0], CONFIG)
    assert isinstance(result, Reject)
    assert "KeyError" in result.message
    assert "secret" not in result.message


@pytest.mark.parametrize(("low", "high", "kept"), [(20.0, 350.0, True), (70.0, 350.0, False), (20.0, 50.0, False)])
def test_impossible_rates_are_set_aside(fake_reader, low, high, kept):
    config = PrepareConfig(kind="fake", source=Path("in"), out=Path("out"), min_rate=low, max_rate=high)
    reader = fake_reader()
    result = condition(reader, reader.sources(config.source)[0], config)  # 60 per minute
    assert isinstance(result, Conditioned) == kept
    if isinstance(result, Reject):
        assert result.reason == "impossible-rate"


def test_a_good_record_keeps_its_beats_and_drops_its_signal(fake_reader):
    reader = fake_reader(fs_hz=250.0)
    result = condition(reader, reader.sources(CONFIG.source)[0], CONFIG)
    assert isinstance(result, Conditioned)
    assert result.ecg_mv.shape == (12, 1000)
    assert result.ecg_mv.dtype == np.float32
    assert np.median(np.diff(result.r_times_s)) == pytest.approx(1.0, abs=0.02)
    assert result.record.ecg_mv.shape == (12, 0)


def test_missing_leads_that_can_be_derived_do_not_count(fake_reader):
    reader = fake_reader(spoilt={0: "two limb leads missing"})
    config = PrepareConfig(kind="fake", source=Path("in"), out=Path("out"), max_missing_leads=0)
    result = condition(reader, reader.sources(config.source)[0], config)
    assert isinstance(result, Conditioned)
    assert "" not in result.lead_names
