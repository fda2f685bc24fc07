"""From a study's file to frozen configs: every variant and seed as a run, named by the hash of what it depends on."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import Field, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from beatssl.models.encoder import ENCODERS
from beatssl.store.layout import canonical_hash
from beatssl.studies.scorecard.records import DRAWS
from beatssl.studies.study.changes import Settings, settings
from beatssl.studies.study.config import StudyConfig
from beatssl.studies.study.plan_file import ALL_PRESETS, Changes, StudyFile
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.diagnosis.config import FinetuneConfig
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.presets import PRESETS

Kind = Literal["pretrain", "source", "scratch"]
"""pretrain: a pretraining run; source: an encoder that is there, such as "random"; scratch: a classifier trained on
labels alone."""

SCRATCH, BUNDLED = "scratch", "default"
"""Sources that are treated apart."""
_HASH_DIGITS = 12
_SAVE_EVERY = 50
# overwrite=True below: a run's folder is its own, and what an older version of the package left half done begins anew.


@dataclass(frozen=True)
class Run:
    """One variant with one seed."""

    hash: str
    kind: Kind
    source: str
    """What is evaluated, where nothing is pretrained."""
    settings: Settings
    seed: int
    budget: str
    rows: int
    epochs: int
    stores: Path
    """Folder of the stores that it is trained and evaluated on."""
    names: tuple[tuple[str, str], ...]
    """The groups and variants that it stands for."""

    def pretraining(self, out: Path, study: StudyConfig) -> PretrainConfig:
        """The frozen config of its pretraining."""
        one = self.settings
        return PretrainConfig(
            stores=tuple(self.stores / name for name in one.stores),
            out=out,
            preset=one.preset,
            set=one.set,
            encoder=one.network,
            init=one.init,
            folds=one.folds,
            rows=self.rows,
            epochs=self.epochs,
            beats_per_record=one.beats_per_record,
            optim=one.optim,
            seed=self.seed,
            run=RunConfig(save_every=_SAVE_EVERY, device=study.device, overwrite=True),
        )

    def supervised(self, out: Path, study: StudyConfig, label_share: float) -> FinetuneConfig:
        """The frozen config of the same network trained on labels alone, evaluated on the validation fold.

        A share of the labels is drawn as for the probes of pretrained encoders, which all have the same draws.
        """
        one = self.settings
        return FinetuneConfig(
            store=self.stores / one.stores[0],
            out=out,
            encoder="random",
            network=one.network,
            labels="superclass",
            train_folds=one.folds,
            validation_only=True,
            label_share=label_share,
            draws=DRAWS,
            draw_seed=0,
            init="fresh",
            epochs=6,
            least_updates=300 if label_share < 1 else None,
            optim=OptimConfig(encoder_rate=1.0, warmup=0.1, average=0.99, precision=one.optim.precision),
            seed=self.seed,
            bootstrap_draws=10,
            run=RunConfig(device=study.device, overwrite=True),
        )


def plan(study: StudyFile, config: StudyConfig) -> list[Run]:
    """All runs that are asked for, in the order in which they are to be done: group by group, seed by seed.

    Runs that two groups have in common stand once, with both names.

    Raises ValueError, naming the group and variant, where a config cannot be made of it.
    """
    if config.budget not in study.budgets:
        raise ValueError(f"budget {config.budget!r} is not in the file; choose one of {', '.join(study.budgets)}")
    if unknown := [name for name in config.groups if name not in study.groups]:
        raise ValueError(f"there is no group {unknown[0]!r} in the file; choose out of {', '.join(study.groups)}")
    asked = config.groups or [name for name, one in study.groups.items() if config.budget in one.budgets]
    found: dict[str, Run] = {}
    for group in asked:
        variants = variants_of(study, group, config)
        for seed in range(config.seeds or study.groups[group].seeds or study.base.seeds):
            for name, first in variants.items():
                run = replace(first, seed=seed, hash=canonical_hash([first.hash, seed])[:_HASH_DIGITS])
                before = found.get(run.hash, run)
                found[run.hash] = replace(before, names=(*before.names, (group, name)))
    return list(found.values())


def variants_of(study: StudyFile, group: str, config: StudyConfig) -> dict[str, Run]:
    """The runs of a group's variants, before they have a seed. Raises ValueError as `plan` does."""
    stated = study.groups[group]
    variants: Mapping[str, Changes]
    if isinstance(stated.variants, str):
        assert stated.variants == ALL_PRESETS
        variants = {name: (f"preset={name}",) for name in PRESETS}
    else:
        variants = stated.variants
    if stated.each:
        variants = {
            f"{name}, {other}": (*changes, *more)
            for name, changes in variants.items()
            for other, more in stated.each.items()
        }
    before = (*study.base.changes, *study.budgets[config.budget].changes, *stated.changes)
    start = Settings(stores=study.base.stores, folds=study.base.folds)
    made: dict[str, Run] = {}
    for name, changes in variants.items():
        try:
            expanded = _expanded((*before, *changes), study.starts)
            one = settings(start, _with_windows(expanded, study.budgets[config.budget].changes))
            made[name] = _run(study, config, one)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"groups.{group}, variant {name!r}: {message}") from None
        except ValueError as error:
            raise ValueError(f"groups.{group}, variant {name!r}: {error}") from None
    return made


