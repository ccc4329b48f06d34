"""Checkpoints that cannot be used: each gives one block (tests/snapshots/diffusion), no traceback, no network."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_checkpoints import edited_json, rewritten

from svdmv.core import CheckpointError, ConfigError, SvdmvError
from svdmv.diffusion.checkpoint import load_checkpoint, save_checkpoint
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv

UNET_FILE = "unet/diffusion_pytorch_model.safetensors"
Check = Callable[[str, SvdmvError], None]


def refused(model: str | Path, **options: Any) -> CheckpointError:
    with pytest.raises(CheckpointError) as caught:
        load_checkpoint(str(model), **options)
    assert caught.value.exit_code == 3
    return caught.value


def test_unknown_name(same_block: Check) -> None:
    same_block("unknown_name", refused("no-such-model"))


def test_hub_id_outside_the_cache_is_told_at_once(same_block: Check) -> None:
    refused("nobody/none")  # imports
    start = time.monotonic()
    same_block("hub_id_not_cached", refused("somebody/no-such-model"))
    assert time.monotonic() - start < 2


def test_hub_id_with_download_but_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    error = refused("somebody/no-such-model", download=True)
    assert "not on this machine" in error.what


def test_file_instead_of_folder(tmp_path: Path, same_block: Check) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"anything")
    same_block("file_not_folder", refused(tmp_path / "model.ckpt"))


def test_empty_folder(tmp_path: Path, same_block: Check) -> None:
    same_block("empty_folder", refused(tmp_path))


def test_pickle_only(svd_copy: Path, same_block: Check) -> None:
    """The pickle would run code when loaded; it is never opened."""
    weights = svd_copy / UNET_FILE
    weights.unlink()
    weights.with_suffix(".bin").write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    same_block("pickle_only", refused(svd_copy))


def test_no_weights_at_all(svd_copy: Path, same_block: Check) -> None:
    (svd_copy / UNET_FILE).unlink()
    same_block("no_weights", refused(svd_copy))


@pytest.mark.parametrize("kept", [4, 200, 100_000])
def test_truncated_safetensors(svd_copy: Path, same_block: Check, kept: int) -> None:
    data = (svd_copy / UNET_FILE).read_bytes()
    (svd_copy / UNET_FILE).write_bytes(data[:kept])
    error = refused(svd_copy)
    assert error.what == "A weight file cannot be read"
    if kept == 100_000:
        same_block("truncated", error)


def sharded(model: SvdMv, folder: Path) -> tuple[Path, dict[str, Any]]:
    """A folder of ours in shards; its UNet's index and what is in it."""
    save_checkpoint(model, folder, max_shard_mb=1)
    index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
    return index, json.loads(index.read_text("utf-8"))


def test_shard_missing(model: SvdMv, tmp_path: Path, same_block: Check) -> None:
    index, values = sharded(model, tmp_path / "ours")
    names = sorted(set(values["weight_map"].values()))
    (index.parent / names[1]).unlink()
    same_block("shard_missing", refused(tmp_path / "ours"))


@pytest.mark.parametrize(
    "outside", ["../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "..", "weights.bin", "a\\b.safetensors"]
)
def test_index_that_leaves_its_folder(model: SvdMv, tmp_path: Path, same_block: Check, outside: str) -> None:
    index, values = sharded(model, tmp_path / "ours")
    values["weight_map"][next(iter(values["weight_map"]))] = outside
    index.write_text(json.dumps(values))
    error = refused(tmp_path / "ours")
    assert "leaves its folder" in error.what
    if outside.startswith("../"):
        same_block("index_outside", error)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 5}}', "\x00"])
def test_index_that_cannot_be_read(model: SvdMv, tmp_path: Path, same_block: Check, text: str) -> None:
    index, _ = sharded(model, tmp_path / "ours")
    index.write_text(text)
    error = refused(tmp_path / "ours")
    assert error.what == "The index of the weights cannot be read"
    if text == "{}":
        same_block("index_unreadable", error)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(svd_copy: Path, same_block: Check, value: float) -> None:
    bias = load_file(svd_copy / UNET_FILE)["conv_out.bias"]
    bias[1] = value
    rewritten(svd_copy / UNET_FILE, **{"conv_out.bias": bias})
    error = refused(svd_copy)
    same_block("not_finite", error)


def test_weights_of_another_layout(svd_copy: Path, same_block: Check) -> None:
    rewritten(svd_copy / UNET_FILE, **{"conv_out.bias": torch.zeros(7)})
    same_block("another_shape", refused(svd_copy))


