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
    from beatssl.evaluation.classification_pictures import draw_classification as draw_classification
    from beatssl.evaluation.compare import CompareConfig as CompareConfig
    from beatssl.evaluation.compare import compare as compare
    from beatssl.evaluation.demo import DemoConfig as DemoConfig
    from beatssl.evaluation.demo import demo as demo
    from beatssl.evaluation.ecg_paper import ecg_paper as ecg_paper
    from beatssl.evaluation.recalibrate import RecalibrateConfig as RecalibrateConfig
    from beatssl.evaluation.recalibrate import recalibrate as recalibrate
    from beatssl.evaluation.show_views import ShowViewsConfig as ShowViewsConfig
    from beatssl.evaluation.show_views import show_views as show_views
    from beatssl.evaluation.tables import TablesConfig as TablesConfig
    from beatssl.evaluation.tables import tables as tables
    from beatssl.evaluation.transfer import TransferConfig as TransferConfig
    from beatssl.evaluation.transfer import transfer as transfer
    from beatssl.features.definition import Definition as Definition
    from beatssl.records.download import download as download
    from beatssl.records.record import Record as Record
    from beatssl.records.record import RecordError as RecordError
    from beatssl.training.checkpoint import BeatEncoder as BeatEncoder
    from beatssl.training.classifier import EcgClassifier as EcgClassifier
    from beatssl.training.config import PretrainConfig as PretrainConfig
    from beatssl.training.finetune import FinetuneConfig as FinetuneConfig
    from beatssl.training.finetune import finetune as finetune
    from beatssl.training.pretrain import pretrain as pretrain
    from beatssl.training.probe import ProbeConfig as ProbeConfig
    from beatssl.training.probe import probe as probe
    from beatssl.training.segment import SegmentConfig as SegmentConfig
    from beatssl.training.segment import segment as segment
    from beatssl.training.segmenter import EcgSegmenter as EcgSegmenter

__version__ = "0.1.0"

_HOME = {
    "BeatEncoder": "training.checkpoint",
    "bench": "evaluation.bench",
    "BenchConfig": "evaluation.bench",
    "check": "evaluation.check",
    "check_split": "dataset.splits",
    "CheckConfig": "evaluation.check",
    "compare": "evaluation.compare",
    "CompareConfig": "evaluation.compare",
    "Definition": "features.definition",
    "demo": "evaluation.demo",
    "DemoConfig": "evaluation.demo",
    "download": "records.download",
    "draw_classification": "evaluation.classification_pictures",
    "ecg_paper": "evaluation.ecg_paper",
    "EcgClassifier": "training.classifier",
    "EcgSegmenter": "training.segmenter",
    "finetune": "training.finetune",
    "FinetuneConfig": "training.finetune",
    "open_stores": "dataset.store",
    "prepare": "dataset.prepare",
    "PrepareConfig": "dataset.config",
    "pretrain": "training.pretrain",
    "PretrainConfig": "training.config",
    "probe": "training.probe",
    "ProbeConfig": "training.probe",
    "recalibrate": "evaluation.recalibrate",
    "RecalibrateConfig": "evaluation.recalibrate",
    "Record": "records.record",
    "RecordError": "records.record",
    "segment": "training.segment",
    "SegmentConfig": "training.segment",
    "show_views": "evaluation.show_views",
    "ShowViewsConfig": "evaluation.show_views",
    "split_by_fold": "dataset.splits",
    "Store": "dataset.store",
    "tables": "evaluation.tables",
    "TablesConfig": "evaluation.tables",
    "take_share": "dataset.splits",
    "transfer": "evaluation.transfer",
    "TransferConfig": "evaluation.transfer",
}

__all__ = [
    "BeatEncoder",
    "BenchConfig",
    "CheckConfig",
    "CompareConfig",
    "Definition",
    "DemoConfig",
    "EcgClassifier",
    "EcgSegmenter",
    "FinetuneConfig",
    "PrepareConfig",
    "PretrainConfig",
    "ProbeConfig",
    "RecalibrateConfig",
    "Record",
    "RecordError",
    "SegmentConfig",
    "ShowViewsConfig",
    "Store",
    "TablesConfig",
    "TransferConfig",
    "__version__",
    "bench",
    "check",
    "check_split",
    "compare",
    "demo",
    "download",
    "draw_classification",
    "ecg_paper",
    "finetune",
    "open_stores",
    "prepare",
    "pretrain",
    "probe",
    "recalibrate",
    "segment",
    "show_views",
    "split_by_fold",
    "tables",
    "take_share",
    "transfer",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'beatssl' has no attribute {name!r}")
    value = getattr(import_module(f"beatssl.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
