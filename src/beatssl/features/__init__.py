"""Measurements of records and beats, each with a name, a unit and a definition."""

from beatssl.features.beat_features import BEAT_DEFINITIONS, measure_beats
from beatssl.features.definition import Definition
from beatssl.features.record_features import RECORD_DEFINITIONS, measure_records, record_columns

DEFINITIONS = RECORD_DEFINITIONS | BEAT_DEFINITIONS
"""Unit and definition of every column of both tables; a name in both means the same of a median beat and of a beat."""

__all__ = [
    "BEAT_DEFINITIONS",
    "DEFINITIONS",
    "RECORD_DEFINITIONS",
    "Definition",
    "measure_beats",
    "measure_records",
    "record_columns",
]
