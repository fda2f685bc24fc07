"""P and T where there are some and none where there are none, by the bundled segmenter and by a made one."""

from pathlib import Path

import numpy as np
import pytest

from beatssl.beats.decoding.wave_decoding import Waves
from beatssl.checks.synthetic_waves import MADE, of_made, p_over_leads
from beatssl.checks.wave_presence import _of_rows, record_groups
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.records.synthetic.drawn import drawn_ecg, regular
from beatssl.signals.leads import LEADS
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


@pytest.fixture(scope="module")
def segmenter() -> EcgSegmenter:
    return EcgSegmenter.from_pretrained("default")


@pytest.mark.parametrize(
    ("name", "leads"),
    [
        ("no P, 60/min", LEADS),
        ("no P, 60/min", ("II", "V5")),
        ("no P, 60/min", ("II",)),
        ("no P, 100/min", LEADS),
        ("no P, 100/min", ("II",)),
        ("no P, irregular", LEADS),
        ("no T, 60/min", LEADS),
        ("no T, 80/min", LEADS),
        ("no T, 80/min", ("II", "V5")),
        ("no T, 80/min", ("II",)),
    ],
)
def test_what_is_not_there_is_not_invented(segmenter: EcgSegmenter, name: str, leads: tuple[str, ...]) -> None:
    figures = of_made(segmenter, leads, MADE[name]._replace(records=3))
    assert figures.qrs > 0.98
    assert (figures.p if "P" in name else figures.t) <= 0.02


@pytest.mark.parametrize("rate", [20, 100, 120, 150])
def test_p_is_found_at_every_rate_at_which_there_is_room_for_it(segmenter: EcgSegmenter, rate: int) -> None:
    figures = of_made(segmenter, LEADS, MADE[f"all waves, {rate}/min"]._replace(records=3))
    assert min(figures.p, figures.t) > 0.95
    assert figures.qrs > 0.98


@pytest.mark.parametrize("rate", [240, 300])
def test_qrs_are_found_at_the_highest_rates(segmenter: EcgSegmenter, rate: int) -> None:
    assert of_made(segmenter, LEADS, MADE[f"all waves, {rate}/min"]).qrs == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("name", "most"), [("atrial fibrillation, 70/min", 0.02), ("atrial flutter, 4:1", 0.02)], ids=["AF", "flutter"]
)
def test_atria_without_p_are_given_none(segmenter: EcgSegmenter, name: str, most: float) -> None:
    figures = of_made(segmenter, LEADS, MADE[name]._replace(records=3))
    assert figures.qrs > 0.98
    assert figures.p <= most
    assert figures.p_invented <= 1


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("second-degree AV block, 2:1", 0.95),
        ("second-degree AV block, Wenckebach 4:3", 0.6),
        ("third-degree AV block, 75 and 38/min", 0.5),
    ],
    ids=["2:1", "Wenckebach", "third-degree"],
)
def test_p_of_av_block_are_found_and_no_others(segmenter: EcgSegmenter, name: str, least: float) -> None:
    """A third of the P of third-degree block lie in QRS or T, where the network sees none."""
    figures = of_made(segmenter, LEADS, MADE[name]._replace(records=3))
    assert figures.true_p > 30
    assert figures.p_found >= least
    assert figures.p_invented <= 1


def test_p_are_counted_where_half_of_the_leads_show_them() -> None:
    p_s = np.array([1.0, 2.0, 3.0])
    found = [(0, 1.02), (1, 1.1), (0, 2.0), (1, 2.5), (0, 2.51), (2, 2.55), (3, 4.0)]
    lead, peak_s = (np.array(column) for column in zip(*found, strict=True))
    of_wave = np.ones(len(lead))
    waves = Waves(lead, of_wave.astype(int), peak_s, peak_s, peak_s, of_wave, of_wave, of_wave)
    assert p_over_leads(waves, 4, p_s) == (3, 1, 1)
    assert p_over_leads(waves, 2, p_s) == (3, 2, 1)
    assert p_over_leads(waves, 4, p_s[:0]) == (0, 0, 1)


def test_a_made_record_has_the_waves_that_are_stated() -> None:
    r_s = regular(75, 10.0)
    with_p, without_p = (drawn_ecg(r_s, 10.0, (1.0, 0.8), p_ratio=p, noise_mv=0.0) for p in (0.12, 0.0))
    at_p = [round((r - 0.16) * 100) for r in r_s]
    np.testing.assert_allclose((with_p - without_p)[:, at_p], [[0.11] * len(r_s), [0.09] * len(r_s)], atol=0.025)


def test_groups_are_by_statement_and_rate(tmp_path: Path) -> None:
    prepare(PrepareConfig("synthetic", Path("6"), tmp_path / "store", workers=1))
    store = Store(tmp_path / "store")
    labels = store.labels.iloc[:0].copy()
    said = {0: ["STACH"], 1: ["STACH", "AFIB"], 2: ["SR"], 3: ["2AVB"], 4: ["SR", "1AVB"]}
    rows = [(row, "scp", name) for row, names in said.items() for name in names]
    for column, values in zip(("row", "label_set", "label"), zip(*rows, strict=True), strict=True):
        labels[column] = list(values)
    rate = np.full(len(store), 115.0)
    beats = store.beats.assign(rr_prev_s=(60 / rate[store.beats["row"]]).astype(np.float32))
    told = store.with_tables(labels=labels, records=store.records.assign(fold=9), beats=beats)
    groups = {name: list(of) for name, of in record_groups(told).items()}
    assert groups["sinus tachycardia, 110-120/min"] == [0]
    assert groups["sinus tachycardia, 100-110/min"] == []
    assert groups["atrial fibrillation"] == [1]
    assert groups["sinus rhythm"] == [2, 4]
    assert groups["first-degree AV block"] == [4]
    assert groups["second- or third-degree AV block"] == [3]
    assert record_groups(told, 8)["sinus rhythm"].size == 0


def test_beats_with_p_are_counted(segmenter: EcgSegmenter, tmp_path: Path) -> None:
    prepare(PrepareConfig("synthetic", Path("4"), tmp_path / "store", workers=1))
    store = Store(tmp_path / "store")
    figures = _of_rows(segmenter, store, np.array([0, 1]), ("II", "V5"))
    assert figures.records == 2
    assert figures.beats == (store.beats["row"] < 2).sum()
    assert 0 <= figures.p_per_beat <= 1
    assert figures.pr_stated <= 2
