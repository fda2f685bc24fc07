"""Summary pictures are well-formed, show what they are given and are the same every time."""

import xml.etree.ElementTree as ET

import numpy as np

from beatssl.drawing.ecg_paper import WAVE_COLOURS, WaveSpan
from beatssl.drawing.figures import Panel, boxes_by_group, error_boxes, vcg_loops
from beatssl.records.synthetic import synthetic_record

FS_HZ = 500.0
WAVES = [WaveSpan("P", 0.1, 0.2), WaveSpan("QRS", 0.25, 0.35), WaveSpan("T", 0.45, 0.7)]


def beat_mv() -> np.ndarray:
    return synthetic_record(0).ecg_mv[:, 1000:1500]


def texts(svg: str) -> str:
    return " ".join(text for text in ET.fromstring(svg).itertext())


def test_vcg_loops_show_three_planes_and_the_waves() -> None:
    svg = vcg_loops(beat_mv(), FS_HZ, WAVES)
    assert all(name in texts(svg) for name in ("Frontal", "Horizontal", "Left sagittal", "X (mV)", "Y (mV)", "Z (mV)"))
    assert all(colour.lower() in svg.lower() for colour in WAVE_COLOURS.values())


def test_vcg_loops_leave_out_waves_that_are_not_known() -> None:
    svg = vcg_loops(beat_mv(), FS_HZ, [WaveSpan("P", float("nan"), 0.2), *WAVES[1:]])
    assert WAVE_COLOURS["P"].lower() not in svg.lower()
    assert WAVE_COLOURS["QRS"].lower() in svg.lower()


def test_vcg_loops_say_when_a_lead_is_missing() -> None:
    ecg_mv = beat_mv().copy()
    ecg_mv[8] = np.nan
    assert "not measurable" in texts(vcg_loops(ecg_mv, FS_HZ, WAVES))
    assert "not measurable" in texts(vcg_loops(beat_mv(), FS_HZ, []))


def test_pictures_are_the_same_every_time() -> None:
    assert vcg_loops(beat_mv(), FS_HZ, WAVES) == vcg_loops(beat_mv(), FS_HZ, WAVES)


def test_boxes_name_groups_and_measures_and_bear_missing_values() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(80, 10, 40)
    values[::3] = np.nan
    panels = [Panel("Heart rate", "per minute", values), Panel("All missing", "ms", np.full(40, np.nan))]
    svg = boxes_by_group(panels, {"NORM": range(20), "MI": range(20, 40), "none": []})
    assert all(word in texts(svg) for word in ("Heart rate", "per minute", "NORM", "MI", "none", "All missing"))


def test_error_boxes_name_the_marks() -> None:
    svg = error_boxes({"QRS onset": np.array([-3.0, 1.0, 2.0]), "T offset": np.zeros(0)})
    assert "QRS onset" in texts(svg)
    assert "found − true (ms)" in texts(svg)
