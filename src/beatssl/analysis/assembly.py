"""The pieces of a record put together: its beats, quality, flags, and notes on what was done to it."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from jaxtyping import Bool, Float32, Float64

from beatssl.analysis.examine import COARSE, SAME_BEAT_S, Examined
from beatssl.analysis.measures import LEAST_SHARE
from beatssl.analysis.quality import record_score
from beatssl.analysis.result import Beats, Flag, LeadQuality, Quality
from beatssl.beats.global_beats import GlobalBeats
from beatssl.beats.rate_check import PERSON, likely_rates
from beatssl.beats.rate_doubt import doubt_of_rate, widths_of
from beatssl.features.wave_intervals import WaveMeasures
from beatssl.records.record import Record
from beatssl.signals.electrodes import exchange_in_words, misplaced
from beatssl.signals.leads import LEADS, canonical_lead, present_leads
from beatssl.signals.matching import match_times
from beatssl.store.shards.reading import Limits

POOR = 0.4
"""A record's quality below this is flagged."""

_LEAD_FLAGS = {
    "missing": "never measured, or never changes",
    "flat": "no activity in half of its seconds: the electrode is off; left out",
    "clipped": "rests at its highest or lowest value",
    "lead_off": "offset beyond ±3 mV or jumps of the baseline: the electrode is loose",
    "noisy": "noise above 0.03 mV and 5 % of its QRS",
}
_LOOKED_AT_S = 20.0  # of a record, for its electrodes and its rate


def beats_of(parts: Sequence[Examined], measures: WaveMeasures, rr_s: Float64[np.ndarray, " beat"]) -> Beats:
    """All beats with their boundaries over the leads; P and T only where half of the beat's leads show them."""
    time_s = np.concatenate([part.beat_s for part in parts])
    own, of = match_times(time_s, measures.r_s, SAME_BEAT_S)
    share = np.zeros((len(time_s), 3), np.float32)
    share[own] = measures.share[of]
    marks: dict[str, Float64[np.ndarray, " beat"]] = {}
    for field in fields(GlobalBeats):
        times = np.full(len(time_s), np.nan)
        times[own] = getattr(measures.over_leads, field.name)[of]
        wave = {"p": 0, "t": 2}.get(field.name[0])
        if wave is not None:
            times[share[:, wave] < LEAST_SHARE] = np.nan
        marks[field.name] = times
    return Beats(
        time_s=time_s,
        rr_s=rr_s,
        class_probability=np.concatenate([part.class_probability for part in parts]),
        lead_share=np.concatenate([part.lead_share for part in parts]),
        marks=GlobalBeats(**marks),
        p_share=share[:, 0],
        t_share=share[:, 2],
        paced=np.zeros(len(time_s), np.bool_),
        r_confidence=np.concatenate([part.r_confidence for part in parts]),
    )


def quality_of(
    parts: Sequence[Examined], leads: Sequence[str], record: Record
) -> tuple[Quality, Bool[np.ndarray, " lead"]]:
    """Scores and flags of every lead (a flag that most pieces show), and which leads are flat.

    The record's score is of all leads but further ones that were not recorded. Of the twelve such a lead counts, with a
    score of 0: its electrode may be off.
    """
    seconds = np.concatenate([part.seconds for part in parts], axis=1)
    on = {name: np.mean([getattr(part.flags, name) for part in parts], axis=0) >= 0.5 for name in _LEAD_FLAGS}
    score = seconds.mean(axis=1)
    named = [name or canonical_lead(given) for name, given in zip(leads, record.leads, strict=True)]
    of_leads = tuple(
        LeadQuality(
            name, float(score[lead]), tuple(flag for flag, which in on.items() if which[lead]), seconds[lead]
        )
        for lead, name in enumerate(named)
    )  # fmt: skip
    counts = present_leads(record.ecg_mv) | np.isin(named, LEADS)
    return Quality(record_score(score[counts]), of_leads), np.asarray(on["flat"])


