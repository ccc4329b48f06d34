"""Meshes against the true object: distances, overlap, topology, and views rendered again from the mesh.

A mesh is compared in the world of the suite's cameras. Whatever is moved first is a rule that the user names, and what
it did stands in the row: nothing is aligned silently.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.bench.references import LitObject
from svdmv.bench.suite import Suite
from svdmv.core import Asset, Camera, ConfigError, ViewSet
from svdmv.geometry.mesh_metrics import NUM_SAMPLES, TrueSurface
from svdmv.geometry.topology import closed_after_merging, face_areas, face_components, merged_by_position
from svdmv.render import render_views

ALIGNMENTS = {
    "none": "none: the mesh stands in the world of the suite's cameras",
    "box": "uniform scale and shift onto the true box (longest side, centre)",
    "turn": "box, and the turn about +Y in steps of 5 degrees with the least distance",
}
LIGHTS = ("unlit", "suite")
THRESHOLD = 0.01
TURNS, TURN_POINTS = 72, 2000


class TrueObject(LitObject):
    """The object of a row, read when it is first looked at."""

    @cached_property
    def surface(self) -> TrueSurface:
        """Prepared for comparisons."""
        return TrueSurface(self.asset.mesh.vertices, self.asset.mesh.faces)


def mesh_protocol(alignment: str, light: str) -> dict[str, Any]:
    """How meshes are compared, for the result. Raises ConfigError: an unknown rule."""
    for where, seen, known in (("align", alignment, tuple(ALIGNMENTS)), ("mesh_light", light, LIGHTS)):
        if seen not in known:
            raise ConfigError("The rule for meshes is unknown", where=where, seen=seen, expected=", ".join(known))
    return {
        "lengths": "shares of the longest side of the true box",
        "alignment": ALIGNMENTS[alignment],
        "samples_a_side": NUM_SAMPLES,
        "f_score_threshold": THRESHOLD,
        "surface": "what is seen from outside; distances from points to triangles",
        "rendered": "base colour without light" if light == "unlit" else "under the suite's light",
    }


def aligned_to(asset: Asset, truth: Asset, rule: str) -> tuple[Asset, dict[str, float]]:
    """The asset after the rule, and what was done: scale, shift (world units), turn about +Y in degrees."""
    if rule == "none":
        return asset, {}
    turns = np.arange(TURNS) * 360.0 / TURNS if rule == "turn" else np.zeros(1)
    target = _points(truth)
    source = _points(asset)
    costs = [_distance(_boxed(source @ _turn(t).T, truth), target) for t in turns] if len(turns) > 1 else [0.0]
    turn = float(turns[int(np.argmin(costs))])
    rotated = np.eye(4)
    rotated[:3, :3] = _turn(turn)
    mesh = asset.mesh.transformed(rotated)
    scale, shift = _box_onto(mesh.bounds.astype(np.float64), truth.mesh.bounds.astype(np.float64))
    moved = np.diag([scale, scale, scale, 1.0])
    moved[:3, 3] = shift
    facts = {"scale": scale, "shift": float(np.linalg.norm(shift)), "turn_deg": turn}
    return Asset(mesh.transformed(moved), asset.materials, asset.face_materials, asset.provenance), facts


def mesh_scores(asset: Asset, truth: TrueObject) -> dict[str, float]:
    """Figures of one mesh, names beginning with mesh_. Raises DataError: it has no surface."""
    mesh = asset.mesh
    found = truth.surface.scores(mesh.vertices, mesh.faces, threshold=THRESHOLD)
    sizes = [max(m.base_color_srgb.shape[:2]) for m in asset.materials if m.base_color_srgb is not None]
    vertices, faces = merged_by_position(mesh.vertices, mesh.faces)
    return {
        "mesh_chamfer": found.chamfer,
        "mesh_f_score": found.f_score,
        "mesh_volume_iou": found.volume_iou,
        "mesh_normals": found.normal_consistency,
        "mesh_watertight": float(closed_after_merging(mesh.vertices, mesh.faces)),
        "mesh_components": float(len(np.unique(face_components(faces, len(vertices))))),
        "mesh_faces": float(len(mesh.faces)),
        "mesh_texture_px": float(max(sizes, default=0)),
    }


def views_of_mesh(asset: Asset, cameras: tuple[Camera, ...], suite: Suite, light: str) -> ViewSet:
    """The mesh from the suite's cameras, with alpha."""
    lit = light == "suite"
    return render_views(
        asset,
        cameras,
        light=suite.light,
        renderer=suite.renderer,
        supersampling=suite.supersampling,
        shading="pbr" if lit else "unlit",
        with_geometry=False,
    )


def reconstructed_asset(views: ViewSet) -> Asset:
    """This project's own mesh of a prediction, with its default settings."""
    from svdmv.asset import textured_asset
    from svdmv.reconstruct import reconstruct_mesh

    made = reconstruct_mesh(views)
    return textured_asset(made.mesh, made.views, provenance={"method": made.method})


def _points(asset: Asset) -> NDArray[np.float64]:
    """(TURN_POINTS, 3) spread over the surface by area; the same ones every time."""
    corners = asset.mesh.vertices.astype(np.float64)[asset.mesh.faces]
    areas = face_areas(asset.mesh.vertices, asset.mesh.faces)
    rng = np.random.default_rng(0)
    owner = np.minimum(np.searchsorted(np.cumsum(areas) / areas.sum(), rng.random(TURN_POINTS)), len(areas) - 1)
    weights = rng.dirichlet(np.ones(3), TURN_POINTS)
    points: NDArray[np.float64] = (corners[owner] * weights[..., None]).sum(1)
    return points


def _turn(degrees: float) -> NDArray[np.float64]:
    """(3, 3) about +Y, counter-clockwise from above."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _box_onto(box: NDArray[np.float64], target: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    scale = float(np.ptp(target, axis=0).max() / np.ptp(box, axis=0).max())
    return scale, target.mean(0) - scale * box.mean(0)


def _boxed(points: NDArray[np.float64], truth: Asset) -> NDArray[np.float64]:
    scale, shift = _box_onto(np.stack([points.min(0), points.max(0)]), truth.mesh.bounds.astype(np.float64))
    return points * scale + shift


def _distance(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    from scipy.spatial import cKDTree

    return float(cKDTree(two).query(one)[0].mean() + cKDTree(one).query(two)[0].mean())
