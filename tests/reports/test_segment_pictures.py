"""Best, median and worst record with their waves, on paper."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pandas as pd
import pytest

from beatssl.drawing.ecg_paper import WAVE_COLOURS
from beatssl.reports.segment_pictures import choose_examples, draw_examples, draw_record
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("pictures") / "store"
    prepare(PrepareConfig("synthetic", Path("4"), folder, workers=1))
    return Store(folder)


def test_best_median_and_worst_are_drawn(store: Store, tmp_path: Path) -> None:
    ids = list(store.waves["record_id"].unique())
    shift = store.waves["record_id"].map({name: 0.005 * at for at, name in enumerate(ids)})
    times = {name: store.waves[name] + shift for name in ("onset_s", "peak_s", "offset_s")}
    waves: pd.DataFrame = store.waves.assign(**times)
    chosen = choose_examples(store, waves)
    assert [name for name, _ in chosen.values()] == [ids[0], ids[1], ids[3]]
    assert chosen["best"][1] == 1.0
    for name, file in draw_examples(store, waves, tmp_path).items():
        root = ET.fromstring(file.read_text(encoding="utf-8"))
        assert name in (root.get("aria-label") or "")
        bars = [
            path.get("stroke") for path in root.iter("{http://www.w3.org/2000/svg}path") if path.get("class") == "bar"
        ]
        assert set(bars) <= set(WAVE_COLOURS.values())
        assert bars.count(WAVE_COLOURS["QRS"]) == 13  # twelve leads and the rhythm strip


def test_a_wave_is_drawn_on_its_own_lead(store: Store) -> None:
    record = str(store.records["record_id"].iloc[0])
    one = pd.DataFrame(
        [{"record_id": record, "lead": "V6", "wave": "T", "onset_s": 8.0, "peak_s": 8.1, "offset_s": 8.2}]
    )
    bare = store.with_tables(waves=store.waves.iloc[:0])
    root = ET.fromstring(draw_record(bare, one, record))
    strokes = [path.get("stroke") for path in root.iter("{http://www.w3.org/2000/svg}path")]
    assert strokes.count(WAVE_COLOURS["T"]) == 2  # the legend, and V6
    with pytest.raises(ValueError, match="record 'x' is not in"):
        draw_record(bare, one, "x")
