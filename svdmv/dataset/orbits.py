"""An orbit store: a folder of uint8 orbits in one memory-mapped array with its index.

orbits.npy    (N, V, S, S, 4) uint8 sRGB, straight alpha; view 0 first, counter-clockwise
index.json    one row an orbit: object id, elevation, source, licence, attribution; the rendering rule; the ledger
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import DataError


@dataclass(frozen=True)
class OrbitStore:
    """Rendered orbits. images: (N, V, S, S, 4) uint8; elevations_deg: (N,) float64; ids: object of each orbit."""

    images: NDArray[np.uint8]
    elevations_deg: NDArray[np.float64]
    ids: tuple[str, ...]
    index: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> OrbitStore:
        """Memory-mapped; raises DataError when index and array disagree."""
        try:
            index = json.loads((folder / "index.json").read_text("utf-8"))
            rows = index["orbits"]
            images = np.load(folder / "orbits.npy", mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                "The orbit store cannot be read",
                where=folder,
                seen=error,
                expected="orbits.npy and index.json",
                next_step="scripts/train_mini",
            ) from error
        if images.ndim != 5 or images.shape[-1] != 4 or images.dtype != np.uint8 or len(rows) != len(images):
            raise DataError(
                "Index and pictures of the orbit store disagree",
                where=folder,
                seen=f"{images.shape} {images.dtype}, {len(rows)} rows",
                expected="(N, V, S, S, 4) uint8",
            )
        elevations = np.array([row["elevation_deg"] for row in rows], np.float64)
        return cls(images, elevations, tuple(row["id"] for row in rows), index)

    def __len__(self) -> int:
        return len(self.images)

    def split(self, validation_share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Train and validation orbits, split by hash of the object's id: an object is never on both sides."""
        import hashlib

        marks = [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32 for name in self.ids]
        held = np.array([mark < validation_share for mark in marks])
        return np.nonzero(~held)[0], np.nonzero(held)[0]


def pixels_from_rgba(rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(..., 4, H, W) float32 in [-1, 1]: colour over white, alpha as fourth channel; from (..., H, W, 4) uint8."""
    values = rgba.astype(np.float32) / 255
    alpha = values[..., 3:]
    joined = np.concatenate([values[..., :3] * alpha + (1 - alpha), alpha], -1) * 2 - 1
    return np.ascontiguousarray(np.moveaxis(joined, -1, -3))
