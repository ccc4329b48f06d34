"""A pinhole camera: OpenCV axes (+X right, +Y down, +Z forward), pose as world_from_camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from svdmv.core.arrays import checked_array
from svdmv.core.errors import DataError

Float64Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """One view's lens and pose.

    Attributes:
        K: (3, 3) float64, pixels. Pixel (0, 0) is the top-left corner of the picture; the first centre is (0.5, 0.5).
        world_from_camera: (4, 4) float64, rigid. Camera axes are OpenCV's: +X right, +Y down, +Z forward.
        width: pixels.
        height: pixels.

    Raises:
        DataError: a shape is wrong, a value is not finite, or the pose is not rigid.
    """

    K: Float64Array
    world_from_camera: Float64Array
    width: int
    height: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "K", checked_array(self.K, "Camera.K", (3, 3), np.float64))
        pose = checked_array(self.world_from_camera, "Camera.world_from_camera", (4, 4), np.float64)
        object.__setattr__(self, "world_from_camera", pose)
        rotation = pose[:3, :3]
        if not (
            np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
            and np.linalg.det(rotation) > 0
            and np.allclose(pose[3], (0, 0, 0, 1))
        ):
            raise DataError(
                "Camera pose is not rigid",
                where="Camera.world_from_camera",
                seen=pose.round(4).tolist(),
                expected="a rotation without scale or mirror, a translation, last row 0 0 0 1",
            )
        if self.width < 1 or self.height < 1 or self.K[0, 0] <= 0 or self.K[1, 1] <= 0:
            raise DataError(
                "Camera has no picture",
                where="Camera",
                expected="positive width, height, focal lengths",
                seen=f"{self.width}x{self.height} px, fx {self.K[0, 0]}, fy {self.K[1, 1]}",
            )

    @classmethod
    def looking_at(
        cls,
        position: ArrayLike,
        target: ArrayLike,
        fov_y_deg: float,
        width: int,
        height: int,
        up: ArrayLike = (0.0, 1.0, 0.0),
    ) -> Camera:
        """Camera at `position` (3,) looking at `target` (3,), world units, no roll against `up`; square pixels."""
        eye = np.asarray(position, np.float64)
        forward = np.asarray(target, np.float64) - eye
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, np.asarray(up, np.float64))
        if np.linalg.norm(right) < 1e-9:
            raise DataError(
                "A camera that looks along the up direction has no roll",
                where="Camera.looking_at",
                seen=f"position {eye.tolist()}",
                expected="a view direction apart from up",
            )
        right /= np.linalg.norm(right)
        pose = np.eye(4)
        pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(forward, right), forward, eye
        focal = 0.5 * height / math.tan(math.radians(fov_y_deg) / 2)
        K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        return cls(K, pose, width, height)

    @property
    def camera_from_world(self) -> Float64Array:
        """(4, 4) float64: the inverse pose."""
        rotation, eye = self.world_from_camera[:3, :3], self.world_from_camera[:3, 3]
        out = np.eye(4)
        out[:3, :3], out[:3, 3] = rotation.T, -rotation.T @ eye
        return out

    @property
    def position(self) -> Float64Array:
        """(3,) float64: the eye in world coordinates."""
        position: Float64Array = self.world_from_camera[:3, 3]
        return position

    @property
    def fov_y_deg(self) -> float:
        """Vertical field of view in degrees."""
        return math.degrees(2 * math.atan(self.height / (2 * self.K[1, 1])))

    def project(self, points: ArrayLike) -> tuple[Float64Array, Float64Array]:
        """Pixels (N, 2) and depths (N,) (along +Z, world units) of world points (N, 3)."""
        local = np.asarray(points, np.float64) @ self.camera_from_world[:3, :3].T + self.camera_from_world[:3, 3]
        homogeneous = local @ self.K.T
        return homogeneous[:, :2] / homogeneous[:, 2:], local[:, 2]

    def unproject(self, pixels: ArrayLike, depths: ArrayLike) -> Float64Array:
        """World points (N, 3) of pixels (N, 2) at depths (N,) along +Z."""
        uv = np.asarray(pixels, np.float64)
        rays = np.concatenate([uv, np.ones((len(uv), 1))], 1) @ np.linalg.inv(self.K).T
        local = rays * np.asarray(depths, np.float64)[:, None]
        points: Float64Array = local @ self.world_from_camera[:3, :3].T + self.position
        return points

    def resized(self, width: int, height: int) -> Camera:
        """The same view on another pixel grid."""
        scale = np.diag([width / self.width, height / self.height, 1.0])
        return Camera(scale @ self.K, self.world_from_camera, width, height)
