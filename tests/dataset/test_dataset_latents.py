"""The cache of latents: each sample once, of one encoder, gone on with after a stop, damage told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_objects import objects
from stand_in_worker import COMMAND, RULE

from svdmv.core import ConfigError, DataError
from svdmv.dataset.build import build
from svdmv.dataset.latents import LatentCache, encode_dataset, encoded_samples, encoder_name
from svdmv.dataset.loader import OrbitLoader, OrbitSample, torch_dataset
from svdmv.dataset.orbits import pixels_from_rgba
from svdmv.dataset.plan import Plan
from svdmv.dataset.rejects import RejectRules

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


def encode_views(sample: OrbitSample) -> dict[str, np.ndarray]:
    """Each view's number and mean colour."""
    means = sample.pixels.reshape(len(sample.pixels), -1, 4).mean(1)
    return {"latents": means.astype(np.float32)[:, :, None, None], "embeddings": np.array(sample.views)[:, None]}


def test_the_loader_gives_latents_of_the_views_it_chose(drawn_data: Path, tmp_path: Path) -> None:
    assert encode_dataset(OrbitLoader(drawn_data, background="none"), encode_views, "means", tmp_path)
    plain = {s.key: s for s in OrbitLoader(drawn_data, num_views=2, background="none").epoch_samples()}
    starts = set()
    for sample in OrbitLoader(drawn_data, num_views=2, background="none", latents=tmp_path).epoch_samples():
        seen = plain[sample.key]
        assert sample.views == seen.views
        assert sample.arrays["embeddings"][:, 0].tolist() == list(seen.views)
        assert np.allclose(sample.arrays["latents"][..., 0, 0], seen.pixels.reshape(2, -1, 4).mean(1), atol=1e-4)
        assert np.array_equal(sample.pixels, seen.pixels[:1])
        assert np.array_equal(sample.elevations_deg, seen.elevations_deg)
        starts.add(sample.views[0])
    assert len(starts) > 1
    torch = pytest.importorskip("torch", reason="needs torch")
    batches = torch.utils.data.DataLoader(torch_dataset(OrbitLoader(drawn_data, latents=tmp_path)), batch_size=3)
    assert next(iter(batches))["latents"].shape == (3, 4, 4, 1, 1)


def test_a_cache_of_other_data_or_of_some_views_is_not_taken(drawn_data: Path, tmp_path: Path) -> None:
    assert encode_dataset(OrbitLoader(drawn_data, num_views=2), encode, "tiles", tmp_path / "some")
    with pytest.raises(ConfigError, match="num_views 2"):
        OrbitLoader(drawn_data, latents=tmp_path / "some")
    assert encode_dataset(OrbitLoader(drawn_data), encode, "tiles", tmp_path / "all")
    index = tmp_path / "all" / "index.json"
    head = json.loads(index.read_text())
    index.write_text(json.dumps({**head, "plan": "another"}))
    with pytest.raises(ConfigError, match="another data set"):
        OrbitLoader(drawn_data, latents=tmp_path / "all")
    with pytest.raises(DataError, match="no finished cache"):
        OrbitLoader(drawn_data, latents=tmp_path)


def test_the_command_encodes_once_under_the_name_of_the_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """svdmv data latents with the weights of the package: what is kept is what the networks say of the pictures."""
    pytest.importorskip("torch", reason="needs torch")
    from svdmv.cli.data_latents import latents
    from svdmv.diffusion.checkpoint import load_checkpoint
    from svdmv.diffusion.encoding import encoded_views

    plan = Plan.made(objects(3), replace(RULE, size=128, num_views=2, orbits_per_object=1), RejectRules(), 0, 2)
    data = tmp_path / "data"
    assert build(plan, data, command=COMMAND).complete
    asked = [f"data={data}", "device=cpu"]
    assert latents([*asked, "minutes=0"]) == 4
    assert latents(asked) == 0
    (cache,) = (data / "latents").iterdir()
    said = capsys.readouterr().out
    assert f"encoder {cache.name}" in said
    assert "3 orbits" in said
    before = {path: path.stat().st_mtime_ns for path in cache.glob("*.safetensors")}
    assert len(before) == 2
    assert latents([*asked, "chunk=1"]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    model = load_checkpoint("svdmv-mini")
    for sample in OrbitLoader(data, background="none", latents=cache).epoch_samples():
        pixels = OrbitLoader(data, background="none", uids=frozenset({sample.uid})).sample(0).pixels
        expected = encoded_views(model, pixels_from_rgba(pixels))
        assert sample.arrays["latents"].shape == (2, *model.latent_shape)
        for name, value in expected.items():
            assert np.allclose(sample.arrays[name], value, atol=2e-2), name
    with pytest.raises(ConfigError, match="does not take these pictures"):
        encoded_views(model, np.zeros((1, 4, 125, 128), np.float32))
    with pytest.raises(ConfigError, match="chunk"):
        latents([*asked, "chunk=0"])
    with pytest.raises(DataError, match="no readable data set"):
        latents(["data=nowhere"])
