import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from beatssl.inference.classifier import EcgClassifier, HeadConfig
from beatssl.inference.model_folder import CheckpointError, save_model
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.results import printed, read_result, to_json
from beatssl.store.config import PrepareConfig
from beatssl.store.labels import SUPERCLASSES
from beatssl.store.prepare import prepare
from beatssl.store.store import Store
from beatssl.store.vocabularies.snomed import snomed_table, translate
from beatssl.studies.config import RecalibrateConfig, TransferConfig
from beatssl.studies.recalibrate import Recalibration, recalibrate
from beatssl.studies.site import score_records, site_labels
from beatssl.studies.transfer import TransferFigures, transfer

TINY = EncoderConfig(width=0.25, depth=0.5)
MI, OLD_MI, INFERIOR, STD, SR, LBBB = "164865005", "164867002", "425419005", "429622005", "426783006", "733534002"


def coded(*codes: tuple[str, ...], sources: str = "") -> Store:
    """A store of rows with SNOMED CT codes, and a source a row: the letters of `sources`."""
    lines = [(row, "snomed", code) for row, own in enumerate(codes) for code in own]
    return Store.in_memory(
        records=pd.DataFrame({"source": list(sources or "a" * len(codes))}),
        labels=pd.DataFrame(lines, columns=["row", "label_set", "label"]),
    )


def read(store: Store, label_set: str, names: tuple[str, ...]) -> list[str]:
    """Each row's labels: + given, − known not to be there, ? not known."""
    found = translate(store, label_set, names).labels
    return ["".join("+" if g else "-" if k else "?" for g, k in zip(*row, strict=True))
            for row in zip(found.given, found.known, strict=True)]  # fmt: skip


def classifier_for(store: Store, labels: tuple[str, ...] = SUPERCLASSES, **provenance: object) -> EcgClassifier:
    torch.manual_seed(0)
    about = {"head": {"labels": "superclass"}} | provenance
    return EcgClassifier(build_encoder(TINY), HeadConfig(labels), store.preparation, about).eval()


@pytest.fixture(scope="module")
def cinc(data_root, copied_with, tmp_path_factory) -> Store:
    """The CinC records at hand, one of them as if it were PTB-XL's."""
    folder = tmp_path_factory.mktemp("cinc") / "store"
    prepare(PrepareConfig("cinc", data_root / "cinc2020", folder, workers=1, clusters=3))
    own = (records := Store(folder).records)["record_id"].eq("A0003")
    return copied_with(Store(folder), records=records.assign(source=records["source"].mask(own, "ptb-xl")))


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("site") / "store"
    prepare(PrepareConfig("synthetic", "40", folder, workers=1, clusters=3))
    return Store(folder)


def test_every_line_of_the_table_is_in_ptbxls_terms(data_root):
    statements = pd.read_csv(data_root / "ptb-xl" / "scp_statements.csv", index_col=0, dtype=str)
    table = snomed_table()
    assert table.index.is_unique
    assert table.index.str.fullmatch(r"\d{6,18}").all()
    assert (table["source"] != "").all()
    for code, line in table.iterrows():
        classes = set(statements["diagnostic_class"].dropna())
        assert set(line["undecided"].split()) <= classes, code
        assert line["superclass"] in classes | {""}, code
        assert any(line[["superclass", "statement", "undecided"]]), code
        if line["subclass"]:
            assert line["superclass"] in set(statements.query(f"diagnostic_subclass == '{line['subclass']}'")
                                             ["diagnostic_class"]), code  # fmt: skip
        if line["statement"]:
            own = statements.loc[line["statement"]].fillna("")
            if line["superclass"]:
                assert tuple(own[["diagnostic_class", "diagnostic_subclass"]]) == tuple(
                    line[["superclass", "subclass"]]
                ), code
            else:
                assert "1.0" in tuple(own[["form", "rhythm"]]), code


