"""Tables: rates from times and preambles, columns that are no lead, Apple's export, damage."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from beatssl.records.formats.csv_table import read_csv
from beatssl.records.formats.formats import format_of
from beatssl.records.formats.options import FileOptions
from beatssl.records.record import RecordError
from beatssl.records.recording import Person, Recording

N = 600
STEPS = np.arange(N)
I, II, BREATH = np.round(np.random.default_rng(0).normal(size=(3, N)), 3)  # noqa: E741
DATES = pd.date_range("2020-01-01", periods=N, freq="4ms")


def _table(titles: str, *columns: object, separator: str = ",") -> str:
    rows = zip(*columns, strict=True)  # type: ignore[call-overload]
    return titles + "\n" + "".join(separator.join(map(str, row)) + "\n" for row in rows)


def _read(text: str | bytes, fs_hz: float | None = None, leads: tuple[str, ...] = ()) -> Recording:
    content = text.encode() if isinstance(text, str) else text
    return read_csv(content, "a.csv", FileOptions(csv_fs_hz=fs_hz, lead_names=leads))


def _refused(text: str | bytes, reason: str, says: str, fs_hz: float | None = None) -> None:
    with pytest.raises(RecordError, match=says) as error:
        _read(text, fs_hz)
    assert error.value.reason == reason


@pytest.mark.parametrize(
    ("title", "times", "fs_hz"),
    [
        ("time (s)", STEPS / 250, 250.0),
        ("time_ms", STEPS * 4, 250.0),
        ("Time [ms]", STEPS * 4, 250.0),
        ("seconds", STEPS / 250, 250.0),
        ("Var1", np.round(STEPS / 250, 6), 250.0),
        ("time", np.round(STEPS / 360, 3), 360.0),  # rounded to milliseconds: steps of 2 and 3
        ("time_ms", np.round(STEPS * 1000 / 360).astype(int), 360.0),
        ("timestamp", 1_600_000_000_000 + STEPS * 4, 250.0),
        ("timestamp", [f"{1_600_000_000 + k / 250:.3f}" for k in STEPS], 250.0),
        ("timestamp", DATES.astype(str), 250.0),
        ("timestamp", [date.isoformat() + "Z" for date in DATES], 250.0),  # whole seconds without a fraction
        ("time", DATES.strftime("%d.%m.%Y %H:%M:%S.%f"), 250.0),
        ("time", DATES.strftime("%H:%M:%S.%f"), 250.0),
    ],
)
def test_times_state_the_rate(title: str, times: object, fs_hz: float) -> None:
    (lead,) = _read(_table(f"{title},I", times, I)).channels
    assert (lead.name, lead.fs_hz) == ("I", fs_hz)
    np.testing.assert_array_equal(lead.samples, I)


def test_a_counter_states_none() -> None:
    for title in ("sample", "time", "", "TS"):
        _refused(_table(f"{title},I", STEPS, I), "unreadable", "csv_fs_hz=")
        assert _read(_table(f"{title},I", STEPS, I), 500.0).channels[0].fs_hz == 500.0


@pytest.mark.parametrize(
    "times",
    [np.delete(np.arange(N + 1), 300) / 250, STEPS[::-1] / 250, np.where(STEPS < 300, STEPS, STEPS + 750) / 250],
)
def test_times_with_a_gap_are_refused(times: np.ndarray) -> None:
    for fs_hz in (None, 250.0):
        _refused(_table("time,I", times, I), "sampling-rate", "empty rows", fs_hz)
    options = FileOptions(fs_hz_override=250.0)
    assert len(read_csv(_table("time,I", times, I).encode(), "a", options).channels) == 1


def test_times_against_the_users_rate() -> None:
    _refused(_table("time,I", STEPS / 250, I), "sampling-rate", "states 250 Hz", 500.0)


@pytest.mark.parametrize(
    ("text", "left_out"),
    [
        (_table("time,I,respiration", STEPS / 250, I, BREATH), "respiration"),
        (_table("time,I,If,IIf", STEPS / 250, I, STEPS * 0, STEPS * 0 + 1), "column 3, column 4"),
        (_table("time,I,Anna Quellmann", STEPS / 250, I, BREATH), "column 3"),
    ],
)
def test_what_is_no_lead_is_left_out_and_named(text: str, left_out: str) -> None:
    found = _read(text)
    assert [channel.name for channel in found.channels] == ["I"]
    assert found.metadata == {"left_out": left_out}


def test_flags_beside_a_signal_of_no_known_name() -> None:
    found = _read(_table("time,Anna,flag", STEPS / 250, I, (STEPS > 300) * 1))
    assert [channel.name for channel in found.channels] == [""]


def test_an_index_is_no_lead() -> None:
    for frame in (pd.DataFrame({"I": I, "II": II}), pd.DataFrame(np.stack([I, II], 1))):
        found = _read(frame.to_csv(), 250.0)
        assert [channel.samples[0] for channel in found.channels] == [I[0], II[0]]


def test_row_names_without_a_title_do_not_shift_the_leads() -> None:
    for separator in (",", " "):
        text = _table(f'"I"{separator}"II"', [f'"{k}"' for k in STEPS + 1], I, II, separator=separator)
        found = _read(text, 250.0)
        assert [(channel.name, channel.samples[0]) for channel in found.channels] == [("I", I[0]), ("II", II[0])]


def test_two_columns_of_one_title_are_two_leads() -> None:
    found = _read(_table("I,I", I, II), 250.0)
    assert [(channel.name, channel.samples[0]) for channel in found.channels] == [("I", I[0]), ("I", II[0])]


@pytest.mark.parametrize("times", [[f"{k / 360:.3f}" for k in STEPS], [f"'0:{k / 360:06.3f}'" for k in STEPS]])
def test_a_row_of_units_follows_the_titles(times: list[str]) -> None:
    """As PhysioNet's ATM writes."""
    found = _read(_table("'Elapsed time','MLII','V5'\n'hh:mm:ss.mmm','mV','mV'", times, I, II))
    stated = [(channel.name, channel.fs_hz, channel.unit) for channel in found.channels]
    assert stated == [("MLII", 360.0, "mV"), ("V5", 360.0, "mV")]
    np.testing.assert_array_equal(found.channels[0].samples, I)


