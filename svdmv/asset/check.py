"""The acceptance report of an asset: what a viewer, a printer or a game engine would trip over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from svdmv.asset.check_rows import Check, density_row, seam_row, thickness_row
from svdmv.core import Asset
from svdmv.geometry.atlas import atlas_stretch
from svdmv.geometry.raster import texel_map
from svdmv.geometry.topology import (
    bad_edges,
    closed_after_merging,
    face_areas,
    face_components,
    merged_by_position,
    signed_volumes,
)

OVERLAP_PX = 1024
UNIT_BALL_RADIUS = 1.0


def check_asset(asset: Asset) -> list[Check]:
    """The rows of the report; the asset is accepted when all are ok.

    Closedness and components are judged after merging vertices at equal positions, as loaders do. An asset that was
    scaled to metres is judged as it was before.
    """
    scale = float(asset.provenance.get("scale", 1.0))
    if scale != 1.0:
        asset = replace(asset, mesh=asset.mesh.transformed(np.diag([1 / scale, 1 / scale, 1 / scale, 1.0])))
    mesh = asset.mesh
    if not len(mesh.faces):
        return [Check("has faces", False, "0")]
    merged_vertices, merged_faces = merged_by_position(mesh.vertices, mesh.faces)
    open_edges = bad_edges(merged_faces)
    closed = closed_after_merging(mesh.vertices, mesh.faces)
    parts = int(face_components(merged_faces, len(merged_vertices)).max()) + 1
    areas = face_areas(mesh.vertices, mesh.faces)
    size = float(np.ptp(mesh.bounds, axis=0).max())
    flat = int((areas <= 1e-12 * size * size).sum())
    volume = float(signed_volumes(mesh.vertices, mesh.faces).sum())
    reach = float(np.linalg.norm(mesh.vertices, axis=1).max())
    rows = [
        Check("has faces", True, str(len(mesh.faces))),
        Check("closed", closed, f"{open_edges} bad edges"),
        Check("one component", parts == 1, str(parts)),
        Check("no degenerate faces", flat == 0, str(flat)),
        Check("turned outward", volume > 0, f"volume {volume:.5g}"),
        Check("finite", True, "all values"),  # Mesh refuses anything else
        Check("fits the unit ball", reach <= UNIT_BALL_RADIUS + 1e-6, f"radius {reach:.4f}"),
    ]
    return [*rows, thickness_row(asset), *_normal_rows(asset), *_texture_rows(asset)]


def _normal_rows(asset: Asset) -> list[Check]:
    mesh = asset.mesh
    if mesh.normals is None:
        return [Check("normals agree with winding", False, "no normals")]
    corners = mesh.vertices[mesh.faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    agree = (across * mesh.normals[mesh.faces].sum(1)).sum(1) > 0
    weight = np.linalg.norm(across, axis=1)
    share = float((weight * agree).sum() / max(weight.sum(), 1e-30))
    return [Check("normals agree with winding", share >= 0.98, f"{100 * share:.2f} % of the area")]


def _texture_rows(asset: Asset) -> list[Check]:
    mesh = asset.mesh
    textured = any(material.base_color_srgb is not None for material in asset.materials)
    rows = [Check("textured", textured, "base colour texture" if textured else "none")]
    if mesh.uvs is None:
        return [*rows, Check("uv present", False, "none")]
    low, high = float(mesh.uvs.min()), float(mesh.uvs.max())
    rows.append(Check("uv in range", low >= 0 and high <= 1, f"{low:.4f} .. {high:.4f}"))
    layers = texel_map(mesh.uvs[mesh.faces], OVERLAP_PX, OVERLAP_PX, gutter=0).layers
    share = float((layers > 1).sum() / max((layers > 0).sum(), 1))
    rows.append(Check("uv without overlap", share <= 0.002, f"{100 * share:.3f} % of the charts"))
    rows += [density_row(asset), seam_row(asset)]
    stretch = atlas_stretch(mesh.vertices, mesh.faces, mesh.uvs[mesh.faces])
    rows.append(Check("uv stretch", stretch.mean <= 1.5, f"{stretch.mean:.3f} (1 = none)"))
    story = asset.provenance.get("asset")
    seen = story.get("seen_share") if isinstance(story, dict) else None
    if seen is not None:
        rows.append(Check("seen by the views", float(seen) >= 0.5, f"{100 * float(seen):.1f} % of the texels"))
    return rows
