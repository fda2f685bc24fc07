"""The verb `views`: a page of one record, or the realism table of a store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

if TYPE_CHECKING:
    from beatssl.checks.views import ViewsFigures


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ShowViewsConfig:
    """Show what views do to records.

    With a record: a page with its leads and VCG loops, as stored and through every view.
    Without: the realism table. How far beats, intervals, axes and features move under each view, what the way to the
    vectorcardiogram and back costs each lead, and what it costs diagnoses that are predicted from the features alone.
    """

    store: tyro.conf.Positional[Path]
    """Folder of a prepared store."""
    record: tyro.conf.Positional[str | None] = None
    """Id of the record to draw; left out: the table."""
    out: Path | None = None
    """File to write. None: views-RECORD.html or views.json in the store's folder."""
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0
    """Strength of the views on the page."""
    rows: Annotated[int, Field(ge=2)] = 500
    """Rows drawn at random for the table."""
    diagnosis_rows: Annotated[int, Field(ge=0)] = 6000
    """Rows drawn at random to tell diagnoses from; 0: none."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of rows and views."""
    overwrite: bool = False
    """Replace a file that is there already."""


def show_views(config: ShowViewsConfig) -> "Path | ViewsFigures":
    """The path of the page of `config.record`, or the figures of the realism table, also written as JSON.

    Raises:
        StoreError: where the folder is no finished store.
        ValueError: for a record that is not in the store, or a store that has not the twelve leads.
    """
    from beatssl.checks.views import ViewsCheckConfig, check_views
    from beatssl.reports.views_page import views_page
    from beatssl.results import write_result
    from beatssl.store.outputs import check_file
    from beatssl.store.store import Store

    store = Store(config.store)
    default = "views.json" if config.record is None else f"views-{config.record}.html"
    out = config.out or config.store / default
    check_file(out, config.overwrite)
    if config.record is not None:
        return views_page(store, config.record, out, config.strength, config.seed)
    table = ViewsCheckConfig(rows=config.rows, diagnosis_rows=config.diagnosis_rows, seed=config.seed)
    figures = check_views(store, table)
    write_result(out, figures)
    return figures
