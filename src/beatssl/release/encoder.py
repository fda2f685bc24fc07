"""A pretrained encoder bundled with the package, with its model card.

python -m beatssl.release.encoder runs/beatssl --name beatssl --store STORE --comparison results/encoders
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import tyro
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_config import CARD, WEIGHTS
from beatssl.inference.model_folder import SavedModel, bundled, save_model
from beatssl.inference.source import stages
from beatssl.metrics.classification import Interval
from beatssl.results import read_result
from beatssl.store.labels import cohort
from beatssl.store.store import Store
from beatssl.studies.compare import COMPARISON, Comparison, EncoderFigures
from beatssl.training.diagnosis.probe import valid_auroc

Kept = TypeVar("Kept", bound=SavedModel)

_LARGEST_MB = 12.0
_SAME_AUROC = 0.0005
"""Half precision is kept where the validation fold's macro AUROC changes by less: figures of three digits stay."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BundleEncoderConfig:
    """Bundle a run's encoder as the weights named "default": half precision if no figure changes, and a model card."""

    run: tyro.conf.Positional[Path]
    """Run folder of `pretrain`."""
    name: str
    """Its name in the comparison."""
    store: Path
    """The labelled store of the comparison."""
    comparison: Path
    """Folder where `compare` wrote compare.json."""
    out: Path = bundled(BeatEncoder.kind)
    """Folder of the weights."""


def bundle_encoder(config: BundleEncoderConfig) -> Path:
    """Write weights, config and card, and return their folder.

    Raises ValueError where the comparison has no such encoder, or the file would be larger than 12 MB.
    """
    comparison = read_result(config.comparison / COMPARISON, Comparison)
    if config.name not in comparison.encoders:
        known = ", ".join(comparison.encoders)
        raise ValueError(f"{config.comparison / COMPARISON} has no encoder {config.name!r}; it has {known}")
    model = BeatEncoder.from_pretrained(config.run)
    auroc = {"float32": _auroc(model, config.store, comparison)}

    def same(half: BeatEncoder) -> bool:
        auroc["float16"] = _auroc(half, config.store, comparison)
        return abs(auroc["float32"] - auroc["float16"]) < _SAME_AUROC

    kept_as, size_mb = keep_small(config.out, model, same)
    card = card_of(comparison, config.name, model.provenance, auroc, kept_as, size_mb)
    (config.out / CARD).write_text(card, encoding="utf-8")
    return config.out


def keep_small(out: Path, model: Kept, same: Callable[[Kept], bool]) -> tuple[str, float]:
    """Save a model in float16 where that is the `same`, else in float32. Returns the precision and the size in MB.

    Raises ValueError where it is larger than 12 MB.
    """
    out.mkdir(parents=True, exist_ok=True)
    save_model(out, model, half=True)
    kept_as = "float16" if same(type(model).from_pretrained(out)) else "float32"  # pyrefly: ignore[missing-attribute]
    if kept_as == "float32":
        save_model(out, model)
    size_mb = (out / WEIGHTS).stat().st_size / 1e6
    if size_mb > _LARGEST_MB:
        raise ValueError(f"{out / WEIGHTS} has {size_mb:.1f} MB; bundled weights have {_LARGEST_MB:g} at most")
    return kept_as, size_mb


def card_of(
    comparison: Comparison,
    name: str,
    provenance: Mapping[str, Any],
    auroc: Mapping[str, float],
    kept_as: str,
    size_mb: float,
) -> str:
    """The model card in Markdown, its figures those of the comparison."""
    return _CARD.format(
        rows=f"{sum(one['rows'] for one in provenance['pretraining']):,}",
        data=provenance["pretraining"][0]["store"],
        folds=provenance["folds"],
        epochs=_training(provenance),
        kept_as=kept_as,
        size=f"{size_mb:.1f}",
        before=f"{auroc['float32']:.4f}",
        after=f"{auroc['float16']:.4f}",
        fold=comparison.folds.test,
        train=comparison.records.train,
        test=comparison.records.test,
        table="\n".join(comparison_lines(comparison, name)),
        # Runs of version 0.1 have the settings of their preset under another key.
        preset=json.dumps(provenance.get("preset", provenance.get("recipe")), indent=1),
    )


def _training(provenance: Mapping[str, Any]) -> str:
    """Epochs and seeds, from the first stage to the last; stages before the last have their changes in config.json."""
    every = [f"{one['epochs']} epochs of {one['method']}, seed {one['seed']}" for one in stages(provenance)]
    return ", then ".join(reversed(every))


def comparison_lines(comparison: Comparison, name: str) -> list[str]:
    """A Markdown table of encoders: figures with 95 % intervals, and how far the encoder `name` is above each other.

    Differences are those of the comparison's first encoder; for another one there is no such column.
    """
    first = comparison.first == name
    lines = [
        "| encoder | macro AUROC | macro F1 |" + (f" {name} less this, AUROC |" if first else ""),
        "| --- | --- | --- |" + (" --- |" if first else ""),
    ]
    for other, line in comparison.encoders.items():
        cells = [other, *_macro_cells(line)]
        if first:
            less = comparison.first_less_other.get(other)
            cells.append("" if less is None else _with_interval(less.macro_auroc, less.ci95.macro_auroc, "+.4f"))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _macro_cells(line: EncoderFigures) -> tuple[str, str]:
    return (
        _with_interval(line.macro_auroc, line.ci95.macro_auroc, ".3f"),
        _with_interval(line.macro_f1, line.ci95.macro_f1, ".3f"),
    )


def _with_interval(value: float, ci95: Interval, form: str) -> str:
    return f"{value:{form}} ({ci95[0]:{form}} to {ci95[1]:{form}})"


def _auroc(model: BeatEncoder, store: Path, comparison: Comparison) -> float:
    """Of a linear probe on the comparison's validation fold."""
    opened = Store(store)
    model.check_store(opened)
    folds = comparison.folds
    group = cohort(opened, comparison.labels, folds.train, folds.valid, folds.test)
    return valid_auroc(model.encoder, opened, group, (3e-3, 1e-2, 3e-2))


_CARD = """---
library_name: beatssl
pipeline_tag: feature-extraction
license: apache-2.0
tags: [ECG, electrocardiogram, self-supervised learning]
---

# beatssl default encoder

Written by `python -m beatssl.release.encoder`; do not edit.

**Use.** Embeddings of 12-lead ECG records and of their single beats, for probes, fine-tuning, segmentation and search:
`--encoder default`, or `BeatEncoder.from_pretrained(...)`. Missing leads are allowed. A research tool, no medical
device; not for diagnosis or treatment.

**Data.** {rows} records of the store `{data}`, folds {folds}: waveforms and their measured features, no labels.
PTB-XL 1.0.3 (Wagner et al. 2020, PhysioNet), licence CC BY 4.0. The records are from one
institute in Germany, 1989–1996, ten seconds each; half of the patients are over 60.

**Training.** {epochs}. The preset is below, and in `config.json`.

**Weights.** {kept_as}, {size} MB. Linear probe, validation fold, macro AUROC: {before} in float32, {after} in float16.

## Figures

Linear probe on frozen embeddings, PTB-XL superclasses: {train:,} training records, test fold {fold} ({test:,} records);
95 % intervals over bootstrap draws of patients. Configurations were chosen on the validation fold 8.

{table}

## Preset

```json
{preset}
```
"""


def main() -> None:
    """Parse the command line and run."""
    print(bundle_encoder(tyro.cli(BundleEncoderConfig, description=BundleEncoderConfig.__doc__)))


if __name__ == "__main__":
    main()
