"""The contract of every adapter: a published file, read by name, is an encoder like any other."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from beatssl.inference.adapters.adapter import Adapter
from beatssl.inference.adapters.ecg_fm import EcgFmLayout
from beatssl.inference.adapters.ecgfounder import EcgFounderLayout
from beatssl.inference.adapters.foreign_encoder import ForeignEncoder
from beatssl.inference.adapters.published_weights import WeightsNotAtHand, read_network
from beatssl.inference.adapters.registry import ADAPTERS, published
from beatssl.inference.embedding import embed
from beatssl.inference.embedding_cache import cached_embed
from beatssl.inference.model_config import CheckpointError
from beatssl.inference.source import open_encoder
from beatssl.models.config import EncoderConfig
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
from beatssl.store.store import Store

TINY: dict[str, Any] = {
    "ecg-fm": EcgFmLayout(12, (8, 8, 8, 8), 16, 2, 2, 24, 8, 4),
    "ecgfounder": EcgFounderLayout(12, 8, (8, 12, 12), (1, 2, 1), 6, 4),
}
"""Small networks of the same layout."""

BESIDE: dict[str, dict[str, Tensor]] = {
    "ecg-fm": {
        "mask_emb": torch.zeros(16),
        "quantizer.vars": torch.zeros(1, 4, 2),
        "quantizer.weight_proj.weight": torch.zeros(4, 8),
        "project_q.weight": torch.zeros(4, 4),
        "final_proj.bias": torch.zeros(4),
    },
    "ecgfounder": {
        "dense.weight": torch.zeros(150, 12),
        "first_bn.running_mean": torch.zeros(8),
        "stage_list.0.block_list.0.bn1.num_batches_tracked": torch.zeros((), dtype=torch.int64),
    },
}
"""What published files hold that an embedding does not need."""

NAMES = sorted(ADAPTERS)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    for name, layout in TINY.items():
        monkeypatch.setitem(ADAPTERS, name, replace(ADAPTERS[name], layout=layout))
    yield
    torch.set_num_threads(threads)


def weights(adapter: Adapter, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under their published names; those that scale are about 1."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {name: value.shape for name, value in adapter.network(adapter.layout).state_dict().items()}
    scale = {name: name.endswith("weight") and len(shape) == 1 for name, shape in shapes.items()}
    return {name: scale[name] + 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def saved(adapter: Adapter, path: Path, tensors: dict[str, Tensor] | None = None) -> Path:
    """A file as it is published: the weights under their key, with more that is no tensor."""
    own = weights(adapter) if tensors is None else tensors
    more = {"step": np.float64(0.9).astype(np.float32), "score": np.float64(0.92), "cfg": {"model": {"in_d": 12}}}
    torch.save({adapter.holder: own | BESIDE[adapter.name], **more}, path)
    return path


def source_of(name: str, folder: Path) -> str:
    return f"{name}:{saved(ADAPTERS[name], folder / 'weights.pt')}"


def opened(name: str, folder: Path, fs_hz: float = 100.0) -> ForeignEncoder:
    adapter = ADAPTERS[name]
    return ForeignEncoder(adapter, read_network(adapter, saved(adapter, folder / "weights.pt")), fs_hz).eval()


def signals(records: int, time: int) -> Tensor:
    return 0.3 * torch.randn(records, 12, time, generator=torch.Generator().manual_seed(time))


ALL = torch.ones(1, 12, dtype=torch.bool)


def embedding(encoder: ForeignEncoder, ecg_mv: Tensor, lead_mask: Tensor = ALL) -> Tensor:
    with torch.inference_mode():
        return encoder.embed(encoder(ecg_mv, lead_mask.expand(len(ecg_mv), -1)))


def test_every_adapter_is_tested_here() -> None:
    assert set(TINY) == set(BESIDE) == set(ADAPTERS)


@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_says_where_its_weights_come_from(name: str) -> None:
    adapter = ADAPTERS[name]
    assert adapter.name == name
    assert adapter.source.startswith("https://")
    assert all((adapter.title, adapter.licence, adapter.trained_on, adapter.files))
    page = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    assert f"`{name}:" in page
    assert all(text in page for text in (adapter.source, adapter.files[0], adapter.licence))


@pytest.mark.parametrize("name", NAMES)
def test_a_store_through_a_published_encoder(name: str, store: Store, tmp_path: Path) -> None:
    found = open_encoder(source_of(name, tmp_path), EncoderConfig(), 0, store)
    assert found.name == name
    assert found.preparation == store.preparation
    values = embed(found.encoder, store, range(5))
    assert values.shape == (5, found.encoder.embedding_size)
    assert np.isfinite(values).all()
    assert values.std(axis=0).min() > 0
    np.testing.assert_array_equal(cached_embed(found.encoder, store, range(5)), values)
    other = saved(ADAPTERS[name], tmp_path / "other.pt", weights(ADAPTERS[name], 1))
    unlike = open_encoder(f"{name}:{other}", EncoderConfig(), 0, store).encoder
    assert np.abs(cached_embed(unlike, store, range(5)) - values).max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_the_card_says_what_the_store_has_lost(name: str, store: Store, tmp_path: Path) -> None:
    card = open_encoder(source_of(name, tmp_path), EncoderConfig(), 0, store).provenance
    assert card["adapter"] == name
    assert card["file"] == "weights.pt"
    assert len(card["sha256"]) == 64
    assert "500 Hz" in card["takes"]
    assert any("100 samples/s" in line and "interpolated" in line for line in card["lost"])
    assert any("0.5 to 40 Hz" in line for line in card["lost"])


@pytest.mark.parametrize("name", NAMES)
def test_an_embedding_by_hand(name: str, tmp_path: Path) -> None:
    """Interpolated, scaled, cut, through the network, averaged over steps and segments: with NumPy."""
    encoder, takes = opened(name, tmp_path), ADAPTERS[name].takes
    ecg_mv = signals(1, 1000)[0].numpy()
    own = np.stack([np.interp(np.linspace(0, 999, 5000), np.arange(1000), lead) for lead in ecg_mv])
    axis = 1 if takes.scaling == "lead" else None
    own = (own - own.mean(axis=axis, keepdims=True)) / own.std(axis=axis, keepdims=True)
    parts = np.split(own, round(10 / takes.segment_s), axis=1)
    length = torch.tensor([parts[0].shape[1]])
    with torch.inference_mode():
        maps = [encoder.network(torch.from_numpy(part[None].astype(np.float32)), length) for part in parts]
    expected = np.mean([one[0].mean(dim=1).numpy() for one in maps], axis=0)
    np.testing.assert_allclose(embedding(encoder, torch.from_numpy(ecg_mv)[None])[0], expected, atol=2e-4)


@pytest.mark.parametrize("time", [1, 37, 500, 1000, 1730])
@pytest.mark.parametrize("name", NAMES)
def test_any_length(name: str, time: int, tmp_path: Path) -> None:
    encoder = opened(name, tmp_path)
    with torch.inference_mode():
        encoded = encoder(signals(2, time), ALL.expand(2, -1))
    assert encoded.feature_map.shape == (2, encoder.channels, -(-time // encoder.stride))
    assert encoded.embedding.isfinite().all()
    assert encoded.feature_map.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_records_do_not_see_each_other_nor_what_fills_them_up(name: str, tmp_path: Path) -> None:
    encoder, together = opened(name, tmp_path), signals(3, 1500)
    together[1, :, 1000:] = 0
    together[2, :, 300:] = 0
    values = embedding(encoder, together)
    torch.testing.assert_close(embedding(encoder, together[:1])[0], values[0], rtol=1e-4, atol=1e-5)
    alone = embedding(encoder, together[1:2, :, :1000])[0]
    # The interpolation of a row that was filled up is shifted by less than a sample.
    assert torch.cosine_similarity(alone, values[1], dim=0) > 0.99
    changed = together.clone()
    changed[0] *= -1
    torch.testing.assert_close(embedding(encoder, changed)[1:], values[1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_missing_leads_do_not_count_whatever_they_hold(name: str, tmp_path: Path) -> None:
    encoder, whole = opened(name, tmp_path), signals(2, 1000)
    mask = ALL.clone()
    mask[0, 6:] = False
    without = whole.clone()
    without[:, 6:] = torch.nan
    with torch.inference_mode():
        found, same, other, none = (
            encoder(signal, there.expand(2, -1)).feature_map
            for signal, there in ((without, mask), (whole, mask), (whole, ALL), (without, ~ALL))
        )
    torch.testing.assert_close(found, same)
    assert (found - other).abs().max() > 1e-2
    assert none.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_steps_of_the_map_stand_where_their_samples_are(name: str, tmp_path: Path) -> None:
    """A change of the signal within half a second moves the map there most."""
    encoder, ecg_mv = opened(name, tmp_path), signals(1, 1000)
    changed = ecg_mv.clone()
    changed[:, :, 700:750] *= -1
    with torch.inference_mode():
        moved = (encoder(ecg_mv, ALL).feature_map - encoder(changed, ALL).feature_map).abs().sum(1)[0]
    assert abs((float(moved.argmax()) + 0.5) * encoder.stride - 725) <= 25 + encoder.stride


@pytest.mark.parametrize("name", NAMES)
def test_wrong_inputs_are_named(name: str, tmp_path: Path) -> None:
    encoder = opened(name, tmp_path)
    with pytest.raises(ValueError, match=f"3 leads of 10 samples, but {name} takes twelve leads"):
        encoder(signals(1, 10)[:, :3], ALL[:, :3])


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_are_missing_misshapen_or_unknown_are_named(name: str, tmp_path: Path) -> None:
    adapter = ADAPTERS[name]
    whole = weights(adapter)
    first, *_, last = whole
    cases = {
        f"{last} is missing": {key: value for key, value in whole.items() if key != last},
        f"{first} has the shape (3, 5), not {tuple(whole[first].shape)}": whole | {first: torch.zeros(3, 5)},
        "stem.weight is unknown": whole | {"stem.weight": torch.zeros(1)},
    }
    for said, tensors in cases.items():
        path = saved(adapter, tmp_path / "wrong.pt", tensors)
        with pytest.raises(CheckpointError) as error:
            read_network(adapter, path)
        assert all(text in str(error.value) for text in (said, str(path), adapter.files[0], adapter.source))


@pytest.mark.parametrize("name", NAMES)
def test_safetensors_give_the_same(name: str, tmp_path: Path) -> None:
    adapter, path = ADAPTERS[name], tmp_path / "weights.safetensors"
    save_file(weights(adapter), path)
    one, other = read_network(adapter, path), opened(name, tmp_path).network
    for key, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[key])


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_are_not_there(name: str, store: Store, tmp_path: Path) -> None:
    for path in (tmp_path / "absent.pt", tmp_path):
        with pytest.raises(WeightsNotAtHand, match="weights not at hand") as error:
            open_encoder(f"{name}:{path}", EncoderConfig(), 0, store)
        assert all(text in str(error.value) for text in (str(path), ADAPTERS[name].source, f"{name}:PATH"))
    saved(ADAPTERS[name], tmp_path / ADAPTERS[name].files[0])
    assert open_encoder(f"{name}:{tmp_path}", EncoderConfig(), 0, store).name == name


class Trap:
    """A file that would run a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("trapped"),)


