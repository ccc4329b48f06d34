"""An asset laid out for the renderer: flat vertex arrays, one buffer of texels with a mip table per material."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, DataError
from svdmv.render.split import split_long_edges
from svdmv.render.texels import LINEAR_OF_BYTE, Texels, texels_of

Floats = NDArray[np.float32]

CREASE_DEG = 45.0
MIN_AREA = 1e-12  # of a face, doubled, over the square of the largest extent: below, its normal is noise


@dataclass(frozen=True, eq=False)
class Scene:
    """What the kernels read.

    Attributes:
        vertices: (V, 3) float64 world; normals (V, 3) float32 unit; uvs (V, 2) float32, glTF origin.
        tangents: (V, 3) float32, the direction in which u grows, not unit; (0, 3) without a normal map.
        colors: (V, 3) float32 linear vertex colours, or (0, 3) for none.
        faces: (F, 3) int32; face_materials (F,) int32.
        face_sides: (F,) int8, +1 where the winding agrees with the normals, else -1.
        face_mirrors: (F,) int8, -1 where the picture lies mirrored on the face, else +1.
        face_texels: (F,) float64, texels of the finest level that the face covers, doubled.
        texels: the materials' pictures.
        radius: half the diagonal of the bounding box, world units.
    """

    vertices: NDArray[np.float64]
    normals: Floats
    tangents: Floats
    uvs: Floats
    colors: Floats
    faces: NDArray[np.int32]
    face_materials: NDArray[np.int32]
    face_sides: NDArray[np.int8]
    face_mirrors: NDArray[np.int8]
    face_texels: NDArray[np.float64]
    texels: Texels
    radius: float

    @property
    def face_cutoffs(self) -> Floats:
        """(F,) alpha below which a sample is left out, 0 = never."""
        return self.texels.cutoffs[self.face_materials]

    @property
    def face_opacities(self) -> Floats:
        """(F,) factor of the alpha of blended faces, -1 for the others."""
        return self.texels.opacities[self.face_materials]

    @property
    def face_unlit(self) -> NDArray[np.bool_]:
        """(F,) True where a face shows its base colour whatever the light."""
        return self.texels.unlit[self.face_materials]


def scene_from_asset(
    asset: Asset, *, max_edge: float = 0.07, max_vertices: int = 24_000, with_normal_maps: bool = True
) -> Scene:
    """The Scene of an asset. Faces without area are left out; missing normals are computed, sharp above 45 degrees;
    edges longer than `max_edge` times the radius are halved while the count of vertices stays below `max_vertices`,
    because light is stored on vertices. Every face has two sides, whatever the material's double_sided says.

    Raises:
        DataError: no face has an area.
    """
    mesh = asset.mesh
    positions = mesh.vertices.astype(np.float64)
    corners = positions[mesh.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    extent = float(np.ptp(corners.reshape(-1, 3), axis=0).max()) if len(corners) else 0.0
    keep = np.linalg.norm(cross, axis=1) > MIN_AREA * extent**2
    if not keep.any():
        raise DataError(
            "There is nothing to render",
            where="Asset.mesh",
            seen=f"{len(mesh.faces)} faces, none with an area",
            expected="at least one triangle with an area",
        )
    faces, face_materials, cross = mesh.faces[keep], asset.material_of_faces()[keep], cross[keep]
    used = positions[faces].reshape(-1, 3)
    radius = float(np.linalg.norm(np.ptp(used, axis=0)) / 2)

    uvs = np.zeros((len(positions), 2), np.float32) if mesh.uvs is None else mesh.uvs
    colors = np.ones((0, 3), np.float32) if mesh.colors is None else LINEAR_OF_BYTE[mesh.colors]
    if mesh.normals is None:
        source, faces, normals = creased(mesh.vertices, faces)
        positions, uvs, colors = positions[source], uvs[source], colors[source] if len(colors) else colors
    else:
        normals = mesh.normals.astype(np.float64)
    normals = _unit_normals(normals, faces, cross)
    texels = texels_of(asset.materials, with_normals=with_normal_maps and mesh.uvs is not None)
    along_u, mirrors = _tangents(positions, normals, uvs, faces) if texels.normal_at >= 0 else (None, None)
    parts: list[NDArray[Any]] = [normals, uvs]
    parts += [colors] if len(colors) else []
    parts += [along_u] if along_u is not None else []
    positions, attributes, faces, parents = split_long_edges(
        positions, np.hstack(parts), faces, max_edge * radius, max_vertices
    )
    normals = attributes[:, :3]
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    cross = cross[parents]
    agrees = np.einsum("fi,fi->f", cross, normals[faces].sum(1)) >= 0
    face_materials = face_materials[parents]
    a, b, c = (attributes[faces[:, k], 3:5] for k in range(3))
    uv_areas = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    none = np.zeros((0, 3))
    return Scene(
        vertices=np.ascontiguousarray(positions),
        normals=np.ascontiguousarray(normals, np.float32),
        tangents=np.ascontiguousarray(none if along_u is None else attributes[:, -3:], np.float32),
        uvs=np.ascontiguousarray(attributes[:, 3:5], np.float32),
        colors=np.ascontiguousarray(attributes[:, 5:8] if len(colors) else none, np.float32),
        faces=np.ascontiguousarray(faces, np.int32),
        face_materials=np.ascontiguousarray(face_materials, np.int32),
        face_sides=np.where(agrees, 1, -1).astype(np.int8),
        face_mirrors=np.ones(len(faces), np.int8) if mirrors is None else mirrors[parents],
        face_texels=uv_areas * texels.rows[texels.first_rows[face_materials], 1:].prod(1),
        texels=texels,
        radius=radius,
    )


def _tangents(
    positions: NDArray[np.float64], normals: NDArray[np.float64], uvs: NDArray[Any], faces: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.int8]]:
    """(V, 3) the direction in which u grows, mean over the faces of a vertex by their area; and (F,) -1 where the
    picture is mirrored: where u to the right, up against v and the normal do not make a right hand."""
    edges = positions[faces[:, 1:]] - positions[faces[:, :1]]
    steps = uvs[faces[:, 1:]].astype(np.float64) - uvs[faces[:, :1]]
    area = steps[:, 0, 0] * steps[:, 1, 1] - steps[:, 0, 1] * steps[:, 1, 0]
    sign = np.where(area < 0, -1.0, 1.0)
    along_u = (edges[:, 0] * steps[:, 1, 1:] - edges[:, 1] * steps[:, 0, 1:]) * sign[:, None]
    against_v = -(edges[:, 1] * steps[:, 0, :1] - edges[:, 0] * steps[:, 1, :1]) * sign[:, None]
    hand = np.einsum("fi,fi->f", np.cross(along_u, against_v), normals[faces].sum(1))
    along_u /= np.maximum(np.linalg.norm(along_u, axis=1, keepdims=True), 1e-30)
    along_u *= np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1, keepdims=True)
    out = np.zeros_like(normals)
    for k in range(3):
        np.add.at(out, faces[:, k], along_u)
    length = np.linalg.norm(out, axis=1, keepdims=True)
    spare = np.where(np.abs(normals[:, :1]) < 0.9, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    return np.where(length > 1e-20, out / np.maximum(length, 1e-20), spare), np.where(hand < 0, -1, 1).astype(np.int8)


def welded(points: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """For each row of (N, D) the number of its first equal row's group, and how many groups there are."""
    rows = np.ascontiguousarray(points) + 0.0  # -0 equals 0
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).reshape(-1)
    _, index = np.unique(keys, return_inverse=True)
    return index.reshape(-1), int(index.max()) + 1


