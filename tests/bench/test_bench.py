"""The verb `bench`: figures that are there are not replaced unasked."""

from pathlib import Path

import pytest

from beatssl.bench.bench import BenchConfig, bench


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "bench.json"
    out.write_text("mine")
    with pytest.raises(ValueError, match=r"bench.json is there already; pass another out=, or overwrite=True"):
        bench(BenchConfig("fuzz", out=out, files=1))
    assert out.read_text() == "mine"
