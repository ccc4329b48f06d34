"""3D Gaussians <-> the PLY that 3D Gaussian Splatting's programs and viewers share.

In the file: x y z, nx ny nz (zeros), f_dc_0..2, f_rest_* (all of red, then green, then blue), opacity before its
sigmoid, scale_0..2 as logarithms, rot_0..3 as a quaternion w x y z; little-endian float32. World as it is: no turn.

Source: B. Kerbl et al., 3D Gaussian Splatting for Real-Time Radiance Field Rendering, TOG 42(4), 2023.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import DataError

SH_ZERO = 0.28209479177387814  # the constant harmonic: colour = 0.5 + SH_ZERO * f_dc
_MOST_CERTAIN = 1e-6


@dataclass(frozen=True, eq=False)
class Splats:
    """G Gaussians.

    Attributes:
        means: (G, 3) float32 world units.
        rotations: (G, 4) float32 unit quaternions w, x, y, z.
        scales: (G, 3) float32 standard deviations along the turned axes, world units, positive.
        opacities: (G,) float32 in (0, 1).
        harmonics: (G, K, 3) float32 coefficients of real spherical harmonics, K = 1, 4, 9 or 16, for red, green, blue.

    Raises:
        DataError: shapes do not agree, a value is not finite, or a scale is not positive.
    """

    means: NDArray[np.float32]
    rotations: NDArray[np.float32]
    scales: NDArray[np.float32]
    opacities: NDArray[np.float32]
    harmonics: NDArray[np.float32]

    def __post_init__(self) -> None:
        count = len(self.means)
        shapes = {"means": (count, 3), "rotations": (count, 4), "scales": (count, 3), "opacities": (count,)}
        for name, shape in {**shapes, "harmonics": (count, *self.harmonics.shape[1:])}.items():
            value = np.ascontiguousarray(getattr(self, name), np.float32)
            if value.shape != shape or not np.isfinite(value).all():
                raise DataError("Splats do not agree", where=f"Splats.{name}", seen=value.shape, expected=str(shape))
            object.__setattr__(self, name, value)
        if self.harmonics.ndim != 3 or self.harmonics.shape[1] not in (1, 4, 9, 16) or self.harmonics.shape[2] != 3:
            raise DataError(
                "Splats do not agree", where="Splats.harmonics", seen=self.harmonics.shape, expected="(G, K, 3)"
            )
        if count and not (self.scales > 0).all():
            raise DataError("Splats have no extent", where="Splats.scales", seen=self.scales.min(), expected="> 0")


def splat_ply(splats: Splats) -> bytes:
    """The whole file."""
    rest = splats.harmonics.shape[1] - 1
    columns = [*"xyz", "nx", "ny", "nz", *(f"f_dc_{i}" for i in range(3)), *(f"f_rest_{i}" for i in range(3 * rest))]
    columns += ["opacity", *(f"scale_{i}" for i in range(3)), *(f"rot_{i}" for i in range(4))]
    certain = np.clip(splats.opacities.astype(np.float64), _MOST_CERTAIN, 1 - _MOST_CERTAIN)
    count = len(splats.means)
    rows = np.concatenate(
        [
            splats.means,
            np.zeros((count, 3)),
            splats.harmonics[:, 0],
            splats.harmonics[:, 1:].transpose(0, 2, 1).reshape(count, 3 * rest),
            np.log(certain / (1 - certain))[:, None],
            np.log(splats.scales.astype(np.float64)),
            splats.rotations,
        ],
        1,
    ).astype("<f4")
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {count}"]
    header += [f"property float {name}" for name in columns]
    return ("\n".join([*header, "end_header"]) + "\n").encode() + rows.tobytes()


def splats_from_ply(data: bytes, where: object = "splats") -> Splats:
    """The Gaussians of a file in this layout, properties in any order.

    Raises:
        DataError: the file is no little-endian PLY of floats, is cut short, or lacks a property.
    """
    head, _, body = data.partition(b"end_header\n")
    lines = head.decode("ascii", "replace").splitlines()
    try:
        if lines[0] != "ply" or "format binary_little_endian 1.0" not in lines:
            raise ValueError("no little-endian PLY")
        (count,) = (int(line.split()[2]) for line in lines if line.startswith("element vertex "))
        words = [line.split() for line in lines if line.startswith("property ")]
        if any(kind not in ("float", "float32") for _, kind, *_ in words):
            raise ValueError("properties other than float")
        names = [name for _, _, name in words]
        table = np.frombuffer(body, "<f4", count * len(names)).reshape(count, len(names))
        at = {name: table[:, i].astype(np.float64) for i, name in enumerate(names)}
        rest = sum(name.startswith("f_rest_") for name in names)
        blocks = [np.stack([at[f"f_rest_{i}"] for i in range(rest)], 1)] if rest else [np.zeros((count, 0))]
        higher = blocks[0].reshape(count, 3, rest // 3).transpose(0, 2, 1)
        first = np.stack([at[f"f_dc_{i}"] for i in range(3)], 1)[:, None]
        turns = np.stack([at[f"rot_{i}"] for i in range(4)], 1)
        return Splats(
            np.stack([at[name] for name in "xyz"], 1).astype(np.float32),
            (turns / np.maximum(np.linalg.norm(turns, axis=1, keepdims=True), 1e-12)).astype(np.float32),
            np.exp(np.stack([at[f"scale_{i}"] for i in range(3)], 1)).astype(np.float32),
            (1 / (1 + np.exp(-at["opacity"]))).astype(np.float32),
            np.concatenate([first, higher], 1).astype(np.float32),
        )
    except (ValueError, IndexError, KeyError) as error:
        raise DataError(
            "The file holds no splats",
            where=where,
            seen=f"{type(error).__name__}: {error}",
            expected="a PLY as 3D Gaussian Splatting writes it",
        ) from error
