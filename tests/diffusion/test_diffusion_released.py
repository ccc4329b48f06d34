"""Released files of SVD and SV3D: read, sampled, converted to folders and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from released_files import kind_named, networks, write_released
from safetensors.torch import load_file, save_file

from svdmv.core import CheckpointError, ConfigError
from svdmv.diffusion.checkpoint import load_checkpoint, save_checkpoint
from svdmv.diffusion.convert import convert_checkpoint
from svdmv.diffusion.generate import Sampling, frame_order, generate_views, orbit_of
from svdmv.diffusion.guidance import Guidance
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.sgm_clip import clip_from_sgm, clip_to_sgm
from svdmv.diffusion.sgm_file import KINDS, SV3D_P, SVD, UNET, below, parts_from_sgm, unet_from_sgm
from svdmv.diffusion.sgm_names import renamed, unet_names

NAMES = [kind.name for kind in KINDS]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_gives_the_networks_that_it_was_made_of(name: str, tmp_path: Path) -> None:
    """Every tensor, bit for bit, and the settings that shapes tell."""
    path = tmp_path / f"{name}.safetensors"
    made = write_released(path, name)
    read = parts_from_sgm(path)
    assert read.kind is kind_named(name)
    for part, network in made.items():
        state = {n: t for n, t in network.state_dict().items() if not n.endswith("position_ids")}
        assert read.states[part].keys() == state.keys()
        assert all(torch.equal(read.states[part][n], t) for n, t in state.items())
    for key, value in read.configs["unet"].items():
        if not key.startswith("_") and key != "num_frames":
            theirs = made["unet"].config[key]
            assert (list(theirs) if isinstance(theirs, tuple) else theirs) == value, key
    clip = read.configs["image_encoder"]
    assert all(getattr(made["image_encoder"].config, key) == value for key, value in clip.items())


@pytest.mark.parametrize("name", NAMES)
def test_file_to_folder_to_file_is_the_same(name: str, tmp_path: Path) -> None:
    path, folder, again = tmp_path / f"{name}.safetensors", tmp_path / "folder", tmp_path / "again.safetensors"
    write_released(path, name)
    assert name in convert_checkpoint(path, folder)
    assert (folder / "svdmv.json").is_file() == (name != "svd")
    convert_checkpoint(folder, again)
    before, after = load_file(path), load_file(again)
    unused = {n for n in before if n not in after}
    assert {n.split(".")[-2] for n in unused} <= {"token_embedding", "conv_in", "post_quant_conv", "model"}
    assert len(unused) == 4
    assert after.keys() <= before.keys()
    assert all(torch.equal(before[n], after[n]) for n in after)


@pytest.mark.parametrize("name", ["svd", "sv3d_p"])
def test_file_and_folder_load_as_one_model(name: str, tmp_path: Path) -> None:
    path, folder = tmp_path / f"{name}.safetensors", tmp_path / "folder"
    write_released(path, name)
    convert_checkpoint(path, folder)
    a, b = load_checkpoint(str(path)), load_checkpoint(str(folder))
    for part in ("unet", "vae", "image_encoder"):
        theirs = getattr(b, part).state_dict()
        assert all(torch.equal(t, theirs[n]) for n, t in getattr(a, part).state_dict().items())
    assert a.info.ids == b.info.ids
    assert ("elevation" in a.info.ids) == (name == "svd")


def sv3d(tmp_path: Path) -> str:
    path = tmp_path / "sv3d_p.safetensors"
    write_released(path, "sv3d_p")
    return str(path)


def test_sv3d_draws_orbits_with_the_input_view_last(tmp_path: Path) -> None:
    """Its last frame is our view 0 (pasted), its first frame stands one step on; orbits may rise and fall."""
    model = load_checkpoint(sv3d(tmp_path))
    assert model.info.id_widths == (256, 512, 512)
    assert frame_order(model.info)[0] == 20
    assert frame_order(model.info)[1] == 0
    small = shrunk(model)
    framed = np.random.default_rng(0).integers(0, 255, (32, 32, 4), np.uint8)
    framed[..., 3] = 255
    views = generate_views(small, [framed], Sampling(10.0, num_steps=1, orbit="sine"))[0]
    assert np.allclose(views.images[0], framed[..., :3] / np.float32(255))
    assert views.orbit is not None
    assert np.ptp(views.orbit.elevations_deg) == pytest.approx(60, abs=1)
    assert np.allclose(views.orbit.elevations_deg, orbit_of(small.info, Sampling(10.0, orbit="sine")).elevations_deg)


def shrunk(model: SvdMv) -> SvdMv:
    """For pictures of 32 px instead of 576."""
    return replace(model, info=replace(model.info, image_size=32))


def test_every_view_is_told_its_own_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw ids in the model's frame order: noise, polar = 90 - e, azimuth one step on from the input view, 0 last."""
    import svdmv.diffusion.model as room

    model = shrunk(load_checkpoint(sv3d(tmp_path)))
    told: list[torch.Tensor] = []
    real = room.run_unet
    monkeypatch.setattr(room, "run_unet", lambda *a: told.append(a[4]) or real(*a))
    framed = np.full((32, 32, 4), 255, np.uint8)
    generate_views(model, [framed], Sampling(15.0, num_steps=1))
    ids = told[0][0]
    assert ids.shape == (21, 3)
    assert ids[:, 0].tolist() == pytest.approx([1e-5] * 21)
    assert ids[:, 1].tolist() == pytest.approx([math.radians(75)] * 21)
    assert ids[:, 2].tolist() == pytest.approx([math.radians(360 * (k + 1) / 21 % 360) for k in range(21)], abs=1e-6)


