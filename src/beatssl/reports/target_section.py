"""Targets of the contrast of records: those of one batch as heat maps, and their figures."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from beatssl.reports.page import Section, figure, percent, table
from beatssl.reports.pretrain_pictures import GROUP_NAMES, TargetMap, target_maps
from beatssl.store.labels import SUPERCLASSES, parse_folds
from beatssl.store.store import Store
from beatssl.targets.diagnostics import target_figures, target_warning
from beatssl.training.pretraining.columns import load_rows
from beatssl.training.pretraining.config import PretrainConfig
from beatssl.training.pretraining.objectives import METHODS

EXPONENTS = (1.0, 50.0)
_HEAD = ("targets", "effective positives", "weight on the same diagnosis", "meaning")


def target_section(store: Store, config: PretrainConfig) -> tuple[Section, dict[str, str]]:
    """The section, and its picture by name: hard targets, two exponents, and what the run was trained with.

    The batch has as many records of each superclass as it can, none with two of them, all from the training folds.
    """
    rhythm = config.values().objective.rhythm
    values, certain, groups = _batch(store, config)
    kinds = {"Hard": torch.eye(len(groups))}
    for exponent in EXPONENTS:
        kinds[f"Exponent {exponent:g}"] = replace(rhythm.soft, exponent=exponent, own_weight=None)(values, certain)
    if rhythm.targets == "features":
        kinds["As trained here"] = rhythm.soft(values, certain)
    kinds = {name: targets.clone().fill_diagonal_(1) for name, targets in kinds.items()}
    maps = [TargetMap(name, targets.double().numpy(), _positives(targets)) for name, targets in kinds.items()]
    svg = target_maps(maps, groups.tolist())
    lead = (
        "The measured features give every two records of a batch a target similarity, from 0 to 1. The encoder is "
        "trained to put similar records near each other. Diagnoses are not used for this; here they sort the picture."
    )
    body = figure(svg, _caption(groups), 60) + table(_HEAD, _rows(kinds, groups))
    return Section("targets", "Targets of the contrastive loss", lead, body), {"targets": svg}


def superclass_table(store: Store) -> Bool[np.ndarray, "row superclass"]:
    """Which of SUPERCLASSES every row has."""
    table = store.targets("superclass").reindex(columns=list(SUPERCLASSES), fill_value=False)
    return table.to_numpy(np.bool_)


def _batch(
    store: Store, config: PretrainConfig
) -> tuple[Float[Tensor, "n component"], Float[Tensor, "n component"], Shaped[np.ndarray, " n"]]:
    """What similarity compares of the records drawn, how certain each value is, and their superclasses, sorted."""
    data = load_rows(config.stores, parse_folds(config.folds), seed=config.seed, split=config.split)
    values = config.values()
    columns = METHODS[values.method].columns(data, values.objective).record
    has = superclass_table(store)[data.store_row]
    single = np.random.default_rng(config.seed).permutation(np.flatnonzero(has.sum(axis=1) == 1))
    kind = has[single].argmax(axis=1)
    place = np.array([(kind[:at] == kind[at]).sum() for at in range(len(kind))])
    evenly = np.argsort(place, kind="stable")[: config.optim.batch_size]
    rows, kind = single[evenly], kind[evenly]
    # Within a superclass, records with the same statements come together.
    statements = store.labels.groupby("row")["label"].agg(lambda names: " ".join(sorted(names)))
    order = np.lexsort((statements.loc[data.store_row[rows]].to_numpy(str), kind))
    return (
        torch.from_numpy(columns["compared"][rows[order]]),
        torch.from_numpy(columns["certain"][rows[order]]),
        np.array(SUPERCLASSES)[kind[order]],
    )


def _caption(groups: Shaped[np.ndarray, " n"]) -> str:
    names = ", ".join(f"{name} {GROUP_NAMES[name]}" for name in dict.fromkeys(groups.tolist()))
    return (
        f"The same {len(groups)} records in every panel, sorted by diagnosis: {names}. Each line and each column is a "
        "record; the darker a field, the higher the target (shades are finer near 0). In training "
        f"a loss compares two views of every record, so each view has {2 * len(groups) - 1} others; the effective "
        "number of positives says among how many of them its weight is shared. The table has the share of the weight "
        "on other records that goes to those with the same diagnosis."
    )


def _rows(kinds: Mapping[str, Tensor], groups: Shaped[np.ndarray, " n"]) -> list[list[str]]:
    chance = _share_on_same(np.ones((len(groups), len(groups))), groups)
    rows: list[list[str]] = []
    for name, targets in kinds.items():
        share = _share_on_same(targets.double().numpy(), groups)
        on_same = f"{percent(share)} (by chance {percent(chance)})" if np.isfinite(share) else "–"
        rows.append([name, f"{target_figures(targets).effective_positives:.1f}", on_same, _seen(targets)])
    return rows


def _seen(targets: Tensor) -> str:
    """The meaning of the figures of some targets."""
    figures = target_figures(targets)
    if figures.own_weight == 1:
        return "Every record is similar to itself only: even two equal infarcts are pushed apart."
    warning = target_warning(figures)
    if warning is None:
        return f"The nearest records share {percent(1 - figures.own_weight)} of the weight; the rest is its own."
    said = warning.split(";")[0].removeprefix("rhythm targets are ")
    return f"{said[0].upper()}{said[1:]}."


def _positives(targets: Tensor) -> str:
    return f"effective positives: {target_figures(targets).effective_positives:.1f} of {2 * len(targets) - 1}"


def _share_on_same(targets: Float[np.ndarray, "n n"], groups: Shaped[np.ndarray, " n"]) -> float:
    """Mean share of a record's weight on others that goes to its own class; NaN where others have no weight."""
    weights = np.where(np.eye(len(groups), dtype=bool), 0, targets)
    same, total = (weights * (groups[:, None] == groups)).sum(axis=1), weights.sum(axis=1)
    return float((same[total > 0] / total[total > 0]).mean()) if (total > 0).any() else float("nan")
