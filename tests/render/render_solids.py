"""Solids with known answers for the renderer's tests."""

from __future__ import annotations

import numpy as np

from svdmv.core import Asset, Camera, Material, Mesh

WHITE = Material(base_color_factor_linear=(1.0, 1.0, 1.0, 1.0), roughness=1.0)


def sphere_mesh(radius: float = 0.5, segments: int = 96) -> Mesh:
    """A sphere of latitude and longitude with exact normals."""
    rings = segments // 2
    elevation = np.linspace(-np.pi / 2, np.pi / 2, rings + 1)[:, None]
    azimuth = np.arange(segments) * 2 * np.pi / segments
    flat = np.cos(elevation)
    normals = np.stack(
        np.broadcast_arrays(flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)), -1
    ).reshape(-1, 3)
    index = np.arange((rings + 1) * segments).reshape(rings + 1, segments)
    right = np.roll(index, -1, 1)
    a, b, c, d = index[:-1], right[:-1], right[1:], index[1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    return Mesh((normals * radius).astype(np.float32), faces.astype(np.int32), normals.astype(np.float32))


def box_mesh(low: tuple[float, float, float], high: tuple[float, float, float]) -> Mesh:
    """A box of 8 shared vertices without normals."""
    corners = np.array([[(low, high)[(i >> k) & 1][k] for k in range(3)] for i in range(8)], np.float32)
    quads = [(0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6)]
    faces = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    return Mesh(corners, np.array(faces, np.int32))


def joined_meshes(meshes: list[Mesh]) -> Mesh:
    """Several meshes without normals as one."""
    starts = np.cumsum([0, *(len(m.vertices) for m in meshes[:-1])])
    return Mesh(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + s for m, s in zip(meshes, starts, strict=True)]).astype(np.int32),
    )


def quad_asset(material: Material, *, half: float = 0.5, flipped: bool = False) -> Asset:
    """A square in the plane z = 0 facing +Z, texture upright (u right, v down)."""
    vertices = np.array([[-half, -half, 0], [half, -half, 0], [half, half, 0], [-half, half, 0]], np.float32)
    uvs = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return Asset(Mesh(vertices, faces[:, ::-1] if flipped else faces, None, uvs), (material,))


def front_camera(size: int = 48, distance: float = 2.0, fov: float = 33.8) -> Camera:
    """At +Z, looking at the origin."""
    return Camera.looking_at((0, 0, distance), (0, 0, 0), fov, size, size)