def test_orbits_that_rise_need_a_checkpoint_that_is_told_them() -> None:
    with pytest.raises(ConfigError, match="cannot draw this orbit"):
        Sampling(orbit="sine").resolved(load_checkpoint("svdmv-mini").info)


def test_full_size_names_and_shapes(shared_data: Path) -> None:
    """The 1,428 tensors of the real UNets map one to one onto ours, without storage; parameter counts agree."""
    from diffusers import UNetSpatioTemporalConditionModel

    path = shared_data / "sgm_parity" / "full_size_unet_keys.json"
    if not path.is_file():
        pytest.skip("the list of full-size names is not on this machine")
    told = json.loads(path.read_text("utf-8"))
    assert len(told["keys_svd"]) == 1428
    for kind, name in zip(KINDS, NAMES, strict=True):
        shapes = dict(told["keys_svd"])
        shapes[f"{UNET}label_emb.0.0.weight"] = [1280, kind.columns]
        with torch.device("meta"):
            state = below({n: torch.empty(shape) for n, shape in shapes.items()}, UNET)
            config, made = unet_from_sgm(state, name, kind, head_width=64)
            unet = UNetSpatioTemporalConditionModel.from_config({k: v for k, v in config.items() if k[0] != "_"})
        ours = {n: tuple(t.shape) for n, t in unet.state_dict().items()}
        assert {n: tuple(t.shape) for n, t in made.items()} == ours
        assert sum(t.numel() for t in made.values()) == told["parameters"][name]
        assert config["num_attention_heads"] == [5, 10, 20, 20]


