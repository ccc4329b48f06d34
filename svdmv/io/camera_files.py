"""Cameras for other programs: a COLMAP model (text and binary), a nerfstudio folder, a script for Blender."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, ConfigError, ViewSet
from svdmv.io.atomic import json_text, whole_folder
from svdmv.io.pictures import png_bytes
from svdmv.io.transforms import file_matrix_from_pose, transforms_from_cameras

CAMERA_KINDS = ("colmap", "nerfstudio", "blender")
_PINHOLE = 1


def write_camera_files(folder: Path | str, views: ViewSet, kind: str, *, overwrite: bool = False) -> None:
    """A folder that another program reads: images/000.png ... and the cameras in its own convention.

    "colmap": sparse/0/{cameras,images,points3D}.{bin,txt}, COLMAP axes, world as ours (+Y up).
    "nerfstudio": transforms.json (OpenGL axes, world +Z up).
    "blender": cameras.py, to be run in Blender's text editor or by `blender --python cameras.py` (world +Z up).

    Raises:
        ConfigError: another kind.
        InputError: the folder has contents and `overwrite` is False, or the system refuses.
        DataError: a camera has a skew, which transforms.json and Blender cannot hold.
    """
    if kind not in CAMERA_KINDS:
        raise ConfigError(
            "There is no such kind of camera file", where="--cameras", seen=kind, expected=", ".join(CAMERA_KINDS)
        )
    names = [f"{i:03d}.png" for i in range(len(views))]
    with whole_folder(folder, overwrite=overwrite) as place:
        (place / "images").mkdir()
        for name, pixels in zip(names, views.rgba_u8(), strict=True):
            shown = pixels if views.alphas is not None else pixels[..., :3]
            (place / "images" / name).write_bytes(png_bytes(np.ascontiguousarray(shown)))
        if kind == "nerfstudio":
            tree = transforms_from_cameras(views.cameras, [f"images/{name}" for name in names], orbit=views.orbit)
            (place / "transforms.json").write_text(json_text(tree), encoding="utf-8")
        elif kind == "blender":
            (place / "cameras.py").write_text(blender_script(views.cameras, names), encoding="utf-8")
        else:
            model = place / "sparse" / "0"
            model.mkdir(parents=True)
            for name, data in colmap_files(views.cameras, names).items():
                (model / name).write_bytes(data)


def colmap_files(cameras: Sequence[Camera], names: Sequence[str]) -> dict[str, bytes]:
    """cameras, images and points3D (none) as .txt and .bin; equal lenses share one camera, ids count from 1.

    Source: https://colmap.github.io/format.html.
    """
    lenses: list[tuple[int, int, tuple[float, ...]]] = []
    owners = []
    for camera in cameras:
        K = camera.K
        lens = (camera.width, camera.height, (float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])))
        if lens not in lenses:
            lenses.append(lens)
        owners.append(lenses.index(lens) + 1)
    camera_text = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    camera_data = [struct.pack("<Q", len(lenses))]
    for number, (width, height, values) in enumerate(lenses, 1):
        camera_text.append(f"{number} PINHOLE {width} {height} " + " ".join(map(repr, values)))
        camera_data.append(struct.pack("<iiQQ4d", number, _PINHOLE, width, height, *values))
    image_text = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME", "# POINTS2D[] as (X, Y, POINT3D_ID)"]
    image_data = [struct.pack("<Q", len(cameras))]
    for number, (camera, owner, name) in enumerate(zip(cameras, owners, names, strict=True), 1):
        pose = camera.camera_from_world
        row = [*quaternion_from_rotation(pose[:3, :3]).tolist(), *pose[:3, 3].tolist()]
        image_text += [f"{number} " + " ".join(map(repr, row)) + f" {owner} {name}", ""]
        image_data.append(struct.pack("<i7di", number, *row, owner) + name.encode() + b"\0" + struct.pack("<Q", 0))
    return {
        "cameras.txt": ("\n".join(camera_text) + "\n").encode(),
        "images.txt": ("\n".join(image_text) + "\n").encode(),
        "points3D.txt": b"# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]\n",
        "cameras.bin": b"".join(camera_data),
        "images.bin": b"".join(image_data),
        "points3D.bin": struct.pack("<Q", 0),
    }


def quaternion_from_rotation(rotation: NDArray[np.floating]) -> NDArray[np.float64]:
    """(4,) w, x, y, z (Hamilton, w >= 0) of a rotation matrix.

    Source: the eigenvector of I. Bar-Itzhack, New Method for Extracting the Quaternion from a Rotation Matrix, 2000.
    """
    r = np.asarray(rotation, np.float64)
    form = np.array(
        [
            [r[0, 0] - r[1, 1] - r[2, 2], 0, 0, 0],
            [r[1, 0] + r[0, 1], r[1, 1] - r[0, 0] - r[2, 2], 0, 0],
            [r[2, 0] + r[0, 2], r[2, 1] + r[1, 2], r[2, 2] - r[0, 0] - r[1, 1], 0],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], r.trace()],
        ]
    )
    x, y, z, w = np.linalg.eigh(form / 3)[1][:, -1]
    found = np.array([w, x, y, z])
    return -found if found[0] < 0 else found


def blender_script(cameras: Sequence[Camera], names: Sequence[str]) -> str:
    """A script that adds the cameras to the open Blender scene, the pictures behind them, one frame of time each."""
    rows = []
    for camera, name in zip(cameras, names, strict=True):
        matrix = file_matrix_from_pose(camera.world_from_camera)
        longer = max(camera.width, camera.height)
        rows.append(
            {
                "name": name,
                "size": [camera.width, camera.height],
                "matrix": matrix.tolist(),
                "angle": float(2 * np.arctan(longer / 2 / camera.K[0, 0])),
                "shift": [
                    float((camera.width / 2 - camera.K[0, 2]) / longer),
                    float((camera.K[1, 2] - camera.height / 2) / longer),
                ],
                "pixel_aspect": float(camera.K[1, 1] / camera.K[0, 0]),
            }
        )
    return _BLENDER.replace("ROWS", json_text(rows).strip())


_BLENDER = '''"""Cameras of an svdmv view set for Blender: run it in the text editor, or blender --python cameras.py.

World +Z up, as Blender imports the GLB. Frame 1 looks through the first camera, frame 2 through the second ...
"""
import os

import bpy
from mathutils import Matrix

CAMERAS = ROWS

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "images")
scene = bpy.context.scene
scene.frame_start, scene.frame_end = 1, len(CAMERAS)
for number, row in enumerate(CAMERAS, 1):
    data = bpy.data.cameras.new(row["name"])
    data.sensor_fit = "HORIZONTAL" if row["size"][0] >= row["size"][1] else "VERTICAL"
    data.angle = row["angle"]
    data.shift_x, data.shift_y = row["shift"]
    camera = bpy.data.objects.new(row["name"], data)
    camera.matrix_world = Matrix(row["matrix"])
    scene.collection.objects.link(camera)
    path = os.path.join(folder, row["name"])
    if os.path.exists(path):
        behind = data.background_images.new()
        behind.image = bpy.data.images.load(path)
        data.show_background_images = True
    scene.timeline_markers.new(row["name"], frame=number).camera = camera
scene.render.resolution_x, scene.render.resolution_y = CAMERAS[0]["size"]
scene.render.pixel_aspect_x = max(1.0, CAMERAS[0]["pixel_aspect"])
scene.render.pixel_aspect_y = max(1.0, 1.0 / CAMERAS[0]["pixel_aspect"])
scene.camera = bpy.data.objects[CAMERAS[0]["name"]]
'''
