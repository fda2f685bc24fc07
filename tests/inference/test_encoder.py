"""Checkpoints: what comes back, what is refused, and what is handed to the hub."""

import json
import pickletools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError
from safetensors.torch import load_file, save_file
from torch import Tensor

from beatssl.inference import model_folder as saved
from beatssl.inference.classifier import EcgClassifier
from beatssl.inference.encoder import BeatEncoder
from beatssl.inference.model_config import FORMAT_VERSION, CheckpointError
from beatssl.inference.model_folder import SavedModel, save_model
from beatssl.inference.segmenter import EcgSegmenter
from beatssl.models.config import EncoderConfig
from beatssl.models.encoder import ENCODERS, build_encoder
from beatssl.signals.filters import bandpass, resample
from beatssl.signals.leads import LEADS, to_twelve
from beatssl.signals.preparation import Preparation
from beatssl.store.store import Store

PROVENANCE = {"method": "simclr", "pretraining": [{"store": "synthetic", "rows": 8}], "seed": 3}


def made(name: str = "xresnet1d", **options: Any) -> BeatEncoder:
    encoder = build_encoder(EncoderConfig(name, width=0.25, depth=0.1), seed=5)
    preparation = Preparation(**({"fs_hz": 100.0, "low_hz": 0.5, "high_hz": 40.0} | options))
    generator = torch.Generator().manual_seed(2)
    for value in encoder.state_dict().values():
        if value.is_floating_point():
            value += 0.01 * torch.rand(value.shape, generator=generator)
    return BeatEncoder(encoder, preparation, PROVENANCE).eval()


def answer(model: BeatEncoder) -> Tensor:
    ecg_mv = torch.randn(2, 12, 400, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 12, dtype=torch.bool)
    mask[1, 4:] = False
    with torch.no_grad():
        return model(ecg_mv, mask).feature_map


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "kept", made())
    return tmp_path / "kept"


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_what_is_kept_comes_back(name: str, tmp_path: Path) -> None:
    model = made(name)
    save_model(tmp_path, model)
    back = BeatEncoder.from_pretrained(tmp_path)
    assert torch.equal(answer(back), answer(model))
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in back.state_dict().items())
    assert (back.encoder.config, back.preparation, back.provenance) == (
        model.encoder.config,
        model.preparation,
        PROVENANCE,
    )
    assert not back.training


def test_files_are_json_text_and_safetensors_and_nothing_else(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "config.json", "README.md"}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["format"] == FORMAT_VERSION
    assert config["preprocessing"] == {
        "fs_hz": 100.0,
        "low_hz": 0.5,
        "high_hz": 40.0,
        "leads": list(LEADS),
        "unit": "mV",
    }
    assert config["encoder"]["gain_per_mv"] == 4.0
    with pytest.raises(ValueError, match=r"opcode|MARK"):
        pickletools.dis((folder / "model.safetensors").read_bytes())


def test_a_file_is_replaced_whole(folder: Path) -> None:
    other = made(fs_hz=250.0)
    save_model(folder, other)
    assert BeatEncoder.from_pretrained(folder).preparation.fs_hz == 250.0
    assert not list(folder.glob(".*"))


def test_half_precision_halves_the_file_and_keeps_the_answer(tmp_path: Path) -> None:
    model = made()
    save_model(tmp_path / "full", model)
    save_model(tmp_path / "half", model, half=True)
    full, half = (BeatEncoder.from_pretrained(tmp_path / kind) for kind in ("full", "half"))
    assert all(weight.dtype == torch.float32 for weight in half.parameters())
    assert (answer(half) - answer(full)).norm() < 2e-3 * answer(full).norm()
    sizes = [(tmp_path / kind / "model.safetensors").stat().st_size for kind in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]


def test_a_record_as_a_file_gives_it(folder: Path) -> None:
    rng = np.random.default_rng(0)
    leads = ("V2", "II", "I")
    ecg_mv = rng.normal(size=(3, 2500)).astype(np.float32)
    model = BeatEncoder.from_pretrained(folder)
    twelve = resample(bandpass(to_twelve(ecg_mv, leads), 250.0), 250.0, 100.0)
    there = torch.from_numpy(np.isfinite(twelve).all(axis=1))
    with torch.no_grad():
        encoded = model(torch.from_numpy(np.nan_to_num(twelve))[None], there[None])
        expected, whole = encoded.feature_map, model.encoder.embed(encoded)[0]
    assert there.sum() == 7
    torch.testing.assert_close(model.encode(ecg_mv, leads, 250.0, check="off").feature_map, expected)
    assert whole.shape == (1024,)
    np.testing.assert_allclose(model.predict(ecg_mv, leads, 250.0, check="off"), whole.numpy(), rtol=1e-4, atol=1e-5)
    filtered = bandpass(ecg_mv, 250.0)
    torch.testing.assert_close(
        model.encode(filtered, leads, 250.0, True, "off").feature_map, expected, rtol=1e-3, atol=1e-3
    )


