"""Colours where nobody looks: smooth over the surface, and what the mirrored side shows where the object has one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svdmv.asset.view_choice import vertex_links
from svdmv.geometry.symmetry import MirrorPlane

SMOOTHING = 0.02
MIRROR_MASS = 0.3  # how much a mirrored colour counts beside a seen one
MIRROR_REACH = 1.5  # mean edges: how far a mirrored vertex may lie from another
LEAST_MASS = 0.01
TINY = 1e-7  # parts without any anchor take the mean


def spread_colors(
    faces: NDArray[np.integer], colors: NDArray[np.floating], mass: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(V, 3) colours: near the given ones where they are trusted, as smooth as can be over the rest of the surface.

    Minimises sum_v m_v |x_v - c_v|^2 + s sum_edges |x_i - x_j|^2. Without any trusted vertex all is mid grey.

    Args:
        faces: (F, 3). colors: (V, 3) in [0, 1]. mass: (V,) trust, 0 = unknown.
    """
    from scipy.sparse import diags
    from scipy.sparse.linalg import splu

    anchor = np.where(np.asarray(mass) > LEAST_MASS, np.minimum(mass, 1.0), 0.0).astype(np.float64)
    if anchor.sum() <= 0:
        return np.full((len(mass), 3), 0.5)
    mean = (anchor[:, None] * colors).sum(0) / anchor.sum()
    links = vertex_links(len(anchor), faces)
    system = diags(anchor + TINY) + SMOOTHING * (diags(np.asarray(links.sum(1)).ravel()) - links)
    right = anchor[:, None] * colors + TINY * mean
    solved: NDArray[np.float64] = np.clip(splu(system.tocsc()).solve(right), 0, 1)
    return solved


def mirrored_anchors(
    vertices: NDArray[np.floating],
    normals: NDArray[np.floating],
    faces: NDArray[np.integer],
    colors: NDArray[np.floating],
    mass: NDArray[np.floating],
    plane: MirrorPlane,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Colours (V, 3) and mass (V,) with unknown vertices anchored by their mirror images, and which those are.

    An image counts when it lies on the surface, faces the same way and was seen.
    """
    from scipy.spatial import cKDTree

    points, sides = np.asarray(vertices, np.float64), np.asarray(normals, np.float64)
    known = np.asarray(mass) > LEAST_MASS
    filled_colors, filled_mass = np.array(colors, np.float64), np.array(mass, np.float64)
    guessed = np.zeros(len(points), bool)
    unknown = np.flatnonzero(~known)
    if not known.any() or not len(unknown):
        return filled_colors, filled_mass, guessed
    distance, nearest = cKDTree(points[known]).query(plane.mirrored(points[unknown]))
    nearest = np.flatnonzero(known)[nearest]
    turned = sides[unknown] - 2 * (sides[unknown] @ plane.normal)[:, None] * plane.normal
    reach = MIRROR_REACH * float(np.linalg.norm(points[faces[:, 0]] - points[faces[:, 1]], axis=1).mean())
    good = (distance < reach) & ((turned * sides[nearest]).sum(1) > 0.5)
    guessed[unknown[good]] = True
    filled_colors[unknown[good]] = filled_colors[nearest[good]]
    filled_mass[unknown[good]] = MIRROR_MASS
    return filled_colors, filled_mass, guessed


def dilated(picture: NDArray[np.uint8], owned: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """`picture` (S, S, C) with what is not owned filled from what is near: means of ever coarser squares.

    So every mip level of a texture shows chart colours only. Source: S. Gortler et al., The Lumigraph, 1996 (pull and
    push). Sides may be odd.
    """
    if owned.all() or not owned.any():
        return picture
    from svdmv.asset._bake_kernels import pull_kernel, push_kernel

    levels = [(np.ascontiguousarray(picture, np.float32), owned.astype(np.bool_))]
    while max(levels[-1][1].shape) > 1 and not levels[-1][1].all():
        values, known = levels[-1]
        half = ((known.shape[0] + 1) // 2, (known.shape[1] + 1) // 2)
        levels.append((np.zeros((*half, picture.shape[2]), np.float32), np.zeros(half, np.bool_)))
        pull_kernel(values, known, *levels[-1])
    for (values, known), (above, _) in zip(levels[-2::-1], levels[:0:-1], strict=True):
        push_kernel(above, known, values)
    return np.round(levels[0][0]).astype(np.uint8)
