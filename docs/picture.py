"""The pictures on the pages, made anew with `python docs/picture.py`: waves of an ECG, variants of the study."""

from pathlib import Path

import pandas as pd

from beatssl import EcgSegmenter, ecg_paper
from beatssl.drawing.ecg_paper import WaveSpan
from beatssl.records.synthetic import synthetic_record
from beatssl.reports.study.front_picture import front_picture
from beatssl.reports.study.pictures import figures_by_seed, rank_axis
from beatssl.results import read_result
from beatssl.studies.study.result import StudyResult

DOCS = Path(__file__).parent
STUDY = DOCS.parent / "results" / "study"


def waves() -> str:
    """SVG of one record of the synthetic cohort, P, QRS and T coloured where the bundled segmenter finds them."""
    segmenter = EcgSegmenter.from_pretrained("default")
    record = synthetic_record(0, duration_s=7.0)
    ecg_mv = segmenter.preparation.apply(record.ecg_mv, record.leads, record.fs_hz)
    found = segmenter.predict(record.ecg_mv, record.leads, record.fs_hz).dropna(subset=["onset_s", "offset_s"])
    columns = (found[name] for name in ("wave", "onset_s", "offset_s", "lead"))
    spans = [WaveSpan(wave, onset_s, offset_s, lead) for wave, onset_s, offset_s, lead in zip(*columns, strict=True)]
    title = "Synthetic record, waves found by the bundled segmenter"
    return ecg_paper(ecg_mv, segmenter.preparation.fs_hz, spans, title=title)


def records_beats() -> str:
    """SVG of beats against records, the variants of the package's study at its small budget."""
    result = read_result(STUDY / "study.json", StudyResult)
    drawn = front_picture(result, "small")
    assert drawn is not None, "no variant of the study has both figures"
    return drawn


def seeds() -> str:
    """SVG of every seed of the study's named contrasts."""
    table = pd.read_csv(STUDY / "study.csv", dtype={"variant": str})
    return figures_by_seed(table[table["chooses"].astype(bool) & (table["group"] == "contrasts")])


def rivals() -> str:
    """SVG of the mean ranks of the presets with the critical difference."""
    result = read_result(STUDY / "study.json", StudyResult)
    return rank_axis(next(one.ranks for one in result.ranks if one.group == "rivals"))


PICTURES = {"waves.svg": waves, "records-beats.svg": records_beats, "seeds.svg": seeds, "rivals.svg": rivals}

if __name__ == "__main__":
    for name, picture in PICTURES.items():
        (DOCS / name).write_text(f"<!-- made by: python docs/picture.py -->\n{picture()}\n", encoding="utf-8")
        print(DOCS / name)
