"""sRGB <-> linear light (IEC 61966-2-1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def linear_from_srgb(values: NDArray[Any]) -> NDArray[np.float64]:
    """Linear light in [0, 1] of sRGB-encoded values in [0, 1] of any shape."""
    v = np.asarray(values, np.float64)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def srgb_from_linear(values: NDArray[Any]) -> NDArray[np.float64]:
    """sRGB-encoded values in [0, 1] of linear light of any shape, clipped to [0, 1]."""
    v = np.clip(np.asarray(values, np.float64), 0.0, 1.0)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def srgb_u8_from_linear(values: NDArray[Any]) -> NDArray[np.uint8]:
    """uint8 sRGB of linear light of any shape, rounded."""
    return np.round(srgb_from_linear(values) * 255.0).astype(np.uint8)
