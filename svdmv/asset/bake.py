"""A texture from posed views: who sees a texel, how well, what they show there, and what to do where nobody looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.asset.fill import LEAST_MASS, dilated, mirrored_anchors, spread_colors
from svdmv.asset.origin import FILLED, GENERATED, MIRRORED, NOTHING, SEEN, OriginMap
from svdmv.asset.view_choice import agreement, chosen_shares, exposure_gains, vertex_links
from svdmv.core import ViewSet
from svdmv.geometry.cameras import camera_positions, projection_matrices
from svdmv.geometry.raster import TexelMap, depth_maps, texel_map
from svdmv.geometry.symmetry import MirrorPlane, mirror_plane
from svdmv.geometry.topology import face_areas

PICTURE_PX = 256  # smaller views are enlarged to this before they are sampled
DEPTH_PX = 384
LOW_BAND_SHARE = 0.012  # of the picture's side
RIM_SHARE = 0.012
FILL_CONFIDENCE = 0.02  # below this the filling takes over
SEEN_CONFIDENCE = 0.01
LEAST_FILLED_SHARE = 0.01  # of the vertices: below it no mirror plane is looked for


@dataclass(frozen=True, eq=False)
class Texture:
    """A baked texture.

    Attributes:
        base_color_srgb: (S, S, 4) uint8, opaque.
        origin: where each texel's colour comes from.
        seen_share: part of the surface that a view sees, true or generated.
        origin_shares: parts of the surface by origin.
        figures: JSON values: gains of the views, mirror plane.
    """

    base_color_srgb: NDArray[np.uint8]
    origin: OriginMap
    seen_share: float
    origin_shares: dict[str, float]
    figures: dict[str, object]


def baked_texture(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    normals: NDArray[np.floating],
    corner_uvs: NDArray[np.floating],
    views: ViewSet,
    *,
    size: int,
    view_weights: NDArray[np.floating],
    true_views: NDArray[np.bool_] | None = None,
    anchors: NDArray[np.bool_] | None = None,
    detail: tuple[int, NDArray[np.uint8]] | None = None,
) -> Texture:
    """Blend the views into an atlas: coarse colours from all views that see a texel, detail from the view chosen there.

    Two-band blending as in P. Burt, E. Adelson, A multiresolution spline with application to image mosaics, 1983; the
    choice of views in `view_choice`.

    Args:
        vertices: (V, 3) world units; welded, so that colours spread across charts.
        faces: (F, 3). normals: (V, 3) unit.
        corner_uvs: (F, 3, 2) in [0, 1], glTF origin.
        views: pictures, with alpha where they have it.
        size: side of the texture, texels.
        view_weights: (N,) how much each view counts.
        true_views: (N,) which views are photographs or renders and not a model's; None = all.
        anchors: (N,) views whose exposure the others take over; None = none, all meet in the middle.
        detail: the number of one view and the same picture with more pixels, (D, E, 4) straight alpha.
    """
    from svdmv.asset._bake_kernels import surroundings_kernel, texel_bake_kernel, vertex_kernel

    points, sides = np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(normals, np.float64)
    triangles = np.ascontiguousarray(faces, np.int32)
    weights = np.asarray(view_weights, np.float64)
    true = np.ones(len(views), bool) if true_views is None else np.asarray(true_views, bool)
    texels = texel_map(corner_uvs, size, size)
    pictures = sampled_pictures(views)
    height, width = pictures.shape[1:3]
    cameras = tuple(camera.resized(width, height) for camera in views.cameras)
    zoom = DEPTH_PX / max(width, height)
    small = [camera.resized(round(width * zoom), round(height * zoom)) for camera in cameras]
    depths = depth_maps(points, triangles, small)
    around = np.empty((*depths.shape, 3), np.float32)
    surroundings_kernel(depths, around)
    scene = (around, projection_matrices(cameras), camera_positions(cameras))
    bias = 0.012 * float(np.ptp(points, axis=0).max())

    quality = np.zeros((len(points), len(views)), np.float32)
    colors = np.zeros((len(points), len(views), 3), np.float32)
    vertex_kernel(points, sides, pictures, *scene, bias, quality, colors)
    firm = np.zeros(len(views), bool) if anchors is None else np.asarray(anchors, bool)
    gains = exposure_gains(quality, colors, weights, firm).astype(np.float32)
    colors *= gains
    pictures[..., :6] *= np.tile(gains, 2)[:, None, None]
    finer, fine = -1, pictures[0]
    if detail is not None:
        finer, rgba = detail[0], detail[1].astype(np.float32) / np.float32(255)
        fine = sampled_picture(rgba[..., :3], rgba[..., 3], rgba.shape[:2])
        fine[..., :6] *= np.tile(gains[finer], 2)
    broad = (agreement(quality, colors, weights) * weights).astype(np.float32)
    votes = quality * broad
    mass = votes.sum(1)
    filling, guessed, plane = _filling(points, sides, triangles, colors, votes, mass)

    rgb = np.zeros((size, size, 3), np.uint8)
    confidence, truth = np.zeros((size, size), np.uint8), np.zeros((size, size), np.uint8)
    total = np.zeros((size, size), np.float32)
    candidates = (quality > 0) | (vertex_links(len(points), triangles) @ (quality > 0).astype(np.float32) > 0)
    texel_bake_kernel(
        texels.face, texels.weights, triangles, points, sides, filling, broad, chosen_shares(votes, triangles),
        candidates, pictures, fine, finer, *scene, true, bias, FILL_CONFIDENCE, rgb, confidence, truth, total,
    )  # fmt: skip
    origin = _origin(texels, triangles, confidence, truth, total, guessed)
    areas = _texel_areas(texels, face_areas(points, triangles))
    shares = origin.shares(areas)
    texture = np.full((size, size, 4), 255, np.uint8)
    texture[..., :3] = dilated(rgb, texels.face >= 0)
    figures: dict[str, object] = {"gain_range": [round(float(gains.min()), 3), round(float(gains.max()), 3)]}
    if plane is not None and guessed.any():
        figures["mirror_plane"] = [*(round(float(v), 4) for v in plane.normal), round(plane.offset, 4)]
    return Texture(texture, origin, round(shares["seen"] + shares["generated"], 4), shares, figures)


def _filling(
    points: NDArray[np.float64],
    sides: NDArray[np.float64],
    faces: NDArray[np.int32],
    colors: NDArray[np.float32],
    votes: NDArray[np.float32],
    mass: NDArray[np.float32],
) -> tuple[NDArray[np.float64], NDArray[np.bool_], MirrorPlane | None]:
    """Colours (V, 3) where they are seen and, smoothly or by symmetry, where they are not; which are mirrored; how."""
    seen = np.einsum("vn,vnc->vc", votes, colors) / np.maximum(mass, 1e-9)[:, None]
    known = mass > LEAST_MASS
    plane = None
    if LEAST_FILLED_SHARE < 1 - known.mean() < 0.9:
        plane = mirror_plane(points, sides, np.where(known[:, None], seen, np.nan))
    if plane is None:
        return spread_colors(faces, seen, mass), np.zeros(len(points), bool), None
    anchored, heavier, guessed = mirrored_anchors(points, sides, faces, seen, mass, plane)
    return spread_colors(faces, anchored, heavier), guessed, plane


def _origin(
    texels: TexelMap,
    faces: NDArray[np.int32],
    confidence: NDArray[np.uint8],
    truth: NDArray[np.uint8],
    total: NDArray[np.float32],
    guessed: NDArray[np.bool_],
) -> OriginMap:
    """Kinds of the texels: seen where true views gave most of the colour."""
    inside, seen = texels.face >= 0, total > SEEN_CONFIDENCE
    kind = np.where(seen, np.where(truth > 127, SEEN, GENERATED), FILLED).astype(np.uint8)
    if guessed.any():
        mirrored = guessed[faces].sum(1) >= 2
        kind[inside & ~seen & mirrored[texels.face]] = MIRRORED
    kind[~inside] = NOTHING
    return OriginMap(kind, np.where(inside & seen, confidence, 0).astype(np.uint8))


def _texel_areas(texels: TexelMap, areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """(S, S): the surface that each texel stands for: its face's area shared among the face's texels."""
    inside = texels.layers > 0
    owners = texels.face[inside]
    out = np.zeros(texels.face.shape)
    out[inside] = (areas / np.maximum(np.bincount(owners, minlength=len(areas)), 1))[owners]
    return out


def sampled_pictures(views: ViewSet) -> NDArray[np.float32]:
    """(N, H, W, 7) float32: what `sampled_picture` makes of each view; views smaller than PICTURE_PX are enlarged."""
    height, width = views.images.shape[1:3]
    factor = max(1.0, PICTURE_PX / max(width, height))
    target = (max(2, round(height * factor)), max(2, round(width * factor)))
    scale = np.float32(255.0 if views.images.dtype == np.uint8 else 1.0)
    out = np.empty((len(views), *target, 7), np.float32)
    for i in range(len(views)):
        alpha = None if views.alphas is None else np.asarray(views.alphas[i], np.float32) / scale
        out[i] = sampled_picture(np.asarray(views.images[i], np.float32) / scale, alpha, target)
    return out


def sampled_picture(
    rgb: NDArray[np.float32], alpha: NDArray[np.float32] | None, target: tuple[int, int]
) -> NDArray[np.float32]:
    """(H, W, 7) float32: colour, its low band, and trust in [0, 1] that grows from the rim of the mask inward.

    Colours of well covered pixels are spread over the rim and beyond, so that no background enters the texture.

    Args:
        rgb: (h, w, 3) in [0, 1]. alpha: (h, w), or None: all is object.
        target: H, W to enlarge to by cubic splines.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

    cover = np.ones(rgb.shape[:2], np.float32) if alpha is None else alpha
    source = cover >= 0.9
    if not source.any():
        source = cover >= min(0.5, float(cover.max()))
    rows, columns = distance_transform_edt(~source, return_distances=False, return_indices=True)
    rgb = rgb[rows, columns]
    if target != rgb.shape[:2]:
        ratio = (target[0] / rgb.shape[0], target[1] / rgb.shape[1])
        rgb = np.stack([zoom(rgb[..., c], ratio, order=3, mode="nearest", grid_mode=True) for c in range(3)], -1)
        cover = zoom(cover, ratio, order=1, mode="nearest", grid_mode=True)
    rgb, side = np.clip(rgb, 0, 1), max(target)
    out = np.empty((*target, 7), np.float32)
    out[..., :3] = rgb
    for c in range(3):
        out[..., 3 + c] = gaussian_filter(rgb[..., c], LOW_BAND_SHARE * side, mode="nearest", truncate=2.5)
    inside = np.pad(cover >= 0.5, 1)  # the frame cuts the mask: its border is a rim too
    depth = np.full(target, side) if alpha is None else distance_transform_edt(inside)[1:-1, 1:-1]
    out[..., 6] = np.clip(depth / max(1.0, RIM_SHARE * side), 0, 1) * np.clip(2 * cover - 1, 0, 1)
    return out
