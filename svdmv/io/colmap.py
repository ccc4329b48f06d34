"""COLMAP's models, binary (cameras.bin, images.bin) and text (cameras.txt, images.txt) -> cameras.

COLMAP stores camera_from_world, OpenCV axes, pixel centres at 0.5, a scale and a world frame of its own
(https://colmap.github.io/format.html, https://colmap.github.io/cameras.html).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np

from svdmv.core import Camera, DataError
from svdmv.io.distortion import Distortion

# name, number of parameters, where fx, fy, cx, cy stand among them, where the coefficients of the distortion do in the
# order of `Distortion`, and whether it is a fisheye's; by model id
_MODELS: tuple[tuple[str, int, tuple[int, ...], tuple[int, ...], bool], ...] = (
    ("SIMPLE_PINHOLE", 3, (0, 0, 1, 2), (), False),
    ("PINHOLE", 4, (0, 1, 2, 3), (), False),
    ("SIMPLE_RADIAL", 4, (0, 0, 1, 2), (3,), False),
    ("RADIAL", 5, (0, 0, 1, 2), (3, 4), False),
    ("OPENCV", 8, (0, 1, 2, 3), (4, 5, 6, 7), False),
    ("OPENCV_FISHEYE", 8, (0, 1, 2, 3), (4, 5, 6, 7), True),
    ("FULL_OPENCV", 12, (0, 1, 2, 3), (4, 5, 6, 7, 8, 9, 10, 11), False),
    ("FOV", 5, (0, 1, 2, 3), (), False),
    ("SIMPLE_RADIAL_FISHEYE", 4, (0, 0, 1, 2), (3,), True),
    ("RADIAL_FISHEYE", 5, (0, 0, 1, 2), (3, 4), True),
    ("THIN_PRISM_FISHEYE", 12, (0, 1, 2, 3), (), True),
)
_NOT_UNDONE = ("FOV", "THIN_PRISM_FISHEYE")


@dataclass(frozen=True, eq=False)
class ColmapModel:
    """cameras: picture name -> Camera, in the model's own world and scale. distortion: the largest coefficient k1 of
    all lenses, which Camera does not hold; 0 means that the pictures are undistorted. distortions: picture name -> what
    its lens adds to the pinhole."""

    cameras: dict[str, Camera]
    distortion: float
    distortions: dict[str, Distortion] = field(default_factory=dict)


_Lens = tuple[int, int, np.ndarray, Distortion]
_Pose = tuple[int, np.ndarray]


def has_colmap(folder: Path) -> bool:
    """Whether a binary or a text model lies in `folder`."""
    return any((folder / f"cameras.{e}").is_file() and (folder / f"images.{e}").is_file() for e in ("bin", "txt"))


def read_colmap(folder: Path | str) -> ColmapModel:
    """Read cameras and images of one reconstruction; the binary files where both kinds are there.

    Raises DataError: a file is absent, damaged or truncated, or of a lens model that cannot be undone.
    """
    folder = Path(folder)
    binary = (folder / "images.bin").is_file() or not (folder / "images.txt").is_file()
    try:
        lenses = _binary_lenses(folder / "cameras.bin") if binary else _text_lenses(folder / "cameras.txt")
        poses = _binary_poses(folder / "images.bin") if binary else _text_poses(folder / "images.txt")
        cameras, distortions = {}, {}
        for name, (lens, pose) in poses.items():
            width, height, intrinsics, distortions[name] = lenses[lens]
            cameras[name] = Camera(intrinsics, pose, width, height)
    except (OSError, struct.error, KeyError, ValueError, IndexError, np.linalg.LinAlgError, DataError) as error:
        raise DataError(
            "The COLMAP model cannot be read",
            where=folder,
            seen=error.one_line() if isinstance(error, DataError) else f"{type(error).__name__}: {error}",
            expected="cameras and images of one reconstruction, both .bin or both .txt",
        ) from error
    worst = max((abs(d.coefficients[0]) for d in distortions.values() if d.coefficients), default=0.0)
    return ColmapModel(cameras, worst, distortions)


def _lens(model: int, width: int, height: int, values: Sequence[float]) -> _Lens:
    name, number, (fx, fy, cx, cy), bend, fisheye = _MODELS[model]
    if name in _NOT_UNDONE:
        raise ValueError(f"lens model {name}: undistort the photos first (colmap image_undistorter)")
    if len(values) != number:
        raise ValueError(f"{len(values)} parameters of a lens {name}, which has {number}")
    intrinsics = np.array([[values[fx], 0, values[cx]], [0, values[fy], values[cy]], [0, 0, 1.0]])
    return width, height, intrinsics, Distortion(tuple(float(values[i]) for i in bend), fisheye)


def _pose(turn: Sequence[float], shift: Sequence[float]) -> np.ndarray:
    camera_from_world = np.eye(4)
    camera_from_world[:3, :3] = _rotation(np.array(turn, np.float64))
    camera_from_world[:3, 3] = shift
    return np.linalg.inv(camera_from_world)


def _read(file: BinaryIO, layout: str) -> tuple[float, ...]:
    data = file.read(struct.calcsize("<" + layout))
    values: tuple[float, ...] = struct.unpack("<" + layout, data)
    return values


def _binary_lenses(path: Path) -> dict[int, _Lens]:
    found = {}
    with path.open("rb") as file:
        (count,) = _read(file, "Q")
        for _ in range(int(count)):
            lens, model, width, height = (int(v) for v in _read(file, "iiQQ"))
            if not 0 <= model < len(_MODELS):
                raise ValueError(f"lens model {model}")
            found[lens] = _lens(model, width, height, _read(file, "d" * _MODELS[model][1]))
    return found


def _binary_poses(path: Path) -> dict[str, _Pose]:
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
            found[name.decode()] = (int(lens), _pose((w, x, y, z), (tx, ty, tz)))
    return found


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8").splitlines():
        if not line.startswith("#"):
            yield line.strip()


def _text_lenses(path: Path) -> dict[int, _Lens]:
    by_name = {row[0]: number for number, row in enumerate(_MODELS)}
    found = {}
    for line in filter(None, _lines(path)):
        lens, model, width, height, *values = line.split()
        if model not in by_name:
            raise ValueError(f"lens model {model}")
        found[int(lens)] = _lens(by_name[model], int(width), int(height), [float(v) for v in values])
    return found


def _text_poses(path: Path) -> dict[str, _Pose]:
    """Every picture has two lines, the second one its points, which may be none."""
    found = {}
    lines = _lines(path)
    for line in lines:
        if not line:
            continue
        parts = line.split(maxsplit=9)
        if len(parts) < 10:
            raise ValueError(f"a picture's line of {len(parts)} words: {line[:60]}")
        numbers = [float(v) for v in parts[1:8]]
        found[parts[9]] = (int(parts[8]), _pose(numbers[:4], numbers[4:]))
        next(lines, None)
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
