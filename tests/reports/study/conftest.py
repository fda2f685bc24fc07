from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.files import write_json
from beatssl.results import write_result
from beatssl.studies.study.plan_file import NamedContrast
from beatssl.studies.study.result import CSV, JSON, StudyResult
from beatssl.studies.study.table import COLUMNS, contrast_figures, costs, group_ranks, means

VARIANTS = {"levels": ("rhythm only", "beat only", "both"), "data": ("1/16", "1/4", "1")}


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as study writes it, of made up figures: the later a variant, the better it is."""
    rng = np.random.default_rng(0)
    lines = [
        (group, variant, seed, "small", task, figure, value, figure != "error", figure != "F1", 30.0, "abc", "")
        for group, variants in VARIANTS.items()
        for place, variant in enumerate(variants)
        for seed in range(5)
        for task in ("superclass", "lead-II", "age")
        for figure, value in (
            ("F1", 0.5), ("error", 9 - place) if task == "age" else ("AUROC", 0.8 + 0.02 * place + 0.005 * rng.random())
        )
    ]  # fmt: skip
    table = pd.DataFrame(lines, columns=list(COLUMNS))
    contrast = NamedContrast("both against rhythm", "levels", "both", "rhythm only", ("lead-II",))
    folder = tmp_path_factory.mktemp("studied")
    table.to_csv(folder / CSV, index=False)
    write_json(folder / "config.json", {"study": {}})
    write_result(
        folder / JSON,
        StudyResult(
            "default",
            means(table),
            costs(table),
            contrast_figures(table, [contrast], {}),
            group_ranks(table),
            set_aside=(),
        ),
    )
    return folder
