"""The same work on the cores of this machine or on a Dask cluster."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

import joblib

from beatssl.store.config import PrepareConfig

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_parallel(function: Callable[[Job], Result], jobs: Sequence[Job], config: PrepareConfig) -> Iterator[Result]:
    """`function(job)` of every job, in the order of the jobs, as they are done.

    Jobs and results travel between processes, so both should be small; large results belong in files.
    """
    with ExitStack() as stack:
        if config.dask is not None:
            stack.enter_context(_client(config.dask))
            stack.enter_context(joblib.parallel_config(backend="dask"))
            processes = None
        else:
            processes = min(config.process_count, max(len(jobs), 1))
        parallel = joblib.Parallel(n_jobs=processes, return_as="generator")
        results: Any = parallel(joblib.delayed(function)(job) for job in jobs)
        yield from results


def _client(address: str) -> AbstractContextManager[object]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("dask= needs the extra: pip install 'beatssl[dask]'") from error
    return Client(address, timeout=10)
