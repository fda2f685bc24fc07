"""Statistics over the runs of a study: paired differences over seeds, ranks over tasks."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64
from scipy.stats import friedmanchisquare, rankdata, studentized_range, t

from beatssl.studies.study.result import PairedDifference, Ranks


def paired_difference(
    a: Float64[np.ndarray, " seed"], b: Float64[np.ndarray, " seed"], level: float = 0.95
) -> PairedDifference:
    """mean(a − b) ± t · s/√n, s the standard deviation of the n differences, t Student's quantile with n − 1 degrees.

    Raises ValueError for no seed, or other numbers of them.
    """
    if len(a) != len(b) or len(a) == 0:
        raise ValueError(f"{len(a)} and {len(b)} values; pass one of each variant for every seed")
    difference = a - b
    n, mean = len(difference), float(difference.mean())
    if n == 1:
        return PairedDifference(mean, float("nan"), float("nan"), n)
    reach = float(t.ppf((1 + level) / 2, n - 1) * difference.std(ddof=1) / np.sqrt(n))
    return PairedDifference(mean, mean - reach, mean + reach, n)


def ranks(values: Mapping[str, Sequence[float]], tasks: Sequence[str], level: float = 0.95) -> Ranks:
    """Mean ranks of variants, whose values stand in the order of `tasks` and where higher is better; ties share a rank.

    Friedman's test, and Nemenyi's critical difference q · √(k (k + 1) / (6 N)) of k variants over N tasks, q the
    quantile of the studentized range over √2 (Demšar, JMLR 2006;7:1).

    Raises ValueError for fewer than two variants, no task, or values that are not one a task.
    """
    names = list(values)
    if len(names) < 2 or not tasks or any(len(values[name]) != len(tasks) for name in names):
        raise ValueError(f"{len(names)} variants over {len(tasks)} tasks; pass two at least, and a value for each task")
    table = np.array([values[name] for name in names], np.float64)
    of = np.array([rankdata(-column) for column in table.T]).mean(axis=0)
    k, n = table.shape
    p, reach = float("nan"), float("nan")
    if n > 1:
        q = float(studentized_range.ppf(level, k, np.inf)) / np.sqrt(2)
        reach = float(q * np.sqrt(k * (k + 1) / (6 * n)))
        if k > 2 and (table.max(axis=0) > table.min(axis=0)).any():
            p = float(friedmanchisquare(*table).pvalue)
    best = np.argsort(of, kind="stable")
    return Ranks({names[i]: float(of[i]) for i in best}, tuple(tasks), p, reach)
