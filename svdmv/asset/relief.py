"""A finer surface carried over to a coarser one: which place belongs to each texel, and its normals as a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.asset.fill import dilated
from svdmv.core import Mesh, vertex_normals
from svdmv.core.tangents import vertex_tangents
from svdmv.geometry.raster import TexelMap
from svdmv.geometry.topology import merged_by_position
from svdmv.geometry.transfer import places_on_surface

REACH = 0.05  # of the longest side: how far apart the two surfaces may lie
FLAT = (128, 128, 255)


@dataclass(frozen=True, eq=False)
class Places:
    """M texels of a mesh and what lies above or below them on another one.

    Attributes:
        rows, columns: (M,) of the texels. corners: (M, 3) vertices of their faces; weights: (M, 3) float64 of these.
        up: (M, 3) float64 unit normals of the mesh there.
        owners: (M,) faces of the other mesh; shares: (M, 3) barycentric weights there.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    corners: NDArray[np.int32]
    weights: NDArray[np.float64]
    up: NDArray[np.float64]
    owners: NDArray[np.int64]
    shares: NDArray[np.float32]


def places_of_texels(mesh: Mesh, texels: TexelMap, other: Mesh) -> Places:
    """For each texel of `mesh`, which has normals, where a line along its normal meets `other`; else what is near."""
    assert mesh.normals is not None
    rows, columns = np.nonzero(texels.face >= 0)
    corners = mesh.faces[texels.face[rows, columns]]
    weights = texels.weights[rows, columns].astype(np.float64)
    points = np.einsum("mk,mkc->mc", weights, mesh.vertices[corners].astype(np.float64))
    up = _unit(np.einsum("mk,mkc->mc", weights, mesh.normals[corners].astype(np.float64)))
    reach = REACH * float(np.ptp(other.bounds, axis=0).max())
    owners, shares = places_on_surface(other.vertices, other.faces, points, up, reach=reach)
    return Places(rows, columns, corners, weights, up, owners, shares)


def normal_map(mesh: Mesh, texels: TexelMap, places: Places, other: Mesh) -> NDArray[np.uint8]:
    """(S, S, 3) uint8: normals of `other` in the tangent frame of `mesh`, as glTF's normal textures hold them."""
    fine = _unit(np.einsum("mk,mkc->mc", places.shares, _smooth_normals(other)[other.faces[places.owners]]))
    bumps = np.full((*texels.face.shape, 3), FLAT, np.uint8)
    bumps[places.rows, places.columns] = _tangent_colors(mesh, places, fine)
    return dilated(bumps, texels.face >= 0)


def _smooth_normals(mesh: Mesh) -> NDArray[np.float64]:
    """(V, 3) the mesh's own normals, or smooth ones across vertices at one place."""
    if mesh.normals is not None:
        return mesh.normals.astype(np.float64)
    points, faces = merged_by_position(mesh.vertices, mesh.faces)
    out = np.zeros((len(mesh.vertices), 3))
    out[mesh.faces.reshape(-1)] = vertex_normals(points, faces)[faces.reshape(-1)]
    return out


def _tangent_colors(mesh: Mesh, places: Places, fine: NDArray[np.float64]) -> NDArray[np.uint8]:
    """(M, 3) uint8: normals `fine` in the tangent frame of the texels."""
    assert mesh.uvs is not None
    up, weights = places.up, places.weights
    along, above = vertex_tangents(mesh.vertices, mesh.faces, mesh.uvs)
    tangent = np.einsum("mk,mkc->mc", weights, _unit(along)[places.corners])
    tangent = _unit(tangent - (tangent * up).sum(1, keepdims=True) * up)
    across = np.cross(up, tangent)
    turned = (across * np.einsum("mk,mkc->mc", weights, _unit(above)[places.corners])).sum(1) < 0
    across[turned] *= -1
    local = np.stack([(fine * axis).sum(1) for axis in (tangent, across, up)], 1)
    local[:, 2] = np.maximum(local[:, 2], 0.1)  # no normal of a texel looks away from its face
    out: NDArray[np.uint8] = np.round(127.5 + 127.5 * _unit(local)).astype(np.uint8)
    return out


def _unit(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    out: NDArray[np.float64] = np.asarray(vectors, np.float64) / np.maximum(lengths, 1e-12)
    return out
