"""Compiled loops of `qoi`; imported on first use because numba is heavy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def encode_kernel(pixels: Any, out: Any) -> int:
    """Chunks of pixels (N, 4) uint8 into out (at least 5 N bytes); how many bytes they take."""
    seen = np.zeros((64, 4), np.uint8)
    r0, g0, b0, a0 = 0, 0, 0, 255
    n, run = 0, 0
    last = pixels.shape[0] - 1
    for i in range(pixels.shape[0]):
        r, g, b, a = int(pixels[i, 0]), int(pixels[i, 1]), int(pixels[i, 2]), int(pixels[i, 3])
        if r == r0 and g == g0 and b == b0 and a == a0:
            run += 1
            if run == 62 or i == last:
                out[n] = 0xC0 | (run - 1)
                n += 1
                run = 0
            continue
        if run > 0:
            out[n] = 0xC0 | (run - 1)
            n += 1
            run = 0
        k = (r * 3 + g * 5 + b * 7 + a * 11) % 64
        if seen[k, 0] == r and seen[k, 1] == g and seen[k, 2] == b and seen[k, 3] == a:
            out[n] = k
            n += 1
        else:
            seen[k, 0], seen[k, 1], seen[k, 2], seen[k, 3] = r, g, b, a
            dr, dg, db = (r - r0 + 128) % 256 - 128, (g - g0 + 128) % 256 - 128, (b - b0 + 128) % 256 - 128
            if a != a0:
                out[n], out[n + 1], out[n + 2], out[n + 3], out[n + 4] = 0xFF, r, g, b, a
                n += 5
            elif -2 <= dr <= 1 and -2 <= dg <= 1 and -2 <= db <= 1:
                out[n] = 0x40 | (dr + 2) << 4 | (dg + 2) << 2 | (db + 2)
                n += 1
            elif -32 <= dg <= 31 and -8 <= dr - dg <= 7 and -8 <= db - dg <= 7:
                out[n] = 0x80 | (dg + 32)
                out[n + 1] = (dr - dg + 8) << 4 | (db - dg + 8)
                n += 2
            else:
                out[n], out[n + 1], out[n + 2], out[n + 3] = 0xFE, r, g, b
                n += 4
        r0, g0, b0, a0 = r, g, b, a
    return n


@njit(cache=True)
def decode_kernel(data: Any, pixels: Any) -> int:
    """Chunks (uint8) into pixels (N, 4); how many bytes were read, or -1 when they end too early."""
    seen = np.zeros((64, 4), np.uint8)
    r, g, b, a = 0, 0, 0, 255
    p, i = 0, 0
    count, size = pixels.shape[0], data.shape[0]
    while i < count:
        if p >= size:
            return -1
        tag = int(data[p])
        p += 1
        if tag >= 0xFE:
            if p + 3 + (tag & 1) > size:
                return -1
            r, g, b = int(data[p]), int(data[p + 1]), int(data[p + 2])
            p += 3
            if tag == 0xFF:
                a = int(data[p])
                p += 1
        elif tag >= 0xC0:
            for _ in range(min((tag & 63) + 1, count - i)):
                pixels[i, 0], pixels[i, 1], pixels[i, 2], pixels[i, 3] = r, g, b, a
                i += 1
            continue
        elif tag >= 0x80:
            if p >= size:
                return -1
            dg, second = (tag & 63) - 32, int(data[p])
            p += 1
            r = (r + dg + (second >> 4) - 8) & 255
            g = (g + dg) & 255
            b = (b + dg + (second & 15) - 8) & 255
        elif tag >= 0x40:
            r = (r + ((tag >> 4) & 3) - 2) & 255
            g = (g + ((tag >> 2) & 3) - 2) & 255
            b = (b + (tag & 3) - 2) & 255
        else:
            r, g, b, a = int(seen[tag, 0]), int(seen[tag, 1]), int(seen[tag, 2]), int(seen[tag, 3])
        k = (r * 3 + g * 5 + b * 7 + a * 11) % 64
        seen[k, 0], seen[k, 1], seen[k, 2], seen[k, 3] = r, g, b, a
        pixels[i, 0], pixels[i, 1], pixels[i, 2], pixels[i, 3] = r, g, b, a
        i += 1
    return p
