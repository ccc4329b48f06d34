"""A texture from posed views: who sees a texel, how well, what they show there, and what to do where nobody looks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ViewSet
from svdmv.geometry.cameras import camera_positions, projection_matrices
from svdmv.geometry.raster import depth_maps, texel_map

PICTURE_PX = 256  # smaller views are enlarged to this before they are sampled
DEPTH_PX = 512
SHARP_POWER = 6.0
LOW_BAND_SHARE = 0.012  # of the picture's side
RIM_SHARE = 0.012
FILL_CONFIDENCE = 0.02  # below this the filling takes over
SEEN_CONFIDENCE = 0.01


@dataclass(frozen=True, eq=False)
class Texture:
    """A baked texture.

    Attributes:
        base_color_srgb: (S, S, 4) uint8, opaque.
        seen_share: part of the charts' texels that a view sees.
    """

    base_color_srgb: NDArray[np.uint8]
    seen_share: float


def baked_texture(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    normals: NDArray[np.floating],
    corner_uvs: NDArray[np.floating],
    views: ViewSet,
    *,
    size: int,
    view_weights: NDArray[np.floating],
) -> Texture:
    """Blend the views into an atlas: low band over all views that see a texel, high band from those that face it.

    Two-band blending as in P. Burt, E. Adelson, A multiresolution spline with application to image mosaics, 1983.

    Args:
        vertices: (V, 3) world units; welded, so that colours spread across charts.
        faces: (F, 3). normals: (V, 3) unit.
        corner_uvs: (F, 3, 2) in [0, 1], glTF origin.
        views: pictures, with alpha where they have it.
        size: side of the texture, texels.
        view_weights: (N,) how much each view counts.
    """
    from scipy.ndimage import distance_transform_edt

    from svdmv.asset._bake_kernels import blend_kernel

    texels = texel_map(corner_uvs, size, size)
    rows, columns = np.nonzero(texels.face >= 0)
    corners = np.asarray(faces)[texels.face[rows, columns]]
    weights = texels.weights[rows, columns].astype(np.float64)
    points = np.einsum("mk,mkc->mc", weights, np.asarray(vertices, np.float64)[corners])
    facing = np.einsum("mk,mkc->mc", weights, np.asarray(normals, np.float64)[corners])
    facing /= np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)
    pictures = sampled_pictures(views)
    height, width = pictures.shape[1:3]
    cameras = tuple(camera.resized(width, height) for camera in views.cameras)
    zoom = DEPTH_PX / max(width, height)
    depths = depth_maps(
        vertices, faces, [camera.resized(round(width * zoom), round(height * zoom)) for camera in cameras]
    )
    bias = 0.012 * float(np.ptp(np.asarray(vertices), axis=0).max())
    colors, confidence = np.zeros((len(points), 3), np.float32), np.zeros(len(points), np.float32)
    blend_kernel(
        points.astype(np.float32),
        facing.astype(np.float32),
        pictures,
        depths,
        projection_matrices(cameras),
        camera_positions(cameras),
        np.array(view_weights, np.float64),
        bias,
        SHARP_POWER,
        colors,
        confidence,
    )
    colors = np.clip(colors, 0, 1)
    spread = spread_colors(len(vertices), faces, corners, weights, colors, confidence)
    filling = np.einsum("mk,mkc->mc", weights, spread[corners])
    share = (confidence / (confidence + FILL_CONFIDENCE))[:, None]
    texture = np.full((size, size, 4), 255, np.uint8)
    texture[rows, columns, :3] = np.round(255 * np.clip(share * colors + (1 - share) * filling, 0, 1)).astype(np.uint8)
    unowned = texels.face < 0
    if unowned.any() and not unowned.all():
        nearest = distance_transform_edt(unowned, return_distances=False, return_indices=True)
        texture = texture[nearest[0], nearest[1]]
    owned = texels.layers[rows, columns] > 0
    seen_share = float((confidence[owned] > SEEN_CONFIDENCE).mean()) if owned.any() else 0.0
    return Texture(np.ascontiguousarray(texture), seen_share)


def sampled_pictures(views: ViewSet) -> NDArray[np.float32]:
    """(N, H, W, 7) float32: colour, its low band, and trust in [0, 1] that grows from the rim of the mask inward.

    Colours of well covered pixels are spread over the rim and beyond, so that no background enters the texture; views
    smaller than PICTURE_PX are enlarged by cubic splines.
    """
    from scipy.ndimage import distance_transform_edt, gaussian_filter, zoom

    count, height, width = views.images.shape[:3]
    factor = max(1.0, PICTURE_PX / max(width, height))
    target = (max(2, round(height * factor)), max(2, round(width * factor)))
    scale = np.float32(255.0 if views.images.dtype == np.uint8 else 1.0)
    out = np.empty((count, *target, 7), np.float32)
    for i in range(count):
        rgb = np.asarray(views.images[i], np.float32) / scale
        alpha = np.ones((height, width), np.float32)
        if views.alphas is not None:
            alpha = np.asarray(views.alphas[i], np.float32) / scale
        source = alpha >= 0.9
        if not source.any():
            source = alpha >= min(0.5, float(alpha.max()))
        rows, columns = distance_transform_edt(~source, return_distances=False, return_indices=True)
        rgb = rgb[rows, columns]
        if target != (height, width):
            ratio = (target[0] / height, target[1] / width)
            rgb = np.stack([zoom(rgb[..., c], ratio, order=3, mode="nearest", grid_mode=True) for c in range(3)], -1)
            alpha = zoom(alpha, ratio, order=1, mode="nearest", grid_mode=True)
        rgb = np.clip(rgb, 0, 1)
        side = max(target)
        out[i, ..., :3] = rgb
        for c in range(3):
            out[i, ..., 3 + c] = gaussian_filter(rgb[..., c], LOW_BAND_SHARE * side, mode="nearest")
        inside = np.pad(alpha >= 0.5, 1)  # the frame cuts the mask: its border is a rim too
        depth = distance_transform_edt(inside)[1:-1, 1:-1] if views.alphas is not None else np.full(target, side)
        out[i, ..., 6] = np.clip(depth / max(1.0, RIM_SHARE * side), 0, 1) * np.clip(2 * alpha - 1, 0, 1)
    return out


def spread_colors(
    num_vertices: int,
    faces: NDArray[np.integer],
    corners: NDArray[np.integer],
    weights: NDArray[np.float64],
    colors: NDArray[np.float32],
    confidence: NDArray[np.float32],
) -> NDArray[np.float64]:
    """(V, 3) colours: near those of the texels that are seen, and as smooth as can be over the rest of the surface.

    Minimises sum_v c_v |x_v - m_v|^2 + s sum_edges |x_i - x_j|^2 with m the mean and c the confidence of the texels
    around a vertex. Without any seen texel all is mid grey.

    Args:
        corners: (M, 3) vertices of each texel's face. weights: (M, 3) barycentric.
        colors: (M, 3). confidence: (M,).
    """
    from scipy.sparse import coo_matrix, diags
    from scipy.sparse.linalg import splu

    trusted = weights * np.minimum(confidence, 1.0)[:, None] * (confidence > SEEN_CONFIDENCE)[:, None]
    flat = corners.reshape(-1)
    mass = np.bincount(flat, trusted.reshape(-1), num_vertices)
    if mass.sum() <= 0:
        return np.full((num_vertices, 3), 0.5)
    sums = np.stack(
        [np.bincount(flat, (trusted * colors[:, c : c + 1]).reshape(-1), num_vertices) for c in range(3)], 1
    )
    mean = sums.sum(0) / mass.sum()
    start = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    end = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]])
    links = coo_matrix((np.ones(len(start)), (start, end)), (num_vertices, num_vertices)).tocsr()
    links = ((links + links.T) > 0).astype(np.float64)
    laplacian = diags(np.asarray(links.sum(1)).ravel()) - links
    texels_per_vertex = max(1.0, len(corners) / num_vertices)
    anchor = mass / texels_per_vertex
    tiny = 1e-7  # parts without any seen texel take the mean
    system = diags(anchor + tiny) + 0.02 * laplacian
    right = sums / texels_per_vertex + tiny * mean
    solved: NDArray[np.float64] = np.clip(splu(system.tocsc()).solve(right), 0, 1)
    return solved
