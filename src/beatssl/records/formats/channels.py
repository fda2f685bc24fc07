"""Which signals of a file are its ECG, at which rate: decided by names, units and rates alone, for every format."""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from beatssl.records.record import RecordError
from beatssl.records.recording import Recording
from beatssl.records.units import UnitPolicy, mv_per
from beatssl.signals.leads import canonical_lead, canonical_leads, lead_kind, without_free_text

_SCALP = re.compile(r"(?:EEG )?(?:fp[12z]|o[12z]|f[3478z])\b.*", re.IGNORECASE)
_CENTRAL = re.compile(r"c[3-6z]\b.*", re.IGNORECASE)  # of the scalp where a file has other electrodes of it, else V3 …
_LONGEST = 40  # letters of a name that is shown


class Choice(NamedTuple):
    """The signals of a file that are its ECG."""

    kept: tuple[int, ...]  # positions
    left_out: tuple[str, ...]  # names of the others, "signal 3" for one that may be free text
    assumed: bool  # a kept one states no unit


@lru_cache(maxsize=1024)
def choose(
    names: tuple[str, ...],
    units: tuple[str | None, ...],
    rates_hz: tuple[float, ...],
    assume: bool,
    remedy: str = "no_unit='assume'",
) -> Choice:
    """The ECG among the signals of a file; the others are left out and named.

    Kept is what a lead's name calls an ECG and is in volts, and what stands beside it in volts at the same rate under a
    name of no known kind. Where no name is a lead's, all signals of unknown names are taken if they share one rate.
    Never kept: what is known to be no ECG (breath, pulse, pressures, EEG, marks, …), and another unit than volts. Of
    several rates the one of most of the twelve leads counts, then that of most leads. A unit of None is mV where
    `assume`; beside leads that state theirs it is no ECG.

    Raises `RecordError`, "unit" (no signal in volts; or a unit that is not stated and not assumed, with `remedy`),
    "no-ecg" (nothing in volts can be an ECG); the message names the record's place itself.
    """
    kinds = [_kind(name, names) for name in names]
    volts = [unit is None or mv_per(unit) is not None for unit in units]
    if not any(volts):
        stated = sorted({str(unit)[:_LONGEST] for unit in units})
        raise RecordError("unit", f"none of its {len(names)} signals is in volts; their units are {stated}")
    leads = [i for i, kind in enumerate(kinds) if volts[i] and kind in ("twelve", "lead")]
    if leads:
        rate = _rate(leads, kinds, rates_hz)
        stated = any(units[i] is not None for i in leads)
        kept = tuple(
            i
            for i, kind in enumerate(kinds)
            if volts[i]
            and rates_hz[i] == rate
            and (i in leads or (kind == "unknown" and (units[i] is not None or not stated)))
        )
    else:
        kept = tuple(i for i, kind in enumerate(kinds) if volts[i] and kind == "unknown")
        rates = sorted({rates_hz[i] for i in kept})
        if not kept or len(rates) > 1:
            at = f", and their rates differ ({', '.join(f'{rate:g}' for rate in rates)} Hz)" if kept else ""
            raise RecordError(
                "no-ecg",
                f"none of its {len(names)} signals is called an ECG lead{at}; rename the ECG's (I, V1, ECG 1)",
            )
    unstated = [i for i in kept if units[i] is None]
    if unstated and not assume:
        shown = _shown(names, unstated[0])
        raise RecordError("unit", f"signal {shown!r} states no unit or gain; state it in the file, or pass {remedy}")
    others = tuple(_shown(names, i) for i in range(len(names)) if i not in kept)
    return Choice(kept, others, bool(unstated))


def _kind(name: str, names: tuple[str, ...]) -> str:
    if _CENTRAL.fullmatch(name.strip()) and any(_SCALP.fullmatch(other.strip()) for other in names):
        return "no-ecg"
    return lead_kind(name)


def _rate(leads: list[int], kinds: list[str], rates_hz: tuple[float, ...]) -> float:
    found = dict.fromkeys(rates_hz[i] for i in leads)
    return max(found, key=lambda rate: [sum(rates_hz[i] == rate and kinds[i] in of for i in leads) for of in _COUNTED])


_COUNTED = (("twelve",), ("twelve", "lead"))


def _shown(names: tuple[str, ...], position: int) -> str:
    """The name of a signal, or "signal 3" where it may be any text."""
    name = names[position].strip()
    return canonical_lead(name)[:_LONGEST] if lead_kind(name) != "unknown" else f"signal {position + 1}"


def stack_mv(
    recording: Recording, policy: UnitPolicy, unit: str | None, where: str
) -> tuple[Float32[np.ndarray, "lead time"], tuple[str, ...], float, Choice]:
    """The ECG of a file in mV with lead names no two alike, its rate, and what was left out; see `choose`.

    `unit` stands for the unit of channels that state none. Channels that the user named are all leads. Raises
    `RecordError` as `choose`, with `where`, and "unreadable" where leads of one rate differ in length.
    """
    channels = recording.channels
    names = tuple("ECG" if recording.told else channel.name for channel in channels)
    units = tuple(channel.unit if channel.unit is not None else unit for channel in channels)
    rates = tuple(float(channel.fs_hz) for channel in channels)
    try:
        choice = choose(names, units, rates, policy.missing == "assume", "unit='mV' (or 'uV'), or no_unit='assume'")
    except RecordError as error:
        raise RecordError(error.reason, f"{where}: {error}") from None
    chosen = [channels[i] for i in choice.kept]
    lengths = sorted({len(channel.samples) for channel in chosen})
    if len(lengths) > 1:
        raise RecordError("unreadable", f"{where}: its leads differ in length, {lengths} samples; export it again")
    ecg_mv = np.empty((len(chosen), lengths[0]), np.float32)
    for row, channel, i in zip(ecg_mv, chosen, choice.kept, strict=True):
        factor = mv_per(units[i] or "mV") or 1.0
        row[:] = channel.samples if factor == 1.0 else np.asarray(channel.samples, np.float64) * factor
    own = tuple(channel.name for channel in chosen)
    leads = canonical_leads(own if recording.told else without_free_text(own))
    return ecg_mv, leads, rates[choice.kept[0]], choice
