"""Runs small enough for tests: a drawn picture, one step, an ellipsoid behind the method name `quick`."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from svdmv.core import Mesh, ViewSet
from svdmv.reconstruct.result import Reconstruction

QUICK = {"steps": 1, "texture_size": 64, "faces": 500, "method": "quick"}
QUICK_OPTIONS = [f for k, v in QUICK.items() for f in (f"--{k.replace('_', '-')}", str(v))]
MEASURED = ("stages", "seconds", "peak_memory_mb")  # what provenance.json may differ in
BLUE, RED, GREEN = (40, 90, 180), (200, 60, 40), (60, 160, 60)
OUTPUTS = [
    "input.png",
    "mesh.glb",
    "orbit.mp4",
    "preview.png",
    "provenance.json",
    "texture_origin.png",
    "transforms.json",
    "turntable.mp4",
    "views",
]


def reconstruct_quick(views: ViewSet) -> Reconstruction:
    """An ellipsoid as wide and as high as the object in view 0."""
    import trimesh

    camera, covered = views.cameras[0], views.rgba_u8()[0, ..., 3] > 127
    units_per_px = float(np.linalg.norm(camera.position)) / camera.K[0, 0]
    wide, high = (covered.any(axis).sum() * units_per_px / 2 for axis in (0, 1))
    ball = trimesh.creation.icosphere(subdivisions=3)
    mesh = Mesh(ball.vertices * [wide, high, wide], ball.faces)
    return Reconstruction(mesh, "quick", "asked for", views, ("an ellipsoid",))


def draw_picture(path: Path, *, size: int = 96, tilt: float = 0.0, alpha: bool = True) -> Path:
    """An egg, cut out or on white: top BLUE, below RED on the left and GREEN on the right."""
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2
    inside = ((x + tilt * y) / (0.3 * size)) ** 2 + (y / (0.4 * size)) ** 2 < 1
    rgba = np.full((size, size, 4), 255, np.uint8)
    rgba[..., :3][inside] = np.where((y < 0)[inside, None], BLUE, np.where((x < 0)[inside, None], RED, GREEN))
    if alpha:
        rgba[~inside] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(rgba).save(path)
    return path


def digests(folder: Path) -> dict[str, str]:
    """Digest of every file below a folder; provenance.json without what was measured."""
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.name == "provenance.json":
            values: dict[str, Any] = json.loads(data)
            data = json.dumps({k: v for k, v in values.items() if k not in MEASURED}).encode()
        found[str(path.relative_to(folder))] = hashlib.sha256(data).hexdigest()
    return found
