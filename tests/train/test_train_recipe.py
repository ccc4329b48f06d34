"""Recipes: typed settings, and the whole way from model files to a checkpoint in small."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from svdmv.core import ConfigError, DataError
from svdmv.dataset.shapes import shape_from_seed
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.diffusion.generate import Sampling, generate_views
from svdmv.io.gltf import write_glb
from svdmv.io.settings import setting_names
from svdmv.train.config import TrainConfig, train_config
from svdmv.train.mini import object_sources, train_mini


def test_every_recipe_composes_with_whole_shapes() -> None:
    for name in ("mini", "mini128"):
        config = train_config([f"experiment={name}"])
        assert config.rendering.size == config.autoencoder_shape.image_size >= config.image_encoder_shape.image_size
        assert config.autoencoder.batch % config.autoencoder.clip_views == 0
        assert all(channels % 32 == 0 for channels in config.unet_shape.channels)


def test_the_larger_mini_grows_around_the_smaller_one() -> None:
    small, large = (train_config([f"experiment={name}"]) for name in ("mini", "mini128"))
    assert large.autoencoder_shape.channels[1:] == small.autoencoder_shape.channels
    assert large.autoencoder_shape.image_size == 2 * small.autoencoder_shape.image_size
    assert (large.unet_shape, large.image_encoder_shape) == (small.unet_shape, small.image_encoder_shape)


def test_overrides_reach_every_section() -> None:
    config = train_config(
        ["experiment=mini", "finetuning.batch=2", "minutes=1.5", "recipe.name=x", "rendering.size=32"]
    )
    assert (config.finetuning.batch, config.minutes, config.recipe.name, config.rendering.size) == (2, 1.5, "x", 32)


@pytest.mark.parametrize(
    ("override", "expected"),
    [("finetunig.batch=2", "finetuning.batch?"), ("minute=3", "minutes?"), ("finetuning.batch=many", "right type")],
)
def test_a_wrong_setting_is_refused_with_the_nearest_name(override: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        train_config(["experiment=mini", override])
    assert expected in caught.value.block()
    assert override in caught.value.block()


def test_unknown_recipe_is_refused() -> None:
    with pytest.raises(ConfigError):
        train_config(["experiment=nothing"])


def test_known_keys_are_dotted_leaves() -> None:
    assert {"minutes", "finetuning.batch", "rendering.lights"} <= set(setting_names(TrainConfig()))


def small_data(folder: Path) -> Path:
    """A manifest with two models, as the real one."""
    rows = []
    for seed in (11, 12):
        path = folder / f"thing-{seed}.glb"
        write_glb(path, shape_from_seed(seed))
        rows.append(
            {
                "id": f"thing-{seed}",
                "file": path.name,
                "licence": "Apache-2.0",
                "attribution": "made in a test",
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
        )
    (folder / "manifest.json").write_text(json.dumps({"objects": rows}))
    return folder


SMALL = [
    "experiment=mini", "weights_dir=''", "workers=1", "device=cpu", "threads=1",
    "recipe.num_shapes=1", "recipe.num_steps=1",
    "rendering.size=16", "rendering.num_views=5", "rendering.orbits_per_object=1", "rendering.lights=[uniform]",
    "autoencoder_shape.channels=[32,32]", "autoencoder_shape.latent_channels=2", "autoencoder_shape.image_size=16",
    "autoencoder.num_steps=2", "autoencoder.temporal_steps=1", "autoencoder.clip_views=2", "autoencoder.batch=2",
    "autoencoder.lpips_weight=0", "unet_shape.channels=[32,32]", "unet_shape.token_width=16",
    "image_encoder_shape.image_size=16", "image_encoder_shape.width=32", "image_encoder_shape.layers=1",
    "finetuning.num_steps=2", "finetuning.batch=2",
]  # fmt: skip


def test_from_model_files_to_a_checkpoint_that_generates(tmp_path: Path) -> None:
    data = small_data(tmp_path)
    out = tmp_path / "work"
    config = train_config([*SMALL, f"data_dir={data}", f"out={out}", f"checkpoint={out / 'checkpoint'}"])
    assert train_mini(config)
    model = load_checkpoint(str(out / "checkpoint"))
    assert (model.info.num_views, model.info.image_size, model.info.image_channels) == (5, 16, 4)
    framed = np.full((16, 16, 4), 255, np.uint8)
    views = generate_views(model, [framed], Sampling(elevation_deg=5))[0]
    assert views.images.shape == (5, 16, 16, 3)
    index = json.loads((out / "store" / "index.json").read_text())
    assert [o["id"] for o in index["objects"]] == ["thing-11", "thing-12", "shape-00000"]
    assert index["failed"] == {}
    before = {p: p.stat().st_mtime_ns for p in (out / "store").iterdir()}
    assert train_mini(config)  # nothing left to do but the export
    assert {p: p.stat().st_mtime_ns for p in (out / "store").iterdir()} == before


def test_a_model_with_another_hash_is_refused(tmp_path: Path) -> None:
    data = small_data(tmp_path)
    (data / "thing-11.glb").write_bytes(b"other")
    config = train_config([*SMALL, f"data_dir={data}", f"out={tmp_path / 'work'}"])
    with pytest.raises(DataError, match="missing or differs"):
        object_sources(config)
