"""Exchanged electrodes: how many, made in software, are found, and how many records as they are pass for one."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from beatssl.results import Number
from beatssl.signals.electrodes import EXCHANGES, FLAT, LEARNT, exchanged, misplaced
from beatssl.store.store import Store

_Z95 = 1.959964


@dataclass(frozen=True)
class ElectrodeCheckConfig:
    """Folds of the check: the model of exchanged electrodes has seen 1 to 8 of PTB-XL."""

    test_folds: tuple[int, ...] = (9,)


@dataclass(frozen=True)
class ExchangeFigures:
    """One exchange, made in every record, with 95 % intervals by Wilson's score."""

    exchange: str
    detected: bool
    """Whether `misplaced` looks for it."""
    records: int
    sensitivity: Number
    """Share named as this exchange."""
    sensitivity_ci95: tuple[Number, Number]
    found: Number
    """Share named as any exchange."""
    specificity: Number
    """Share of the records as they are that are not named as this exchange."""
    specificity_ci95: tuple[Number, Number]


@dataclass(frozen=True)
class ElectrodeFigures:
    """Records as they are count as right; some are not, so that the true specificity is higher."""

    folds: tuple[int, ...]
    records: int
    specificity: Number
    """Share of the records as they are that are named as no exchange at all."""
    specificity_ci95: tuple[Number, Number]
    exchanges: tuple[ExchangeFigures, ...]


def check_electrodes(store: Store, config: ElectrodeCheckConfig = ElectrodeCheckConfig()) -> ElectrodeFigures:
    """Each exchange of electrodes made in software in each record of the test fold, and what `misplaced` says of it.

    Exchanges with the right leg take both legs to have one potential, which makes one limb lead exactly flat: their
    sensitivity says little about patients.

    Raises ValueError where no row is in the test folds.
    """
    rows = np.flatnonzero(np.isin(store.records["fold"].fillna(-1).to_numpy(np.int64), config.test_folds))
    if not rows.size:
        raise ValueError(f"no row of {store!r} is in fold {', '.join(map(str, config.test_folds))}; prepare PTB-XL")
    as_is, named = Counter[str | None](), {name: Counter[str | None]() for name in EXCHANGES}
    for row in rows:
        ecg_mv = store.ecg_mv([row])[0]
        as_is[misplaced(ecg_mv, store.leads, store.fs_hz)] += 1
        for name in EXCHANGES:
            named[name][misplaced(exchanged(ecg_mv, store.leads, name), store.leads, store.fs_hz)] += 1
    n = len(rows)
    return ElectrodeFigures(
        folds=config.test_folds,
        records=n,
        specificity=as_is[None] / n,
        specificity_ci95=_wilson(as_is[None], n),
        exchanges=tuple(
            ExchangeFigures(
                exchange=name,
                detected=name in LEARNT + FLAT,
                records=n,
                sensitivity=named[name][name] / n,
                sensitivity_ci95=_wilson(named[name][name], n),
                found=1 - named[name][None] / n,
                specificity=1 - as_is[name] / n,
                specificity_ci95=_wilson(n - as_is[name], n),
            )
            for name in EXCHANGES
        ),
    )


def _wilson(count: int, n: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, J Am Stat Assoc 1927;22:209)."""
    share, extra = count / n, _Z95**2 / n
    half = _Z95 * np.sqrt(share * (1 - share) / n + extra / (4 * n))
    low, high = (share + extra / 2 - half) / (1 + extra), (share + extra / 2 + half) / (1 + extra)
    return max(float(low), 0.0), min(float(high), 1.0)
