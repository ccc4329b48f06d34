"""Oriented points to a closed mesh by Open3D's screened Poisson reconstruction.

Source: M. Kazhdan and H. Hoppe, Screened Poisson Surface Reconstruction, TOG 32(3), 2013.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, DataError, Mesh, ViewSet, require
from svdmv.geometry.topology import without_floaters
from svdmv.reconstruct.colors import vertex_colors
from svdmv.reconstruct.depths import points_from_depths
from svdmv.reconstruct.result import Reconstruction

MOST_POINTS = 400_000


def reconstruct_poisson(views: ViewSet, *, depth: int = 7) -> Reconstruction:
    """A closed mesh from the points that the views' depth maps hold, with their normals where they have them.

    Args:
        views: N pictures with depths, better with normals.
        depth: of the octree: 2 ** depth cells along a side, 4 .. 11.

    Raises:
        ConfigError: depth is out of range.
        DataError: no depth, or no surface.
        MissingDependency: Open3D is not installed.
    """
    if not 4 <= depth <= 11:
        raise ConfigError("The octree's depth is out of range", where="depth", seen=depth, expected="4 .. 11")
    points, normals, _ = points_from_depths(views)
    if len(points) > MOST_POINTS:
        chosen = np.random.default_rng(0).choice(len(points), MOST_POINTS, replace=False)
        points, normals = points[chosen], normals[chosen]
    vertices, faces = surface_from_points(points, normals, depth)
    vertices, faces, removed = without_floaters(vertices, faces)
    cell = float(np.ptp(points, axis=0).max()) / 2**depth
    colors = vertex_colors(vertices, faces, views, tolerance=3 * cell)
    notes = (f"{removed} small or inner parts removed",) if removed else ()
    mesh = Mesh(vertices.astype(np.float32), faces, colors=colors)
    figures = {"points": len(points), "octree_depth": depth}
    return Reconstruction(mesh, "poisson", "called directly", views, notes, figures)


def surface_from_points(
    points: NDArray[np.floating], normals: NDArray[np.floating], depth: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Vertices (V, 3) and faces (F, 3), counter-clockwise outside, through points (P, 3) with outward normals (P, 3).

    The result is bit for bit the same on one thread only.

    Raises:
        DataError: fewer than 100 points, or no surface.
        MissingDependency: Open3D is not installed.
    """
    o3d: Any = require("open3d", "open3d", "Poisson reconstruction")
    if len(points) < 100:
        raise DataError("Too few points for a surface", where="points", seen=len(points), expected="100 or more")
    cloud = o3d.geometry.PointCloud()
    cloud.points = o3d.utility.Vector3dVector(np.asarray(points, np.float64))
    cloud.normals = o3d.utility.Vector3dVector(np.asarray(normals, np.float64))
    made, _ = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(cloud, depth=depth, n_threads=1)
    faces = np.asarray(made.triangles, np.int32)
    if not len(faces):
        raise DataError("The points hold no surface", where="points", seen=f"{len(points)} points", expected="a shell")
    return np.asarray(made.vertices, np.float64), faces