def test_a_tensor_missing_and_one_too_many(svd_copy: Path, same_block: Check) -> None:
    rewritten(svd_copy / UNET_FILE, **{"conv_out.bias": None})
    same_block("tensor_missing", refused(svd_copy))
    rewritten(svd_copy / UNET_FILE, **{"conv_out.bias": torch.zeros(4), "lora.up": torch.zeros(3)})
    same_block("tensor_too_many", refused(svd_copy))


def test_another_kind_of_network(tmp_path: Path, svd_copy: Path, same_block: Check) -> None:
    """An autoencoder's weights where the UNet's belong."""
    save_file(load_file(svd_copy / "vae" / "diffusion_pytorch_model.safetensors"), svd_copy / UNET_FILE)
    same_block("another_network", refused(svd_copy))


@pytest.mark.parametrize(("name", "text"), [("config_not_json", "not json"), ("config_not_a_table", "[1, 2]")])
def test_config_that_is_no_table(svd_copy: Path, same_block: Check, name: str, text: str) -> None:
    (svd_copy / "vae" / "config.json").write_text(text)
    same_block(name, refused(svd_copy))


def test_config_that_makes_no_network(svd_copy: Path, same_block: Check) -> None:
    edited_json(svd_copy / "unet" / "config.json", down_block_types=["DownBlock9D", "DownBlock9D"])
    same_block("config_unusable", refused(svd_copy))


def test_neither_ours_nor_svd(svd_copy: Path, same_block: Check) -> None:
    edited_json(svd_copy / "unet" / "config.json", projection_class_embeddings_input_dim=2816)
    same_block("neither_ours_nor_svd", refused(svd_copy))


def test_unknown_number_format(svd_folder: Path, same_block: Check) -> None:
    with pytest.raises(ConfigError) as caught:
        load_checkpoint(str(svd_folder), dtype="int3")
    assert caught.value.exit_code == 2
    same_block("unknown_dtype", caught.value)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ids_do_not_fit", {"ids": ["noise_aug", "elevation"]}),
        ("size_does_not_fit", {"image_size": 33}),
        ("channels_do_not_fit", {"image_channels": 4}),
    ],
)
def test_settings_that_do_not_fit_the_networks(
    model: SvdMv, tmp_path: Path, same_block: Check, name: str, changes: dict[str, Any]
) -> None:
    save_checkpoint(model, tmp_path / "ours")
    edited_json(tmp_path / "ours" / "svdmv.json", **changes)
    same_block(name, refused(tmp_path / "ours"))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("setting_unknown", {"colour": "blue"}),
        ("framing_unknown", {"framing": {"zoom": 3}}),
        ("guidance_out_of_range", {"guidance": {"kind": "saw", "low": 1, "high": 2}}),
    ],
)
def test_settings_that_are_unknown(
    model: SvdMv, tmp_path: Path, same_block: Check, name: str, changes: dict[str, Any]
) -> None:
    save_checkpoint(model, tmp_path / "ours")
    edited_json(tmp_path / "ours" / "svdmv.json", **changes)
    same_block(name, refused(tmp_path / "ours"))


@pytest.mark.parametrize("text", ["", "5", "{}", "[]"])
def test_settings_that_cannot_be_read(model: SvdMv, tmp_path: Path, text: str) -> None:
    save_checkpoint(model, tmp_path / "ours")
    (tmp_path / "ours" / "svdmv.json").write_text(text)
    assert refused(tmp_path / "ours").what == "The checkpoint's settings cannot be read"


@pytest.mark.parametrize(
    "changes",
    [
        {"num_views": 0},
        {"num_views": "many"},
        {"image_size": -64},
        {"input_view_index": 21},
        {"azimuth_sign": 0},
        {"elevation_unit": "turns"},
        {"sampler": "magic"},
        {"num_steps": 0},
        {"sigma_min": 0},
        {"sigma_min": 900.0},
        {"rho": 0},
        {"elevation_range_deg": [30, -5]},
        {"elevation_range_deg": [10]},
        {"decode_chunk": 0},
        {"framing": {"rule": "none"}},
        {"framing": {"foreground_ratio": 2.0}},
        {"noise_aug": None},
    ],
)
def test_settings_out_of_range(changes: dict[str, Any]) -> None:
    values = CheckpointInfo("test", "none").as_dict()
    if "framing" in changes:
        changes = {"framing": values["framing"] | changes["framing"]}
    with pytest.raises(CheckpointError) as caught:
        CheckpointInfo.from_dict(json.loads(json.dumps(values | changes)), "svdmv.json")
    assert caught.value.where == "svdmv.json"