def test_codes_of_a_row_give_deny_and_leave_open():
    store = coded((SR,), (SR, MI), (LBBB,), (LBBB, STD), (STD,), (INFERIOR,))
    assert read(store, "superclass", ("NORM", "MI", "STTC", "CD")) == ["+---", "-+--", "---+", "--?+", "????", "--+-"]


def test_a_wider_term_says_nothing_of_which_one():
    store = coded((MI,), (INFERIOR,), ("54329005",), ("54329005", MI))
    assert read(store, "subclass", ("AMI", "ISCI", "IMI")) == ["???", "-+?", "+-?", "+-?"]


def test_a_source_that_never_gives_a_label_does_not_annotate_it():
    store = coded((SR,), (MI,), (SR,), (LBBB,), sources="aabb")
    assert read(store, "superclass", ("NORM", "MI", "CD")) == ["+-?", "-+?", "+?-", "-?+"]


def test_statements_of_form_and_rhythm():
    store = coded((SR,), (SR, STD), ("164889003",))
    assert read(store, "all", ("NORM", "SR", "STD_", "AFIB")) == ["++--", "-++-", "---+"]


def test_codes_of_the_records_at_hand(cinc):
    names = cinc.records["record_id"].tolist()
    found = dict(zip(names, translate(cinc, "superclass", SUPERCLASSES).labels.given, strict=True))
    said = {name: [label for label, has in zip(SUPERCLASSES, row, strict=True) if has] for name, row in found.items()}
    assert said["A0001"] == ["CD"]
    assert said["A0002"] == ["NORM"]
    assert said["E00015"] == []  # low voltage and premature beats
    unmapped = translate(cinc, "superclass", SUPERCLASSES).unmapped
    assert set(unmapped) == {"39732003"}


def test_a_classifier_is_scored_and_ptbxls_records_are_refused(cinc, tmp_path):
    save_model(tmp_path / "probe" / "head", classifier_for(cinc))
    found = transfer(TransferConfig(cinc.path, str(tmp_path / "probe"), tmp_path / "out", bootstrap_draws=20))
    assert to_json(found) == json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert to_json(read_result(tmp_path / "out" / "metrics.json", TransferFigures)) == to_json(found)
    assert not {"unmapped_codes", "trained"} & printed(found).keys()
    table = pd.read_parquet(tmp_path / "out" / "predictions.parquet")
    assert not table["record_id"].eq("A0003").any()
    assert found.records.refused_ptbxl == 1
    assert found.records.scored + found.records.refused_ptbxl + found.records.without_label == 19
    assert found.records.scored == len(table) == sum(one.scored for one in found.by_source.values())
    assert set(found.by_source) == set(table["source"]) <= {"cpsc2018", "georgia", "chapman-shaoxing", "ptb",
                                                              "cpsc2018-extra"}  # fmt: skip
    norm = found.per_class["NORM"]
    assert (norm.known, norm.positives) == (table["true_NORM"].notna().sum(), table["true_NORM"].sum())
    alone = ~cinc.records["record_id"].duplicated(keep=False).to_numpy()[table["row"]]
    row = int(table.loc[alone, "row"].iloc[0])  # a record of one row
    ecg_mv = torch.from_numpy(cinc.ecg_mv([row]))
    own = EcgClassifier.from_pretrained(tmp_path / "probe" / "head")
    expected = own.probabilities(ecg_mv.nan_to_num(), ecg_mv.isfinite().any(dim=2),
                                 torch.tensor([int(cinc.records["samples"][row])]))[0]  # fmt: skip
    assert np.allclose(table.loc[alone].filter(like="p_").iloc[0], expected, atol=1e-5)


def test_a_store_of_ptbxl_alone_is_refused(cinc, copied_with, tmp_path):
    save_model(tmp_path / "head", classifier_for(cinc))
    ptbxl = copied_with(cinc, records=cinc.records.assign(source="ptb-xl"))
    with pytest.raises(ValueError, match=r"all \d+ rows of .* are PTB-XL's own records"):
        transfer(TransferConfig(ptbxl.path, str(tmp_path / "head"), tmp_path / "out"))


