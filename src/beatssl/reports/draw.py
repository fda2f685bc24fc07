"""The verb `draw`: the pictures of whatever a folder holds."""

from pathlib import Path

from beatssl.reports.classification_pictures import draw_classification
from beatssl.reports.segment_pictures import draw_segmentation
from beatssl.training.segmentation.segment import WAVES


def draw(folder: Path) -> dict[str, Path]:
    """Draw into a folder that probe, finetune or segment wrote, and return the files by name.

    Of a classifier roc.svg, precision-recall.svg and reliability.svg; of a segmenter its best, median and worst record
    on ECG paper, the waves found coloured and the reference marks as bars. Raises ValueError where the folder lacks
    what they are drawn from.

    Args:
        folder: with metrics.json, and predictions.parquet or waves.parquet.
    """
    return draw_segmentation(folder) if (folder / WAVES).is_file() else draw_classification(folder)
