"""Cameras <-> transforms.json, the file that nerfstudio, instant-ngp and the NeRF data sets share.

In the file: OpenGL camera axes (+X right, +Y up, +Z backward), `transform_matrix` = world_from_camera, world +Z up as
nerfstudio and Blender have it, pixels from the top-left corner. Here: OpenCV axes, world +Y up. Both changes only swap
and negate numbers, so a round trip gives the same bits.

Source: nerfstudio documentation, "Data conventions"; instant-ngp documentation, "Preparing data".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, DataError, InputError, Orbit
from svdmv.io.distortion import NO_DISTORTION, Distortion

OWN_KEY = "svdmv"
_CONVENTIONS = {
    "camera_axes_in_this_file": "OpenGL: +X right, +Y up, +Z backward",
    "world_axes_in_this_file": "+Z up; (x, y, z) here is (x, z, -y) in svdmv's and glTF's world, which is +Y up",
    "pixels": "(0, 0) is the top-left corner, first centre (0.5, 0.5)",
    "pictures": "sRGB, straight alpha",
}
_LENS_MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL", "PERSPECTIVE", "OPENCV_FISHEYE")
_LARGEST_UNRIGID = 0.02


@dataclass(frozen=True)
class Frame:
    """One frame: the file's name as written, its mask if it has one, the camera, and what its lens adds to that."""

    file_path: str
    mask_path: str | None
    camera: Camera
    distortion: Distortion = NO_DISTORTION


def file_matrix_from_pose(world_from_camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4, 4) of the file (OpenGL camera axes, +Z up) of our world_from_camera (OpenCV axes, +Y up)."""
    ours = np.asarray(world_from_camera, np.float64)
    turned = np.stack([ours[0], -ours[2], ours[1], ours[3]])  # world (x, y, z) -> (x, -z, y)
    turned[:, 1:3] *= -1
    return turned + 0.0  # no negative zeros


def pose_from_file_matrix(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4, 4) our world_from_camera of a file's transform_matrix; the inverse of `file_matrix_from_pose`."""
    theirs = np.asarray(matrix, np.float64)
    turned = np.stack([theirs[0], theirs[2], -theirs[1], theirs[3]])
    turned[:, 1:3] *= -1
    return turned + 0.0


