"""Files of the package itself."""

import shutil
from pathlib import Path

import pytest

from beatssl import files


def test_code_constants_and_weights_make_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(Path(files.__file__).parent / "beats" / "decoding", tmp_path / "decoding")
    monkeypatch.setattr(files, "__file__", str(tmp_path / "files.py"))
    found = [files.package_sha256()]
    for name in ("presence.json", "presence.py"):
        path = tmp_path / "decoding" / name
        path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
        found.append(files.package_sha256())
    (tmp_path / "model.safetensors").write_bytes(b"0")
    found.append(files.package_sha256())
    assert len(set(found)) == 4
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "presence.pyc").write_bytes(b"0")
    assert files.package_sha256() == found[-1]
