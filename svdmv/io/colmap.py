"""COLMAP's binary models (cameras.bin, images.bin) -> cameras. COLMAP stores camera_from_world, OpenCV axes, pixel
centres at 0.5, a scale and a world frame of its own (https://colmap.github.io/format.html)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from svdmv.core import Camera, DataError

# model id: name, number of parameters, where fx, fy, cx, cy stand among them, and the first lens distortion
_MODELS = {
    0: ("SIMPLE_PINHOLE", 3, (0, 0, 1, 2), None),
    1: ("PINHOLE", 4, (0, 1, 2, 3), None),
    2: ("SIMPLE_RADIAL", 4, (0, 0, 1, 2), 3),
    3: ("RADIAL", 5, (0, 0, 1, 2), 3),
    4: ("OPENCV", 8, (0, 1, 2, 3), 4),
    5: ("OPENCV_FISHEYE", 8, (0, 1, 2, 3), 4),
    6: ("FULL_OPENCV", 12, (0, 1, 2, 3), 4),
}


@dataclass(frozen=True, eq=False)
class ColmapModel:
    """cameras: picture name -> Camera, in the model's own world and scale. distortion: the largest coefficient k1 of
    all lenses, which Camera does not hold; 0 means that the pictures are undistorted."""

    cameras: dict[str, Camera]
    distortion: float


def read_colmap(folder: Path | str) -> ColmapModel:
    """Read folder/cameras.bin and folder/images.bin.

    Raises DataError: a file is absent, truncated, or of a lens model that is not known.
    """
    folder = Path(folder)
    try:
        lenses = _lenses(folder / "cameras.bin")
        poses = _poses(folder / "images.bin")
        worst = max((abs(k) for *_, k in lenses.values()), default=0.0)
        cameras = {}
        for name, (lens, pose) in poses.items():
            width, height, intrinsics, _ = lenses[lens]
            cameras[name] = Camera(intrinsics, pose, width, height)
    except (OSError, struct.error, KeyError, ValueError, UnicodeDecodeError, np.linalg.LinAlgError) as error:
        raise DataError(
            "The COLMAP model cannot be read",
            where=folder,
            seen=f"{type(error).__name__}: {error}",
            expected="cameras.bin and images.bin of one reconstruction",
        ) from error
    return ColmapModel(cameras, worst)


def _read(file: BinaryIO, layout: str) -> tuple[float, ...]:
    data = file.read(struct.calcsize("<" + layout))
    values: tuple[float, ...] = struct.unpack("<" + layout, data)
    return values


def _lenses(path: Path) -> dict[int, tuple[int, int, np.ndarray, float]]:
    found = {}
    with path.open("rb") as file:
        (count,) = _read(file, "Q")
        for _ in range(int(count)):
            lens, model, width, height = (int(v) for v in _read(file, "iiQQ"))
            if model not in _MODELS:
                raise ValueError(f"lens model {model}")
            _, number, (fx, fy, cx, cy), bend = _MODELS[model]
            values = _read(file, "d" * number)
            intrinsics = np.array([[values[fx], 0, values[cx]], [0, values[fy], values[cy]], [0, 0, 1.0]])
            found[lens] = (width, height, intrinsics, 0.0 if bend is None else values[bend])
    return found


def _poses(path: Path) -> dict[str, tuple[int, np.ndarray]]:
    found = {}
    with path.open("rb") as file:
        (count,) = _read(file, "Q")
        for _ in range(int(count)):
            _, w, x, y, z, tx, ty, tz, lens = _read(file, "idddddddi")
            name = bytearray()
            while (letter := file.read(1)) != b"\0":
                if not letter:
                    raise ValueError("a name without an end")
                name += letter
            (points,) = _read(file, "Q")
            file.seek(24 * int(points), 1)
            camera_from_world = np.eye(4)
            camera_from_world[:3, :3] = _rotation(np.array([w, x, y, z]))
            camera_from_world[:3, 3] = tx, ty, tz
            found[name.decode()] = (int(lens), np.linalg.inv(camera_from_world))
    return found


def _rotation(quaternion: np.ndarray) -> np.ndarray:
    """(3, 3) of a quaternion w, x, y, z (Hamilton), brought to length 1."""
    w, x, y, z = quaternion / np.linalg.norm(quaternion)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
