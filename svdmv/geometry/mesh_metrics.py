"""How far a mesh is from the true one: Chamfer distance, F-score, normal consistency, volume IoU.

Scans and meshes from the web are open, have inner walls and walls without thickness. So only surface that can be seen
from outside counts, and a point is inside where nobody outside sees it; no closed mesh is asked for. Distances go from
points to triangles: point to point has a floor at the distance between the points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, DataError
from svdmv.geometry.cameras import projection_matrices
from svdmv.geometry.closest import TriangleTree
from svdmv.geometry.raster import depth_maps
from svdmv.geometry.topology import face_areas

NUM_SAMPLES = 30_000
NUM_WATCHERS = 64
WATCHER_PX = 384
GRID = 96
DISTANCE = 40.0  # of the watchers, radii of the object: nearly parallel rays
SEEN_SHARE = 0.005  # of the radius: how far behind the first surface a sample still counts as seen


@dataclass(frozen=True)
class MeshScores:
    """One mesh against the true one. Lengths are shares of the longest side of the true mesh's box.

    Attributes:
        chamfer: mean of `accuracy` and `completeness` (Chamfer-L1).
        accuracy: mean distance from the mesh to the true surface.
        completeness: mean distance from the true surface to the mesh.
        precision: share of the mesh's surface nearer than the threshold to the true one.
        recall: share of the true surface nearer than the threshold to the mesh.
        f_score: harmonic mean of precision and recall.
        normal_consistency: mean |cosine| between normals at nearest places, both directions.
        volume_iou: intersection over union of what lies inside.
    """

    chamfer: float
    accuracy: float
    completeness: float
    precision: float
    recall: float
    f_score: float
    normal_consistency: float
    volume_iou: float


class TrueSurface:
    """A true mesh prepared once for many comparisons.

    Args:
        vertices: (V, 3) world positions. faces: (F, 3); open meshes and inner walls are fine.
        num_samples: points a side. seed: of the samples.

    Raises:
        DataError: no face with an area, or positions that are not finite.
    """

    def __init__(
        self,
        vertices: NDArray[np.floating],
        faces: NDArray[np.integer],
        *,
        num_samples: int = NUM_SAMPLES,
        seed: int = 0,
    ) -> None:
        self._side = _Side(vertices, faces, num_samples, seed)
        self._num_samples, self._seed = num_samples, seed
        self.longest_side = float(np.ptp(self._side.points, axis=0).max())

    def scores(
        self, vertices: NDArray[np.floating], faces: NDArray[np.integer], *, threshold: float = 0.01
    ) -> MeshScores:
        """The scores of a mesh in the same world. `threshold` of the F-score is a share of the longest side.

        Raises:
            DataError: the mesh has no face with an area, or positions that are not finite.
        """
        truth, made = self._side, _Side(vertices, faces, self._num_samples, self._seed)
        to_truth, cosines_there = truth.distances_from(made)
        to_made, cosines_back = made.distances_from(truth)
        limit = threshold * self.longest_side
        precision, recall = float((to_truth < limit).mean()), float((to_made < limit).mean())
        accuracy, completeness = float(to_truth.mean()) / self.longest_side, float(to_made.mean()) / self.longest_side
        return MeshScores(
            chamfer=(accuracy + completeness) / 2,
            accuracy=accuracy,
            completeness=completeness,
            precision=precision,
            recall=recall,
            f_score=2 * precision * recall / max(precision + recall, 1e-12),
            normal_consistency=float(cosines_there.mean() + cosines_back.mean()) / 2,
            volume_iou=_volume_iou(truth, made),
        )


def mesh_scores(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    true_vertices: NDArray[np.floating],
    true_faces: NDArray[np.integer],
    *,
    threshold: float = 0.01,
    num_samples: int = NUM_SAMPLES,
    seed: int = 0,
) -> MeshScores:
    """`TrueSurface(...).scores(...)` for one pair of meshes in one world; nothing is aligned or scaled here.

    Args:
        vertices, faces: (V, 3), (F, 3) of the mesh to judge.
        true_vertices, true_faces: of the true one.
        threshold: of the F-score, share of the true mesh's longest side.
        num_samples: points a side. seed: of the samples.

    Raises:
        DataError: a mesh has no face with an area, or positions that are not finite.

    Example:
        >>> import numpy as np
        >>> corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
        >>> sides = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
        >>> round(mesh_scores(corners, sides, corners, sides).f_score, 3)
        1.0
    """
    truth = TrueSurface(true_vertices, true_faces, num_samples=num_samples, seed=seed)
    return truth.scores(vertices, faces, threshold=threshold)


class _Side:
    """One mesh: its tree, its samples that are seen from outside, and who sees what."""

    def __init__(self, vertices: NDArray[np.floating], faces: NDArray[np.integer], num_samples: int, seed: int) -> None:
        points, triangles = np.asarray(vertices, np.float64), np.asarray(faces, np.int64)
        areas = face_areas(points, triangles) if len(triangles) else np.zeros(0)
        if not np.isfinite(points).all() or not areas.sum() > 0:
            raise DataError(
                "A mesh without surface cannot be compared",
                where="mesh_metrics",
                seen=f"{len(points)} vertices, {len(triangles)} faces, area {areas.sum():g}",
                expected="finite positions and a face with an area",
            )
        self.points, self.faces = points[np.unique(triangles)], triangles
        self.tree = TriangleTree(points, triangles)
        self.normals = self.tree.normals()
        middle = (self.points.min(0) + self.points.max(0)) / 2
        self.radius = float(np.linalg.norm(self.points - middle, axis=1).max())
        self.watchers = _watchers(middle, self.radius)
        self.fronts = depth_maps(points, triangles, self.watchers)
        rng = np.random.default_rng(seed)
        owner = np.searchsorted(np.cumsum(areas) / areas.sum(), rng.random(num_samples), side="right")
        owner = np.minimum(owner, len(areas) - 1)
        u, v = rng.random((2, num_samples, 1))
        over = u + v > 1
        u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
        a, b, c = (self.tree.corners[owner, k] for k in range(3))
        samples = a + u * (b - a) + v * (c - a)
        seen = self._seen(samples, SEEN_SHARE * self.radius, farthest=True)
        seen = seen if seen.any() else np.ones(len(samples), bool)
        self.samples, self.sample_normals = samples[seen], self.normals[owner[seen]]

    def distances_from(self, other: _Side) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distances of the other's samples to this surface, and |cosines| of the normals."""
        distances, face = self.tree.closest(other.samples)
        cosines: NDArray[np.float64] = np.abs((self.normals[face] * other.sample_normals).sum(1))
        return distances, cosines

    def inside(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(N,) True where no watcher sees the point."""
        return ~self._seen(points, 0.0, farthest=False)

    def _seen(self, points: NDArray[np.float64], slack: float, *, farthest: bool) -> NDArray[np.bool_]:
        """(N,) points that lie before the first surface, plus slack, for one watcher or more.

        Of the four pixels around a point the farthest surface counts, or the nearest: careful at outlines.
        """
        from svdmv.geometry._raster_kernels import seen_kernel

        seen = np.zeros(len(points), np.bool_)
        asked = np.ascontiguousarray(points, np.float64)
        seen_kernel(asked, projection_matrices(self.watchers), self.fronts, slack, farthest, seen)
        return seen


def _watchers(middle: NDArray[np.float64], radius: float) -> tuple[Camera, ...]:
    """Cameras evenly around the object, far away; the golden-angle spiral."""
    height = 1 - 2 * (np.arange(NUM_WATCHERS) + 0.5) / NUM_WATCHERS
    angle = np.pi * (3 - 5**0.5) * np.arange(NUM_WATCHERS)
    flat = np.sqrt(1 - height**2)
    toward = np.stack([flat * np.cos(angle), height, flat * np.sin(angle)], 1)
    fov_deg = 2 * np.degrees(np.arcsin(1.03 / DISTANCE))
    return tuple(
        Camera.looking_at(middle + DISTANCE * radius * way, middle, fov_deg, WATCHER_PX, WATCHER_PX) for way in toward
    )


def _volume_iou(truth: _Side, made: _Side) -> float:
    low = np.minimum(truth.points.min(0), made.points.min(0))
    high = np.maximum(truth.points.max(0), made.points.max(0))
    step = float((high - low).max()) / GRID
    axes = [low[a] + step * (np.arange(max(1, round((high[a] - low[a]) / step))) + 0.5) for a in range(3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3)
    one, two = truth.inside(grid), made.inside(grid)
    either = int((one | two).sum())
    return float((one & two).sum() / either) if either else 0.0