def test_other_leads_than_the_twelve_must_be_given_as_trained() -> None:
    encoder = build_encoder(EncoderConfig(leads=2, width=0.25, depth=0.1))
    model = BeatEncoder(encoder, Preparation(100.0, 0.5, 40.0, ("1", "2")), {})
    ecg_mv = np.random.default_rng(0).normal(size=(2, 500)).astype(np.float32)
    assert model.encode(ecg_mv, ("1", "2"), 100.0, check="off").feature_map.shape[2] == 63
    with pytest.raises(ValueError, match="leads V5, V2 given; pass those that are known here, 1, 2"):
        model.encode(ecg_mv, ("V5", "V2"), 100.0, check="off")
    with pytest.raises(CheckpointError, match="takes 2 leads, its preparation names 12"):
        BeatEncoder(encoder, Preparation(100.0, 0.5, 40.0), {})


def test_an_encoder_of_leads_as_recorded_takes_as_many_and_opens_as_version_0_1_wrote_it(tmp_path: Path) -> None:
    encoder = build_encoder(EncoderConfig(leads=2, width=0.25, depth=0.1))
    model = BeatEncoder(encoder, Preparation(100.0, 0.5, 40.0, ()), {}).eval()
    ecg_mv = np.random.default_rng(0).normal(size=(2, 500)).astype(np.float32)
    save_model(tmp_path, model)
    edited(tmp_path, lambda config: config["preprocessing"].update(leads=["1", "2"]))
    back = BeatEncoder.from_pretrained(tmp_path)
    assert back.preparation == model.preparation
    answers = [one.predict(ecg_mv, ("V5", "belly"), 100.0, check="off") for one in (model, back)]
    np.testing.assert_array_equal(*answers)
    with pytest.raises(ValueError, match=r"1 leads given \(V5\); the network takes 2, pass as many"):
        back.predict(ecg_mv[:1], ("V5",), 100.0, check="off")


def test_a_store_prepared_alike_passes(store: Store) -> None:
    assert store.preparation == made().preparation
    made().check_store(store)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"fs_hz": 250.0}, "fs_hz: 100.0 against 250.0"),
        ({"low_hz": 0.05, "high_hz": 45.0}, "high_hz: 40.0 against 45.0; low_hz: 0.5 against 0.05"),
        ({"leads": tuple(reversed(LEADS))}, "leads: I II III aVR aVL aVF V1 V2 V3 V4 V5 V6 against V6 V5"),
    ],
)
def test_a_store_prepared_otherwise_is_refused(store: Store, options: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckpointError, match=named) as caught:
        made(**options).check_store(store)
    assert str(store.path) in str(caught.value)
    assert "prepare the store again" in str(caught.value)


