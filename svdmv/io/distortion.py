"""Lens distortion: what a photo's lens adds to a pinhole, and pictures with it taken out.

Sources: OpenCV documentation, calib3d (Brown's radial and tangential terms, the rational model) and fisheye (Kannala
and Brandt, PAMI 28(8), 2006); COLMAP's camera models are these with some coefficients 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera

_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class Distortion:
    """What a lens does to normalised pinhole coordinates (x, y) = ((u - cx) / fx, (v - cy) / fy).

    Attributes:
        coefficients: k1, k2, p1, p2, k3, k4, k5, k6 in OpenCV's order; of a fisheye k1, k2, k3, k4. Absent ones are 0.
        fisheye: the terms are of the angle to the axis, not of the distance from it.
    """

    coefficients: tuple[float, ...]
    fisheye: bool = False

    def __bool__(self) -> bool:
        return self.fisheye or any(self.coefficients)

    def distorted(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., 2) normalised coordinates on the photo of the directions whose pinhole coordinates are `points`."""
        x, y = points[..., 0], points[..., 1]
        r2 = x * x + y * y
        if self.fisheye:
            k = np.zeros(4)
            k[: len(self.coefficients)] = self.coefficients
            r = np.sqrt(r2)
            theta = np.arctan(r)
            t2 = theta * theta
            bent = theta * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3]))))
            return points * np.where(r > 1e-9, bent / np.maximum(r, 1e-9), 1.0)[..., None]
        c = np.zeros(8)
        c[: len(self.coefficients)] = self.coefficients
        k1, k2, p1, p2, k3, k4, k5, k6 = c
        radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        return np.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x),
                y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y,
            ],
            -1,
        )


NO_DISTORTION = Distortion(())


def undistorted(picture: NDArray[np.uint8], camera: Camera, distortion: Distortion) -> tuple[NDArray[np.uint8], float]:
    """A photo as a pinhole of the same K and size would have taken it.

    Args:
        picture: (H, W, C) uint8. Where the photo does not reach, its border is repeated.
        camera: of H x W pixels; K as calibrated together with the distortion.

    Returns:
        (H, W, C) uint8, and the longest way a pixel moved, pixels.
    """
    from scipy.ndimage import map_coordinates

    height, width = picture.shape[:2]
    fx, fy, cx, cy = camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]
    out = np.empty_like(picture)
    farthest = 0.0
    for top in range(0, height, _ROWS_AT_ONCE):
        rows = np.arange(top, min(top + _ROWS_AT_ONCE, height))
        v, u = np.meshgrid(rows + 0.5, np.arange(width) + 0.5, indexing="ij")
        bent = distortion.distorted(np.stack([(u - cx) / fx, (v - cy) / fy], -1))
        x, y = bent[..., 0] * fx + cx, bent[..., 1] * fy + cy
        farthest = max(farthest, float(np.hypot(x - u, y - v).max()))
        for channel in range(picture.shape[2]):
            level = map_coordinates(
                picture[..., channel], [y - 0.5, x - 0.5], output=np.float32, order=1, mode="nearest"
            )
            out[rows, :, channel] = np.clip(np.round(level), 0, 255)
    return out, farthest
