import numpy as np
import pandas as pd
import pytest

from beatssl.beats.classes.classifier import CLASSES
from beatssl.beats.classes.matching import matched_classes
from beatssl.checks.beat_classes import check_beat_classes, figures_of_marked_beats, rows_alone
from beatssl.metrics.beat_classes import ClassScore
from beatssl.store.store import Store


def beats_of(record: str, times: list[float], classes: str, clusters: list[int]) -> pd.DataFrame:
    probability = {f"class_p_{c}": [0.9 if c == k else 0.02 for k in classes] for c in CLASSES}
    columns = {"record_id": record, "time_in_record_s": times, "class": list(classes), "cluster": clusters}
    return pd.DataFrame(columns | probability)


def marks_of(record: str, times: list[float], symbols: str) -> pd.DataFrame:
    return pd.DataFrame({"record_id": record, "time_s": times, "symbol": list(symbols)})


def test_missed_and_false_beats_count_and_flutter_does_not():
    beats = beats_of("x", [1.05, 2.0, 5.0, 6.0], "NVVN", [0, 1, 1, 0])
    marks = marks_of("x", [1.0, 2.0, 3.0, 6.0], "LVV!")
    pairs = matched_classes(beats, marks)
    triples = sorted(zip(pairs["true"], pairs["found"], pairs["line"], strict=True))
    assert triples == [(0, 0, 0), (2, 2, 1), (2, 4, -1), (4, 2, 2)]
    figures = check_beat_classes(Store.in_memory(beats=beats, reference_beats=marks)).sets["all"].per_class["V"]
    assert figures == ClassScore(sensitivity=0.5, ppv=0.5, f1=0.5, beats=2)


def test_clusters_get_their_class_from_ds1():
    train = beats_of("101", [1.0, 2.0, 3.0], "NNN", [0, 0, 7]), marks_of("101", [1.0, 2.0, 3.0], "NNV")
    test = beats_of("100", [1.0, 2.0, 3.0], "NNN", [0, 7, 9]), marks_of("100", [1.0, 2.0, 3.0], "NVN")
    beats, marks = (pd.concat(pair, ignore_index=True) for pair in zip(train, test, strict=True))
    figures = figures_of_marked_beats(Store.in_memory(beats=beats, reference_beats=marks))
    assert figures.clusters_mapped_on_DS1.per_class["V"].sensitivity == 1
    assert figures.clusters_mapped_on_DS1.macro_f1 == 1
    assert figures.sets["DS2"].per_class["V"].sensitivity == 0


def test_labels_do_where_no_beat_is_marked():
    beats = pd.concat([beats_of(str(r), [1.0, 2.0], c, [0, 0]) for r, c in enumerate(("NV", "NN", "NS"))])
    beats["row"] = np.repeat([0, 1, 2], 2)
    labels = pd.DataFrame({"row": [0, 1, 2], "label": ["PVC", "NORM", "PAC"]})
    figures = check_beat_classes(Store.in_memory(beats=beats, labels=labels))
    assert figures.auroc_PVC.auroc == 1
    assert figures.share_of_beats["PVC"].share["V"] == 0.5
    assert figures.share_of_beats["NORM"].share["N"] == 1


def test_nothing_to_check_against_is_an_error():
    with pytest.raises(ValueError, match="prepare mitdb"):
        check_beat_classes(Store.in_memory(beats=beats_of("x", [1.0], "N", [0])))


def test_record_232_is_left_out_of_one_set():
    records = ("101", "100", "232")
    beats = pd.concat([beats_of(r, [1.0, 2.0], "NS", [0, 0]) for r in records], ignore_index=True)
    marks = pd.concat([marks_of(r, [1.0, 2.0], s) for r, s in zip(records, ("NA", "NN", "AA"), strict=True)])
    sets = figures_of_marked_beats(Store.in_memory(beats=beats, reference_beats=marks)).sets
    assert [sets[name].records for name in ("DS1", "DS2", "DS2_without_232")] == [1, 2, 1]
    assert sets["DS2"].per_class["S"].sensitivity == 0.5
    assert sets["DS2_without_232"].per_class["S"].beats == 0
    assert sets["DS2"].ci95["sensitivity of S"] == (0.5, 0.5)  # of draws with an S; both records have none or one


def test_ppv_of_s_at_every_sensitivity():
    """Four S of which one is missed; a lower limit on the odds finds a third one, and the false beat with it."""
    beats = beats_of("x", [1.0, 2.0, 3.0, 5.0], "SSNN", [0] * 4)
    beats["class_p_S"] = [0.9, 0.8, 0.3, 0.3]
    beats["class_p_N"] = [0.05, 0.1, 0.6, 0.6]
    marks = marks_of("x", [1.0, 2.0, 3.0, 4.0, 5.0], "AAAAN")
    curve = check_beat_classes(Store.in_memory(beats=beats, reference_beats=marks)).sets["all"].ppv_of_S
    assert curve["0.5"] == 1
    assert curve["0.6"] == curve["0.7"] == 0.75
    assert np.isnan(curve["0.8"])


def test_a_row_alone_knows_nothing_of_the_others():
    """A beat that is early against the rows before, but stands first in its own row, is not early there."""
    clock = np.arange(1000) / 100
    times = [np.arange(0.5, 9.9, 0.8), np.arange(0.9, 9.9, 0.8)]
    ecg = np.stack([np.exp(-0.5 * ((clock[:, None] - t) / 0.015) ** 2).sum(axis=1) for t in times])[:, None]
    beats = pd.DataFrame({"row": np.repeat([0, 1], [len(t) for t in times]), "time_s": np.concatenate(times)})
    beats["class"] = "V"
    records = pd.DataFrame({"record_id": ["x", "x"]})
    store = Store.in_memory(ecg_mv=ecg.astype(np.float32).repeat(2, axis=1), beats=beats, records=records)
    whole, second = rows_alone(store, beats), rows_alone(store, beats[beats["row"] == 1])
    assert len(whole) == len(beats)
    assert (whole["class"] == "N").mean() > 0.9
    assert whole[whole["row"] == 1]["class"].tolist() == second["class"].tolist()


# A floor a little below what is measured, so that no change loses it unseen.
def test_beat_classes_of_mitbih(mitdb):
    figures = check_beat_classes(mitdb).sets["DS2"]
    assert figures.per_class["V"].sensitivity >= 0.945
    assert figures.per_class["V"].ppv >= 0.91
    assert figures.per_class["N"].sensitivity >= 0.97
    assert figures.per_class["S"].sensitivity >= 0.48
    assert figures.per_class["S"].ppv >= 0.82
    assert figures.macro_f1 >= 0.74
