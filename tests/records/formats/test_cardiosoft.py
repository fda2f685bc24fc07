"""GE CardioSoft's XML: the strip, not the median beats."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from beatssl.records.formats.cardiosoft import read_cardiosoft
from beatssl.records.formats.formats import format_of
from beatssl.records.record import RecordError
from beatssl.records.recording import Person
from beatssl.signals.leads import LEADS

COUNTS = np.random.default_rng(0).integers(-400, 400, (12, 300))


def cardiosoft(counts: np.ndarray = COUNTS, **changed: str) -> str:
    """A file of `counts` of 5 µV at 500 Hz; `changed` replaces what an element holds."""
    strip = {
        "NumberOfLeads": len(counts),
        "SampleRate": 500,
        "ChannelSampleCountTotal": counts.shape[1],
        "Resolution": 5,
    }
    strip |= changed
    leads = "".join(
        f'<WaveformData lead="{lead}">\t\t{",".join(map(str, row))}</WaveformData>\n'
        for lead, row in zip(LEADS, counts, strict=False)
    )
    return f"""<?xml version="1.0" encoding="ISO8859-1" ?>
<CardiologyXML><ObservationType>RestECG</ObservationType>
<PatientInfo><PID>4711</PID><Name><FamilyName>Müller</FamilyName><GivenName>Anna</GivenName></Name>
<Age units="{changed.get("age", "years")}">70</Age>
<BirthDateTime><Day>5</Day><Month>3</Month><Year>1950</Year></BirthDateTime><Gender>FEMALE</Gender></PatientInfo>
<MedianSamples><SampleRate units="Hz">1000</SampleRate><WaveformData lead="I">1,2,3</WaveformData></MedianSamples>
<StripData><NumberOfLeads>{strip["NumberOfLeads"]}</NumberOfLeads>
<SampleRate units="Hz">{strip["SampleRate"]}</SampleRate>
<ChannelSampleCountTotal>{strip["ChannelSampleCountTotal"]}</ChannelSampleCountTotal>
<Resolution units="uVperLsb">{strip["Resolution"]}</Resolution>
{leads}</StripData></CardiologyXML>"""


def _encoded(text: str) -> bytes:
    return text.encode("latin-1")


@pytest.mark.parametrize("encoded", [_encoded, lambda text: text.encode("utf-16")])
def test_counts_and_person_come_back(encoded: Callable[[str], bytes]) -> None:
    found = read_cardiosoft(encoded(cardiosoft()), "a")
    assert tuple(channel.name for channel in found.channels) == LEADS
    for channel, counts in zip(found.channels, COUNTS, strict=True):
        assert (channel.fs_hz, channel.unit) == (500.0, "uV")
        np.testing.assert_array_equal(channel.samples, 5.0 * counts)
    assert found.person == Person("4711", ("Anna", "Müller"), "1950-03-05", 70.0, "female")


def test_it_is_known_by_its_root() -> None:
    assert format_of("a.xml", _encoded(cardiosoft())[:4096]) == "cardiosoft"


def test_an_age_in_months_is_no_age_in_years() -> None:
    assert read_cardiosoft(_encoded(cardiosoft(age="months")), "a").person.age_years is None


@pytest.mark.parametrize(
    ("text", "reason", "says"),
    [
        (cardiosoft(NumberOfLeads="13"), "truncated", "12 leads, 13 are stated"),
        (cardiosoft(ChannelSampleCountTotal="5000"), "truncated", "300 samples, 5000"),
        (cardiosoft(ChannelSampleCountTotal="1e9"), "unreadable", "ChannelSampleCountTotal"),
        (cardiosoft(SampleRate="0"), "unreadable", "SampleRate"),
        (cardiosoft(SampleRate="-500"), "unreadable", "SampleRate"),
        (cardiosoft(SampleRate="nan"), "unreadable", "SampleRate"),
        (cardiosoft(Resolution="inf"), "unreadable", "Resolution"),
        (cardiosoft().replace('units="uVperLsb"', 'units="mVperLsb"'), "unreadable", "uVperLsb"),
        (cardiosoft()[:-300], "unreadable", "breaks off"),
        (cardiosoft().replace("StripData", "Strip"), "unreadable", "StripData"),
        (cardiosoft().replace("\t\t", "\t\t1_0,", 1), "unreadable", "whole numbers"),
        (cardiosoft().replace("\t\t", "\t\tnan,", 1), "unreadable", "whole numbers"),
        (cardiosoft().replace("\t\t", "\t\t,", 1), "unreadable", "whole numbers"),
        (
            cardiosoft().replace("<CardiologyXML>", '<!DOCTYPE a [<!ENTITY b "c">]><CardiologyXML>'),
            "unreadable",
            "entities",
        ),
    ],
)
def test_what_is_refused(text: str, reason: str, says: str) -> None:
    for content in (_encoded(text), text.encode("utf-16")):
        with pytest.raises(RecordError, match=says) as error:
            read_cardiosoft(content, "a")
        assert error.value.reason == reason
        assert "Müller" not in str(error.value)


def test_damaged_files(survives: Callable[..., list[str]]) -> None:
    content = _encoded(cardiosoft())
    assert len(survives(lambda damaged: read_cardiosoft(damaged, "a"), content)) > 130


def test_the_real_file(data_root: Path) -> None:
    path = data_root / "clinical/cardiosoft/deepecg_dummy_ecg.xml"
    if not path.is_file():
        pytest.skip("no set `clinical`; see ../shared/data")
    channels = {channel.name: channel for channel in read_cardiosoft(path.read_bytes(), "a").channels}
    assert tuple(channels) == LEADS
    assert {(len(channel.samples), channel.fs_hz) for channel in channels.values()} == {(5000, 500.0)}
    assert (channels["I"].samples.min(), channels["I"].samples.max()) == (-44 * 5, 315 * 5)
    assert channels["V2"].samples.min() == -198 * 5
