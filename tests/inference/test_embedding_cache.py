"""The cache of embeddings: the same numbers with and without it, and never those of something else."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from beatssl.inference import embedding_cache
from beatssl.inference.embedding import embed
from beatssl.inference.embedding_cache import cache_folder, cached_embed
from beatssl.models.config import EncoderConfig
from beatssl.models.encoded import Encoder
from beatssl.models.encoder import build_encoder
from beatssl.store.layout import ECG
from beatssl.store.store import Store

TINY = EncoderConfig(width=0.25, depth=0.1, embedding=16)


@pytest.fixture
def encoder() -> Encoder:
    return build_encoder(TINY, 0)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of each embedding that is not read from the cache."""
    found: list[int] = []

    def counted(encoder: Encoder, store: Store, rows: np.ndarray, *args: object, **named: object) -> np.ndarray:
        found.append(len(rows))
        return embed(encoder, store, rows, *args, **named)

    monkeypatch.setattr(embedding_cache, "embed", counted)
    return found


def test_numbers_are_the_same_with_and_without_it(encoder: Encoder, store: Store, made: list[int]) -> None:
    plain = embed(encoder, store, range(len(store)))
    for _ in range(3):
        np.testing.assert_array_equal(cached_embed(encoder, store, range(len(store))), plain)
    assert made == [len(store)]
    cached_embed(encoder, store, range(len(store)), cache=False)
    assert made == [len(store)] * 2
    assert cached_embed(encoder, store, range(len(store))).flags.writeable


def test_whatever_a_number_depends_on_is_told_apart(
    encoder: Encoder, store: Store, larger: Store, made: list[int]
) -> None:
    def asked(
        network: Encoder = encoder, of: Store = store, rows: tuple[int, ...] = (0, 1, 2), **named: object
    ) -> None:
        values = cached_embed(network, of, rows, **named)
        np.testing.assert_array_equal(values, embed(network, of, rows, **named))

    with torch.no_grad():
        other = build_encoder(TINY, 0)
        next(buffer for name, buffer in other.named_buffers() if name.endswith("running_mean")).add_(1)
    for changed in (
        {}, {"network": other}, {"of": larger}, {"rows": (2, 1, 0)}, {"rows": (0, 1)}, {"leads": ("II",)},
        {"batch_size": 2},
    ):  # fmt: skip
        before = len(made)
        asked(**changed)
        asked(**changed)
        assert len(made) == before + 1, changed


def test_a_changed_store_is_another(encoder: Encoder, store: Store, made: list[int], tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(store.path, folder)
    cached_embed(encoder, Store(folder), [0])
    file = next(iter(sorted(folder.glob(f"shard-*/{ECG}"))))
    units = np.load(file)
    units[0] = 1000
    np.save(file, units)
    again = Store(folder)
    np.testing.assert_array_equal(cached_embed(encoder, again, [0]), embed(encoder, again, [0]))
    assert made == [1, 1]
    some = store.take([0, 1])
    assert some.fingerprint() is None
    for _ in range(2):
        cached_embed(encoder, some, [0])
    assert made == [1] * 4


def test_other_tables_over_the_same_signals_are_the_same_store(encoder: Encoder, store: Store, made: list[int]) -> None:
    records = store.records
    split, again = (store.with_tables(records=records.assign(fold=fold)) for fold in (1, 2))
    for one in (split, again):
        np.testing.assert_array_equal(cached_embed(encoder, one, [0, 1]), embed(encoder, one, [0, 1]))
    assert made == [2]
    shorter = store.with_tables(records=records.assign(samples=500))
    np.testing.assert_array_equal(cached_embed(encoder, shorter, [0, 1]), embed(encoder, shorter, [0, 1]))
    assert made == [2, 2]
    assert len({one.fingerprint() for one in (store, split, again, shorter, split.with_config(leads="as"))}) == 4


def test_a_damaged_file_is_made_again(encoder: Encoder, store: Store, made: list[int]) -> None:
    plain = cached_embed(encoder, store, [0, 1])
    (file,) = cache_folder().iterdir()
    whole = file.read_bytes()
    for damaged in (whole[:-40], whole[:200] + bytes([whole[200] ^ 1]) + whole[201:], b""):
        file.write_bytes(damaged)
        np.testing.assert_array_equal(cached_embed(encoder, store, [0, 1]), plain)
        assert file.read_bytes() == whole
    assert made == [2] * 4


def test_it_stays_below_its_size(
    encoder: Encoder, store: Store, made: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_embed(encoder, store, [0])
    (first,) = cache_folder().iterdir()
    monkeypatch.setenv("BEATSSL_CACHE_GB", str(2.5 * first.stat().st_size / 1e9))
    cached_embed(encoder, store, [1])
    (second,) = set(cache_folder().iterdir()) - {first}
    os.utime(first, (1, 1))
    os.utime(second, (2, 2))
    cached_embed(encoder, store, [0])  # used: the other one is now the oldest
    part = cache_folder() / ".killed.1.part"
    part.write_text("")
    os.utime(part, (1, 1))
    cached_embed(encoder, store, [2])
    left = set(cache_folder().iterdir())
    assert len(left) == 2
    assert first in left
    assert second not in left
    assert made == [1, 1, 1]


def test_it_can_be_turned_off(encoder: Encoder, store: Store, made: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEATSSL_CACHE_GB", "0")
    cached_embed(encoder, store, [0])
    cached_embed(encoder, store, [0])
    assert made == [1, 1]
    assert not cache_folder().exists()
    for wrong in ("much", "-1", "nan"):
        monkeypatch.setenv("BEATSSL_CACHE_GB", wrong)
        with pytest.raises(ValueError, match=f"BEATSSL_CACHE_GB='{wrong}' in the environment is no size; set"):
            cached_embed(encoder, store, [0])


def test_a_folder_that_cannot_be_written_is_done_without(
    encoder: Encoder, store: Store, made: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BEATSSL_CACHE", str(tmp_path / "file"))
    plain = embed(encoder, store, [0])
    for _ in range(2):
        np.testing.assert_array_equal(cached_embed(encoder, store, [0]), plain)
    assert made == [1, 1]


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BEATSSL_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "embeddings"
    monkeypatch.delenv("BEATSSL_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "beatssl" / "embeddings"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "beatssl" / "embeddings"
