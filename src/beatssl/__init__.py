"""Self-supervised representation learning for 12-lead ECG, from whole records and single heartbeats.

    from beatssl import PrepareConfig, Store, prepare

    prepare(PrepareConfig("ptbxl", Path("data/ptb-xl"), out=Path("stores/ptb-xl")))
    store = Store("stores/ptb-xl")

What stands here is loaded when it is first asked for, so that `import beatssl` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from beatssl._version import __version__ as __version__

if TYPE_CHECKING:
    from beatssl.analysis.analyze import AnalyzeResult as AnalyzeResult
    from beatssl.analysis.analyze import analyze as analyze
    from beatssl.analysis.config import AnalyzeConfig as AnalyzeConfig
    from beatssl.analysis.config import InspectConfig as InspectConfig
    from beatssl.analysis.inspect_files import inspect_files as inspect_files
    from beatssl.analysis.model import EcgModel as EcgModel
    from beatssl.analysis.model import load as load
    from beatssl.analysis.output.document import analysis_schema as analysis_schema
    from beatssl.analysis.result import Analysis as Analysis
    from beatssl.analysis.stores.embed import Embeddings as Embeddings
    from beatssl.analysis.stores.embed import embed as embed
    from beatssl.beats.peaks import find_r_peaks as find_r_peaks
    from beatssl.beats.peaks import rate_r_peaks as rate_r_peaks
    from beatssl.bench.bench import BenchConfig as BenchConfig
    from beatssl.bench.bench import bench as bench
    from beatssl.checks.check import CheckConfig as CheckConfig
    from beatssl.checks.check import check as check
    from beatssl.demo.config import DemoConfig as DemoConfig
    from beatssl.demo.demo import demo as demo
    from beatssl.drawing.ecg_paper import ecg_paper as ecg_paper
    from beatssl.features.definition import Definition as Definition
    from beatssl.inference.classifier import EcgClassifier as EcgClassifier
    from beatssl.inference.encoder import BeatEncoder as BeatEncoder
    from beatssl.inference.regressor import EcgRegressor as EcgRegressor
    from beatssl.inference.segmenter import EcgSegmenter as EcgSegmenter
    from beatssl.records.download import download as download
    from beatssl.records.formats.options import FileOptions as FileOptions
    from beatssl.records.read import read as read
    from beatssl.records.read import read_all as read_all
    from beatssl.records.record import Record as Record
    from beatssl.records.record import RecordError as RecordError
    from beatssl.reports.classification_pictures import draw_classification as draw_classification
    from beatssl.reports.scorecard.scorecard import scorecard as scorecard
    from beatssl.reports.show_views import ShowViewsConfig as ShowViewsConfig
    from beatssl.reports.show_views import show_views as show_views
    from beatssl.reports.tables import TablesConfig as TablesConfig
    from beatssl.reports.tables import tables as tables
    from beatssl.signals.preparation import Preparation as Preparation
    from beatssl.store.config import PrepareConfig as PrepareConfig
    from beatssl.store.prepare import prepare as prepare
    from beatssl.store.splits import check_split as check_split
    from beatssl.store.splits import split_by_fold as split_by_fold
    from beatssl.store.splits import take_share as take_share
    from beatssl.store.store import Store as Store
    from beatssl.store.store import open_stores as open_stores
    from beatssl.studies.compare import compare as compare
    from beatssl.studies.config import CompareConfig as CompareConfig
    from beatssl.studies.config import RecalibrateConfig as RecalibrateConfig
    from beatssl.studies.config import TransferConfig as TransferConfig
    from beatssl.studies.recalibrate import recalibrate as recalibrate
    from beatssl.studies.scorecard.config import ScorecardConfig as ScorecardConfig
    from beatssl.studies.shift.config import ShiftConfig as ShiftConfig
    from beatssl.studies.shift.shift import shift as shift
    from beatssl.studies.study.config import StudyConfig as StudyConfig
    from beatssl.studies.study.study import study as study
    from beatssl.studies.transfer import transfer as transfer
    from beatssl.training.diagnosis.config import FinetuneConfig as FinetuneConfig
    from beatssl.training.diagnosis.config import ProbeConfig as ProbeConfig
    from beatssl.training.diagnosis.finetune import finetune as finetune
    from beatssl.training.diagnosis.probe import probe as probe
    from beatssl.training.pretraining.config import PretrainConfig as PretrainConfig
    from beatssl.training.pretraining.pretrain import pretrain as pretrain
    from beatssl.training.segmentation.config import SegmentConfig as SegmentConfig
    from beatssl.training.segmentation.segment import segment as segment
    from beatssl.viewer.config import ServeConfig as ServeConfig
    from beatssl.viewer.serve import serve as serve

_HOME = {
    "Analysis": "analysis.result",
    "analysis_schema": "analysis.output.document",
    "analyze": "analysis.analyze",
    "AnalyzeConfig": "analysis.config",
    "AnalyzeResult": "analysis.analyze",
    "BeatEncoder": "inference.encoder",
    "bench": "bench.bench",
    "BenchConfig": "bench.bench",
    "check": "checks.check",
    "check_split": "store.splits",
    "CheckConfig": "checks.check",
    "compare": "studies.compare",
    "CompareConfig": "studies.config",
    "Definition": "features.definition",
    "demo": "demo.demo",
    "DemoConfig": "demo.config",
    "download": "records.download",
    "draw_classification": "reports.classification_pictures",
    "ecg_paper": "drawing.ecg_paper",
    "EcgModel": "analysis.model",
    "EcgClassifier": "inference.classifier",
    "EcgRegressor": "inference.regressor",
    "EcgSegmenter": "inference.segmenter",
    "embed": "analysis.stores.embed",
    "Embeddings": "analysis.stores.embed",
    "FileOptions": "records.formats.options",
    "find_r_peaks": "beats.peaks",
    "finetune": "training.diagnosis.finetune",
    "FinetuneConfig": "training.diagnosis.config",
    "inspect_files": "analysis.inspect_files",
    "InspectConfig": "analysis.config",
    "load": "analysis.model",
    "open_stores": "store.store",
    "Preparation": "signals.preparation",
    "prepare": "store.prepare",
    "PrepareConfig": "store.config",
    "pretrain": "training.pretraining.pretrain",
    "PretrainConfig": "training.pretraining.config",
    "probe": "training.diagnosis.probe",
    "ProbeConfig": "training.diagnosis.config",
    "recalibrate": "studies.recalibrate",
    "RecalibrateConfig": "studies.config",
    "rate_r_peaks": "beats.peaks",
    "read": "records.read",
    "read_all": "records.read",
    "Record": "records.record",
    "RecordError": "records.record",
    "scorecard": "reports.scorecard.scorecard",
    "ScorecardConfig": "studies.scorecard.config",
    "segment": "training.segmentation.segment",
    "SegmentConfig": "training.segmentation.config",
    "serve": "viewer.serve",
    "ServeConfig": "viewer.config",
    "shift": "studies.shift.shift",
    "ShiftConfig": "studies.shift.config",
    "show_views": "reports.show_views",
    "ShowViewsConfig": "reports.show_views",
    "split_by_fold": "store.splits",
    "Store": "store.store",
    "study": "studies.study.study",
    "StudyConfig": "studies.study.config",
    "tables": "reports.tables",
    "TablesConfig": "reports.tables",
    "take_share": "store.splits",
    "transfer": "studies.transfer",
    "TransferConfig": "studies.config",
}

__all__ = [
    "Analysis",
    "AnalyzeConfig",
    "AnalyzeResult",
    "BeatEncoder",
    "BenchConfig",
    "CheckConfig",
    "CompareConfig",
    "Definition",
    "DemoConfig",
    "EcgClassifier",
    "EcgModel",
    "EcgRegressor",
    "EcgSegmenter",
    "Embeddings",
    "FileOptions",
    "FinetuneConfig",
    "InspectConfig",
    "Preparation",
    "PrepareConfig",
    "PretrainConfig",
    "ProbeConfig",
    "RecalibrateConfig",
    "Record",
    "RecordError",
    "ScorecardConfig",
    "SegmentConfig",
    "ServeConfig",
    "ShiftConfig",
    "ShowViewsConfig",
    "Store",
    "StudyConfig",
    "TablesConfig",
    "TransferConfig",
    "__version__",
    "analysis_schema",
    "analyze",
    "bench",
    "check",
    "check_split",
    "compare",
    "demo",
    "download",
    "draw_classification",
    "ecg_paper",
    "embed",
    "find_r_peaks",
    "finetune",
    "inspect_files",
    "load",
    "open_stores",
    "prepare",
    "pretrain",
    "probe",
    "rate_r_peaks",
    "read",
    "read_all",
    "recalibrate",
    "scorecard",
    "segment",
    "serve",
    "shift",
    "show_views",
    "split_by_fold",
    "study",
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