def edited(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(json.dumps(config), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda config: config.update(format=FORMAT_VERSION + 1, beatssl="9.9"),
            "made by beatssl 9.9.*upgrade beatssl",
        ),
        (lambda config: config.pop("format"), "states no format"),
        (lambda config: config.update(format="1"), "states no format"),
        (lambda config: config.pop("preprocessing"), "lacks preprocessing"),
        (lambda config: config["encoder"].update(heads=8), "(?s)does not know.*heads"),
        (lambda config: config["encoder"].update(name="transformer"), "'transformer'; registered are xresnet1d"),
        (lambda config: config["preprocessing"].update(fs_hz="fast"), "(?s)does not know.*fs_hz"),
        (lambda config: config["preprocessing"].update(unit="uV"), "unit 'uV'; encoders take mV"),
        (lambda config: config["preprocessing"].update(leads=["I"]), "takes 12 leads, its preparation names 1"),
        (lambda config: config["encoder"].update(width=0.5), "has the shape .*keep the two files"),
        (lambda config: config["encoder"].update(name="unet"), "is missing; .* more; keep the two files"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(
    folder: Path, change: Callable[[dict[str, Any]], Any], named: str
) -> None:
    edited(folder, change)
    with pytest.raises(CheckpointError, match=named):
        BeatEncoder.from_pretrained(folder)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_file_cut_short_is_refused(folder: Path, name: str, share: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(share * (len(content) - 2))])
    with pytest.raises(CheckpointError, match=f"{name} is damaged"):
        BeatEncoder.from_pretrained(folder)


def flip(path: Path, count: int = 2000) -> None:
    """Turn `count` bytes at the end of a file, where the numbers are."""
    content = bytearray(path.read_bytes())
    content[-count:] = bytes(255 - value for value in content[-count:])
    path.write_bytes(content)


def test_flipped_bytes_are_refused(folder: Path) -> None:
    flip(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model.safetensors is damaged.*config.json states .*copy both again"):
        BeatEncoder.from_pretrained(folder)


def test_a_folder_without_a_checksum_opens(folder: Path) -> None:
    before = answer(BeatEncoder.from_pretrained(folder))
    edited(folder, lambda config: config.pop("weights_sha256"))
    assert torch.equal(answer(BeatEncoder.from_pretrained(folder)), before)


@pytest.mark.parametrize("model", [BeatEncoder, EcgClassifier, EcgSegmenter])
def test_bundled_weights_have_their_checksum(model: type[SavedModel], tmp_path: Path) -> None:
    shutil.copytree(saved.bundled(model.kind), tmp_path / "copy")
    model.from_pretrained(tmp_path / "copy")
    flip(tmp_path / "copy" / "model.safetensors")
    with pytest.raises(CheckpointError, match="is damaged"):
        model.from_pretrained(tmp_path / "copy")


def test_missing_and_strange_weights_are_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    gone = sorted(weights)[0]
    save_file({name: value for name, value in weights.items() if name != gone} | {"head": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match=f"{gone} is missing; head is unknown"):
        BeatEncoder.from_pretrained(folder)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_folder_without_one_of_the_files_is_no_checkpoint(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CheckpointError, match=f"no checkpoint .it has no {name}"):
        BeatEncoder.from_pretrained(folder)


def test_no_folder_at_all(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no folder"):
        BeatEncoder.from_pretrained(tmp_path / "none")


def test_save_pretrained_keeps_what_from_pretrained_reads(tmp_path: Path) -> None:
    model = made()
    model.save_pretrained(tmp_path / "kept")
    assert torch.equal(answer(BeatEncoder.from_pretrained(tmp_path / "kept")), answer(model))
    assert torch.equal(answer(BeatEncoder.from_pretrained(str(tmp_path / "kept"))), answer(model))


def test_the_hub_is_asked_for_the_two_files(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str | None]] = []

    def download(repo_id: str, filename: str, *, revision: str | None, **options: Any) -> str:
        asked.append((repo_id, filename, revision))
        return shutil.copy(folder / filename, tmp_path / filename)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    model = BeatEncoder.from_pretrained("someone/ecg", revision="v1")
    assert asked == [("someone/ecg", "config.json", "v1"), ("someone/ecg", "model.safetensors", "v1")]
    assert torch.equal(answer(model), answer(BeatEncoder.from_pretrained(folder)))


def test_a_repository_without_safetensors_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repo_id: str, filename: str, **options: Any) -> str:
        raise EntryNotFoundError(f"{filename} not in {repo_id}")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    with pytest.raises(CheckpointError, match="'someone/ecg' is no folder here, and no repository"):
        BeatEncoder.from_pretrained("someone/ecg")


@pytest.mark.parametrize("source", ["a/b/none", "runs/typo", "/nowhere", "typo"])
def test_a_path_that_does_not_exist_is_not_asked_of_the_hub(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *args, **options: pytest.fail("the hub was asked"))
    with pytest.raises(CheckpointError, match=f"there is no folder '{source}'"):
        BeatEncoder.from_pretrained(source)


def test_push_uploads_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    class Hub:
        def __init__(self, token: str | None = None) -> None:
            self.token = token

        def create_repo(self, repo_id: str, private: bool | None, exist_ok: bool) -> Any:
            calls.append({"created": repo_id, "private": private, "token": self.token})
            return type("Url", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id: str, folder_path: Path, **options: Any) -> str:
            shutil.copytree(folder_path, tmp_path / "uploaded")
            calls.append({"uploaded": repo_id, "revision": options["revision"]})
            return "the commit"

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    model = made()
    assert model.push_to_hub("someone/ecg", private=True, token="secret", branch="v1") == "the commit"
    assert calls == [
        {"created": "someone/ecg", "private": True, "token": "secret"},
        {"uploaded": "someone/ecg", "revision": "v1"},
    ]
    assert {path.name for path in (tmp_path / "uploaded").iterdir()} == {
        "model.safetensors",
        "config.json",
        "README.md",
    }
    assert torch.equal(answer(BeatEncoder.from_pretrained(tmp_path / "uploaded")), answer(model))
