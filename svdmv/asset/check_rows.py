"""A row of the acceptance report, and the rows about thickness, texel density and seams."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, require
from svdmv.geometry.raster import sampled_bilinear
from svdmv.geometry.topology import face_areas

THICKNESS_SAMPLES = 2000
LEAST_THICKNESS = 0.004  # of the longest side, that 98 % of the surface must have
LEAST_EVENNESS = 0.25  # texels per area where few are, against the median
SEAM_SAMPLES = 4
LARGEST_SEAM = 6.0  # of 255, mean over the seams


class Check(NamedTuple):
    """One row of the report: what was asked, whether it holds, the value met."""

    name: str
    ok: bool
    value: str


def thickness_row(asset: Asset) -> Check:
    """How far the surface behind lies, seen straight inward from faces chosen by area; the thinnest 2 % decide."""
    mesh = asset.mesh
    areas = face_areas(mesh.vertices, mesh.faces)
    size = float(np.ptp(mesh.bounds, axis=0).max())
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(areas), THICKNESS_SAMPLES, p=areas / areas.sum()) if areas.sum() > 0 else np.zeros(0, int)
    corners = mesh.vertices[mesh.faces[chosen]].astype(np.float64)
    inward = -np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward /= np.maximum(np.linalg.norm(inward, axis=1, keepdims=True), 1e-30)
    scene = require("embreex.rtcore_scene", None, "measuring thickness").EmbreeScene(robust=True)
    construction = require("embreex.mesh_construction", None, "measuring thickness")
    construction.TriangleMesh(scene, np.ascontiguousarray(mesh.vertices[mesh.faces], np.float32))
    starts = np.ascontiguousarray(corners.mean(1) + 1e-5 * size * inward, np.float32)
    hit = scene.run(starts, np.ascontiguousarray(inward, np.float32), output=True)
    met = np.asarray(hit["primID"]) >= 0
    if not met.any():
        return Check("thickness", False, "no surface behind any face")
    thin = float(np.quantile(np.asarray(hit["tfar"])[met], 0.02)) / size
    return Check("thickness", thin >= LEAST_THICKNESS, f"98 % of the surface above {100 * thin:.2f} % of the size")


def density_row(asset: Asset) -> Check:
    """Texels for each area of the surface: median, and how evenly they are dealt out."""
    mesh = asset.mesh
    sizes = [m.base_color_srgb.shape[:2] for m in asset.materials if m.base_color_srgb is not None]
    if not sizes or mesh.uvs is None:
        return Check("texel density", False, "no texture")
    areas = face_areas(mesh.vertices, mesh.faces)
    flat = np.zeros((len(mesh.uvs), 3))
    flat[:, :2] = mesh.uvs * sizes[0][::-1]
    good = areas > 1e-14
    if not good.any():
        return Check("texel density", False, "no surface")
    density = np.sqrt(face_areas(flat, mesh.faces)[good] / areas[good])
    order = np.argsort(density)
    heap = np.cumsum(areas[good][order]) / areas[good].sum()
    low, middle = (float(density[order][np.searchsorted(heap, share)]) for share in (0.02, 0.5))
    even = low / max(middle, 1e-12)
    size = float(np.ptp(mesh.bounds, axis=0).max())
    text = f"{middle * size:.0f} texels along the longest side; sparse places have {100 * even:.0f} % of it"
    return Check("texel density", even >= LEAST_EVENNESS, text)


def seam_row(asset: Asset) -> Check:
    """How far the texture differs between the two sides of the seams, where edges meet in space but not in uv."""
    mesh = asset.mesh
    picture = asset.materials[0].base_color_srgb
    if picture is None or mesh.uvs is None or len(asset.materials) > 1:
        return Check("seam error", True, "not measured: no single texture")
    first, second = seam_edges(mesh.vertices, mesh.faces, mesh.uvs)
    if not len(first):
        return Check("seam error", True, "no seams")
    height, width = picture.shape[:2]
    colors = picture[..., :3].astype(np.float32)
    errors = []
    for share in (np.arange(SEAM_SAMPLES) + 0.5) / SEAM_SAMPLES:
        sides = [
            sampled_bilinear(colors, ((1 - share) * edge[:, 0] + share * edge[:, 1]) * (width, height))
            for edge in (first, second)
        ]
        errors.append(np.abs(sides[0] - sides[1]).mean())
    error = float(np.mean(errors))
    return Check("seam error", error <= LARGEST_SEAM, f"{error:.2f} of 255 over {len(first)} edges")


def seam_edges(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], uvs: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """uvs (S, 2, 2) of both sides of the edges where two faces meet with different uvs; ends in the same order."""
    _, place = np.unique(np.asarray(vertices), axis=0, return_inverse=True)
    corners = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = place.reshape(-1)[corners].astype(np.int64)
    swapped = ends[:, 0] > ends[:, 1]
    corners[swapped] = corners[swapped][:, ::-1]
    keys = np.sort(ends, 1) @ (np.int64(place.max()) + 1, np.int64(1))
    order = np.argsort(keys, kind="stable")
    keys, corners = keys[order], corners[order]
    _, start, count = np.unique(keys, return_index=True, return_counts=True)
    pairs = start[count == 2]
    first, second = np.asarray(uvs, np.float64)[corners[pairs]], np.asarray(uvs, np.float64)[corners[pairs + 1]]
    apart = (np.abs(first - second) > 1e-6).any((1, 2))
    return first[apart], second[apart]
