"""Rhythm over time: stretches of a record with their probabilities, put together to episodes."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from beatssl.analysis.diagnoses import Recorded, window_probabilities
from beatssl.analysis.measurement import Measurement, not_determinable
from beatssl.analysis.quality import record_score
from beatssl.analysis.result import Beats, Diagnoses, LeadQuality, Quality
from beatssl.analysis.rhythms.evidence import LEAST_BEATS, beat_evidence, log_odds_of, statement_evidence
from beatssl.analysis.rhythms.model import rhythm_probability
from beatssl.analysis.rhythms.result import RhythmClass, RhythmEpisode, Rhythms, RhythmStretch
from beatssl.analysis.rhythms.truth import AF, RHYTHMS
from beatssl.inference.classifier import EcgClassifier

WHOLE_S = 61.0
"""A record up to this length is one stretch: hand-held recorders stop after a minute."""

STRETCH_S = 30.0
"""About the length of a stretch of a longer record: what guidelines ask of an episode of atrial fibrillation."""

LONG_S, IN_A_ROW = 3600.0, 4
"""Of a longer record so many stretches in a row share the statements of ten seconds."""

LEAST_QUALITY = 0.25
"""A stretch whose quality score is below this has no rhythm."""

MARGIN = 0.2
"""An episode ends where another rhythm is more probable by this."""


def rhythms_of(
    classifier: EcgClassifier, record: Recorded, beats: Beats, diagnoses: Diagnoses, quality: Quality
) -> Rhythms:
    """Probabilities of `RHYTHMS` for the record, and its episodes.

    A record up to a minute is one stretch, whose statements are those of `diagnoses`. A longer one is cut into
    stretches of about 30 s, each with the statements of its middle ten seconds (over an hour: four in a row with those
    of the middle of all four); the record has the mean of their probabilities.
    """
    edges = _edges(record.duration_s)
    usable = [lead for lead in quality.leads if not {"flat", "missing"} & set(lead.flags)]
    of_beats = [beat_evidence(beats, start, stop, len(usable)) for start, stop in pairwise(edges.tolist())]
    good = np.array([_quality(usable, start, stop) for start, stop in pairwise(edges.tolist())])
    enough = np.array([one is not None for one in of_beats])
    at = np.flatnonzero(enough & (good >= LEAST_QUALITY))
    if not len(at):
        return _none(_why(len(beats), enough, float(good.max(initial=0))))
    some = np.array([of_beats[k] for k in at])
    statements = _statements(classifier, record, diagnoses, edges, at)
    probability = np.full((len(edges) - 1, len(RHYTHMS)), np.nan)
    probability[at] = _probabilities(some, statements)
    mean = probability[at].mean(axis=0)
    return Rhythms(
        classes=tuple(RhythmClass(name, float(p)) for name, p in zip(RHYTHMS, mean, strict=True)),
        reason="",
        episodes=episodes_of(edges, probability),
        stretches=tuple(
            RhythmStretch(float(start), float(stop), tuple(p.tolist()) if np.isfinite(p).all() else ())
            for start, stop, p in zip(edges[:-1], edges[1:], probability, strict=True)
        ),
        af_burden=_burden(edges, probability),
    )


def episodes_of(
    edges: Float64[np.ndarray, " edge"], probability: Float64[np.ndarray, "stretch rhythm"]
) -> tuple[RhythmEpisode, ...]:
    """Stretches of one rhythm in a row. A stretch stays with the rhythm before it unless another is more probable by
    `MARGIN`; one that has no probabilities (NaN) ends an episode and belongs to none."""
    kept = _kept(probability)
    out: list[RhythmEpisode] = []
    begin = 0
    for k in range(1, len(kept) + 1):
        if k == len(kept) or kept[k] != kept[begin]:
            if kept[begin] >= 0:
                sure = float(probability[begin:k, kept[begin]].mean())
                out.append(RhythmEpisode(float(edges[begin]), float(edges[k]), RHYTHMS[kept[begin]], sure))
            begin = k
    return tuple(out)


def _kept(probability: Float64[np.ndarray, "stretch rhythm"]) -> Int64[np.ndarray, " stretch"]:
    """Number of each stretch's rhythm; −1 where it has none."""
    out = np.full(len(probability), -1, np.int64)
    for k, p in enumerate(probability):
        if np.isfinite(p).all():
            before, best = (out[k - 1] if k else -1), int(p.argmax())
            out[k] = best if before < 0 or p[best] > p[before] + MARGIN else before
    return out


