"""Which face is where: depth maps of cameras, and the face behind each texel of an atlas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera
from svdmv.geometry.cameras import projection_matrices


def depth_maps(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], cameras: Sequence[Camera]
) -> NDArray[np.float32]:
    """(N, H, W) float32: depth along each camera's +Z at pixel centres, world units; inf where nothing is.

    Args:
        vertices: (V, 3) world positions.
        faces: (F, 3); both sides count. Faces that reach behind a camera are left out for it.
        cameras: N cameras of one size, W x H pixels.
    """
    from svdmv.geometry._raster_kernels import depth_kernel

    out = np.full((len(cameras), cameras[0].height, cameras[0].width), np.inf, np.float32)
    depth_kernel(np.array(vertices, np.float64), np.array(faces, np.int32), projection_matrices(cameras), out)
    return out


@dataclass(frozen=True, eq=False)
class TexelMap:
    """What lies behind each texel of an atlas.

    Attributes:
        face: (H, W) int32, -1 where nothing is.
        weights: (H, W, 3) float32 barycentric weights of the face's corners.
        layers: (H, W) int32: how many faces own the texel's centre; above 1 the atlas overlaps.
    """

    face: NDArray[np.int32]
    weights: NDArray[np.float32]
    layers: NDArray[np.int32]


def texel_map(corner_uvs: NDArray[np.floating], width: int, height: int, *, gutter: float = 1.5) -> TexelMap:
    """The face behind each texel, charts grown by `gutter` texels where nobody else is.

    Args:
        corner_uvs: (F, 3, 2), glTF origin: (0, 0) is the top-left corner of the texture.
    """
    from svdmv.geometry._raster_kernels import texel_kernel

    face = np.full((height, width), -1, np.int32)
    weights = np.zeros((height, width, 3), np.float32)
    layers = np.zeros((height, width), np.int32)
    texel_kernel(np.array(corner_uvs, np.float64), width, height, gutter, face, weights, layers)
    return TexelMap(face, weights, layers)


def sampled_bilinear(picture: NDArray[np.floating], pixels: NDArray[np.floating]) -> NDArray[np.float32]:
    """(M, C) float32: `picture` (H, W, C) at pixels (M, 2), x then y, first centre (0.5, 0.5); edges extend."""
    height, width = picture.shape[:2]
    x = np.clip(pixels[:, 0] - 0.5, 0, width - 1)
    y = np.clip(pixels[:, 1] - 0.5, 0, height - 1)
    a = np.minimum(x.astype(np.int64), max(width - 2, 0))
    b = np.minimum(y.astype(np.int64), max(height - 2, 0))
    a1, b1 = np.minimum(a + 1, width - 1), np.minimum(b + 1, height - 1)
    fx, fy = (x - a)[:, None], (y - b)[:, None]
    top = picture[b, a] * (1 - fx) + picture[b, a1] * fx
    bottom = picture[b1, a] * (1 - fx) + picture[b1, a1] * fx
    out: NDArray[np.float32] = (top * (1 - fy) + bottom * fy).astype(np.float32)
    return out
