"""The beat classifier's model card: what it is for, what it was made of, how it was measured."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

_CARD = """# Beat classes N, S, V, F

Written by `python -m beatssl.release.beat_classifier`; do not edit.

**Use.** Probabilities of AAMI EC57's classes for every beat of an ECG with any leads, filtered 0.5–40 Hz: normal and
bundle branch block (N), supraventricular ectopic (S), ventricular ectopic (V), fusion of N and V (F). Made as hard
targets for contrastive learning. Not a medical device; not for diagnosis.

**Inputs.** Features of `beats/classes`: place in the rhythm (RR against 21 beats around, and against the context's
median and slowest beats), shape against the dominant beat of the same record, P against that of the beats that come
late (ratios, correlations, times over all leads). A beat is classified in the context of its ten seconds, or up to five
minutes of a longer record. What is usual in a record counts as N: in a run of ectopic beats that fills ten seconds they
are missed.

**Network.** Two passes of some small multilayer perceptrons with ReLU, whose probabilities are averaged; NumPy is
enough to run them. The second pass also compares each beat with the beats of its context that the first pass takes
for N, S and V, and with sums of the N and V beats; F is only given where there is a V. It was trained on
probabilities of first-pass networks that had not seen the record. Networks of the same kind give the probability of
atrial fibrillation in ten seconds, from the intervals and from how alike the P waves are; of a longer record their log
odds are averaged over up to five such stretches. The probability of S is multiplied by that of no fibrillation.

**Data.** MIT-BIH Arrhythmia Database 1.0.0 (Moody and Mark 2001; PhysioNet), licence ODC-By 1.0: contains information
from the MIT-BIH Arrhythmia Database, which is made available under the Open Data Commons Attribution License. Trained
on the 22 records of DS1 at the reference beats, also seen otherwise: through one lead or mixtures of both; with R
times off by 10 ms (SD); with muscle noise and electrode motion; all beats of a record widened up to 1.8 times, so
that width alone makes no V; with intervals changed to early beats with the P waves of one or two foci, couplets and
runs, in some records most beats, pauses, and irregular rhythm without P waves; with fusion beats made by averaging N
and V beats. The networks of fibrillation were trained on PTB-XL's statement AFIB, folds 1–7, at the package's own R
peaks, through all leads, II, V1, pairs of leads (AUROC on fold 8: {fibrillation}); PTB-XL 1.0.3 (Wagner et al. 2020;
PhysioNet), licence CC BY 4.0. Records with paced beats, class Q and flutter waves are left out. Everything was chosen
on DS1, records left out in turn; DS2 (22 records) was measured once for each of {readings} configurations, and chose
none. That widened beats, changed intervals and the rule for offsets (of those as good, the fewest ectopic beats; where
fibrillation is known, the most sensitive one to S) were tried at all came from false alarms seen in PTB-XL records
labelled paced, bundle branch block and normal (folds 1–9, among them the test fold 9); that noise was, and that F needs
a V, from false alarms in hand-held records of CinC 2017. 201
(DS1) and 202 (DS2) are one patient: the canonical split is kept.

**Limits.** 22 training records, two leads, mostly MLII and V1. Fusion beats in DS1 are nearly all of one record and in
DS2 of one other: figures for F mean little. Supraventricular beats in atrial fibrillation, in what resembles it, and in
long runs are missed.

## Figures

At the reference beats, argmax of the probabilities. Rows of counts: true N S V F; columns: found N S V F.

{figures}
## Settings

Offsets added to the logits of N S V F: first pass {first}, second pass {second}.

```json
{settings}
```
"""


_READINGS = "six"


def write_model_card(
    path: Path,
    settings: Mapping[str, Any],
    offsets: Sequence[np.ndarray],
    figures: Mapping[str, Mapping[str, Any]],
    fibrillation: Mapping[str, float],
) -> None:
    """Write the card; `figures` holds `class_figures` by set of records, then by view of a record, and `fibrillation`
    the AUROC of the networks of fibrillation by set of leads."""
    blocks = [
        _table(f"{records}: {view}", measured) for records, by in figures.items() for view, measured in by.items()
    ]
    text = _CARD.format(
        readings=_READINGS,
        fibrillation=", ".join(f"{leads} {auroc:.3f}" for leads, auroc in fibrillation.items()),
        figures="\n".join(blocks),
        first=offsets[0].tolist(),
        second=offsets[1].tolist(),
        settings=json.dumps(settings, indent=1),
    )
    path.write_text(text, encoding="utf-8")


def _table(title: str, measured: Mapping[str, Any]) -> str:
    lines = [f"| {title} | sensitivity | PPV | F1 | beats |", "| --- | --- | --- | --- | --- |"]
    for name, of in measured["per_class"].items():
        lines.append(f"| {name} | {of['sensitivity']:.3f} | {of['ppv']:.3f} | {of['f1']:.3f} | {of['beats']} |")
    lines.append(f"| macro | | | {measured['macro_f1']:.3f} | |")
    spread = [f"{key} {of['mean']:.3f} ± {of['sd']:.3f}" for key, of in measured["seeds"].items()]
    if spread:
        lines += ["", f"Networks of one seed each, mean ± SD: {', '.join(spread)}."]
    counts = [[row[name] for name in measured["per_class"]] for row in measured["beats_by_true_and_found"].values()]
    return "\n".join([*lines, "", f"Counts: `{counts}`", ""])
