"""UV charts for a mesh: xatlas on pieces of it, or two triangles a cell where that would take too long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from svdmv.core import require

XATLAS_MAX_FACES = 200_000
PIECE_FACES = 2_500  # xatlas' time grows faster than the number of faces, so it gets the mesh in pieces


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
        used_share: part of the texture that charts cover, by the packer's own account; NaN when it gives none.
    """

    source: NDArray[np.int32]
    faces: NDArray[np.int32]
    uvs: NDArray[np.float32]
    charts: int
    method: str
    note: str = ""
    used_share: float = math.nan


def unwrapped(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    *,
    texture_size: int = 1024,
    padding: int = 2,
    max_faces: int = XATLAS_MAX_FACES,
) -> Atlas:
    """Charts by xatlas; by `triangle_atlas` above `max_faces` faces (a limit in faces keeps the result repeatable).

    xatlas cuts the charts of each piece of the mesh (on several threads where there are) and packs all together.

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
    triangles = np.asarray(faces, np.int32)
    pieces = mesh_pieces(vertices, triangles, PIECE_FACES)
    names = []
    try:
        for piece in pieces:
            used, corners = np.unique(triangles[piece], return_inverse=True)
            names.append(used.astype(np.int32))
            atlas.add_mesh(np.asarray(vertices, np.float32)[used], corners.reshape(-1, 3).astype(np.uint32))
        atlas.generate(chart_options, pack_options)
        parts = [atlas[i] for i in range(len(pieces))]
    except (RuntimeError, ValueError, IndexError) as error:
        return triangle_atlas(faces, texture_size, note=f"xatlas failed: {error}")
    source: NDArray[np.int32] = np.concatenate(
        [name[np.asarray(part[0])] for name, part in zip(names, parts, strict=True)]
    )
    firsts = np.cumsum([0, *(len(part[0]) for part in parts)])
    index = np.full(triangles.shape, -1, np.int32)
    for piece, first, part in zip(pieces, firsts, parts, strict=False):
        if np.shape(part[1]) == (len(piece), 3):
            index[piece] = np.asarray(part[1], np.int32) + np.int32(first)
    if index.min() < 0 or not np.array_equal(source[index], triangles) or atlas.atlas_count != 1:
        return triangle_atlas(faces, texture_size, note="xatlas returned other faces than it was given")
    side = max(atlas.width, atlas.height)
    fit = (atlas.width / side, atlas.height / side)
    uvs = np.clip(np.concatenate([np.asarray(part[2], np.float64) for part in parts]) * fit, 0, 1).astype(np.float32)
    used_share = float(atlas.utilization) * atlas.width * atlas.height / side**2
    return Atlas(source, index, uvs, int(atlas.chart_count), "xatlas", used_share=used_share)


def mesh_pieces(vertices: NDArray[np.floating], faces: NDArray[np.integer], most: int) -> list[NDArray[np.int64]]:
    """Lists of at most `most` faces that are near each other: halved across the longest side of their centres."""
    centres = np.asarray(vertices, np.float64)[faces].mean(1)
    pieces, waiting = [], [np.arange(len(faces))]
    while waiting:
        piece = waiting.pop()
        if len(piece) <= most:
            pieces.append(piece)
            continue
        axis = int(np.ptp(centres[piece], axis=0).argmax())
        order = np.argsort(centres[piece, axis], kind="stable")
        half = len(piece) // 2
        waiting += [np.sort(piece[order[half:]]), np.sort(piece[order[:half]])]
    return pieces


class Stretch(NamedTuple):
    """How evenly an atlas spreads a surface: 1 = as on the surface.

    mean: L2 stretch over the whole area (P. Sander et al., Texture Mapping Progressive Meshes, 2001).
    worst_shear: larger over smaller singular value that 99 % of the area stay below.
    """

    mean: float
    worst_shear: float


def atlas_stretch(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], corner_uvs: NDArray[np.floating]
) -> Stretch:
    """Stretch of the map from the texture to the surface; corner_uvs (F, 3, 2). Faces without area do not count."""
    p, t = np.asarray(vertices, np.float64)[faces], np.asarray(corner_uvs, np.float64)
    areas = 0.5 * np.linalg.norm(np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]), axis=1)
    (s1, t1), (s2, t2) = (t[:, 1] - t[:, 0]).T, (t[:, 2] - t[:, 0]).T
    double = s1 * t2 - s2 * t1
    good = (np.abs(double) > 1e-14) & (areas > 1e-14)
    p, areas, double = p[good], areas[good], double[good]
    s1, t1, s2, t2 = s1[good], t1[good], s2[good], t2[good]
    if not len(areas):
        return Stretch(math.inf, math.inf)
    e1, e2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]
    along_u = (e1 * t2[:, None] - e2 * t1[:, None]) / double[:, None]
    along_v = (e2 * s1[:, None] - e1 * s2[:, None]) / double[:, None]
    a, b, c = (along_u**2).sum(1), (along_u * along_v).sum(1), (along_v**2).sum(1)
    root = np.sqrt((a - c) ** 2 + 4 * b**2)
    large, small = np.sqrt((a + c + root) / 2), np.sqrt(np.maximum((a + c - root) / 2, 1e-30))
    unit = np.abs(double).sum() / 2 / areas.sum()
    mean = math.sqrt(float((areas * (a + c) / 2).sum() / areas.sum() * unit))
    shear = large / small
    order = np.argsort(shear)
    heap = np.cumsum(areas[order])
    return Stretch(mean, float(shear[order][np.searchsorted(heap, 0.99 * heap[-1])]))


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