def _edges(duration_s: float) -> Float64[np.ndarray, " edge"]:
    stretches = 1 if duration_s <= WHOLE_S else round(duration_s / STRETCH_S)
    return np.linspace(0.0, duration_s, stretches + 1)


def _quality(leads: Sequence[LeadQuality], start_s: float, stop_s: float) -> float:
    """The record's score, of the seconds from `start_s` to `stop_s`."""
    first = int(start_s)
    parts = [lead.seconds[first : max(int(stop_s), first + 1)] for lead in leads]
    means: Float32[np.ndarray, " lead"] = np.array([part.mean() for part in parts if len(part)], np.float32)
    return record_score(means)


def _statements(
    classifier: EcgClassifier,
    record: Recorded,
    diagnoses: Diagnoses,
    edges: Float64[np.ndarray, " edge"],
    at: Int64[np.ndarray, " some_stretch"],
) -> list[Float64[np.ndarray, " statement"] | None]:
    """Log odds of the statements in some stretches; None where the classifier says nothing of one."""
    if statement_evidence(diagnoses.statements) is None:
        return [None] * len(at)
    if len(edges) == 2:
        return [statement_evidence(diagnoses.statements)]
    each = IN_A_ROW if record.duration_s > LONG_S else 1
    first = np.unique(at // each) * each
    middle = (edges[first] + edges[np.minimum(first + each, len(edges) - 1)]) / 2
    names = [one.name for one in diagnoses.statements]
    found = {
        int(k): None if p is None else log_odds_of(dict(zip(names, p.tolist(), strict=True)))
        for k, p in zip(first, window_probabilities(classifier, record, middle), strict=True)
    }
    return [found[k // each * each] for k in at.tolist()]


def _probabilities(
    of_beats: Float64[np.ndarray, "stretch beat_feature"],
    statements: Sequence[Float64[np.ndarray, " statement"] | None],
) -> Float64[np.ndarray, "stretch rhythm"]:
    """Of each stretch with the regression that takes what is known of it."""
    known: Bool[np.ndarray, " stretch"] = np.array([one is not None for one in statements])
    out = np.zeros((len(of_beats), len(RHYTHMS)))
    if known.any():
        out[known] = rhythm_probability(of_beats[known], np.array([one for one in statements if one is not None]))
    if not known.all():
        out[~known] = rhythm_probability(of_beats[~known], None)
    return out


def _burden(edges: Float64[np.ndarray, " edge"], probability: Float64[np.ndarray, "stretch rhythm"]) -> Measurement:
    """Share of the time with a rhythm that episodes of atrial fibrillation or flutter take."""
    if len(edges) == 2:
        return not_determinable("%", f"the record is no longer than {WHOLE_S:.0f} s")
    kept, length = _kept(probability), np.diff(edges)
    share = length[kept == RHYTHMS.index(AF)].sum() / length[kept >= 0].sum()
    return Measurement(float(100 * share), "%", None, int((kept >= 0).sum()))


def _why(beats: int, enough: Bool[np.ndarray, " stretch"], best: float) -> str:
    if not enough.any():
        return f"a rhythm takes {LEAST_BEATS} beats at least, and {beats} {'was' if beats == 1 else 'were'} found"
    return f"the signal quality is {best:.2f} of 1; a rhythm takes {LEAST_QUALITY:g}"


def _none(reason: str) -> Rhythms:
    return Rhythms((), reason, (), (), not_determinable("%", reason))
