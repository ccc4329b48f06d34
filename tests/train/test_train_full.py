"""`svdmv train` of the full model in small: every experiment from shards to a checkpoint that draws."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_shards import SIZE, VIEWS, write_image_model, write_shards, write_svd
from tiny_training import same_weights, state_of

from svdmv.core import ConfigError, DataError, DeviceError, InputError
from svdmv.dataset.orbits import pixels_from_rgba
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.diffusion.generate import Sampling, generate_views
from svdmv.io.settings import configs_folder
from svdmv.train.config import settings_of
from svdmv.train.full import FullTraining, train_full
from svdmv.train.shard_batches import ShardBatches, encoded_views, loaders_of, pixels_of
from svdmv.train.starts import started_model

FULL = (
    "svd_mv_objaverse",
    "svd_mv_mvimgnet",
    "sd21_mv",
    "scratch_mv",
    "sv3d_u",
    "sv3d_p",
    "camera_lora",
    "interpolate_x4",
)
VIEWS_OF = {"camera_lora": 14, "interpolate_x4": 5}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("full")
    write_svd(folder / "svd")
    write_image_model(folder / "sd21")
    write_shards(folder / "data")
    write_shards(folder / "dynamic", stored=2 * VIEWS)
    return folder


@pytest.fixture(autouse=True)
def no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """The activations of a step are counted in other tests."""
    monkeypatch.setattr("svdmv.train.memory.step_bytes", lambda model, half, checkpointing: 1000)


def settings(place: Path, out: Path, *changes: str, experiment: str = "svd_mv_objaverse") -> FullTraining:
    made = settings_of(
        [
            f"experiment={experiment}", f"model.weights={place / 'svd'}", f"model.num_views={VIEWS}",
            f"model.image_size={SIZE}", f"data.folder={place / 'data'}", "data.held_out_share=0.2", f"out={out}",
            "finetuning.num_steps=2", "finetuning.batch=2", "finetuning.save_every=9", "finetuning.learning_rate=1e-3",
            "finetuning.micro_batch=0", "finetuning.gradient_checkpointing=false", "finetuning.max_rollbacks=0",
            "watching.every=0", "hardware.device=cpu", "hardware.threads=1", "hardware.precision=fp32", *changes,
        ]
    )  # fmt: skip
    assert isinstance(made, FullTraining)
    return made


def test_every_experiment_is_typed_and_marks_what_is_not_published() -> None:
    for name in FULL:
        config = settings_of([f"experiment={name}"])
        assert isinstance(config, FullTraining), name
        assert (config.model.num_views, config.model.image_size) == (VIEWS_OF.get(name, 21), 576)
        text = (configs_folder() / "experiment" / f"{name}.yaml").read_text("utf-8")
        assert text.count("our choice") > 10
        unpublished = ("p_mean", "dropout", "optimizer", "warmup_steps", "average_decay", "save_every")
        lines = [line for line in text.splitlines() if line.strip().startswith(unpublished)]
        assert len(lines) == len(unpublished)
        assert all("our choice" in line or "SVD's" in line or "p_mean: 1.0" in line for line in lines)


def test_published_figures_stand_in_the_experiments() -> None:
    """SVD section 4.5 and D.6; SV3D section 3 and appendix C; SVD D.4.2."""
    mv = settings_of(["experiment=svd_mv_objaverse"])
    assert isinstance(mv, FullTraining)
    loop = mv.finetuning
    assert (loop.num_steps, loop.batch, loop.learning_rate) == (12000, 16, 1e-5)
    assert (loop.noise_aug_log_mean, loop.noise_aug_log_std) == (-3.0, 0.5)
    assert (loop.p_mean, loop.p_std) == (1.0, 1.6)
    assert mv.model.elevation_range_deg == (-5.0, 30.0)
    assert "elevation" in mv.model.ids
    pose_free, p, u, lora = (
        settings_of([f"experiment={n}"]) for n in ("svd_mv_mvimgnet", "sv3d_p", "sv3d_u", "camera_lora")
    )
    for config in (pose_free, p, u, lora):
        assert isinstance(config, FullTraining)
    assert not {"elevation", "polar", "azimuth"} & set(pose_free.model.ids)
    assert (p.model.ids, p.model.id_widths) == (("noise_aug", "polar", "azimuth"), (256, 512, 512))
    assert (u.finetuning.num_steps, u.finetuning.batch, p.finetuning.num_steps) == (105000, 64, 50000)
    assert u.model.input_view_index == p.model.input_view_index == 20
    assert (lora.lora.rank, lora.finetuning.num_steps) == (16, 5000)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["experiment=svd_mv_objavers"], "experiment=svd_mv_objaverse"),
        (["experiment=sv3d_u", "finetuning.learningrate=1"], "finetuning.learning_rate?"),
        (["experiment=sv3d_u", "finetuning.learning_rate=1e3"], "above 0, to 1"),
        (["experiment=sv3d_u", "hardware.parallel=magic"], "data, zero2, zero3"),
        (["experiment=sv3d_u", "lora.motion=spiral"], "horizontal, zoom, static"),
        (["experiment=camera_lora", "hardware.parallel=zero3"], "without hardware.parallel"),
        (["experiment=interpolate_x4", "data.cache=there"], "without data.cache"),
    ],
)
def test_wrong_words_are_refused_in_one_block(words: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(words)
    assert told in caught.value.block()


def test_from_shards_to_a_checkpoint_that_draws_an_orbit(place: Path, tmp_path: Path) -> None:
    """Looks on held-out objects on the way; the checkpoint loads everywhere and says what it was trained on."""
    lines: list[str] = []
    looks = ("watching.every=2", "watching.orbits=1", "watching.num_steps=1")
    config = settings(place, tmp_path, "finetuning.num_steps=4", "finetuning.gradient_checkpointing=true", *looks)
    assert train_full(config, None, lines.append)
    assert lines[0].startswith("memory: ")
    model = load_checkpoint(str(tmp_path / "checkpoint"))
    assert (model.info.num_views, model.info.ids[-1], model.info.name) == (VIEWS, "elevation", "svd-mv-objaverse")
    assert "orbits of data set toy8" in model.info.trained_on
    assert model.info.framing.fov_y_deg == 33.8
    assert not same_weights(model.unet, load_checkpoint(str(place / "svd")).unet)
    assert same_weights(model.vae.half().float(), load_checkpoint(str(place / "svd")).vae.half().float())
    framed = np.full((SIZE, SIZE, 4), 255, np.uint8)
    assert generate_views(model, [framed], Sampling(5.0, num_steps=1))[0].images.shape == (VIEWS, SIZE, SIZE, 3)
    rows = [json.loads(line) for line in (tmp_path / "validation.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert all({"psnr", "clip_s", "motion"} <= row.keys() for row in rows)
    assert [p.name for p in sorted((tmp_path / "samples").iterdir())] == ["00000002.png", "00000004.png"]
    assert json.loads((tmp_path / "curve.jsonl").read_text())["step"] == 4
    (marker,) = (tmp_path / "states").glob("*/complete.json")
    assert json.loads(marker.read_text())["step"] == 4


def test_looking_changes_nothing(place: Path, tmp_path: Path) -> None:
    looks = settings(place, tmp_path / "looks", "watching.every=1", "watching.orbits=1", "watching.num_steps=1")
    assert train_full(looks)
    assert train_full(settings(place, tmp_path / "blind"))
    one, two = (load_file(state_of(tmp_path / name)) for name in ("looks", "blind"))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("experiment", ["sd21_mv", "scratch_mv", "svd_mv_mvimgnet", "camera_lora"])
def test_other_experiments_run(place: Path, tmp_path: Path, experiment: str) -> None:
    more = [f"model.image_prior={place / 'sd21'}"] if experiment == "sd21_mv" else []
    if experiment == "camera_lora":
        pytest.importorskip("peft", reason="the extra train is not installed")
    assert train_full(settings(place, tmp_path, "finetuning.num_steps=1", *more, experiment=experiment))
    assert load_checkpoint(str(tmp_path / "checkpoint")).info.num_views == VIEWS
    state = load_file(state_of(tmp_path))
    if experiment == "camera_lora":
        assert load_file(tmp_path / "adapters.safetensors").keys() == {
            n.removeprefix("model.unet.") for n in state if n.startswith("model.unet.")
        }, "a state of an adapter holds the adapter alone"


def test_sv3d_in_two_stages_with_a_cache_and_a_camera_a_view(place: Path, tmp_path: Path) -> None:
    """u on static orbits from cached latents; p from u's checkpoint, told every view of clips out of longer orbits."""
    widths = ["model.id_widths=[16]", "model.input_view_index=4", f"data.cache={tmp_path / 'cache'}"]
    assert train_full(settings(place, tmp_path / "u", *widths, experiment="sv3d_u"))
    more = [
        "model.id_widths=[16,32,32]", "model.input_view_index=4", f"model.weights={tmp_path / 'u' / 'checkpoint'}",
        f"data.folder={place / 'dynamic'}", "watching.every=2", "watching.orbits=1", "watching.num_steps=1",
    ]  # fmt: skip
    assert train_full(settings(place, tmp_path / "p", *more, experiment="sv3d_p"))
    info = load_checkpoint(str(tmp_path / "p" / "checkpoint")).info
    assert info.ids_per_view
    assert (info.input_view_index, info.id_widths) == (4, (16, 32, 32))
    assert (tmp_path / "p" / "validation.jsonl").is_file()


