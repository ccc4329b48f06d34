"""ViewSet: the waist of the house. Pictures of one object with the cameras that took them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core.arrays import checked_array
from svdmv.core.camera import Camera
from svdmv.core.errors import DataError
from svdmv.core.orbit import Orbit


@dataclass(frozen=True, eq=False)
class ViewSet:
    """N pictures of one object and their cameras.

    Attributes:
        images: (N, H, W, 3) uint8, or float32 in [0, 1]; sRGB-encoded, straight (not premultiplied) alpha.
        cameras: N cameras of W x H pixels.
        alphas: (N, H, W) same dtype as images, or None when the views are opaque.
        depths: (N, H, W) float32 along the camera's +Z, world units, inf where nothing is; or None.
        normals: (N, H, W, 3) float32 unit vectors in world axes, 0 where nothing is; or None.
        positions: (N, H, W, 3) float32 world position of what is seen, 0 where nothing is; or None.
        albedos: (N, H, W, 3) uint8 sRGB base colour without light, 0 where nothing is; or None.
        masks: (N, H, W) bool, True where a surface is at the pixel's centre; or None.
        orbit: the orbit the cameras come from, or None.
        provenance: where the views come from; JSON values only.

    Raises:
        DataError: shapes, dtypes or counts do not agree, or values are out of range.
    """

    images: NDArray[Any]
    cameras: tuple[Camera, ...]
    alphas: NDArray[Any] | None = None
    depths: NDArray[np.float32] | None = None
    normals: NDArray[np.float32] | None = None
    positions: NDArray[np.float32] | None = None
    albedos: NDArray[np.uint8] | None = None
    masks: NDArray[np.bool_] | None = None
    orbit: Orbit | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        dtype = np.asarray(self.images).dtype
        if dtype not in (np.uint8, np.float32):
            raise DataError(
                "ViewSet images have the wrong type",
                where="ViewSet.images",
                seen=dtype,
                expected="uint8, or float32 in [0, 1]",
            )
        images = checked_array(self.images, "ViewSet.images", (None, None, None, 3), dtype)
        n, h, w = images.shape[:3]
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "cameras", tuple(self.cameras))
        for name, shape, kind in (
            ("alphas", (n, h, w), dtype),
            ("depths", (n, h, w), np.float32),
            ("normals", (n, h, w, 3), np.float32),
            ("positions", (n, h, w, 3), np.float32),
            ("albedos", (n, h, w, 3), np.uint8),
            ("masks", (n, h, w), np.bool_),
        ):
            value = getattr(self, name)
            if value is not None:
                if name == "alphas" and np.asarray(value).dtype != dtype:
                    raise DataError(
                        "ViewSet alphas differ in type from the images",
                        where="ViewSet.alphas",
                        seen=np.asarray(value).dtype,
                        expected=str(dtype),
                    )
                array = checked_array(value, f"ViewSet.{name}", shape, kind, finite=name != "depths")
                object.__setattr__(self, name, array)
        for name in ("images", "alphas"):
            value = getattr(self, name)
            if value is not None and dtype == np.float32 and value.size and (value.min() < 0 or value.max() > 1):
                raise DataError(
                    f"ViewSet {name} leave the range [0, 1]",
                    where=f"ViewSet.{name}",
                    seen=f"{value.min():g} .. {value.max():g}",
                    expected="float32 in [0, 1]",
                )
        sizes = {(c.width, c.height) for c in self.cameras}
        if len(self.cameras) != n or sizes - {(w, h)}:
            raise DataError(
                "Cameras and images of a ViewSet do not agree",
                where="ViewSet.cameras",
                seen=f"{len(self.cameras)} cameras of {sorted(sizes)}",
                expected=f"{n} cameras of {w}x{h} px",
            )
        if self.orbit is not None and self.orbit.num_views != n:
            raise DataError(
                "Orbit and images of a ViewSet do not agree",
                where="ViewSet.orbit",
                seen=f"{self.orbit.num_views} views",
                expected=f"{n} views",
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> tuple[int, int]:
        """Width, height in pixels."""
        return self.images.shape[2], self.images.shape[1]

    def rgba_u8(self) -> NDArray[np.uint8]:
        """(N, H, W, 4) uint8 straight alpha; opaque where the set has none."""
        rgb, alpha = self.rgb_and_alpha_u8()
        out = np.empty((*alpha.shape, 4), np.uint8)
        for channel in range(3):  # several times faster than rows of three beside rows of one
            out[..., channel] = rgb[..., channel]
        out[..., 3] = alpha
        return out

    def rgb_and_alpha_u8(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """(N, H, W, 3) and (N, H, W) uint8, the set's own arrays where they are bytes; opaque where it has no alpha."""
        rgb = self.images if self.images.dtype == np.uint8 else np.round(self.images * 255).astype(np.uint8)
        if self.alphas is None:
            alpha = np.full(rgb.shape[:3], 255, np.uint8)
        else:
            alpha = self.alphas if self.alphas.dtype == np.uint8 else np.round(self.alphas * 255).astype(np.uint8)
        return rgb, alpha

    def on_background(self, level: float = 1.0) -> NDArray[np.float32]:
        """(N, H, W, 3) float32 in [0, 1]: the views over a grey of `level`, mixed in sRGB as viewers do."""
        scale = np.float32(255 if self.images.dtype == np.uint8 else 1)
        rgb: NDArray[np.float32] = self.images.astype(np.float32) / scale
        if self.alphas is None:
            return rgb
        alpha = self.alphas.astype(np.float32)[..., None] / scale
        mixed: NDArray[np.float32] = rgb * alpha + np.float32(level) * (1 - alpha)
        return mixed

    def subset(self, indices: list[int]) -> ViewSet:
        """Some of the views, in the order given."""

        def pick(array: NDArray[Any] | None) -> NDArray[Any] | None:
            return None if array is None else array[indices]

        return replace(
            self,
            images=self.images[indices],
            cameras=tuple(self.cameras[i] for i in indices),
            alphas=pick(self.alphas),
            depths=pick(self.depths),
            normals=pick(self.normals),
            positions=pick(self.positions),
            albedos=pick(self.albedos),
            masks=pick(self.masks),
            orbit=None if self.orbit is None else self.orbit.subset(indices),
        )