def test_what_cannot_be_translated_is_named(synthetic, tmp_path):
    with pytest.raises(ValueError, match="no SNOMED CT codes; prepare a CinC collection, or ptbdb"):
        translate(synthetic, "superclass", SUPERCLASSES)
    with pytest.raises(ValueError, match=r"'my.csv' has no SNOMED CT codes"):
        translate(synthetic, "my.csv", SUPERCLASSES)
    with pytest.raises(ValueError, match="the classifier knows XYZ: none is both"):
        site_labels(synthetic, "superclass", "superclass", ("XYZ",))
    with pytest.raises(CheckpointError):
        transfer(TransferConfig(synthetic.path, str(tmp_path), tmp_path / "out"))


def made_site(synthetic, tmp_path):
    """A site whose labels follow the classifier's log odds, four times flatter and shifted, for two of three labels."""
    classifier = classifier_for(synthetic, ("A", "B", "C"))
    known = np.ones((len(synthetic), 3), bool)
    labels = site_labels_of(known)
    scores = score_records(classifier, synthetic, labels).log_odds
    odds = (scores - np.median(scores, axis=0)) / scores.std(axis=0)
    true = odds + np.random.default_rng(0).logistic(size=odds.shape) > 0
    table = pd.DataFrame(true[:, :2].astype(int), columns=["A", "B"])
    table.insert(0, "record_id", synthetic.records["record_id"].to_numpy())
    table.to_csv(tmp_path / "site.csv", index=False)
    save_model(tmp_path / "head", classifier)
    return classifier


def site_labels_of(known):
    from beatssl.store.labels import Labels

    return Labels(known, known, ("A", "B", "C"))


def test_recalibration_fits_temperatures_and_thresholds_and_nothing_else(synthetic, tmp_path):
    classifier = made_site(synthetic, tmp_path)
    config = RecalibrateConfig(str(tmp_path / "head"), synthetic.path, str(tmp_path / "site.csv"), tmp_path / "new")
    found = recalibrate(config)
    assert to_json(found) == json.loads((tmp_path / "new" / "recalibration.json").read_text())
    assert to_json(read_result(tmp_path / "new" / "recalibration.json", Recalibration)) == to_json(found)
    new = EcgClassifier.from_pretrained(tmp_path / "new")
    before, after = classifier.state_dict(), new.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"temperatures", "thresholds"}
    assert new.temperatures[2] == 1
    assert new.thresholds[2] == 0.5
    assert new.provenance["recalibrated"]["kept"] == ["C"]
    assert new.provenance["recalibrated"]["records"] == len(synthetic)
    for name in "AB":
        line = found.per_class[name]
        assert line.fitted
        assert line.f1_after >= line.f1_before
        assert line.temperature_after == pytest.approx(float(new.temperatures["AB".index(name)]), rel=1e-5)
    assert not found.per_class["C"].fitted
    assert to_json(recalibrate(config)) == to_json(found)
    with pytest.raises(ValueError, match="is a saved classifier; recalibrate writes to an empty one"):
        recalibrate(replace(config, out=tmp_path / "head"))
    with pytest.raises(ValueError, match="is the classifier itself"):
        recalibrate(replace(config, out=tmp_path / "head", overwrite=True))
    with pytest.raises(ValueError, match=r"recalibrate\.folds:  against 1-3"):
        recalibrate(replace(config, folds="1-3"))


def test_too_few_labels_are_refused(synthetic, tmp_path):
    made_site(synthetic, tmp_path)
    few = pd.read_csv(tmp_path / "site.csv", dtype={"record_id": str}).head(12)
    few.to_csv(tmp_path / "few.csv", index=False)
    config = RecalibrateConfig(str(tmp_path / "head"), synthetic.path, str(tmp_path / "few.csv"), tmp_path / "new")
    with pytest.raises(ValueError, match="no label of A, B, C has 10 positives and 10 negatives among 12 records"):
        recalibrate(config)
    with pytest.raises(ValueError, match="in folds '77'"):
        recalibrate(RecalibrateConfig(config.classifier, config.store, config.labels, config.out, folds="77"))
