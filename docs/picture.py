"""The picture on the README, made anew with `python docs/picture.py`: a synthetic ECG and the waves found in it."""

from pathlib import Path

from beatssl import EcgSegmenter, ecg_paper
from beatssl.drawing.ecg_paper import WaveSpan
from beatssl.records.synthetic import synthetic_record

PICTURE = Path(__file__).with_name("waves.svg")


def picture() -> str:
    """SVG of one record of the synthetic cohort, P, QRS and T coloured where the bundled segmenter finds them."""
    segmenter = EcgSegmenter.from_pretrained("default")
    record = synthetic_record(0, duration_s=7.0)
    ecg_mv = segmenter.preparation.apply(record.ecg_mv, record.leads, record.fs_hz)
    waves = segmenter.predict(record.ecg_mv, record.leads, record.fs_hz).dropna(subset=["onset_s", "offset_s"])
    columns = (waves[name] for name in ("wave", "onset_s", "offset_s", "lead"))
    spans = [WaveSpan(wave, onset_s, offset_s, lead) for wave, onset_s, offset_s, lead in zip(*columns, strict=True)]
    title = "Synthetic record, waves found by the bundled segmenter"
    return ecg_paper(ecg_mv, segmenter.preparation.fs_hz, spans, title=title)


if __name__ == "__main__":
    PICTURE.write_text(f"<!-- made by: python docs/picture.py -->\n{picture()}\n", encoding="utf-8")
    print(PICTURE)