def test_nothing_in_a_file_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    adapter, path = ADAPTERS["ecg-fm"], tmp_path / "trap.pt"
    torch.save({adapter.holder: weights(adapter), "extra_state": Trap()}, path)
    with pytest.raises(CheckpointError, match=r"holds more than tensors.*safetensors") as error:
        read_network(adapter, path)
    assert str(path) in str(error.value)
    assert not Path("trapped").exists()
    path.write_bytes(pickle.dumps({"model": 3}, protocol=2))
    with pytest.raises(CheckpointError, match=r"trap\.pt"):
        read_network(adapter, path)


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 cut short"], ids=["empty", "text", "cut"])
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_damaged_files_are_named(content: bytes, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"weights.{ending}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"fetch it again|safetensors file") as error:
        read_network(ADAPTERS["ecg-fm"], path)
    assert str(path) in str(error.value)


def test_a_file_without_tensors(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save({"model": {"step": 3}}, path)
    with pytest.raises(CheckpointError, match="holds no tensors under 'model'"):
        read_network(ADAPTERS["ecg-fm"], path)


def test_sources_of_other_kinds_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [published(text) for text in ("default", "random", "runs/one", "name/repository", "C:/run")] == [None] * 5
    with pytest.raises(CheckpointError, match=r"no published encoder 'ecgfm'.*there are ecg-fm, ecgfounder"):
        published("ecgfm:weights.pt")
    (tmp_path / "old:run").mkdir()
    assert published("old:run") is None


def test_a_store_of_other_leads_is_refused(tmp_path: Path) -> None:
    prepare(PrepareConfig("synthetic", Path("2"), tmp_path / "two", leads="as-recorded", workers=1))
    two = Store(tmp_path / "two")
    with pytest.raises(CheckpointError, match="takes the twelve leads in canonical order"):
        open_encoder(source_of("ecg-fm", tmp_path), EncoderConfig(), 0, two)
    assert open_encoder(source_of("ecg-fm", tmp_path), EncoderConfig(), 0, two.twelve_leads()).name == "ecg-fm"


def test_a_store_at_the_encoders_own_rate_has_lost_less(tmp_path: Path) -> None:
    prepare(PrepareConfig("synthetic", Path("1"), tmp_path / "fine", fs_hz=500.0, high_hz=150.0, workers=1))
    found = open_encoder(source_of("ecg-fm", tmp_path), EncoderConfig(), 0, Store(tmp_path / "fine"))
    assert found.provenance["lost"] == ["the store's band-pass left 0.5 to 150 Hz"]
    assert found.encoder.stride == 16