def transforms_from_cameras(
    cameras: Sequence[Camera],
    file_paths: Sequence[str],
    *,
    orbit: Orbit | None = None,
    own: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The JSON object of a transforms.json.

    Args:
        cameras: at least one; intrinsics that all share stand at the top, others in each frame.
        file_paths: name of each picture relative to the file.
        orbit: kept under the key "svdmv", digit by digit.
        own: more JSON values for that key.

    Raises:
        DataError: counts differ, or a camera has a skew, which the format cannot hold.
    """
    if not cameras or len(cameras) != len(file_paths):
        raise DataError(
            "Cameras and pictures do not agree in number",
            where="transforms_from_cameras",
            seen=f"{len(cameras)} cameras, {len(file_paths)} pictures",
            expected="one camera a picture, at least one",
        )
    lenses = [_lens(camera) for camera in cameras]
    shared = all(lens == lenses[0] for lens in lenses)
    tree: dict[str, Any] = {"camera_model": "OPENCV"}
    if shared:
        tree |= lenses[0]
    if orbit is not None:  # instant-ngp's box is the unit cube: scale 0.9 leaves a rim around the object
        tree |= {"aabb_scale": 1, "scale": 0.9, "offset": [0.5, 0.5, 0.5]}
    tree["frames"] = [
        {
            "file_path": name,
            **({} if shared else lens),
            "transform_matrix": file_matrix_from_pose(camera.world_from_camera).tolist(),
        }
        for name, lens, camera in zip(file_paths, lenses, cameras, strict=True)
    ]
    tree[OWN_KEY] = {"conventions": _CONVENTIONS, **(own or {})}
    if orbit is not None:
        tree[OWN_KEY]["orbit"] = {
            "azimuths_deg": orbit.azimuths_deg.tolist(),
            "elevations_deg": orbit.elevations_deg.tolist(),
            "radius": float(orbit.radius),
            "fov_y_deg": float(orbit.fov_y_deg),
        }
    return tree


def orbit_from_transforms(tree: Mapping[str, Any]) -> Orbit | None:
    """The orbit that `transforms_from_cameras` kept, or None. Raises DataError when it is damaged."""
    own = tree.get(OWN_KEY)
    kept = own.get("orbit") if isinstance(own, dict) else None
    if kept is None:
        return None
    try:
        return Orbit(kept["azimuths_deg"], kept["elevations_deg"], float(kept["radius"]), float(kept["fov_y_deg"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            "The orbit kept in transforms.json is damaged",
            where=f"{OWN_KEY}.orbit",
            seen=repr(error),
            expected="azimuths_deg, elevations_deg, radius, fov_y_deg",
            next_step=f"write the views again, or remove {OWN_KEY}.orbit from the file",
        ) from error


def frames_from_transforms(
    tree: Mapping[str, Any], where: Path | str, size_of: Mapping[str, tuple[int, int]], notes: list[str]
) -> list[Frame]:
    """The frames of a transforms.json in the numeric order of their file names, cameras in our axes.

    Args:
        tree: the JSON object.
        where: the file, for errors.
        size_of: width and height in pixels of each picture by file_path; counts more than "w" and "h" of the file.
        notes: gets a line for lenses given for another size and for poses that were not quite rigid.

    Raises:
        InputError: a frame lacks its matrix, its lens or its size, a pose is not rigid, or the lens is no pinhole with
            a distortion that can be taken out.
    """
    rows = tree.get("frames")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise _refusal("transforms.json names no frames", where, f"frames: {type(rows).__name__}")
    model = str(tree.get("camera_model", "OPENCV")).upper()
    if model not in _LENS_MODELS:
        raise _refusal("The views' lens cannot be made a pinhole", where, f"camera_model {model}")
    frames = []
    for row in rows:
        name = row.get("file_path")
        if not isinstance(name, str) or "transform_matrix" not in row:
            raise _refusal("A frame lacks its file_path or transform_matrix", where, sorted(row))
        try:
            merged = {**{k: v for k, v in tree.items() if k != "frames"}, **row}
            K, width, height = _intrinsics(merged, size_of.get(name), where, notes)
            pose = _rigid(row["transform_matrix"], f"{where}, frame {name}", notes)
            bend = _distortion(merged, model, f"{where}, frame {name}")
            frames.append(Frame(name, row.get("mask_path"), Camera(K, pose, width, height), bend))
        except (TypeError, ValueError, OverflowError) as error:
            raise _refusal("A frame holds values that are no numbers", f"{where}, frame {name}", error) from error
        except DataError as error:
            raise _refusal(error.what, f"{where}, frame {name}", error.seen) from error
    return sorted(frames, key=lambda frame: numeric_order(frame.file_path))


def numeric_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key that counts: view_2.png stands before view_10.png."""
    return tuple((0, int(part), part) if part.isdigit() else (1, 0, part) for part in re.split(r"([0-9]+)", name))


def _lens(camera: Camera) -> dict[str, Any]:
    K = camera.K
    if K[0, 1] != 0 or K[1, 0] != 0:
        raise DataError("transforms.json cannot hold a skew", where="Camera.K", seen=K.tolist(), expected="K[0, 1] = 0")
    return {
        "w": int(camera.width),
        "h": int(camera.height),
        "fl_x": float(K[0, 0]),
        "fl_y": float(K[1, 1]),
        "cx": float(K[0, 2]),
        "cy": float(K[1, 2]),
        "camera_angle_x": 2 * math.atan(camera.width / (2 * float(K[0, 0]))),
        "camera_angle_y": 2 * math.atan(camera.height / (2 * float(K[1, 1]))),
        "k1": 0.0,
        "k2": 0.0,
        "p1": 0.0,
        "p2": 0.0,
    }


def _intrinsics(
    row: Mapping[str, Any], size: tuple[int, int] | None, where: Path | str, notes: list[str]
) -> tuple[NDArray[np.float64], int, int]:
    """K, width and height in pixels of the picture; a lens given for another size is scaled to it."""
    if size is None and not ("w" in row and "h" in row):
        raise _refusal("A frame lacks its size", where, "neither w and h nor the picture")
    stated = (float(row["w"]), float(row["h"])) if "w" in row and "h" in row else None
    width, height = size or (round(float(row["w"])), round(float(row["h"])))
    base_w, base_h = stated or (float(width), float(height))
    if "fl_x" in row:
        fx = float(row["fl_x"])
    elif "camera_angle_x" in row:
        fx = 0.5 * base_w / math.tan(0.5 * float(row["camera_angle_x"]))
    else:
        raise _refusal("A frame lacks its focal length", where, "neither fl_x nor camera_angle_x")
    if "fl_y" in row:
        fy = float(row["fl_y"])
    elif "camera_angle_y" in row:
        fy = 0.5 * base_h / math.tan(0.5 * float(row["camera_angle_y"]))
    else:
        fy = fx
    cx, cy = float(row.get("cx", base_w / 2)), float(row.get("cy", base_h / 2))
    K = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    if (base_w, base_h) != (width, height):
        if abs(base_w * height / (base_h * width) - 1) > 0.02:
            raise _refusal("A picture's size does not fit its lens", where, f"{width}x{height} px, lens for {stated}")
        notes.append(f"lens given for {base_w:g}x{base_h:g} px, scaled to {width}x{height} px")
        K = np.diag([width / base_w, height / base_h, 1.0]) @ K
    return K, width, height


def _distortion(row: Mapping[str, Any], model: str, where: str) -> Distortion:
    """nerfstudio's k1 .. k4, p1, p2; Brown's radial terms end with k3, a fisheye has no tangential ones."""
    k1, k2, k3, k4, p1, p2 = (float(row.get(name, 0.0)) for name in ("k1", "k2", "k3", "k4", "p1", "p2"))
    if "FISHEYE" in model:
        return Distortion((k1, k2, k3, k4), fisheye=True)
    if k4:
        raise _refusal("A frame's lens has a fourth radial coefficient", where, f"k4 {k4:g}")
    return Distortion((k1, k2, p1, p2, k3))


def _rigid(matrix: Any, where: str, notes: list[str]) -> NDArray[np.float64]:
    """Our pose of a file's matrix of 3 or 4 rows; small deviations from a rotation are removed and noted."""
    rows = np.asarray(matrix, np.float64)
    if rows.shape == (3, 4):
        rows = np.vstack([rows, (0.0, 0.0, 0.0, 1.0)])
    if rows.shape != (4, 4) or not np.isfinite(rows).all():
        raise _refusal("A frame's transform_matrix is damaged", where, f"shape {rows.shape}")
    pose = pose_from_file_matrix(rows)
    if np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-6) and np.linalg.det(pose[:3, :3]) > 0:
        return pose
    left, scales, right = np.linalg.svd(pose[:3, :3])
    off = float(np.abs(scales - 1).max())
    if off > _LARGEST_UNRIGID or np.linalg.det(left @ right) < 0:
        raise _refusal("A frame's transform_matrix is no rotation and shift", where, f"scales {scales.round(4)}")
    notes.append(f"poses off a rotation by up to {10.0 ** math.ceil(math.log10(off + 1e-12)):.0e} made rigid")
    pose[:3, :3] = left @ right
    return pose


def _refusal(what: str, where: object, seen: object) -> InputError:
    return InputError(
        what,
        where=where,
        seen=seen,
        expected="a transforms.json as nerfstudio or instant-ngp write it",
        next_step="see docs/conventions.md for the keys that are read",
    )