def test_a_unit_may_end_a_title() -> None:
    found = _read(_table("ecg_mv,II_uV", I, II), 250.0)
    assert [(channel.name, channel.unit) for channel in found.channels] == [("ecg", "mv"), ("II", "uV")]


APPLE = {
    "en": 'Name,John Smith\nDate of Birth,"Mar 5, 1950"\nRecorded Date,2020-01-02 10:11:12 +0100\nSymptoms,\n'
    'Software Version,1.90\nDevice,"Watch6,1"\nSample Rate,512 hertz\n\n\nLead,Lead I\nUnit,µV\n\n',
    "de": "Name,John Smith\nGeburtsdatum,05.03.1950\nMessfrequenz,512 Hertz\nAbleitung,Ableitung I\nEinheit,µV\n",
    "es": "Nombre,John Smith\nFecha de nacimiento,5 mar 1950\nFrecuencia de muestreo,512 hercios\n"
    "Derivación,Derivación I\nUnidad,µV\n",
    "nl": "Naam,John Smith\nGeboortedatum,05-03-1950\nMeetfrequentie,512 hertz\nAfleiding,Afleiding I\nEenheid,µV\n\n",
}


@pytest.mark.parametrize("language", APPLE)
@pytest.mark.parametrize("written", ["{:.3f}", '"{:.3f}"', "{:.3f};"])
def test_apples_export(language: str, written: str) -> None:
    values = [written.format(100 * value) for value in I]
    if language != "en":
        values = [value.replace(".", ",") for value in values]
    found = _read(APPLE[language] + "\n".join(values) + "\n")
    (lead,) = found.channels
    assert (lead.name, lead.fs_hz, lead.unit) == ("I", 512.0, "µV")
    np.testing.assert_allclose(lead.samples, 100 * I, atol=1e-9)
    assert found.person.names == ("John", "Smith")
    assert found.person.birth_date == ("" if language == "nl" else "1950-03-05")
    assert found.metadata == {}