def batches(place: Path, model: Any, size: int = 2, folder: str = "data") -> ShardBatches:
    data = settings(place, place, f"data.folder={place / folder}").data
    return ShardBatches(loaders_of(data, model.info)[0], model, size)


def test_frames_stand_in_the_order_of_the_checkpoint_with_their_own_cameras(place: Path) -> None:
    """SV3D: the input view comes last; frame i shows view i + 1 and is told that view's elevation and azimuth."""
    widths = ("model.ids=[noise_aug,polar,azimuth]", "model.id_widths=[16,32,32]", "model.input_view_index=4")
    model = started_model(settings(place, place, *widths).model)
    source = batches(place, model, folder="dynamic")
    batch = source.batch(0, slice(0, 2))
    loader = loaders_of(settings(place, place, f"data.folder={place / 'dynamic'}").data, model.info)[0]
    for row, number in enumerate(loader.order(0)[:2]):
        sample = loader.sample(number)
        assert batch.keys[row] == sample.key
        order = [1, 2, 3, 4, 0]
        torch.testing.assert_close(
            batch.elevations_deg[row].double().numpy(), sample.elevations_deg[order], rtol=1e-6, atol=1e-6
        )
        torch.testing.assert_close(
            batch.azimuths_deg[row].double().numpy(), sample.azimuths_deg[order], rtol=1e-6, atol=1e-5
        )
        torch.testing.assert_close(batch.inputs[row], pixels_of(sample.pixels[:1])[0])
        latents = encoded_views(model, pixels_of(sample.pixels), 4) * 0.18215
        torch.testing.assert_close(batch.targets[row], latents[order], rtol=1e-4, atol=1e-5)


