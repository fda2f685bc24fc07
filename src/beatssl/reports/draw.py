"""The verb `draw`: the pictures of whatever a folder holds."""

from pathlib import Path

_DRAWN = {"segment": "segment", "probe": "classification", "finetune": "classification", "study": "study"}
"""What the folder of a verb is drawn as."""


def draw(folder: Path) -> dict[str, Path]:
    """Draw into a folder that probe, finetune, segment or study wrote, and return the files by name.

    Of a classifier roc.svg, precision-recall.svg and reliability.svg; of a regressor numbers.svg, predicted over true;
    of a segmenter its best, median and worst record on ECG paper, the waves found coloured and the reference marks as
    bars, and how often waves are there against their confidence; of a study mean ranks with the critical
    difference, figures by seed, curves and contrasts. Pictures drawn before are replaced.

    Raises ValueError where the folder is another kind's, or lacks what they are drawn from.

    Args:
        folder: with metrics.json, and predictions.parquet or waves.parquet; or with study.json and study.csv.
    """
    from beatssl.store.outputs import known_as, what_is

    found = what_is(folder)
    verb = next((verb for verb in _DRAWN if found == f"a folder that {verb} wrote"), None)
    if verb is None:
        raise ValueError(
            f"{folder} is {known_as(folder) or found}; draw takes a folder that probe, finetune, segment or study wrote"
        )
    if _DRAWN[verb] == "segment":
        from beatssl.reports.segment_pictures import draw_segmentation

        return draw_segmentation(folder)
    if _DRAWN[verb] == "study":
        from beatssl.reports.study.pictures import draw_study

        return draw_study(folder)
    from beatssl.reports.classification_pictures import draw_classification
    from beatssl.reports.number_pictures import draw_numbers, of_numbers

    if of_numbers(folder):
        return draw_numbers(folder)
    return draw_classification(folder)
