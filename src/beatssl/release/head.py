"""A classifier or segmenter bundled with the package, with its model card.

python -m beatssl.release.head runs/finetune --store stores/ptb-xl
python -m beatssl.release.head runs/ludb --store stores/ludb
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from jaxtyping import Float32
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.files import read_json
from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.model_config import CARD
from beatssl.inference.model_folder import bundled
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.release.encoder import keep_small
from beatssl.reports.rows.wave_rows import wave_lines
from beatssl.reports.tables import set_lines
from beatssl.results import to_json
from beatssl.store.store import Store
from beatssl.studies.predictions import METRICS, read_figures
from beatssl.training.diagnosis.figures import DiagnosisFigures

_SAME_PROBABILITY = 0.01
"""Half precision is kept where no probability of the first rows changes by more."""
_ROWS, _BATCH = 128, 16

Head = EcgClassifier | EcgSegmenter


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BundleHeadConfig:
    """Bundle a run's classifier or segmenter as the one named "default"."""

    run: tyro.conf.Positional[Path]
    """Folder that probe, finetune or segment (with final) has written."""
    store: Path
    """The store that it was trained on."""


def bundle_head(config: BundleHeadConfig) -> Path:
    """Write weights, config and card, and return their folder.

    Raises ValueError where the folder holds no head, or the file would be larger than 12 MB.
    """
    kind = next((one for one in (EcgClassifier, EcgSegmenter) if (config.run / one.kind.inside).is_dir()), None)
    if kind is None:
        raise ValueError(f"{config.run} holds neither a classifier nor a segmenter; pass --final to segment")
    model, out = kind.from_pretrained(config.run), bundled(kind.kind)
    store = Store(config.store)
    before, moved = _probabilities(model, store), [0.0]

    def same(half: Head) -> bool:
        moved[0] = float(np.abs(before - _probabilities(half, store)).max())
        return moved[0] <= _SAME_PROBABILITY

    kept_as, size_mb = keep_small(out, model, same)
    classes = isinstance(model, EcgClassifier)
    figures = _classes(read_figures(config.run), model) if classes else wave_lines(read_json(config.run / METRICS))
    card = _CARD.format(
        title=model.kind.title,
        what=_what(model),
        kept_as=kept_as,
        size=f"{size_mb:.1f}",
        moved=f"{moved[0]:.4f}",
        figures="\n".join(figures),
        settings=json.dumps(_settings(model.provenance), indent=1),
    )
    (out / CARD).write_text(card, encoding="utf-8")
    return out


@torch.inference_mode()
def _probabilities(model: Head, store: Store) -> Float32[np.ndarray, "row ..."]:
    """In float32 arithmetic whatever the processor would choose, so that nothing but the weights differs."""
    ecg_mv = store.ecg_mv(range(min(_ROWS, len(store))))
    known, signal = torch.from_numpy(~np.isnan(ecg_mv).all(axis=2)), torch.from_numpy(np.nan_to_num(ecg_mv))
    if isinstance(model, EcgClassifier):
        return model.probabilities(signal, known).numpy()
    slot = torch.arange(len(store.leads))
    parts = (
        model(signal[start : start + _BATCH], there, slot.expand(len(there), -1))
        for start, there in zip(range(0, len(signal), _BATCH), known.split(_BATCH), strict=True)
    )
    return torch.cat([scores.softmax(dim=2) for scores in parts]).numpy()


def _what(model: Head) -> str:
    if isinstance(model, EcgClassifier):
        return _CLASSIFIER.format(labels=", ".join(model.labels))
    cotraining = model.provenance.get("cotraining")
    more = _COTRAINING.format(cotraining=cotraining) if cotraining else ""
    if "mean_of" in model.provenance:
        more += _MEAN
    return _SEGMENTER.format(**asdict(model.preparation)) + more


def _classes(figures: DiagnosisFigures, model: EcgClassifier) -> list[str]:
    """Figures of a probe or finetune as a Markdown table, with the thresholds of the calibrated probabilities."""
    thresholds = dict(zip(model.labels, model.thresholds.tolist(), strict=True))
    lines = ["| label | AUROC | F1 | threshold |", "| --- | --- | --- | --- |"]
    for name, line in figures.per_class.items():
        cells = [f"{value:.3f}" if np.isfinite(value) else "–" for value in (line.auroc, line.f1)]
        lines.append(f"| {name} | {' | '.join(cells)} | {thresholds[name]:.3f} |")
    low, high = figures.ci95.macro_auroc
    lines.append(f"| macro | {figures.macro_auroc:.3f} ({low:.3f} to {high:.3f}) | {figures.macro_f1:.3f} | |")
    fold, records = figures.folds.test, figures.records
    if figures.by_set:
        lines = [*set_lines(to_json(figures)), *lines]
    return [*lines, "", f"Test fold {fold}, {records.test:,} records; {records.train:,} training records."]


def _settings(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the training; without the figures, and without the encoder's provenance, which config.json has."""
    return {name: value for name, value in provenance.items() if name not in ("pretraining", "figures_over_folds")}


_CLASSIFIER = """**Use.** Probabilities of {labels} for an ECG record, from all twelve leads to one.
**Data.** PTB-XL 1.0.3 (Wagner et al. 2020, PhysioNet), licence CC BY 4.0; training folds 1–7; validation fold 8,
which decides thresholds, temperatures and early stopping. Any statement counts, whatever its likelihood."""

_SEGMENTER = """**Use.** P, QRS and T waves of every lead, of any set of leads, named or not, of any length; prepared at
{fs_hz:g} samples/s, {low_hz:g}–{high_hz:g} Hz, which `analyze` does with what it reads.
**Data.** Lobachevsky University Database 1.0.1 (Kalyakulina et al. 2020, PhysioNet), licence ODC-By 1.0: all 200
records. The figures are of five networks with the same settings, each trained on three fifths of the records and tested
on one fifth."""

_COTRAINING = """
Co-training with pseudo-labels, before the marks and, away from their boundaries, with them: {cotraining} by
`prepare` (PTB-XL 1.0.3: licence CC BY 4.0, folds 1–8)."""

_MEAN = """
**Mean.** The weights are the mean of those five networks'. What the mean itself finds in these records is not among the
figures: it was trained on them."""

_CARD = """---
library_name: beatssl
license: apache-2.0
tags: [ECG, electrocardiogram]
---

# {title}

Written by `python -m beatssl.release.head`; do not edit.

{what}
A research tool, no medical device; not for diagnosis or treatment.

**Encoder.** Pretrained as `pretraining` in config.json states. The settings say whether it was trained further.

**Weights.** {kept_as}, {size} MB. Largest difference of a probability between half and single precision: {moved}.

## Figures

{figures}

## Settings

```json
{settings}
```
"""


def main() -> None:
    """Parse the command line and run."""
    print(bundle_head(tyro.cli(BundleHeadConfig, description=BundleHeadConfig.__doc__)))


if __name__ == "__main__":
    main()
