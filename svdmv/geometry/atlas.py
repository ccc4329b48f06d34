"""UV charts for a mesh: xatlas, or two triangles a cell where that would take too long."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import require

XATLAS_MAX_FACES = 40_000  # its time grows faster than the number of faces: 10k 0.9 s, 20k 2.8 s on one core


@dataclass(frozen=True, eq=False)
class Atlas:
    """A mesh cut open along its charts.

    Attributes:
        source: (V',) int32: the vertex each new vertex was.
        faces: (F, 3) int32 into the new vertices, same order of faces.
        uvs: (V', 2) float32 in [0, 1], glTF origin (top-left).
        charts: number of charts.
        method: "xatlas" or "triangles".
        note: why the fallback was taken, or "".
    """

    source: NDArray[np.int32]
    faces: NDArray[np.int32]
    uvs: NDArray[np.float32]
    charts: int
    method: str
    note: str = ""


def unwrapped(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    *,
    texture_size: int = 1024,
    padding: int = 2,
    max_faces: int = XATLAS_MAX_FACES,
) -> Atlas:
    """Charts by xatlas; by `triangle_atlas` above `max_faces` faces (a limit in faces keeps the result repeatable).

    Args:
        vertices: (V, 3). faces: (F, 3).
        texture_size: side of the texture in texels that the gutters are meant for.
        padding: texels between charts.
    """
    if len(faces) > max_faces:
        return triangle_atlas(faces, texture_size, note=f"{len(faces)} faces are more than {max_faces}")
    xatlas = require("xatlas", None, "unwrapping a mesh")
    chart_options, pack_options = xatlas.ChartOptions(), xatlas.PackOptions()
    chart_options.max_iterations, chart_options.max_cost = 1, 8.0
    pack_options.resolution, pack_options.padding, pack_options.bruteForce = texture_size, padding, False
    atlas = xatlas.Atlas()
    try:
        atlas.add_mesh(np.array(vertices, np.float32), np.array(faces, np.uint32))
        atlas.generate(chart_options, pack_options)
        source, index, uvs = atlas[0]
    except (RuntimeError, ValueError, IndexError) as error:
        return triangle_atlas(faces, texture_size, note=f"xatlas failed: {error}")
    source, index = np.asarray(source, np.int32), np.asarray(index, np.int32)
    whole = index.shape == np.shape(faces) and np.array_equal(source[index], np.asarray(faces, np.int32))
    if not whole or atlas.atlas_count != 1:
        return triangle_atlas(faces, texture_size, note="xatlas returned other faces than it was given")
    side = max(atlas.width, atlas.height)
    square = np.asarray(uvs, np.float64) * (atlas.width / side, atlas.height / side)
    return Atlas(source, index, np.clip(square, 0, 1).astype(np.float32), int(atlas.chart_count), "xatlas")


def triangle_atlas(faces: NDArray[np.integer], texture_size: int, *, note: str = "") -> Atlas:
    """Every pair of faces in a square cell of its own: no search, no overlap, a seam at every edge."""
    count = len(faces)
    rows = max(1, math.ceil(math.sqrt((count + 1) // 2)))
    cell, texel = 1.0 / rows, min(1.0 / texture_size, 0.2 / rows)
    number = np.arange(count) // 2
    x, y = (number % rows) * cell, (number // rows) * cell
    near, far, inset = 0.5 * texel, cell - 0.5 * texel, 1.5 * texel

    def corners(*places: tuple[float, float]) -> NDArray[np.float64]:
        return np.stack([np.stack([x + a, y + b], 1) for a, b in places], 1)

    lower = corners((near, near), (far - inset, near), (near, far - inset))
    upper = corners((far, far), (near + inset, far), (far, near + inset))
    uvs = np.where((np.arange(count) % 2 == 0)[:, None, None], lower, upper)
    flat = np.ascontiguousarray(faces, np.int32).reshape(-1)
    index = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    return Atlas(flat, index, uvs.reshape(-1, 2).astype(np.float32), count, "triangles", note)