def test_a_birth_date_in_an_open_order_is_none() -> None:
    text = APPLE["en"].replace('"Mar 5, 1950"', "3/5/1950") + "\n".join(map(str, I))
    assert _read(text).person == Person(names=("John", "Smith"))


@pytest.mark.parametrize(
    ("line", "fs_hz"),
    [
        ("# fs=500", 500.0),
        ("# Sampling rate: 500 Hz", 500.0),
        ("# filter: 0.05-150 Hz\n# notch: 50 Hz\n# fs = 500", 500.0),
        ("# fs = 500, lowpass = 40 Hz", 500.0),
        ("# fs: 1 kHz", 1000.0),
        ("# sample rate: 1,000 Hz", 1000.0),
        ("# 500 Hz", 500.0),
        ("Sampling frequency;500,5", 500.5),
    ],
)
def test_a_line_before_the_table_states_the_rate(line: str, fs_hz: float) -> None:
    found = _read(line + "\n" + _table("I,II", I, II))
    assert [(channel.name, channel.fs_hz) for channel in found.channels] == [("I", fs_hz), ("II", fs_hz)]


@pytest.mark.parametrize("line", ["# notch: 50 Hz", "# low-pass 150 Hz", "# heart rate: 70", "# exported at 10:00"])
def test_a_line_that_states_another_rate_states_none(line: str) -> None:
    _refused(line + "\n" + _table("I,II", I, II), "unreadable", "csv_fs_hz=")


def test_two_rates_before_a_table_are_refused() -> None:
    _refused("# fs=250\n# fs=500\n" + _table("I,II", I, II), "sampling-rate", "250 and 500 Hz")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", ",\n"])
def test_encodings_and_line_ends(encoding: str, end: str) -> None:
    found = _read(_table("I (µV),II (µV)", I, II).replace("\n", end).encode(encoding), 250.0)
    assert [(channel.name, channel.unit) for channel in found.channels] == [("I", "µV"), ("II", "µV")]
    np.testing.assert_array_equal(found.channels[1].samples, II)


def test_decimal_commas() -> None:
    late = "I;II\n" + "0;0\n" * 60 + _table("", I, II, separator=";").replace(".", ",")[1:]
    quoted = "I,II\n" + "".join(f'"{a}","{b}"\n'.replace(".", ",") for a, b in zip(I, II, strict=True))
    np.testing.assert_array_equal(_read(late, 250.0).channels[1].samples[60:], II)
    np.testing.assert_array_equal(_read(quoted, 250.0).channels[1].samples, II)


def _long(leads: dict[str, np.ndarray]) -> pd.DataFrame:
    parts = [pd.DataFrame({"time": np.arange(N) / 250, "lead": name, "value": of}) for name, of in leads.items()]
    return pd.concat(parts, ignore_index=True)


