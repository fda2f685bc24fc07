"""The CinC 2020 and 2021 collections."""

import shutil
from collections import Counter
from pathlib import Path

from beatssl.records.datasets.cinc import CincReader


def test_cinc_records(data_root: Path) -> None:
    reader, root = CincReader(), data_root / "cinc2020"
    records = {source.id: reader.read(root, source) for source in reader.sources(root)}
    assert len(records) == 19
    assert Counter(r.source for r in records.values()) == {
        "cpsc2018": 3, "georgia": 7, "chapman-shaoxing": 4, "cpsc2018-extra": 3, "ptb": 2
    }  # fmt: skip
    georgia = records["E00015"]
    assert [label.name for label in georgia.labels] == ["251146004", "284470004"]  # one stands twice in the file
    assert (records["E00001"].age_years, records["E00001"].sex) == (None, "female")
    assert records["S0001"].fs_hz == 1000.0
    assert records["A0001"].labels[0].label_set == "snomed"


def test_one_name_in_two_folders_makes_two_ids(data_root: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for end in ("hea", "mat"):
            shutil.copy(data_root / f"cinc2020/A0002.{end}", tmp_path / folder)
    shutil.copy(data_root / "cinc2020/A0003.hea", tmp_path / "b")
    sources = CincReader().sources(tmp_path)
    assert [source.id for source in sources] == ["a/A0002", "b/A0002", "A0003"]
    assert CincReader().read(tmp_path, sources[1]).source == "cpsc2018"
