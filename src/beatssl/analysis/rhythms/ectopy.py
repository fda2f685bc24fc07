"""What ectopic beats do together: couplets, runs, bigeminy and trigeminy, from the classes of beats alone."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from jaxtyping import Float64

from beatssl.analysis.rhythms.result import EctopicGroup, EctopicRun

LEAST_RUN = 3
"""Ectopic beats of one kind in a row that are a run; two are a couplet."""

LEAST_CYCLES = 3
"""Ectopic beats, each after one other beat (bigeminy) or two (trigeminy), that are an episode."""

IN_WORDS = {"S": "supraventricular", "V": "ventricular"}
_KINDS = tuple(IN_WORDS)
_CYCLES = (2, 3)  # beats from one ectopic beat to the next in bigeminy and in trigeminy


def ectopic_runs(
    time_s: Float64[np.ndarray, " beat"], rr_s: Float64[np.ndarray, " beat"], labels: tuple[str, ...]
) -> tuple[EctopicRun, ...]:
    """Three or more ectopic beats of one kind in a row; the rate is that of the intervals between them."""
    out: list[EctopicRun] = []
    for kind, at, count in _in_a_row(labels):
        if count >= LEAST_RUN:
            inside = rr_s[at + 1 : at + count]
            rate = 60 / float(np.nanmean(inside)) if np.isfinite(inside).any() else float("nan")
            out.append(EctopicRun(float(time_s[at]), count, "V" if kind == "V" else "S", rate))
    return tuple(out)


def ectopic_groups(
    time_s: Float64[np.ndarray, " beat"], rr_s: Float64[np.ndarray, " beat"], labels: tuple[str, ...]
) -> tuple[EctopicGroup, ...]:
    """Couplets, and episodes of bigeminy and trigeminy, in order of time.

    In bigeminy each single ectopic beat follows one beat of class N, in trigeminy two; an unknown interval (`rr_s` NaN)
    ends an episode, and what it parts is no couplet.
    """
    out: list[EctopicGroup] = []
    rows = list(_in_a_row(labels))
    for kind, at, count in rows:
        if count == 2 and np.isfinite(rr_s[at + 1]):
            out.append(
                EctopicGroup("couplet", "V" if kind == "V" else "S", float(time_s[at]), float(time_s[at + 1]), 2)
            )
    for kind in _KINDS:
        single = [at for own, at, count in rows if own == kind and count == 1]
        steps = [
            later - at
            if later - at in _CYCLES
            and all(label == "N" for label in labels[at + 1 : later])
            and np.isfinite(rr_s[at + 1 : later + 1]).all()
            else 0
            for at, later in pairwise(single)
        ]
        first = 0
        for step, same in groupby(steps):
            cycles = len(list(same)) + 1
            if step and cycles >= LEAST_CYCLES:
                ends = float(time_s[single[first]]), float(time_s[single[first + cycles - 1]])
                word = "bigeminy" if step == 2 else "trigeminy"
                out.append(EctopicGroup(word, "V" if kind == "V" else "S", *ends, cycles))
            first += cycles - 1
    return tuple(sorted(out, key=lambda one: one.start_s))


def groups_in_words(groups: Sequence[EctopicGroup]) -> list[str]:
    """How many there are of each, such as "2 ventricular couplets"."""
    found = Counter((one.kind, one.name) for one in groups)
    out: list[str] = []
    for (kind, name), count in found.items():
        word = name if name == "couplet" else f"{name} episode"
        out.append(f"{count:,} {IN_WORDS[kind]} {word}{'s' * (count > 1)}")
    return out


def _in_a_row(labels: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Kind, first beat and number of every row of ectopic beats of one kind, a single beat among them."""
    out: list[tuple[str, int, int]] = []
    at = 0
    for kind, group in groupby(labels):
        count = len(list(group))
        if kind in _KINDS:
            out.append((kind, at, count))
        at += count
    return out
