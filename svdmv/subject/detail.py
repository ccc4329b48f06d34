"""The picture itself, with all its pixels, in the place of its small copy among the views."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, DataError, ViewSet
from svdmv.subject.resampling import resample_window


def views_with_detail(views: ViewSet, detail: NDArray[np.uint8], index: int = 0) -> ViewSet:
    """The views at the size of `detail`, enlarged smoothly, view `index` being `detail`.

    Args:
        views: square views of S px, with alpha; depths, normals and the like are left out.
        detail: (D, D, 4) uint8 straight alpha, D >= S: the same frame as view `index`.

    Raises:
        DataError: sizes do not fit.
    """
    width, height = views.size
    side = len(detail)
    if detail.ndim != 3 or detail.shape != (side, side, 4) or width != height or side < width:
        raise DataError(
            "The detailed picture does not fit the views",
            where="views_with_detail",
            seen=f"{detail.shape} for views of {width}x{height}",
            expected=f"square, RGBA, at least {width} px",
        )
    rgba = np.stack(
        [detail if n == index else resample_window(view, 0, 0, width, side) for n, view in enumerate(views.rgba_u8())]
    )
    return replace(
        views,
        images=rgba[..., :3],
        alphas=rgba[..., 3],
        cameras=tuple(enlarged_camera(camera, side) for camera in views.cameras),
        depths=None,
        normals=None,
        positions=None,
        albedos=None,
        masks=None,
    )


def enlarged_camera(camera: Camera, side: int) -> Camera:
    """The same camera with a square picture of `side` pixels."""
    intrinsics = camera.K.copy()
    intrinsics[:2] *= side / camera.width
    return Camera(intrinsics, camera.world_from_camera, side, side)
