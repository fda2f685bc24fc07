"""A classifier or segmenter made into bundled weights, with its model card.

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

from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.model_config import CARD
from beatssl.inference.model_folder import bundled
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.release.encoder import keep_small
from beatssl.reports.tables import wave_lines
from beatssl.store.store import Store
from beatssl.training.diagnosis.question import METRICS

_SAME_PROBABILITY = 0.01
"""Half precision is kept where no probability moves more than this: no figure of three digits does."""
_LOOKED_AT, _BATCH = 128, 16

Head = EcgClassifier | EcgSegmenter


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ShipHeadConfig:
    """Keep a run's classifier or segmenter as the one named "default"."""

    run: tyro.conf.Positional[Path]
    """Folder that probe, finetune or segment (with final) has written."""
    store: Path
    """The store that it was trained on."""


def ship_head(config: ShipHeadConfig) -> Path:
    """Write weights, config and card, and return their folder.

    Raises ValueError where the folder holds no head, or the file would be larger than the package takes.
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
    figures = json.loads((config.run / METRICS).read_text(encoding="utf-8"))
    card = _CARD.format(
        title=model.kind.title,
        what=_what(model),
        kept_as=kept_as,
        size=f"{size_mb:.1f}",
        moved=f"{moved[0]:.4f}",
        figures="\n".join(_classes(figures, model) if isinstance(model, EcgClassifier) else wave_lines(figures)),
        settings=json.dumps(_settings(model.provenance), indent=1),
    )
    (out / CARD).write_text(card, encoding="utf-8")
    return out


@torch.inference_mode()
def _probabilities(model: Head, store: Store) -> Float32[np.ndarray, "row ..."]:
    """In float32 arithmetic whatever the processor would choose, so that nothing but the weights differs."""
    ecg_mv = store.ecg_mv(range(min(_LOOKED_AT, len(store))))
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
    beside = model.provenance.get("beside")
    return _SEGMENTER.format(**asdict(model.preparation)) + (_BESIDE.format(beside=beside) if beside else "")


def _classes(figures: Mapping[str, Any], model: EcgClassifier) -> list[str]:
    """Figures of a probe or finetune as a Markdown table, with the thresholds of the calibrated probabilities."""
    thresholds = dict(zip(model.labels, model.thresholds.tolist(), strict=True))
    lines = ["| label | AUROC | F1 | threshold |", "| --- | --- | --- | --- |"]
    for name, line in figures["per_class"].items():
        cells = ["–" if line[kind] is None else f"{line[kind]:.3f}" for kind in ("auroc", "f1")]
        lines.append(f"| {name} | {' | '.join(cells)} | {thresholds[name]:.3f} |")
    low, high = figures["ci95"]["macro_auroc"]
    macro = f"{figures['macro_auroc']:.3f} ({low:.3f} to {high:.3f})"
    lines.append(f"| macro | {macro} | {figures['macro_f1']:.3f} | |")
    records = figures["records"]
    about = f"Fold {figures['folds']['test']}, {records['test']:,} records; {records['train']:,} to learn from."
    return [*lines, "", about]


def _settings(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of the training; the figures stand above, and what the encoder was made of in config.json."""
    return {name: value for name, value in provenance.items() if name not in ("pretraining", "figures_over_folds")}


_CLASSIFIER = """**Use.** Probabilities of {labels} for a 12-lead ECG record, some leads of which may be missing.
**Data.** PTB-XL 1.0.3 (Wagner et al. 2020, PhysioNet), licence CC BY 4.0; folds 1–7 to learn from, fold 8 to choose
thresholds, temperatures and when to stop. Any statement counts, whatever its likelihood."""

_SEGMENTER = """**Use.** P, QRS and T waves of every lead, of any set of leads, named or not, of any length; prepared at
{fs_hz:g} samples/s, {low_hz:g}–{high_hz:g} Hz, as `analyze` and `EcgSegmenter.predict` prepare what they are given.
**Data.** Lobachevsky University Database 1.0.1 (Kalyakulina et al. 2020, PhysioNet), licence ODC-By 1.0: all 200
records. The figures are those of five networks trained alike, each on three fifths of the records and tested on
one fifth."""

_BESIDE = """
Before and with the experts' marks (co-training), pseudo-labels through a head that is not kept: {beside} by `prepare`
(PTB-XL 1.0.3: licence CC BY 4.0, folds 1–8)."""

_CARD = """---
library_name: beatssl
license: apache-2.0
tags: [ECG, electrocardiogram]
---

# {title}

Written by `python -m beatssl.release.head`; do not edit.

{what}
A research tool, no medical device; not for diagnosis or treatment.

**Encoder.** Pretrained as `pretraining` in config.json says, and trained further where the settings below say so.

**Weights.** {kept_as}, {size} MB. Between half and single precision no probability differed by more than {moved}.

## Figures

{figures}

## Settings

```json
{settings}
```
"""


def main() -> None:
    """Parse the command line and run."""
    print(ship_head(tyro.cli(ShipHeadConfig, description=ShipHeadConfig.__doc__)))


if __name__ == "__main__":
    main()
