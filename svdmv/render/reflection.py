"""Reflections by rays: what the glossy samples of one picture see, one Embree ray each."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, require
from svdmv.render.scene import Scene

Floats = NDArray[np.float32]

RAYS_AT_ONCE = 1 << 18
LIFT = 3e-4  # of the object's radius: how far from its face a ray starts


def ray_scene(corners: NDArray[Any]) -> Any:
    """The Embree scene of triangles (F, 3, 3)."""
    rtcore_scene = require("embreex.rtcore_scene", None, "ray tracing of light")
    mesh_construction = require("embreex.mesh_construction", None, "ray tracing of light")
    embree = rtcore_scene.EmbreeScene(robust=False)
    mesh_construction.TriangleMesh(embree, np.ascontiguousarray(corners, np.float32))
    return embree


@lru_cache(maxsize=1)
def lobe_taps() -> Floats:
    """(8, 8, 2) float32: a point of the unit disc for each sample of a block. Those of any aligned 2x2 or 4x4 part of
    it, and of the whole, are spread evenly: Sobol's first two sequences in the order of a Z-curve."""
    from svdmv.render._reflection import BLOCK

    y, x = np.indices((BLOCK, BLOCK))
    index = sum(((x >> b & 1) << 2 * b) | ((y >> b & 1) << 2 * b + 1) for b in range(3))
    first, second = np.zeros((BLOCK, BLOCK)), np.zeros((BLOCK, BLOCK))
    direction = 1 << 31
    bits = np.zeros((BLOCK, BLOCK), np.int64)
    for b in range(6):
        first += (index >> b & 1) * 0.5 ** (b + 1)
        bits ^= np.where(index >> b & 1, direction, 0)
        direction ^= direction >> 1
    second = bits / 2.0**32
    distance, angle = np.sqrt(first + 0.5 / 64), 2 * np.pi * (second + 0.5 / 64)
    return np.stack([distance * np.cos(angle), distance * np.sin(angle)], -1).astype(np.float32)


def ray_rows(scene: Scene, camera: Camera, distance: float) -> NDArray[np.int64]:
    """(F,) the mip row whose texels are as large as a pixel of the camera at a distance: for what rays meet."""
    corners = scene.vertices[scene.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    pixels = area * (camera.K[0, 0] * camera.K[1, 1]) / max(distance, 1e-9) ** 2
    level = np.round(0.5 * np.log2(np.maximum(scene.face_texels, 1e-9) / np.maximum(pixels, 1e-9)))
    level = np.clip(level, 0, scene.texels.num_levels[scene.face_materials] - 1).astype(np.int64)
    return np.asarray(scene.texels.first_rows[scene.face_materials] + level)


def traced_light(
    embree: Any,
    surface: Any,
    lighting: Any,
    ids: NDArray[np.int32],
    nearest: Floats,
    eye: NDArray[np.float64],
    rows: NDArray[np.int64],
    *,
    radius: float,
    most_rough: float,
    sparse: bool,
) -> Floats:
    """(H, W, 3) linear light that each sample mirrors, -1 where no ray was shot: where its roughness is not below
    `most_rough`, and at every second sample when `sparse`.

    Args:
        embree: ray_scene of the surface's own faces.
        ids, nearest: as from _kernels.rasterise. rows: ray_rows of the camera. radius: the scene's.
    """
    from svdmv.render import _reflection as kernels

    height, width = ids.shape
    covered = int((ids >= 0).sum())
    normals, roughness = np.empty((height, width, 3), np.float32), np.empty((height, width), np.float32)
    weights, places = np.empty((height, width), np.float32), np.empty(covered, np.int32)
    starts, rays = np.empty((covered, 3), np.float32), np.empty((covered, 3), np.float32)
    blurs = np.empty(covered, np.float32)
    count = kernels.reflection_rays(
        ids, surface, eye, LIFT * radius, most_rough, sparse, lobe_taps(), normals, roughness, weights, places, starts,
        rays, blurs,
    )  # fmt: skip
    light = np.empty((height, width, 3), np.float32)
    for first in range(0, count, RAYS_AT_ONCE):
        part = slice(first, min(first + RAYS_AT_ONCE, count))
        found = embree.run(starts[part], rays[part], output=True)
        kernels.light_of_rays(
            found["primID"], found["u"], found["v"], rays[part], blurs[part], places[part], rows, surface, lighting,
            light,
        )  # fmt: skip
    out = np.empty_like(light)
    kernels.smooth_light(light, weights, roughness, normals, nearest, out)
    return out
