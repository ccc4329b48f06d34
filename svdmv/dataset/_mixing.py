"""Compiled loop of the loader; imported on first use because numba is heavy."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True)
def mix_kernel(rgba: Any, colour: Any, out: Any) -> None:
    """out (N, 3) = rgba (N, 4) over a colour (3,), all uint8 sRGB, rounded to nearest."""
    for i in range(rgba.shape[0]):
        a = int(rgba[i, 3])
        if a == 255:
            out[i, 0], out[i, 1], out[i, 2] = rgba[i, 0], rgba[i, 1], rgba[i, 2]
        elif a == 0:
            out[i, 0], out[i, 1], out[i, 2] = colour[0], colour[1], colour[2]
        else:
            for c in range(3):
                out[i, c] = (int(rgba[i, c]) * a + int(colour[c]) * (255 - a) + 127) // 255
