"""Self-supervised representation learning for 12-lead ECG, from whole records and single heartbeats.

    from beatssl import PrepareConfig, Store, prepare

    prepare(PrepareConfig("ptbxl", Path("data/ptb-xl"), out=Path("stores/ptb-xl")))
    store = Store("stores/ptb-xl")

What stands here is loaded when it is first asked for, so that `import beatssl` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from beatssl.dataset.config import PrepareConfig as PrepareConfig
    from beatssl.dataset.prepare import prepare as prepare
    from beatssl.dataset.splits import check_split as check_split
    from beatssl.dataset.splits import split_by_fold as split_by_fold
    from beatssl.dataset.splits import take_share as take_share
    from beatssl.dataset.store import Store as Store
    from beatssl.dataset.store import open_stores as open_stores
    from beatssl.evaluation.bench import BenchConfig as BenchConfig
    from beatssl.evaluation.bench import bench as bench
    from beatssl.evaluation.check import CheckConfig as CheckConfig
    from beatssl.evaluation.check import check as check
    from beatssl.evaluation.demo import DemoConfig as DemoConfig
    from beatssl.evaluation.demo import demo as demo
    from beatssl.evaluation.ecg_paper import ecg_paper as ecg_paper
    from beatssl.evaluation.show_views import ShowViewsConfig as ShowViewsConfig
    from beatssl.evaluation.show_views import show_views as show_views
    from beatssl.evaluation.tables import TablesConfig as TablesConfig
    from beatssl.evaluation.tables import tables as tables
    from beatssl.features.definition import Definition as Definition
    from beatssl.records.download import download as download
    from beatssl.records.record import Record as Record
    from beatssl.records.record import RecordError as RecordError
    from beatssl.training.checkpoint import BeatEncoder as BeatEncoder
    from beatssl.training.config import PretrainConfig as PretrainConfig
    from beatssl.training.pretrain import pretrain as pretrain
    from beatssl.training.probe import ProbeConfig as ProbeConfig
    from beatssl.training.probe import probe as probe

__version__ = "0.1.0"

_HOME = {
    "BeatEncoder": "training.checkpoint",
    "BenchConfig": "evaluation.bench",
    "CheckConfig": "evaluation.check",
    "Definition": "features.definition",
    "DemoConfig": "evaluation.demo",
    "PrepareConfig": "dataset.config",
    "PretrainConfig": "training.config",
    "ProbeConfig": "training.probe",
    "Record": "records.record",
    "RecordError": "records.record",
    "ShowViewsConfig": "evaluation.show_views",
    "Store": "dataset.store",
    "bench": "evaluation.bench",
    "check_split": "dataset.splits",
    "check": "evaluation.check",
    "demo": "evaluation.demo",
    "download": "records.download",
    "ecg_paper": "evaluation.ecg_paper",
    "open_stores": "dataset.store",
    "prepare": "dataset.prepare",
    "pretrain": "training.pretrain",
    "probe": "training.probe",
    "show_views": "evaluation.show_views",
    "split_by_fold": "dataset.splits",
    "TablesConfig": "evaluation.tables",
    "tables": "evaluation.tables",
    "take_share": "dataset.splits",
}

__all__ = [
    "BeatEncoder",
    "BenchConfig",
    "CheckConfig",
    "Definition",
    "DemoConfig",
    "PrepareConfig",
    "PretrainConfig",
    "ProbeConfig",
    "Record",
    "RecordError",
    "ShowViewsConfig",
    "Store",
    "TablesConfig",
    "__version__",
    "bench",
    "check",
    "check_split",
    "demo",
    "download",
    "ecg_paper",
    "open_stores",
    "prepare",
    "pretrain",
    "probe",
    "show_views",
    "split_by_fold",
    "tables",
    "take_share",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'beatssl' has no attribute {name!r}")
    value = getattr(import_module(f"beatssl.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
