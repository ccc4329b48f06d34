"""The visual hull as a signed field on a lattice: how far a point is outside the silhouettes, or inside all of them.

Source: A. Laurentini, The visual hull concept for silhouette-based image understanding, PAMI 16(2), 1994.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera
from svdmv.geometry.cameras import focal_lengths_px, projection_matrices

Float32Array = NDArray[np.float32]


@dataclass(frozen=True)
class Lattice:
    """A box of equal cubic cells.

    Attributes:
        low: (3,) world position of the first lattice point.
        step: distance of neighbouring points, world units.
        shape: number of points along X, Y, Z.
    """

    low: tuple[float, float, float]
    step: float
    shape: tuple[int, int, int]

    @classmethod
    def around(cls, low: NDArray[np.floating], high: NDArray[np.floating], resolution: int, margin: int = 3) -> Lattice:
        """The lattice whose longest side has `resolution` points and that leaves `margin` steps free on each side."""
        size = np.asarray(high, np.float64) - np.asarray(low, np.float64)
        step = float(size.max()) / (resolution - 1 - 2 * margin)
        counts = np.ceil(size / step - 1e-9).astype(int) + 1 + 2 * margin
        start = (np.asarray(low, np.float64) + np.asarray(high, np.float64)) / 2 - step * (counts - 1) / 2
        return cls(
            (float(start[0]), float(start[1]), float(start[2])), step, (int(counts[0]), int(counts[1]), int(counts[2]))
        )

    def points(self) -> NDArray[np.float64]:
        """(nx, ny, nz, 3) float64 world positions."""
        axes = [self.low[a] + self.step * np.arange(self.shape[a]) for a in range(3)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def dissent_field(
    distances: Float32Array,
    cameras: Sequence[Camera],
    lattice: Lattice,
    *,
    ranks: int = 1,
    always: NDArray[np.bool_] | None = None,
    todo: NDArray[np.bool_] | None = None,
    out: Float32Array | None = None,
) -> Float32Array:
    """For each lattice point the `ranks` largest distances to the silhouettes over the views, largest first.

    Rank 0 is the visual hull (negative where all views see the point inside their mask); rank k is the hull when the k
    views that dissent most at that very point are not listened to.

    Args:
        distances: (N, H, W) float32 signed mask distances in pixels, negative inside.
        cameras: N cameras of W x H pixels.
        ranks: how many ranks to keep.
        always: (N,) views that are always listened to; None = none.
        todo: lattice points to compute; None = all. Others keep their value in `out`.
        out: (nx, ny, nz, ranks) float32 to write into.

    Returns:
        (nx, ny, nz, ranks) float32, world units. A point behind a camera, or outside its picture where the mask is cut
        by the frame, is not carved by that view.
    """
    from svdmv.geometry._field_kernels import dissent_kernel

    if out is None:
        out = np.zeros((*lattice.shape, ranks), np.float32)
    if todo is None:
        todo = np.ones(lattice.shape, np.bool_)
    if always is None:
        always = np.zeros(len(cameras), np.bool_)
    far = -lattice.step * float(max(lattice.shape))
    dissent_kernel(
        out,
        todo,
        np.array(lattice.low, np.float64),
        lattice.step,
        np.array(distances, np.float32),
        projection_matrices(cameras),
        focal_lengths_px(cameras),
        np.array(always, np.bool_),
        far,
    )
    return out


def hull_field(
    distances: Float32Array,
    cameras: Sequence[Camera],
    lattice: Lattice,
    *,
    drop: int = 0,
    always: NDArray[np.bool_] | None = None,
    coarse: int = 2,
) -> Float32Array:
    """The hull on a lattice, dropping the `drop` views that dissent most at each point; fine only near the surface.

    Args as in `dissent_field`; `coarse` is the step of the first pass in lattice steps.

    Returns:
        (nx, ny, nz) float32, world units, negative inside.
    """
    from svdmv.geometry._field_kernels import resample_kernel

    shape = tuple((n - 2) // coarse + 2 for n in lattice.shape)
    rough = Lattice(lattice.low, lattice.step * coarse, (shape[0], shape[1], shape[2]))
    first = dissent_field(distances, cameras, rough, ranks=drop + 1, always=always)[..., drop]
    out = np.zeros((*lattice.shape, drop + 1), np.float32)
    spread = np.empty(lattice.shape, np.float32)
    resample_kernel(np.ascontiguousarray(first), spread, 1.0 / coarse)
    out[..., drop] = spread
    near = np.abs(spread) < 2.0 * coarse * lattice.step
    dissent_field(distances, cameras, lattice, ranks=drop + 1, always=always, todo=near, out=out)
    return np.ascontiguousarray(out[..., drop])


def denoised_field(field: Float32Array, sigma: float = 0.8) -> Float32Array:
    """Voxel noise removed without shrinking: G + (G - GG) with G a Gaussian of `sigma` voxels."""
    from scipy.ndimage import gaussian_filter

    once = gaussian_filter(field, sigma, mode="nearest")
    smooth: Float32Array = 2 * once - gaussian_filter(once, sigma, mode="nearest")
    return smooth


def redistanced(field: Float32Array, step: float, reach: float = np.inf) -> Float32Array:
    """The signed distance to the field's zero level, world units; values beyond `reach` stay as they are.

    Args:
        field: (nx, ny, nz) float32, any smooth function with the right sign.
        step: of the lattice, world units.
    """
    from svdmv.geometry._distance_kernels import redistance_kernel

    out = np.empty_like(field)
    redistance_kernel(np.ascontiguousarray(field), step, min(reach, 1e3 * step), out)
    return out


def resampled(values: Float32Array, lattice: Lattice, other: Lattice) -> Float32Array:
    """Values (nx, ny, nz, C) of `lattice` on the points of `other`: trilinear, clamped at the border."""
    from svdmv.geometry._distance_kernels import shifted_kernel

    start = (np.array(other.low) - np.array(lattice.low)) / lattice.step
    out = np.empty((*other.shape, values.shape[3]), np.float32)
    shifted_kernel(np.ascontiguousarray(values, np.float32), start, other.step / lattice.step, out)
    return out