def test_clip_of_the_published_size() -> None:
    """ViT-H/14's image tower, 632,076,800 numbers, 16 heads of 80: names of OpenCLIP, no storage."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    width, layers, token = 1280, 32, 1024
    block = {
        "ln_1.weight": [width], "ln_1.bias": [width], "ln_2.weight": [width], "ln_2.bias": [width],
        "attn.in_proj_weight": [3 * width, width], "attn.in_proj_bias": [3 * width],
        "attn.out_proj.weight": [width, width], "attn.out_proj.bias": [width],
        "mlp.c_fc.weight": [4 * width, width], "mlp.c_fc.bias": [4 * width],
        "mlp.c_proj.weight": [width, 4 * width], "mlp.c_proj.bias": [width],
    }  # fmt: skip
    shapes = {f"transformer.resblocks.{n}.{k}": s for n in range(layers) for k, s in block.items()}
    shapes |= {
        "class_embedding": [width], "positional_embedding": [257, width], "proj": [width, token],
        "conv1.weight": [width, 3, 14, 14], "ln_pre.weight": [width], "ln_pre.bias": [width],
        "ln_post.weight": [width], "ln_post.bias": [width],
    }  # fmt: skip
    with torch.device("meta"):
        config, state = clip_from_sgm({n: torch.empty(s) for n, s in shapes.items()}, "test")
        tower = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
    ours = {n: tuple(t.shape) for n, t in tower.state_dict().items() if not n.endswith("position_ids")}
    assert {n: tuple(t.shape) for n, t in state.items()} == ours
    assert sum(t.numel() for t in state.values()) == 632_076_800
    assert (config["num_attention_heads"], config["image_size"]) == (16, 224)


def test_attention_of_the_tower_is_split_as_torch_splits_it() -> None:
    """in_proj rows are queries, keys, values; the projection is a matrix from the right."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    made = networks(SVD)["image_encoder"]
    own = {n: t for n, t in made.state_dict().items() if not n.endswith("position_ids")}
    theirs = clip_to_sgm(own, "test")
    x = torch.randn(3, 5, 64)
    stock = torch.nn.MultiheadAttention(64, 1, batch_first=True)
    head = "transformer.resblocks.0.attn."
    stock.load_state_dict({n[len(head) :]: t for n, t in theirs.items() if n.startswith(head)})
    config, back = clip_from_sgm(theirs, "test")
    again = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
    again.load_state_dict(back, strict=False)
    ours = again.vision_model.encoder.layers[0].self_attn(x)[0]
    torch.testing.assert_close(ours, stock(x, x, x, need_weights=False)[0], atol=1e-5, rtol=1e-4)
    assert torch.equal(theirs["proj"], made.visual_projection.weight.T)


def test_triangle_by_frames_is_the_original_s() -> None:
    scales = Guidance("triangle_frames", 1.0, 2.5).scales(21)
    expected = [1 + 0.15 * min(k, 20 - k) for k in range(21)]
    assert scales.tolist() == pytest.approx(expected, abs=1e-6)
    assert Guidance.parse("triangle_frames:1:2.5") == Guidance("triangle_frames", 1.0, 2.5)


def test_what_is_no_released_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="none of the released"):
        load_checkpoint(str(path))
    path.write_bytes(b"not safetensors")
    with pytest.raises(CheckpointError, match="cannot be read"):
        convert_checkpoint(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(CheckpointError, match="nothing to convert"):
        convert_checkpoint(tmp_path / "absent.safetensors", tmp_path / "out")
    with pytest.raises(CheckpointError, match="no place in the other layout"):
        renamed({"strange.weight": torch.zeros(1)}, unet_names([True], 1), "test")
    write_released(path, "sv3d_u")
    state = load_file(path)
    name = f"{UNET}out.2.weight"
    save_file(state | {name: state[name] * math.nan}, path)
    with pytest.raises(CheckpointError, match="not finite"):
        load_checkpoint(str(path))


def test_our_widened_svd_has_no_released_layout(tmp_path: Path) -> None:
    path = tmp_path / "svd.safetensors"
    write_released(path, "svd")
    save_checkpoint(load_checkpoint(str(path)), tmp_path / "ours", half=False)
    with pytest.raises(CheckpointError, match="no place in the released layout"):
        convert_checkpoint(tmp_path / "ours", tmp_path / "back.safetensors")
    assert SV3D_P.columns == 1280
