"""Which signals of a file are its ECG."""

import pytest

from beatssl import RecordError
from beatssl.records.formats.channels import choose


def _kept(
    names: list[str], units: list[str | None], rates: list[float] | None = None, assume: bool = True
) -> list[str]:
    choice = choose(tuple(names), tuple(units), tuple(rates or [500.0] * len(names)), assume)
    return [names[i] for i in choice.kept]


def test_what_is_called_a_lead_in_volts_is_kept_and_the_rest_is_named() -> None:
    names = ["II", "V", "PLETH", "RESP", "ART", "Marker", "EEG C3-REF", "MCL1", "V4R", "John Smith"]
    units = ["mV", "uV", "mV", None, "mmHg", "mV", "uV", "mV", "mV", "NU"]
    choice = choose(tuple(names), tuple(units), (250.0,) * 10, True)
    assert [names[i] for i in choice.kept] == ["II", "V", "MCL1", "V4R"]
    assert choice.left_out == ("PLETH", "RESP", "ART", "Marker", "EEG C3-REF", "signal 10")
    assert not choice.assumed


def test_a_name_of_no_known_kind_stays_beside_leads_in_volts_at_their_rate() -> None:
    assert _kept(["I", "mod.V1", "other"], ["mV", "mV", "mV"], [500, 500, 250]) == ["I", "mod.V1"]
    assert _kept(["I", "mod.V1"], ["mV", None]) == ["I"]  # the lead states its unit, so what states none is no ECG
    assert _kept(["D3", "mod.V1"], [None, None]) == ["D3", "mod.V1"]  # QTDB


def test_chest_leads_called_c_are_eeg_where_other_electrodes_of_the_scalp_are() -> None:
    assert _kept(["C1", "C2", "C3"], ["mV"] * 3) == ["C1", "C2", "C3"]
    assert _kept(["Fp1", "C3", "C4", "ECG"], ["uV"] * 4) == ["ECG"]


def test_of_several_rates_that_of_most_standard_leads_counts() -> None:
    assert _kept(["ECG1", "ECG2", "I", "II"], ["mV"] * 4, [1000, 1000, 500, 500]) == ["I", "II"]
    assert _kept(["ECG1", "ECG2", "ECG3"], ["mV"] * 3, [1000, 500, 500]) == ["ECG2", "ECG3"]


def test_where_no_name_is_a_leads_all_of_one_rate_are_taken_but_what_is_surely_no_ecg() -> None:
    assert _kept(["a", "b", "RESP"], ["mV", "uV", "mV"]) == ["a", "b"]
    with pytest.raises(RecordError, match=r"rates differ \(100, 200 Hz\)") as error:
        _kept(["a", "b"], ["mV", "mV"], [100, 200])
    assert error.value.reason == "no-ecg"
    with pytest.raises(RecordError, match="none of its 2 signals is called an ECG lead"):
        _kept(["RESP", "PLETH"], ["mV", "mV"])


def test_units() -> None:
    with pytest.raises(RecordError, match=r"none of its 2 signals is in volts; their units are \['NU', 'mmHg'\]"):
        _kept(["II", "ABP"], ["NU", "mmHg"])
    assert choose(("II",), (None,), (250.0,), True).assumed
    with pytest.raises(RecordError, match=r"signal 'II' states no unit or gain; .*pass unit='mV'") as error:
        choose(("II",), (None,), (250.0,), False, "unit='mV'")
    assert error.value.reason == "unit"
    with pytest.raises(RecordError, match="signal 'signal 1' states"):  # a name that may be any text is not shown
        choose(("John Smith",), (None,), (250.0,), False)