@pytest.mark.parametrize("records", [(), ("a", "b")])
def test_one_value_a_line_is_refused_with_a_line_that_reshapes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: tuple[str, ...]
) -> None:
    table = _long({"I": I, "II": II})
    if records:
        table = pd.concat([table.assign(record=name) for name in records])
    monkeypatch.chdir(tmp_path)
    table.to_csv("long.csv", index=False)
    Path("wide").mkdir()
    with pytest.raises(RecordError, match="for each record" if records else "reshape it to a column a lead") as caught:
        read_csv(Path("long.csv").read_bytes(), "long.csv", FileOptions(unit="mV"))
    exec(str(caught.value).partition("for each record: " if records else "column a lead: ")[2], {"pandas": pd})
    wide = sorted(Path("wide").iterdir())
    assert [path.name for path in wide] == [f"{name}.csv" for name in records or ("ecg",)]
    for path in wide:
        found = read_csv(path.read_bytes(), path.name, FileOptions(unit="mV"))
        assert [channel.name for channel in found.channels] == ["I", "II"]
        assert {channel.fs_hz for channel in found.channels} == {250.0}
        np.testing.assert_array_equal(found.channels[1].samples, II)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (_table("I,II", I, II) + "0.12", "truncated"),
        ("I," + ",".join(map(str, I)) + "\nII," + ",".join(map(str, II[:500])), "truncated"),
        ("I,II\n1,2\n3.45.6\n7,8\n", "unreadable"),  # a comma is lost
        ("I,II\n1,2\n3,4\n5,6,7\n8,9\n", "unreadable"),
        ("I,II\n1,2\n3,1e99999999999\n5,6\n", "unreadable"),  # on which pandas' parser crashes the process
        ("I,II,V1\n1,2\n3,4\n5,6\n", "unreadable"),
        ("I,II\n1,2,3,4\n3,4,5,6\n", "unreadable"),
    ],
)
def test_rows_that_lack_or_exceed_cells_are_refused(text: str, reason: str) -> None:
    _refused(text, reason, "not a table of numbers", 250.0)


@pytest.mark.parametrize("turned", [False, True])
def test_the_place_of_a_cell_of_text_is_named_and_nothing_that_may_be_a_person(turned: bool) -> None:
    spoilt = [*II[:99], "Mary Miller", *II[100:]]
    for title, place in (("II", "lead II"), ("Anna", "column 2")):
        text = _table(f"I,{title}", I, spoilt)
        if turned:
            text = "\n".join(",".join(map(str, row)) for row in (("I", *I), (title, *spoilt)))
        with pytest.raises(RecordError, match=f"value 100 of {place} is a text; leave it empty") as error:
            _read(text, 250.0, () if title == "II" else ("I", title))
        assert not {"Mary", "Anna"} & set(str(error.value).split())


def test_a_table_is_known_by_its_content() -> None:
    def kind(name: str, text: str) -> str | None:
        return format_of(name, text.encode()[:4096])

    rows = _table("time\tI\tII", STEPS / 250, I, II, separator="\t")
    assert [kind(name, rows) for name in ("a.txt", "a.asc", "a.md")] == ["csv", "csv", None]
    assert kind("a.txt", APPLE["en"] + "\n".join(map(str, I))) == "csv"
    assert kind("a.txt", "Dear colleague,\n\nthe ECG of 12 May\nshows\n1 2\n3\n") is None
    assert kind("a.txt", "") is None
    assert kind("ids.txt", "101\n102\n103\n104\n") is None
    assert kind("a.txt", "101\n" * 2000) == "csv"
    clock = [f"00:00:{second:06.3f}" for second in STEPS / 250]
    assert kind("a.txt", _table("time;I;II", clock, I, ["", 1, ""] * 200, separator=";")) == "csv"
    assert kind("a.txt", _table("I;II", ["0", "0,05"] * 300, I, separator=";") + "\n\n") == "csv"
    assert kind("a.txt", "I,II\n1,2\n3,4\n5,6\n\n") == "csv"


@pytest.mark.parametrize(
    "text", [_table("time,I,II", STEPS / 250, I, II), APPLE["de"] + "\n".join(map(str, I)), _table("I;II", I, II)]
)
def test_damaged_files(text: str, survives: Callable[..., list[str]]) -> None:
    assert survives(lambda content: read_csv(content, "a", FileOptions(csv_fs_hz=250.0)), text.encode())


def test_the_real_file(data_root: Path) -> None:
    path = data_root / "clinical/csv/118e24.csv"
    if not path.is_file():
        pytest.skip("no set `clinical`; see ../shared/data")
    (lead,) = _read(path.read_bytes(), 360.0, ("ECG",)).channels
    np.testing.assert_array_equal(lead.samples, np.loadtxt(path))
