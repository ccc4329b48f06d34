"""Depth maps fused into a mesh, through Open3D where it is installed, else by our own field."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, DataError, Mesh, ViewSet, require
from svdmv.geometry.field import Lattice
from svdmv.geometry.fusion import fused_field
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import without_floaters
from svdmv.reconstruct.colors import vertex_colors
from svdmv.reconstruct.depths import points_from_depths, required_depths
from svdmv.reconstruct.result import Reconstruction

TRUNCATION_CELLS = 4.0


def reconstruct_tsdf(
    views: ViewSet, *, resolution: int = 128, engine: Literal["auto", "open3d", "own"] = "auto"
) -> Reconstruction:
    """A mesh from views with depth.

    Args:
        views: N pictures with depths.
        resolution: cells along the longest side of the object, 16 .. 512.
        engine: open3d fuses fast and leaves open what no view saw; own closes over it; auto = own up to a resolution of
            128, where it takes seconds, and open3d beyond, if it is installed.

    Raises:
        ConfigError: a setting is out of range.
        DataError: no depth, or no surface.
        MissingDependency: engine="open3d" without it.
    """
    if engine not in ("auto", "open3d", "own") or not 16 <= resolution <= 512:
        raise ConfigError(
            "The fusion's settings are out of range",
            where="engine, resolution",
            seen=f"{engine}, {resolution}",
            expected="auto, open3d or own; 16 .. 512",
        )
    depths = required_depths(views)
    points, _, _ = points_from_depths(views)
    if not len(points):
        raise _no_surface("no pixel with a neighbour on the same surface")
    low, high = points.min(0), points.max(0)
    if not (high - low).max() > 0:
        raise _no_surface("one point")
    lattice = Lattice.around(low, high, resolution)
    notes = []
    if engine == "open3d" or (engine == "auto" and resolution > 128 and _open3d_is_there()):
        vertices, faces = _open3d_surface(views, depths, lattice)
        used = "open3d"
        notes.append("Open3D's surface is open where no view saw it")
    else:
        field = fused_field(depths, views.cameras, lattice, truncation=TRUNCATION_CELLS * lattice.step)
        vertices, faces = surface_from_field(field, lattice)
        used = "own"
    if not len(faces):
        raise _no_surface(f"no surface on a lattice of {lattice.shape}")
    vertices, faces, removed = without_floaters(vertices, faces)
    if removed:
        notes.append(f"{removed} small or inner parts removed")
    colors = vertex_colors(vertices, faces, views, tolerance=2 * lattice.step)
    figures = {"engine": used, "lattice_shape": list(lattice.shape), "lattice_step": lattice.step}
    mesh = Mesh(vertices.astype(np.float32), faces, colors=colors)
    return Reconstruction(mesh, "tsdf", "called directly", views, tuple(notes), figures)


def _open3d_is_there() -> bool:
    from importlib.util import find_spec

    return find_spec("open3d") is not None


def _open3d_surface(
    views: ViewSet, depths: NDArray[np.float32], lattice: Lattice
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    o3d: Any = require("open3d", "open3d", "fusing depth maps with Open3D")
    kind = o3d.pipelines.integration.TSDFVolumeColorType.NoColor
    volume = o3d.pipelines.integration.ScalableTSDFVolume(lattice.step, TRUNCATION_CELLS * lattice.step, kind)
    blank = o3d.geometry.Image(np.zeros((views.size[1], views.size[0], 3), np.uint8))
    for depth, camera in zip(depths, views.cameras, strict=True):
        plain = o3d.geometry.Image(np.where(np.isfinite(depth), depth, 0).astype(np.float32))
        both = o3d.geometry.RGBDImage.create_from_color_and_depth(
            blank, plain, depth_scale=1.0, depth_trunc=1e9, convert_rgb_to_intensity=False
        )
        K = camera.K  # Open3D's pixel centres are whole numbers
        lens = o3d.camera.PinholeCameraIntrinsic(
            camera.width, camera.height, K[0, 0], K[1, 1], K[0, 2] - 0.5, K[1, 2] - 0.5
        )
        volume.integrate(both, lens, camera.camera_from_world)
    made = volume.extract_triangle_mesh()
    return np.asarray(made.vertices, np.float64), np.asarray(made.triangles, np.int32)


def _no_surface(seen: str) -> DataError:
    return DataError(
        "The depth maps hold no surface", where="ViewSet.depths", seen=seen, expected="depths of one object"
    )
