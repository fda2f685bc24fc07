"""The same work on the cores of this machine or on a Dask cluster."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_parallel(
    function: Callable[[Job], Result], jobs: Sequence[Job], processes: int | None = None, dask: str | None = None
) -> Iterator[Result]:
    """`function(job)` of every job, in the order of the jobs, as they are done.

    Jobs and results travel between processes, so both should be small; large results belong in files.

    Args:
        function: what to do; a function of a module.
        jobs: its arguments.
        processes: of this machine, at most; None: one for each core.
        dask: address of a Dask scheduler, whose workers do the work instead.

    Raises ImportError where `dask` is given and Dask is not installed, OSError where no scheduler answers.
    """
    if dask is None and (processes == 1 or len(jobs) <= 1):
        yield from map(function, jobs)
        return
    import joblib

    # joblib replaces a worker whose memory has grown, and warns of it. As an error the warning would kill the thread
    # that waits for the workers, and the caller would wait for ever.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
    with ExitStack() as stack:
        count = None
        if dask is not None:
            stack.enter_context(_client(dask))
            stack.enter_context(joblib.parallel_config(backend="dask"))
        else:
            count = min(processes or joblib.cpu_count(), max(len(jobs), 1))
        results: Any = joblib.Parallel(n_jobs=count, return_as="generator")(joblib.delayed(function)(j) for j in jobs)
        yield from results


def _client(address: str) -> AbstractContextManager[object]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError("dask= needs the extra: pip install 'beatssl[dask]'") from error
    return Client(address, timeout=10)
