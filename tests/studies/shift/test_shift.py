"""The whole study on tiny stores: what is the same loses nothing, what is taken away is lost."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.inference.classifier import EcgClassifier, HeadConfig
from beatssl.inference.model_folder import save_model
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.reports.scorecard.shift_lines import shift_lines
from beatssl.results import read_result, write_result
from beatssl.store.store import Store
from beatssl.studies.shift.config import ShiftConfig
from beatssl.studies.shift.questions import LABELS, Database, Read, labels_in, labels_of_ptbxl
from beatssl.studies.shift.result import ShiftFigures
from beatssl.studies.shift.shift import SHIFT, shift

RECORDS = 34


def labelled(store: Store, *sets: tuple[str, list[str]]) -> pd.DataFrame:
    """A label of each set for every row, in turn."""
    lines = [(row, name, of[row % len(of)]) for name, of in sets for row in range(len(store))]
    table = pd.DataFrame(lines, columns=["row", "label_set", "label"])
    ids = store.records["record_id"].to_numpy()[table["row"]]
    return table.assign(record_id=ids, likelihood=100.0)


@pytest.fixture(scope="module")
def stores(larger: Store, copied_with: Callable[..., Store], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PTB-XL, half of it in the test fold; Brugada-HUCA, the same records; INCART, of lead II alone."""
    folder = tmp_path_factory.mktemp("stores")
    person = pd.factorize(larger.records["patient_id"])[0]
    fold = np.array([1, 9, 8, 9])[person % 4]
    labels = labelled(larger, ("superclass", list(LABELS[:5])), ("scp", ["AFIB", "SR", "SR"]))
    made = {
        "ptb-xl": copied_with(larger, records=larger.records.assign(fold=fold), labels=labels),
        "brugada-huca": copied_with(larger, labels=labelled(larger, ("brugada", ["healthy", "brugada", "other"]))),
        "incartdb": copied_with(
            larger, records=larger.records.assign(lead_names=[np.array(["", "II"])] * RECORDS, source_fs_hz=128.0)
        ),
    }
    for name, store in made.items():
        store.path.rename(folder / name)
    return folder


@pytest.fixture(scope="module")
def classifier(larger: Store, tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    network = build_encoder(EncoderConfig(width=0.25, depth=0.1, embedding=0))
    model = EcgClassifier(network, HeadConfig(LABELS), larger.preparation, {"pretraining": {"method": "none"}})
    folder = tmp_path_factory.mktemp("classifier") / "model"
    save_model(folder, model)
    return str(folder)


@pytest.fixture(scope="module")
def found(stores: Path, classifier: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[ShiftFigures, Path]:
    out = tmp_path_factory.mktemp("shift") / "out"
    config = ShiftConfig(stores, Path(str(RECORDS)), out, classifier, records=8, bootstrap_draws=20, device="cpu")
    return shift(config), out


def test_the_figures_are_written_as_they_are_returned(found: tuple[ShiftFigures, Path], tmp_path: Path) -> None:
    figures, out = found
    write_result(tmp_path / SHIFT, read_result(out / SHIFT, ShiftFigures))
    assert (tmp_path / SHIFT).read_text() == (out / SHIFT).read_text()
    assert tuple(figures.databases) == ("brugada-huca", "incartdb")
    assert "INCART: PTB-XL" in str(figures)


def test_what_was_recorded_alike_loses_nothing(found: tuple[ShiftFigures, Path]) -> None:
    one = found[0].databases["brugada-huca"]
    assert one.asked == ("NORM",)
    assert one.records == 23  # of 34 every third is neither
    for model in one.models.values():
        assert all(abs(of.value) < 0.5 for of in model.changes.values())
        assert not {"rate", "leads", "noise", "length", "amplitude step"} & model.changes.keys()
        assert model.own is not None
        assert model.rest is not None
        changed = model.ptbxl.value + model.all_changes.value
        assert model.rest.value == pytest.approx(model.own.value - changed)
        assert model.labels["NORM"].own == pytest.approx(model.own.value)
    assert one.models["classifier"].within is None
    assert one.models["encoder"].within is not None


def test_a_database_without_such_labels_has_what_its_recordings_cost(found: tuple[ShiftFigures, Path]) -> None:
    one = found[0].databases["incartdb"]
    assert one.recording.fs_hz == 128
    for model in one.models.values():
        assert {"rate", "leads", "baseline"} <= model.changes.keys()
        assert model.own is None
        assert model.rest is None
    assert one.without


def test_the_tables_hold_every_database_and_model(found: tuple[ShiftFigures, Path]) -> None:
    lines = "\n".join(shift_lines(found[0]))
    assert lines.count("| INCART | 34 |") == 3
    assert "| Brugada-HUCA | NORM | 12 of 23 | 52% |" in lines
    assert lines.count("nan") == 0


def test_files_of_another_data_set_are_refused(
    stores: Path, classifier: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, before anything is measured or learnt."""
    monkeypatch.setattr("beatssl.studies.shift.shift.learn_models", None)
    config = ShiftConfig(stores, Path("3"), tmp_path / "out", classifier, bootstrap_draws=2, device="cpu")
    with pytest.raises(ValueError, match="lacks record"):
        shift(config)
    with pytest.raises(ValueError, match="nothing is known"):
        shift(ShiftConfig(stores, Path("34"), tmp_path / "out", classifier, databases=("mitdb",)))
    with pytest.raises(ValueError, match="no store ptbdb"):
        shift(ShiftConfig(stores, Path("34"), tmp_path / "out", classifier, databases=("ptbdb",)))


def test_labels_are_read_from_those_of_the_database(larger: Store, copied_with: Callable[..., Store]) -> None:
    store = larger.with_tables(labels=labelled(larger, ("cinc2017", ["af", "normal", "other", "noise"])))
    about = Database("x", reads=(Read("AFIB", "cinc2017", ("af",), ("normal", "other")),))
    found = labels_in(store, about)
    assert found.names == ("AFIB",)
    assert found.given[:4, 0].tolist() == [True, False, False, False]
    assert found.known[:4, 0].tolist() == [True, True, True, False]
    with pytest.raises(ValueError, match="no label that PTB-XL has"):
        labels_in(store, Database("x", reads=(Read("NORM", "cinc2017", ("healthy",), ("af",)),)))
    both = larger.with_tables(labels=labelled(larger, ("superclass", ["NORM", "MI"]), ("scp", ["AFIB", "SR"])))
    of = labels_of_ptbxl(both)
    assert of.given[:2].tolist() == [[True, *[False] * 4, True], [False, True, *[False] * 4]]
    assert of.known.all()