def test_clips_are_a_function_of_the_step_over_epochs(place: Path) -> None:
    model = started_model(settings(place, place).model)
    source = batches(place, model)
    count = len(source.loader)
    straight = [source.batch(step, slice(0, 2)).keys for step in range(count)]
    assert sorted(k for keys in straight for k in keys) == sorted(source._keys * 2), "two epochs, each clip once"
    fresh = batches(place, model)
    assert [fresh.batch(step, slice(1, 2)).keys[0] for step in (5, 2, count - 1)] == [
        straight[step][1] for step in (5, 2, count - 1)
    ]
    other = loaders_of(settings(place, place).data, model.info)[1]
    assert other is not None
    held = set(other.uids or ())
    assert held
    assert not held & {key.rpartition("-o")[0] for key in source._keys}


def test_data_that_does_not_fit_is_refused(place: Path, tmp_path: Path) -> None:
    write_shards(tmp_path / "videos", posed=False)
    with pytest.raises(DataError, match="svd_mv_mvimgnet"):
        train_full(settings(place, tmp_path, f"data.folder={tmp_path / 'videos'}"))
    write_shards(tmp_path / "large", size=24)
    with pytest.raises(ConfigError, match="24x24"):
        train_full(settings(place, tmp_path, f"data.folder={tmp_path / 'large'}"))
    damaged = write_shards(tmp_path / "damaged")
    for path in (damaged / "shards").iterdir():
        path.write_bytes(b"\0" * path.stat().st_size)
    with pytest.raises(DataError, match="damaged"):
        train_full(settings(place, tmp_path / "a", f"data.folder={damaged}"))
    for path in (damaged / "shards").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError):
        train_full(settings(place, tmp_path / "b", f"data.folder={damaged}"))
    assert not (tmp_path / "a" / "checkpoint").exists()


def test_memory_and_disk_are_asked_before_the_first_step(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DeviceError, match=r"needs .* GB, the device has 1e-06"):
        train_full(settings(place, tmp_path, "hardware.memory_gb=0.000001"))
    monkeypatch.setattr("svdmv.train.full.shutil.disk_usage", lambda path: type("Usage", (), {"free": 10})())
    with pytest.raises(InputError, match="two states"):
        train_full(settings(place, tmp_path))
    assert not (tmp_path / "states").exists()


def test_another_start_or_other_data_is_not_gone_on_with(place: Path, tmp_path: Path) -> None:
    train_full(settings(place, tmp_path, "finetuning.num_steps=1"))
    write_svd(tmp_path / "other", seed=9)
    for changes, told in (
        ([f"model.weights={tmp_path / 'other'}"], "start: "),
        ([f"data.folder={write_shards(tmp_path / 'six', 6)}"], "data.plan: toy8 there, toy6 asked for"),
        (["finetuning.learning_rate=1e-4"], "finetuning.learning_rate: 0.001 there, 0.0001 asked for"),
    ):
        with pytest.raises(ConfigError) as caught:
            train_full(settings(place, tmp_path, "finetuning.num_steps=1", *changes))
        assert told in caught.value.block()
    assert train_full(settings(place, tmp_path, "finetuning.micro_batch=2", "finetuning.num_steps=1"))
    assert train_full(settings(place, tmp_path, "finetuning.num_steps=2", "accept_changes=true"))


def test_pixels_are_those_of_the_store_over_white() -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 4), np.uint8)
    rgba[..., 3] = 255
    np.testing.assert_allclose(pixels_of(rgba[..., :3]).numpy(), pixels_from_rgba(rgba)[:, :3], atol=1e-6)