def flags_of(
    record: Record,
    recorded_mv: Float32[np.ndarray, "lead time"],
    parts: Sequence[Examined],
    beats: Beats,
    quality: Quality,
) -> tuple[Flag, ...]:
    """What the reader of the result should know, the weightiest first."""
    out: list[Flag] = []
    if not len(beats):
        out.append(Flag("no_beats", "no heartbeat was found: silence, noise, or another rate or unit than stated"))
    elif quality.score < POOR:
        out.append(Flag("poor_quality", f"signal quality {quality.score:.2f} of 1: read all measures with care"))
    out += _rate_flags(record, parts, beats)
    if record.metadata.get("implausible_amplitude"):
        out.append(Flag("implausible_amplitude", "beats are higher than any ECG's; is the unit or gain right?"))
    exchange = misplaced(recorded_mv[:, : round(_LOOKED_AT_S * record.fs_hz)], record.leads, record.fs_hz)
    if exchange is not None and len(beats):
        name = "leads_inverted" if exchange == "inverted" else "electrodes_exchanged"
        out.append(Flag(name, exchange_in_words(exchange)))
    if any(part.flags.identities_violated for part in parts):
        out.append(Flag("identities_violated", "I, II, III, aVR, aVL and aVF do not belong to one recording"))
    for name, text in _LEAD_FLAGS.items():
        if which := [lead.lead for lead in quality.leads if name in lead.flags]:
            out.append(Flag(f"lead_{name}".replace("lead_lead", "lead"), f"{', '.join(which)}: {text}"))
    missing = float(np.mean(~np.isfinite(recorded_mv[np.isfinite(recorded_mv).any(axis=1)])))
    if missing > Limits().max_missing_share:
        out.append(
            Flag("gaps", f"{missing:.0%} of the samples are not measured; their beats and intervals are missing")
        )
    return tuple(out)


def _rate_flags(record: Record, parts: Sequence[Examined], beats: Beats) -> list[Flag]:
    """Where the heart rate, or rate and widths together, contradict the sampling rate."""
    known = beats.rr_s[np.isfinite(beats.rr_s)]
    if not len(known):
        return []
    rate = 60 / float(np.median(known))
    if not PERSON[0] <= rate <= PERSON[1]:
        others = " or ".join(f"{hz:g} Hz" for hz in likely_rates(rate, record.fs_hz))
        is_it = f": is the sampling rate {others}? --files.fs-hz-override takes that rate" if others else ""
        return [Flag("impossible_rate", f"a heart rate of {rate:.0f}/min is no person's{is_it}")]
    part_mv = parts[0].opening_mv[:, : round(_LOOKED_AT_S * COARSE.fs_hz)]
    part_mv = part_mv[np.isfinite(part_mv).any(axis=1)]
    if not len(part_mv):
        return []
    r_s = beats.time_s[beats.time_s < part_mv.shape[1] / COARSE.fs_hz]
    widths = widths_of([part_mv], COARSE.fs_hz, [r_s])[0]
    doubt = doubt_of_rate(widths, part_mv, COARSE.fs_hz, record.fs_hz)
    if doubt is None:
        return []
    return [Flag("sampling_rate_doubted", f"{doubt}; --files.fs-hz-override {doubt.likely_hz:g} takes that rate")]


def notes_of(record: Record, leads: Sequence[str], rates_hz: Sequence[float], filtered: bool) -> tuple[str, ...]:
    """What was assumed, derived, resampled, bridged or left out."""
    out = list(record.notes)
    if any(hz != record.fs_hz for hz in rates_hz):
        rates = " and ".join(f"{hz:g}" for hz in rates_hz)
        out.append(f"resampled: from {record.fs_hz:g} to {rates} samples/s")
    limb = [name for name in LEADS[:6] if name in leads]
    if 2 <= len(limb) < 6:
        derived = ", ".join(name for name in LEADS[:6] if name not in limb)
        out.append(f"derived for classifier and axes: {derived} from {limb[0]} and {limb[1]}")
    if unknown := [name for name in leads if name and name not in LEADS]:
        out.append(f"not known to the classifier (no place among the twelve): {', '.join(unknown)}")
    if filtered:
        out.append("already filtered: the record comes from a store")
    return tuple(out)
