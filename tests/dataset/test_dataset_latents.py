"""The cache of latents: each sample once, of one encoder, gone on with after a stop, damage told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from svdmv.core import ConfigError, DataError
from svdmv.dataset.latents import LatentCache, encode_dataset, encoded_samples, encoder_name
from svdmv.dataset.loader import OrbitLoader, OrbitSample

SEEN: list[str] = []


def encode(sample: OrbitSample) -> dict[str, np.ndarray]:
    """Means of 4x4 tiles of each view, and the mean colour of the first."""
    SEEN.append(sample.key)
    tiles = sample.pixels.reshape(-1, 4, 4, 4, 4, 3).mean((2, 4)).astype(np.float16)
    return {"latents": np.moveaxis(tiles, -1, 1), "embedding": sample.pixels[0].mean((0, 1)).astype(np.float32)}


def test_what_is_cached_is_what_the_encoder_makes(drawn_data: Path, tmp_path: Path) -> None:
    loader = OrbitLoader(drawn_data)
    assert encode_dataset(loader, encode, "tiles", tmp_path)
    cache = LatentCache.open(tmp_path)
    for sample in OrbitLoader(drawn_data).epoch_samples():
        expected = encode(sample)
        assert cache[sample.key].keys() == expected.keys()
        assert all(np.array_equal(cache[sample.key][name], expected[name]) for name in expected)
    order = [key for key, _ in encoded_samples(cache, OrbitLoader(drawn_data, reader=1, num_readers=3))]
    assert order == [s.key for s in OrbitLoader(drawn_data, reader=1, num_readers=3).epoch_samples()]
    with pytest.raises(DataError, match="does not hold this sample"):
        cache["o99-o00"]


def test_a_stopped_run_goes_on_and_encodes_nothing_twice(drawn_data: Path, tmp_path: Path) -> None:
    SEEN.clear()
    calls = iter(range(7))

    def failing(sample: OrbitSample) -> dict[str, np.ndarray]:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return encode(sample)

    with pytest.raises(KeyboardInterrupt):
        encode_dataset(OrbitLoader(drawn_data), failing, "tiles", tmp_path)
    with pytest.raises(DataError, match="no finished cache"):
        LatentCache.open(tmp_path)
    assert not encode_dataset(OrbitLoader(drawn_data), encode, "tiles", tmp_path, minutes=-1)
    assert encode_dataset(OrbitLoader(drawn_data), encode, "tiles", tmp_path)
    assert len(SEEN) == 7 + 20 - 6  # of the shard of six that was whole before the stop nothing is done again
    assert len(LatentCache.open(tmp_path).places) == 20


def test_a_cache_of_another_encoder_data_or_background_is_refused(drawn_data: Path, tmp_path: Path) -> None:
    assert encode_dataset(OrbitLoader(drawn_data), encode, "tiles", tmp_path)
    with pytest.raises(ConfigError, match="encoder: tiles there, other asked for"):
        encode_dataset(OrbitLoader(drawn_data), encode, "other", tmp_path)
    with pytest.raises(ConfigError, match="background: white there, random asked for"):
        encode_dataset(OrbitLoader(drawn_data, background="random"), encode, "tiles", tmp_path)


def test_damaged_files_are_told(drawn_data: Path, tmp_path: Path) -> None:
    assert encode_dataset(OrbitLoader(drawn_data), encode, "tiles", tmp_path)
    cache = LatentCache.open(tmp_path)
    key, path = next(iter(cache.places.items()))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="A file of the cache is damaged"):
        cache[key]
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(DataError, match="no finished cache"):
        LatentCache.open(tmp_path)


def test_encoders_are_told_apart_by_weights_and_settings() -> None:
    weights = {"a": np.zeros(3, np.float32), "b": np.ones((2, 2), np.float16)}
    assert encoder_name(weights, size=64) == encoder_name(dict(reversed(weights.items())), size=64)
    assert encoder_name(weights, size=64) != encoder_name(weights, size=128)
    assert encoder_name(weights) != encoder_name({**weights, "a": np.array([0, 0, 1e-9], np.float32)})
    assert encoder_name(weights) != encoder_name({**weights, "a": np.zeros((3, 1), np.float32)})
