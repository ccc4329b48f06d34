"""COLMAP's binary models: a camera written by hand comes back with its pose turned round."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from svdmv.core import DataError
from svdmv.io.colmap import read_colmap


def write_model(folder: Path, images: dict[str, tuple[list[float], list[float]]], model: int = 2) -> None:
    """cameras.bin with one lens of 80x60 px, images.bin with camera_from_world as quaternion and shift."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = {0: [50.0, 40, 30], 1: [50.0, 55, 40, 30], 2: [50.0, 40, 30, 0.02]}.get(model, [50.0, 40, 30])
    lens = struct.pack("<QiiQQ", 1, 7, model, 80, 60) + struct.pack(f"<{len(numbers)}d", *numbers)
    (folder / "cameras.bin").write_bytes(lens)
    data = struct.pack("<Q", len(images))
    for number, (name, (turn, shift)) in enumerate(images.items()):
        data += struct.pack("<idddddddi", number, *turn, *shift, 7) + name.encode() + b"\0"
        data += struct.pack("<Q", 2) + struct.pack("<ddqddq", 1, 2, -1, 3, 4, 5)
    (folder / "images.bin").write_bytes(data)


def test_poses_come_back_as_world_from_camera(tmp_path: Path) -> None:
    half = 0.5**0.5
    write_model(tmp_path, {"b.jpg": ([1, 0, 0, 0], [0, 0, 2]), "a b.jpg": ([half, 0, half, 0], [1, 0, 0])})
    made = read_colmap(tmp_path)
    assert sorted(made.cameras) == ["a b.jpg", "b.jpg"]
    assert made.distortion == 0.02
    plain, turned = made.cameras["b.jpg"], made.cameras["a b.jpg"]
    assert plain.K.tolist() == [[50, 0, 40], [0, 50, 30], [0, 0, 1]]
    assert (plain.width, plain.height) == (80, 60)
    np.testing.assert_allclose(plain.world_from_camera[:3, 3], [0, 0, -2])
    # a quarter turn about +Y takes world +Z to camera +X: the camera looks along world -X
    np.testing.assert_allclose(turned.world_from_camera[:3, :3] @ [0, 0, 1], [-1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(np.linalg.inv(turned.world_from_camera) @ [0, 0, 0, 1], [1, 0, 0, 1], atol=1e-12)


def test_other_lenses_and_damage(tmp_path: Path) -> None:
    write_model(tmp_path, {"a": ([1, 0, 0, 0], [0, 0, 0])}, model=1)
    assert read_colmap(tmp_path).cameras["a"].K[1, 1] == 55
    assert read_colmap(tmp_path).distortion == 0
    write_model(tmp_path, {"a": ([1, 0, 0, 0], [0, 0, 0])}, model=99)
    with pytest.raises(DataError, match="lens model 99"):
        read_colmap(tmp_path)
    write_model(tmp_path, {"a": ([1, 0, 0, 0], [0, 0, 0])})
    whole = (tmp_path / "images.bin").read_bytes()
    for length in (4, 30, 74):
        (tmp_path / "images.bin").write_bytes(whole[:length])
        with pytest.raises(DataError):
            read_colmap(tmp_path)
    with pytest.raises(DataError):
        read_colmap(tmp_path / "absent")
