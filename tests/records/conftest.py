"""Small clinical files of every format, each holding the same known ECG and the same invented patient."""

from pathlib import Path

import numpy as np
import pytest

from beatssl.records.synthetic.clinical_files import CLINICAL_FILES, ecg_uv


@pytest.fixture(scope="session")
def clinical_uv() -> np.ndarray:
    """The ECG in every clinical file: (12, 1000) in whole µV, 500 Hz."""
    return ecg_uv()


@pytest.fixture(scope="session")
def clinical_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of each clinical format."""
    folder = tmp_path_factory.mktemp("clinical")
    for name, write in CLINICAL_FILES.items():
        (folder / name).write_bytes(write(ecg_uv()))
    return folder


@pytest.fixture(scope="session", params=list(CLINICAL_FILES))
def clinical_name(request: pytest.FixtureRequest) -> str:
    """Each file of `clinical_folder` in turn."""
    return str(request.param)
