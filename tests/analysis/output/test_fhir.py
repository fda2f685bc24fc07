"""The FHIR Observation is valid R5, states what the analysis measured, and says why what is missing is."""

import json

import numpy as np
import pytest
from fhir.resources import __fhir_version__
from fhir.resources.observation import Observation

from beatssl.analysis.model import EcgModel, load
from beatssl.analysis.output.fhir import MEASURES
from beatssl.analysis.result import USE, Analysis
from beatssl.records.synthetic import synthetic_record
from beatssl.signals.leads import LEADS


@pytest.fixture(scope="module")
def model() -> EcgModel:
    return load(device="cpu")


def checked(a: Analysis) -> Observation:
    """Validated by another library's model of R5."""
    assert __fhir_version__.startswith("5.")
    return Observation.model_validate_json(json.dumps(a.to_fhir(), allow_nan=False))


def test_measures_are_stated_by_their_codes(model: EcgModel) -> None:
    a = model.analyze(synthetic_record(0), embeddings=False)
    found = checked(a)
    assert found.code.coding[0].code == "11524-6"
    assert found.note[0].text == USE
    assert len(found.component) == len(MEASURES)
    for part, (name, (code, _, _)) in zip(found.component, MEASURES.items(), strict=True):
        measured = a.intervals[name]
        assert measured.value is not None
        assert part.code.coding[0].code == code
        assert float(part.valueQuantity.value) == pytest.approx(measured.value, abs=0.051)
        assert part.valueQuantity.code == {"ms": "ms", "1/min": "/min", "deg": "deg"}[measured.unit]


def test_what_is_not_determinable_says_why(model: EcgModel) -> None:
    silence = np.zeros((12, 5000), np.float32)
    silence[:, ::7] = 0.03
    found = checked(model.analyze(silence, leads=LEADS, fs_hz=500, embeddings=False))
    assert all(part.valueQuantity is None for part in found.component)
    assert {part.dataAbsentReason.text for part in found.component} >= {"not determinable, because no beats were found"}
