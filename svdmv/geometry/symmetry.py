"""The mirror plane of a surface, if it has one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SAMPLES = 800
STEP_DEG = 7.5
REFINED_DEG = (-4.0, -2.0, 0.0, 2.0, 4.0)
LARGEST_MISFIT = 0.008  # mean distance of the mirrored surface, of its longest side
LARGEST_STAIN = 0.1  # mean difference of colours in [0, 1]
LEAST_WITNESSES = 0.15  # of the samples: pairs whose colours are both known


class MirrorPlane(NamedTuple):
    """Points p with normal @ p = offset; misfit: mean distance of the mirrored surface, of its longest side."""

    normal: NDArray[np.float64]
    offset: float
    misfit: float

    def mirrored(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """(M, 3) points on the other side of the plane."""
        points = np.asarray(points, np.float64)
        out: NDArray[np.float64] = points - 2 * (points @ self.normal - self.offset)[:, None] * self.normal
        return out


def mirror_plane(
    vertices: NDArray[np.floating], normals: NDArray[np.floating], colors: NDArray[np.floating] | None = None
) -> MirrorPlane | None:
    """The best of the upright planes and the level one through the middle, or None when no one fits.

    Args:
        vertices: (V, 3), about evenly spread, +Y up. normals: (V, 3) unit.
        colors: (V, 3) in [0, 1], NaN where unknown. Enough of them must be known on both sides, and agree: a shape
            alone does not tell that the back of a head is no face.
    """
    from scipy.spatial import cKDTree

    points = np.asarray(vertices, np.float64)
    if len(points) < 30:
        return None
    size = float(np.ptp(points, axis=0).max())
    middle = (points.min(0) + points.max(0)) / 2
    tree = cKDTree(points)
    chosen = np.linspace(0, len(points) - 1, min(SAMPLES, len(points))).astype(np.int64)

    def rated(normal: NDArray[np.float64]) -> tuple[float, bool, MirrorPlane]:
        """How badly the plane does (lower is better), whether it may be used, and the plane."""
        plane = MirrorPlane(normal, float(normal @ middle), 0.0)
        image = plane.mirrored(points[chosen])
        _, nearest = tree.query(image)
        turned = normals[chosen] - 2 * (normals[chosen] @ normal)[:, None] * normal
        apart = image - points[nearest]
        agree = (turned * normals[nearest]).sum(1)
        across = np.abs((apart * normals[nearest]).sum(1)) + 0.25 * np.linalg.norm(apart, axis=1) * (agree < 0.3)
        misfit, stain, witnessed = float(across.mean()) / size, 0.0, True
        if colors is not None:
            difference = np.abs(colors[chosen] - colors[nearest]).mean(1)
            witnesses = np.isfinite(difference)
            witnessed = bool(witnesses.mean() >= LEAST_WITNESSES)
            stain = float(difference[witnesses].mean()) if witnessed else 1.0
        fits = witnessed and misfit <= LARGEST_MISFIT and stain <= LARGEST_STAIN
        return misfit + 0.02 * stain, fits, MirrorPlane(normal, plane.offset, misfit)

    def upright(degrees: float) -> NDArray[np.float64]:
        angle = np.deg2rad(degrees)
        return np.array([np.cos(angle), 0.0, np.sin(angle)])

    first = min(np.arange(0, 180, STEP_DEG), key=lambda degrees: rated(upright(degrees))[0])
    ratings = [rated(upright(first + d)) for d in REFINED_DEG] + [rated(np.array([0.0, 1.0, 0.0]))]
    _, fits, best = min(ratings, key=lambda rating: rating[0])
    return best if fits else None
