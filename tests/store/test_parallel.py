import hashlib
import time
from pathlib import Path

import pytest

from beatssl.store.config import PrepareConfig
from beatssl.store.parallel import in_parallel
from beatssl.store.prepare import prepare


def hashes(store: Path) -> dict[str, str]:
    paths = [path for path in sorted(store.rglob("*")) if path.is_file()]
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def make(out: Path, **changes: object) -> dict[str, str]:
    given = {"kind": "synthetic", "source": "12", "out": out, "shard_records": 4, "clusters": 3, "workers": 1}
    prepare(PrepareConfig(**(given | changes)))
    return hashes(out)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make(tmp_path_factory.mktemp("alone") / "store")


def test_two_processes_make_the_same_bytes_as_one(tmp_path, alone):
    assert make(tmp_path / "store", workers=2) == alone


def test_a_dask_cluster_makes_the_same_bytes(tmp_path, alone):
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0")
    try:
        assert make(tmp_path / "store", dask=cluster.scheduler_address) == alone
    finally:
        cluster.close()


def test_a_worker_that_grows_is_replaced_although_warnings_are_errors():
    def grow(job: int) -> int:
        """Leave as many bytes behind that joblib takes the worker for one that leaks."""
        import joblib

        time.sleep(1.1)
        if job in (2, 3):
            joblib.kept = [*getattr(joblib, "kept", []), b"x" * 400_000_000]
        return job

    assert list(in_parallel(grow, range(6), 2)) == list(range(6))