def creased(
    vertices: NDArray[Any], faces: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Normals of a mesh (V, 3), (F, 3): smooth where faces meet at less than CREASE_DEG, sharp above.

    Vertices at the same place count as one, whatever their other attributes.

    Returns:
        source (W,) the vertex each new vertex comes from, faces (F, 3) into the new vertices, unit normals (W, 3).
    """
    from svdmv.render._kernels import corner_normals

    corners = np.asarray(vertices, np.float64)[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    place, count = welded(vertices)
    corner_place = place[faces].reshape(-1)
    order = np.argsort(corner_place, kind="stable")
    starts = np.searchsorted(corner_place[order], np.arange(count + 1))
    min_cosine = float(np.cos(np.radians(CREASE_DEG)))
    normals = corner_normals(faces, cross, starts, order, min_cosine).reshape(-1, 3)
    source = faces.reshape(-1).astype(np.int64)
    index, count = welded(np.hstack([source[:, None].astype(np.float64), np.round(normals * 4096)]))
    first = np.zeros(count, np.int64)
    first[index[::-1]] = np.arange(len(index))[::-1]
    return source[first], index.reshape(-1, 3), normals[first]


def _unit_normals(normals: NDArray[Any], faces: NDArray[Any], cross: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit normals (V, 3) float64; where one is missing (length 0) the sum of its faces' normals."""
    out = np.asarray(normals, np.float64)
    length = np.linalg.norm(out, axis=1, keepdims=True)
    if (length < 1e-6).any():
        computed = np.zeros_like(out)
        for k in range(3):
            np.add.at(computed, faces[:, k], cross)
        out = np.where(length < 1e-6, computed, out)
        length = np.linalg.norm(out, axis=1, keepdims=True)
        out = np.where(length < 1e-30, np.array([0.0, 1.0, 0.0]), out)
        length = np.where(length < 1e-30, 1.0, length)
    return np.asarray(out / length)
