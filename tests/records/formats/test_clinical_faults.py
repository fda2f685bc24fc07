"""What real clinical files do that a reader may get wrong: each with its right value, on small files made here."""

import binascii
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from beatssl import Record, RecordError, read
from beatssl.records.synthetic.clinical_files import FS_HZ, ecg_uv, edf, hl7, ishne, mfer, philips, scp
from beatssl.signals.calibration import without_calibration
from beatssl.signals.leads import LEADS


def _refused(path: Path, reason: str, says: str = "", **options: Any) -> None:
    with pytest.raises(RecordError) as error:
        read(path, **options)
    assert error.value.reason == reason
    assert says in str(error.value)


def _put(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def _same(record: Record, uv: np.ndarray) -> None:
    np.testing.assert_allclose(record.ecg_mv, uv[[LEADS.index(lead) for lead in record.leads]] / 1000, atol=1e-6)


# ------------------------------------------------------------------------------------------------------ DICOM


@pytest.fixture
def dicom(clinical_folder: Path, tmp_path: Path) -> Callable[[Callable[[Any, Any], None]], Path]:
    """A DICOM file with its data set and first group changed."""

    def made(change: Callable[[Any, Any], None]) -> Path:
        import pydicom

        data = pydicom.dcmread(clinical_folder / "cart.dcm")
        change(data, data.WaveformSequence[0])
        data.save_as(tmp_path / "a.dcm", enforce_file_format=True)
        return tmp_path / "a.dcm"

    return made


def _samples(group: Any) -> np.ndarray:
    return np.frombuffer(group.WaveformData, "<i2").reshape(-1, 12).copy()


def test_padding_that_samples_take_too_marks_only_long_runs(dicom: Any) -> None:
    def change(_: Any, group: Any) -> None:
        samples = _samples(group)
        samples[100:103] = 0  # three true zeros
        samples[400:460, 2] = 0  # 120 ms
        group.add_new(0x54001010, "OW", samples.tobytes())
        group.add_new(0x5400100A, "OW", b"\0\0")

    record = read(dicom(change))
    assert np.isfinite(record.ecg_mv[:, 100:103]).all()
    assert (record.ecg_mv[:, 100:103] == 0).all()
    assert np.isnan(record.ecg_mv[2, 400:460]).all()
    assert np.isnan(record.ecg_mv).sum() == 60


def test_padding_outside_the_samples_own_values_is_not_measured(dicom: Any) -> None:
    def change(_: Any, group: Any) -> None:
        samples = _samples(group)
        samples[7, 3] = -32768
        group.add_new(0x54001010, "OW", samples.tobytes())
        group.add_new(0x5400100A, "OW", (-32768).to_bytes(2, "little", signed=True))

    assert np.argwhere(np.isnan(read(dicom(change)).ecg_mv)).tolist() == [[3, 7]]


def test_bits_above_the_stored_ones_are_the_sign(dicom: Any, clinical_folder: Path) -> None:
    before = read(clinical_folder / "cart.dcm").ecg_mv
    assert before.min() < -0.04

    def change(_: Any, group: Any) -> None:
        group.add_new(0x54001010, "OW", (_samples(group) & 0xFFF).astype("<i2").tobytes())
        for channel in group.ChannelDefinitionSequence:
            channel.WaveformBitsStored = 12

    np.testing.assert_array_equal(read(dicom(change)).ecg_mv, before)


def test_a_channel_is_shifted_by_its_skew(dicom: Any, clinical_folder: Path) -> None:
    before = read(clinical_folder / "cart.dcm").ecg_mv

    def change(_: Any, group: Any) -> None:
        group.ChannelDefinitionSequence[1].ChannelSampleSkew = "3"
        del group.ChannelDefinitionSequence[4].WaveformBitsStored
        group.ChannelDefinitionSequence[4].ChannelTimeSkew = "-0.004"

    after = read(dicom(change)).ecg_mv
    np.testing.assert_array_equal(after[1, 3:], before[1, :-3])
    np.testing.assert_array_equal(after[4, :-2], before[4, 2:])
    assert np.isnan(after[1, :3]).all()
    assert np.isnan(after[4, -2:]).all()
    assert np.isnan(after).sum() == 5


def test_the_recorded_group_is_read_however_long_and_wherever_the_derived_one_is(dicom: Any) -> None:
    def change(data: Any, group: Any) -> None:
        import copy

        longer = copy.deepcopy(group)
        longer.NumberOfWaveformSamples = 2000
        longer.add_new(0x54001010, "OW", np.tile(_samples(group), (2, 1)).tobytes())
        longer.WaveformOriginality = "DERIVED"
        for one in (group, longer):
            del one.MultiplexGroupLabel
        data.WaveformSequence.insert(0, longer)

    record = read(dicom(change))
    assert record.ecg_mv.shape == (12, 1000)
    assert record.metadata["left_out_groups"] == 1


def test_a_group_of_fewer_samples_than_it_states_is_truncated_and_of_more_is_flagged(dicom: Any) -> None:
    def stating(samples: int) -> Path:
        return dicom(lambda _, group: setattr(group, "NumberOfWaveformSamples", samples))

    _refused(stating(1001), "truncated", "holds 1000 samples a channel, states 1001")
    assert "trailing" not in read(stating(1000)).metadata
    whole, cut = read(stating(1000)).ecg_mv, read(stating(768))
    assert cut.metadata["trailing"]
    np.testing.assert_array_equal(cut.ecg_mv, whole[:, :768])


def test_an_image_is_no_ecg(dicom: Any) -> None:
    def change(data: Any, _: Any) -> None:
        del data.WaveformSequence

    _refused(dicom(change), "no-ecg", "without any waveform")


def test_a_photo_under_a_clinical_name_is_named_for_what_it_is(tmp_path: Path) -> None:
    _refused(_put(tmp_path, "photo.dcm", b"\xff\xd8\xff\xe0" + bytes(500)), "unreadable", "a JPEG picture")


# ---------------------------------------------------------------------------------------------- EDF and BDF


def test_data_records_that_were_not_counted_are_those_in_the_file(tmp_path: Path) -> None:
    content = bytearray(edf(ecg_uv()))
    content[236:244] = b"-1      "
    _same(read(_put(tmp_path, "a.edf", bytes(content))), ecg_uv())


def _bdf(uv: np.ndarray) -> bytes:
    """EDF's header with BDF's mark and bounds, and three bytes a sample."""
    content = edf(uv)
    head = bytearray(content[: 256 * 13])
    head[:8] = b"\xffBIOSEMI"
    head[192:236] = b"24BIT".ljust(44)
    wide = np.frombuffer(content[256 * 13 :], "<i2").astype("<i4")
    return bytes(head) + wide[:, None].view(np.uint8)[:, :3].tobytes()


def test_bdf(tmp_path: Path) -> None:
    record = read(_put(tmp_path, "a.bdf", _bdf(ecg_uv())))
    _same(record, ecg_uv())
    assert (record.fs_hz, record.metadata["format"]) == (500.0, "bdf")
    _refused(_put(tmp_path, "b.bdf", _bdf(ecg_uv())[:-1]), "truncated", "holds 1")


def test_ecg_at_its_own_rate_beside_other_signals(tmp_path: Path) -> None:
    labels = ["EEG Fp1-REF", "ECG I", "ECG II", "RESP", "Marker", "C3-REF"]
    rates = [250, 500, 500, 25, 500, 250]
    t = np.arange(1000) / 500
    waves = [1000 * np.sin(2 * np.pi * (k + 1) * t[: 2 * rate]) for k, rate in enumerate(rates)]
    signals = [np.round(wave).astype("<i2") for wave in waves]
    n = len(labels)
    fields: list[tuple[list[Any], int]] = [
        (labels, 16), ([""] * n, 80), (["uV", "uV", "uV", "", "", "uV"], 8), ([-32768] * n, 8), ([32767] * n, 8),
        ([-32768] * n, 8), ([32767] * n, 8), (["HP:0.1Hz LP:75Hz"] * n, 80), (rates, 8), ([""] * n, 32),
    ]  # fmt: skip

    def text(value: object, size: int) -> bytes:
        return str(value).encode().ljust(size)

    head = text("0", 8) + text("X X X X", 80) + text("Startdate X X X X", 80) + b"01.01.8500.00.00"
    head += text(256 * (n + 1), 8) + text("", 44) + text(2, 8) + text(1, 8) + text(n, 4)
    head += b"".join(text(value, size) for values, size in fields for value in values)
    body = b"".join(s[k * r : (k + 1) * r].tobytes() for k in range(2) for s, r in zip(signals, rates, strict=True))
    record = read(_put(tmp_path, "psg.edf", head + body))
    assert (record.leads, record.fs_hz) == (("I", "II"), 500.0)
    np.testing.assert_allclose(record.ecg_mv * 1000, signals[1:3], atol=1e-3)
    assert record.metadata["left_out"] == "EEG Fp1-REF, RESP, Marker, signal 6"
    assert record.metadata["highpass_hz"] == 0.1


def test_gaps_of_edf_d_are_not_measured(tmp_path: Path) -> None:
    uv = ecg_uv()[:1]

    def text(value: object, size: int) -> bytes:
        return str(value).encode().ljust(size)

    fields: list[tuple[list[Any], int]] = [
        (["ECG II", "EDF Annotations"], 16), ([""] * 2, 80), (["uV", ""], 8), ([-32768, -1], 8), ([32767, 1], 8),
        ([-32768] * 2, 8), ([32767] * 2, 8), ([""] * 2, 80), ([500, 8], 8), ([""] * 2, 32),
    ]  # fmt: skip
    head = text("0", 8) + text("X X X X", 80) + text("Startdate X X X X", 80) + b"01.01.8500.00.00"
    head += text(768, 8) + text("EDF+D", 44) + text(2, 8) + text(1, 8) + text(2, 4)
    head += b"".join(text(value, size) for values, size in fields for value in values)
    body = b"".join(
        uv[0, 500 * k : 500 * (k + 1)].tobytes() + f"+{at}\x14\x14".encode().ljust(16, b"\0")
        for k, at in enumerate((0, 3))
    )
    record = read(_put(tmp_path, "a.edf", head + body))
    assert record.ecg_mv.shape == (1, 2000)
    assert np.isnan(record.ecg_mv[0, 500:1500]).all()
    np.testing.assert_allclose(record.ecg_mv[0, 1500:] * 1000, uv[0, 500:], atol=1e-3)


# ------------------------------------------------------------------------- Philips, SCP, ISHNE, aECG, MFER


def test_a_calibration_pulse_at_the_end_is_cut(tmp_path: Path) -> None:
    uv = np.tile(ecg_uv(), (1, 3))
    pulse = np.zeros(250, "<i2")
    pulse[100:200] = 1000
    content = philips(np.concatenate([uv, np.tile(pulse, (12, 1))], axis=1).astype("<i2"))
    record = read(_put(tmp_path, "a.xml", content.replace(b'durationperchannel="2000"', b'durationperchannel="6500"')))
    _same(record, uv)
    assert record.metadata["calibration_cut_s"] == 0.5
    assert "calibration" in str(record)


def test_what_is_no_calibration_stays() -> None:
    rng = np.random.default_rng(0)
    ecg_mv = rng.normal(0, 0.1, (12, 3000)).astype(np.float32)
    flat = ecg_mv.copy()
    flat[:, 2500:] = 0  # leads that fell off together
    for signal in (ecg_mv, flat, np.tile(ecg_mv[:1], (12, 1)), ecg_mv[:2], ecg_mv[:, :1]):
        assert without_calibration(signal, 500.0)[0] is signal
    first = np.concatenate([np.tile(np.repeat([0, 1, 0], 100).astype(np.float32), (12, 1)), ecg_mv], axis=1)
    kept, cut_first_s, cut_last_s = without_calibration(first, 500.0)
    assert (kept.shape[1], round(cut_first_s, 2), cut_last_s) == (3000, 0.6, 0.0)


def _scp_with(change: Callable[[dict[int, bytearray]], None]) -> bytes:
    """The SCP file with its sections changed and all checksums but those of changed bytes left as they are."""
    content = bytearray(scp(ecg_uv()))
    (length,) = struct.unpack_from("<I", content, 10)
    sections: dict[int, bytearray] = {}
    places: dict[int, int] = {}
    for at in range(22, 6 + length - 9, 10):
        number, size, index = struct.unpack_from("<HII", content, at)
        if number:
            places[number] = index - 1
            sections[number] = content[index - 1 : index - 1 + size]
    change(sections)
    for number, section in sections.items():
        content[places[number] : places[number] + len(section)] = section
    content[:2] = struct.pack("<H", binascii.crc_hqx(bytes(content[2:]), 0xFFFF))
    return bytes(content)


def test_scp_leads_may_be_counted_from_0(tmp_path: Path) -> None:
    def from_zero(sections: dict[int, bytearray]) -> None:
        three = sections[3]
        for k in range(12):
            struct.pack_into("<I", three, 18 + 9 * k, 0)
        three[:2] = struct.pack("<H", binascii.crc_hqx(bytes(three[2:]), 0xFFFF))

    _same(read(_put(tmp_path, "a.scp", _scp_with(from_zero))), ecg_uv())


def test_damage_of_scp_matters_only_where_the_samples_need_it(tmp_path: Path) -> None:
    def damage(number: int) -> bytes:
        def change(sections: dict[int, bytearray]) -> None:
            sections[number][20] ^= 0xFF

        return _scp_with(change)

    record = read(_put(tmp_path, "a.scp", damage(1)))
    _same(record, ecg_uv())
    assert record.metadata["damaged_sections"] == "1"
    assert (record.age_years, record.patient_id) == (None, None)
    _refused(_put(tmp_path, "b.scp", damage(6)), "checksum", "section 6")
    _refused(_put(tmp_path, "c.scp", scp(ecg_uv())[:-40]), "truncated", "states")


def test_ishne_of_fewer_samples_than_it_promises_is_truncated_and_of_more_is_flagged(tmp_path: Path) -> None:
    content = bytearray(ishne(ecg_uv()))
    struct.pack_into("<i", content, 14, 8_056_200)
    content[8:10] = struct.pack("<H", binascii.crc_hqx(bytes(content[10:522]), 0xFFFF))
    _refused(_put(tmp_path, "a.ecg", bytes(content)), "truncated", "8056200 samples a lead, it holds 1000")
    record = read(_put(tmp_path, "b.ecg", ishne(ecg_uv()) + bytes(2400)))
    _same(record, ecg_uv())
    assert record.metadata["trailing"]


def test_a_time_increment_that_no_ecg_has_is_refused_and_overruled(tmp_path: Path) -> None:
    content = hl7(ecg_uv()).replace(b'increment value="0.002"', b'increment value="2"')
    path = _put(tmp_path, "a.xml", content)
    _refused(path, "sampling-rate", "were ms meant, it is 500 Hz")
    record = read(path, fs_hz_override=500)
    assert (record.fs_hz, record.metadata["fs_overridden_from_hz"]) == (500.0, 0.5)
    _same(record, ecg_uv())


def test_short_and_empty_files_say_so(tmp_path: Path) -> None:
    few = ecg_uv()[:, :13]
    _refused(_put(tmp_path, "a.xml", hl7(few)), "too-short", "13 samples")
    empty = re.sub(rb"<component><series>.*</series></component>", b"", hl7(ecg_uv()), flags=re.DOTALL)
    _refused(_put(tmp_path, "b.xml", empty), "unreadable", "without any rhythm series")
    for name in ("c.dcm", "d.scp", "e.xml"):
        _refused(_put(tmp_path, name, b""), "unreadable", "an empty file")


def test_a_birth_date_of_all_ones_is_none(tmp_path: Path) -> None:
    born = struct.pack(">BHHBB", 70, 0, 1950, 3, 14)
    path = _put(tmp_path, "a.mwf", mfer(ecg_uv()).replace(born, struct.pack(">BHHBB", 255, 0xFFFF, 0xFFFF, 0xFF, 0xFF)))
    record = read(path)
    assert record.age_years is None
    assert "age_over_89" not in record.metadata


def test_a_lead_that_never_changes_is_missing(tmp_path: Path) -> None:
    uv = ecg_uv()
    uv[7] = 35
    record = read(_put(tmp_path, "a.ecg", ishne(uv)))
    assert np.isnan(record.ecg_mv[7]).all()
    assert np.isfinite(np.delete(record.ecg_mv, 7, axis=0)).all()
    assert "missing (never measured, or never changes): V2" in str(record)


def test_a_gain_five_times_too_large_is_flagged(tmp_path: Path) -> None:
    high = (ecg_uv() * 1.0).astype("<i2")
    assert "implausible_amplitude" not in read(_put(tmp_path, "a.ecg", ishne(high))).metadata
    record = read(_put(tmp_path, "b.ecg", ishne((ecg_uv() * 15).astype("<i2"))))
    assert record.metadata["implausible_amplitude"]
    assert record.fs_hz == FS_HZ
