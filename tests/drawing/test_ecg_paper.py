"""ECG paper: to scale, every lead in its place, waves where they belong."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from beatssl.drawing.ecg_paper import MM_PER_MV, MM_PER_S, WAVE_COLOURS, BeatTick, WaveSpan, ecg_paper
from beatssl.signals.leads import LEADS

FS_HZ = 100.0
SVG = "{http://www.w3.org/2000/svg}"


def ramp(leads: int = 12, samples: int = 1000) -> np.ndarray:
    """Each lead its own constant level, so that a path tells which lead it shows."""
    return np.repeat(np.linspace(-0.5, 0.6, leads, dtype=np.float32)[:, None], samples, axis=1)


def paths(svg: str, colour: str) -> list[np.ndarray]:
    """Points (mm) of the paths of one colour, a path with several strokes as one."""
    found = [path for path in ET.fromstring(svg).iter(f"{SVG}path") if path.get("stroke") == colour]
    return [np.array(re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", p.get("d", "")), dtype=float) for p in found]


def test_leads_stand_where_their_names_say() -> None:
    canonical = np.sin(np.arange(12)[:, None] * np.arange(1000) / 50).astype(np.float32)
    canonical[2] = canonical[1] - canonical[0]
    order = np.random.default_rng(0).permutation(12)
    drawn = ecg_paper(canonical[order], FS_HZ, leads=[LEADS[number] for number in order])
    assert drawn == ecg_paper(canonical, FS_HZ)
    with pytest.raises(ValueError, match=r"ecg_mv has 8 leads, and leads has 12 names; pass leads=record\.leads"):
        ecg_paper(canonical[:8], FS_HZ)


def test_few_or_other_leads_are_rows_under_their_own_names() -> None:
    one = ecg_paper(ramp(1), FS_HZ, [WaveSpan("QRS", 1.0, 1.1, "MCL<1>")], leads=["MCL<1>"])
    assert "MCL&lt;1&gt;" in one
    assert ">II<" not in one
    assert "missing" not in one
    assert [len(paths(one, colour)) for colour in ("#1f2937", WAVE_COLOURS["QRS"])] == [2, 2]  # with pulse, and legend
    two = ecg_paper(ramp(2), FS_HZ, beats=[BeatTick(1.0, "N")], leads=["II", "V"])
    first, second, beat = (ET.fromstring(two).find(f".//{SVG}text[.='{name}']") for name in ("II", "V", "N"))
    assert first is not None
    assert second is not None
    assert beat is not None
    heights = [float(text.get("y", "nan")) for text in (beat, first, second)]
    assert heights == sorted(heights)
    limb = ecg_paper(ramp(3), FS_HZ, leads=["I", "II", "X"])
    assert ">aVF<" in limb
    assert ">X<" not in limb
    assert limb.count("lead missing") == 6


def test_it_is_xml_of_the_stated_size() -> None:
    root = ET.fromstring(ecg_paper(ramp(), FS_HZ, title="<A & B>"))
    assert root.tag == f"{SVG}svg"
    assert root.get("width", "").endswith("mm")
    assert float(root.get("width", "").removesuffix("mm")) == pytest.approx(10 * MM_PER_S + 20)


def test_every_lead_is_named_and_the_rhythm_strip_twice() -> None:
    texts = [text.text for text in ET.fromstring(ecg_paper(ramp(), FS_HZ, rhythm_lead="V1")).iter(f"{SVG}text")]
    assert [texts.count(lead) for lead in LEADS] == [2 if lead == "V1" else 1 for lead in LEADS]


def test_traces_are_to_scale() -> None:
    ecg_mv = np.zeros((12, 1000), np.float32)
    ecg_mv[0, 100] = 1.0  # a spike of 1 mV at 1 s of lead I
    (trace,) = [p for p in paths(ecg_paper(ecg_mv, FS_HZ), "#1f2937") if len(p) > 10 and np.ptp(p[:, 1]) > 1]
    peak = trace[trace[:, 1].argmin()]
    assert np.ptp(trace[:, 1]) == pytest.approx(MM_PER_MV, abs=0.02)
    assert peak[0] - trace[0, 0] == pytest.approx(MM_PER_S, abs=0.02)
    assert np.ptp(trace[:, 0]) == pytest.approx(2.5 * MM_PER_S, abs=0.02)


def test_a_wave_is_coloured_where_it_lies_on_each_lead_that_shows_it() -> None:
    drawn = paths(ecg_paper(ramp(), FS_HZ, [WaveSpan("T", 3.013, 3.4)]), WAVE_COLOURS["T"])[
        1:
    ]  # the first is the legend
    assert len(drawn) == 4  # aVR, aVL, aVF show that time, and the rhythm strip does
    for points in drawn:
        assert np.ptp(points[:, 0]) == pytest.approx(0.387 * MM_PER_S, abs=0.02)
        assert points[0, 0] - 15 == pytest.approx(3.013 * MM_PER_S, abs=0.02)


def test_a_wave_across_two_columns_is_cut_in_two() -> None:
    drawn = paths(ecg_paper(ramp(), FS_HZ, [WaveSpan("QRS", 2.45, 2.55)]), WAVE_COLOURS["QRS"])[1:]
    assert sorted(round(float(np.ptp(points[:, 0])), 2) for points in drawn) == [1.25] * 6 + [2.5]


def test_boundaries_that_are_not_known_are_not_drawn() -> None:
    svg = ecg_paper(ramp(), FS_HZ, [WaveSpan("P", float("nan"), 1.0), WaveSpan("P", 1.0, float("nan"))])
    assert len(paths(svg, WAVE_COLOURS["P"])) == 1  # the legend alone


def test_no_legend_stands_where_no_waves_are_asked_for() -> None:
    svg = ecg_paper(ramp(), FS_HZ)
    assert not any(paths(svg, colour) for colour in WAVE_COLOURS.values())


def test_missing_leads_and_gaps_leave_no_line() -> None:
    ecg_mv = ramp()
    ecg_mv[4] = np.nan  # aVL
    ecg_mv[0, 50:150] = np.nan  # a gap in lead I
    svg = ecg_paper(ecg_mv, FS_HZ)
    assert svg.count("lead missing") == 1
    assert "nan" not in svg.lower()
    (gapped,) = [d for d in re.findall(r'd="([^"]*)"', svg) if d.count("M") == 2 and d.count("L") > 100]
    assert gapped.startswith("M15")


def test_beats_carry_their_letter_and_those_outside_are_left_out() -> None:
    svg = ecg_paper(ramp(), FS_HZ, beats=[BeatTick(1.0, "V"), BeatTick(-0.2, "S"), BeatTick(10.5, "F")])
    texts = [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]
    assert "V" in texts
    assert not {"S", "F"} & set(texts)


def test_an_unknown_rhythm_lead_is_refused() -> None:
    with pytest.raises(ValueError, match="'V7' is not a lead"):
        ecg_paper(ramp(), FS_HZ, rhythm_lead="V7")
