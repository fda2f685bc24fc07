"""What recording machines printed, from files made here, and the check against it."""

from pathlib import Path

import pytest

from beatssl.checks.analyses.devices import check_devices, difference
from beatssl.checks.analyses.printed_values import printed_values
from beatssl.records.synthetic.clinical_files import ecg_uv, muse

PRINTED = (
    "<RestingECGMeasurements><VentricularRate>71</VentricularRate><PRInterval>150</PRInterval><QRSDuration>0"
    "</QRSDuration><QTInterval>380</QTInterval><RAxis>0</RAxis></RestingECGMeasurements>"
)


def test_values_of_muse_and_aecg(tmp_path: Path) -> None:
    file = tmp_path / "one.xml"
    file.write_text(f"<RestingECG>{PRINTED}<Other><PRInterval>99</PRInterval></Other></RestingECG>")
    assert printed_values(file) == {"rate_bpm": 71, "pr_ms": 150, "qt_ms": 380, "qrs_axis_deg": 0}
    file.write_text(
        '<A xmlns="urn:hl7-org:v3"><b><code code="MDC_ECG_TIME_PD_QT"/><value value="400" unit="ms"/></b>'
        '<b><code code="MDC_ECG_TIME_PD_QT"/><value value="410" unit="ms"/></b></A>'
    )
    assert printed_values(file) == {"qt_ms": 400}


def test_the_rate_comes_from_the_rr_interval_where_it_is_alone(tmp_path: Path) -> None:
    file = tmp_path / "one.xml"
    values = "<RestingECGMeasurements><RRInterval>800</RRInterval></RestingECGMeasurements>"
    file.write_text(f"<CardiologyXML>{values}</CardiologyXML>")
    assert printed_values(file)["rate_bpm"] == 75


@pytest.mark.parametrize("content", [b"no xml", b"", b"<A/>"])
def test_a_file_without_values_has_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "one.xml").write_bytes(content)
    (tmp_path / "one.csv").write_bytes(content)
    assert printed_values(tmp_path / "one.xml") == printed_values(tmp_path / "one.csv") == {}
    with pytest.raises(ValueError, match="no file below"):
        check_devices(tmp_path, tmp_path / "kept.jsonl")


def test_angles_differ_by_the_shorter_way() -> None:
    line = {"printed": {"t_axis_deg": 170.0, "qt_ms": 400.0}, "found": {"t_axis_deg": -170.0, "qt_ms": None}}
    assert difference("t_axis_deg", line) == pytest.approx(20)
    assert difference("qt_ms", line) != difference("qt_ms", line)


def test_a_file_against_its_machine(tmp_path: Path) -> None:
    content = muse(ecg_uv()).replace(b"<PatientDemographics>", PRINTED.encode() + b"<PatientDemographics>", 1)
    (tmp_path / "one.xml").write_bytes(content)
    (tmp_path / "same.xml").write_bytes(content)  # one ECG twice counts once
    figures = check_devices(tmp_path, tmp_path / "out" / "kept.jsonl")
    rate = figures.by_measure["rate_bpm"]
    (line,) = figures.lines
    assert (figures.files + len(figures.refused), rate.files) == (1, figures.files)
    assert figures.by_measure["qrs_ms"].files == 0
    assert rate.median_absolute_difference == pytest.approx(abs(line["found"]["rate_bpm"] - 71))