def _expanded(changes: Sequence[str], starts: Mapping[str, Changes]) -> list[str]:
    """The changes with those that "start=NAME" stands for in its place."""
    out: list[str] = []
    for change in changes:
        path, _, name = change.partition("=")
        if path.strip() != "start":
            out.append(change)
        elif name.strip() in starts:
            out += _expanded(starts[name.strip()], starts)
        else:
            raise ValueError(f"there is no start {name.strip()!r}; choose one of {', '.join(starts)}")
    return out


def _with_windows(changes: Sequence[str], budget: Changes) -> list[str]:
    """The changes with those of the budget's windows after every preset, which drops what was changed before: all
    variants of a budget see as much of a row, unless they say otherwise after their preset."""
    windows = [change for change in budget if change.partition("=")[0].strip() in ("window_s", "window_share")]
    out: list[str] = []
    for change in changes:
        out += [change, *windows] if change.partition("=")[0].strip() == "preset" else [change]
    return out


def _run(study: StudyFile, config: StudyConfig, one: Settings) -> Run:
    """The run of a variant, apart from seed and names; its hash is of all but the seed."""
    if one.network.name not in ENCODERS:
        raise ValueError(f"there is no network {one.network.name!r}; choose one of {', '.join(ENCODERS)}")
    budget = study.budgets[config.budget]
    run = Run(
        hash="",
        kind="scratch" if one.source == SCRATCH else "source" if one.source else "pretrain",
        source=one.source,
        settings=one,
        seed=0,
        budget=config.budget,
        rows=max(2, round(budget.rows * one.share)),
        epochs=round(budget.epochs * one.epochs / one.share),
        stores=config.stores / one.folder,
        names=(),
    )
    return replace(run, hash=canonical_hash(_what_counts(run, config)))


def _what_counts(run: Run, config: StudyConfig) -> dict[str, Any]:
    """All that the figures of a run depend on, but for the seed. What stands at its default is left out, so that an
    option that is added later changes no hash; so are the places of the stores, which differ between machines."""
    one = run.settings
    shared = {"kind": run.kind, "network": changed(one.network), "folder": one.folder}
    if run.kind == "source":
        network = shared["network"] if run.source == "random" else None
        return {"source": run.source, "network": network, "folder": one.folder}
    data = {"stores": list(one.stores), "folds": one.folds}
    if run.kind == "scratch":
        return shared | data | {"draws": DRAWS, "optim": changed(OptimConfig(precision=one.optim.precision))}
    made = run.pretraining(Path("run"), config)
    return shared | data | {
        "preset": changed(made.values()),
        "optim": changed(made.optim),
        "rows": made.rows,
        "epochs": made.epochs,
        "beats_per_record": made.beats_per_record,
        "init": made.init,
    }  # fmt: skip


def changed(value: Any) -> Any:
    """A dataclass as nested values, without the fields that are at their default."""
    if not is_dataclass(value) or isinstance(value, type):
        return value
    return {
        one.name: changed(getattr(value, one.name))
        for one in fields(value)
        if _default(one) is NO_DEFAULT or getattr(value, one.name) != _default(one)
    }


def _default(one: Field[Any]) -> Any:
    if one.default is not NO_DEFAULT:
        return one.default
    return NO_DEFAULT if one.default_factory is NO_DEFAULT else one.default_factory()
