"""UASTC LDR 4x4 blocks, the high-quality kind of KHR_texture_basisu -> pixels.

Nineteen modes of 16 bytes for 4 x 4 pixels, each a subset of ASTC. Sources: "UASTC LDR 4x4 Texture Specification"
(Binomial); Khronos Data Format Specification 1.3, section 23 (ASTC): partition patterns 23.21, endpoints 23.13.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

# prefix code and its bits; bits of hints for other formats; kind of pattern (-1 = none); subsets; planes of weights;
# components (0 = one colour, 2 = grey and alpha); bits of a weight; bits, trits, quints of an endpoint
MODES = (
    (0x01, 4, 15, -1, 1, 1, 3, 4, 6, 1, 0),
    (0x35, 6, 15, -1, 1, 1, 3, 2, 8, 0, 0),
    (0x1D, 5, 15, 0, 2, 1, 3, 3, 4, 0, 0),
    (0x03, 5, 15, 1, 3, 1, 3, 2, 2, 1, 0),
    (0x13, 5, 15, 0, 2, 1, 3, 2, 3, 0, 1),
    (0x0B, 5, 15, -1, 1, 1, 3, 3, 8, 0, 0),
    (0x1B, 5, 15, -1, 1, 2, 3, 2, 5, 0, 1),
    (0x07, 5, 15, 2, 2, 1, 3, 2, 3, 0, 1),
    (0x17, 5, 0, -1, 1, 1, 0, 0, 0, 0, 0),
    (0x0F, 5, 23, 0, 2, 1, 4, 2, 4, 0, 0),
    (0x02, 3, 17, -1, 1, 1, 4, 4, 4, 1, 0),
    (0x00, 2, 17, -1, 1, 2, 4, 2, 4, 1, 0),
    (0x06, 3, 17, -1, 1, 1, 4, 3, 6, 1, 0),
    (0x1F, 5, 23, -1, 1, 2, 4, 1, 8, 0, 0),
    (0x0D, 5, 23, -1, 1, 1, 4, 2, 8, 0, 0),
    (0x05, 7, 23, -1, 1, 1, 2, 4, 8, 0, 0),
    (0x15, 6, 23, 0, 2, 1, 2, 2, 8, 0, 0),
    (0x25, 6, 23, -1, 1, 2, 2, 2, 8, 0, 0),
    (0x09, 4, 15, -1, 1, 1, 3, 5, 5, 0, 0),
)
# seeds of ASTC's partition patterns that modes with 2 subsets, with 3, and mode 7 number
SEEDS = (
    (28, 20, 16, 29, 91, 9, 107, 72, 149, 204, 50, 114, 496, 17, 78, 39, 252, 828, 43, 156, 116, 210, 476, 273, 684,
     359, 246, 195, 694, 524),
    (260, 74, 32, 156, 183, 15, 745, 0, 335, 902, 254),
    (36, 48, 61, 137, 161, 183, 226, 281, 302, 307, 479, 495, 593, 594, 605, 799, 812, 988, 993),
)  # fmt: skip
# trits and quints: factor, and the bits of the stored value (a = lowest) that are added, highest place first
_SPREAD = {
    (2, 1, 0): (93, "b000b0bb0"),
    (4, 1, 0): (22, "dcb000dcb"),
    (6, 1, 0): (5, "fedcb000f"),
    (3, 0, 1): (26, "cb0000cbc"),
    (5, 0, 1): (6, "edcb0000e"),
}
WEIGHTS = {
    1: (0, 64),
    2: (0, 21, 43, 64),
    3: (0, 9, 18, 27, 37, 46, 55, 64),
    4: (0, 4, 8, 12, 17, 21, 25, 29, 35, 39, 43, 47, 52, 56, 60, 64),
    5: (*range(0, 32, 2), *range(34, 66, 2)),
}


def rgba_from_uastc(data: bytes, width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 4) uint8 of the blocks of a picture, row by row. Raises ValueError: too few, or not UASTC."""
    from svdmv.io._uastc_kernels import decode_blocks

    across, down = -(-width // 4), -(-height // 4)
    if len(data) < 16 * across * down:
        raise ValueError(f"{len(data)} bytes of UASTC blocks, {16 * across * down} are needed")
    blocks = np.frombuffer(data, np.uint8, 16 * across * down).reshape(-1, 16)
    out = np.empty((len(blocks), 16, 4), np.uint8)
    wrong = decode_blocks(blocks, *_tables(), out)
    if wrong >= 0:
        raise ValueError(f"block {wrong} is not UASTC")
    picture = out.reshape(down, across, 4, 4, 4).swapaxes(1, 2).reshape(4 * down, 4 * across, 4)
    return np.ascontiguousarray(picture[:height, :width])


def partition_of(seed: int, subsets: int, x: int, y: int) -> int:
    """Subset of a pixel of a 4 x 4 block: ASTC's pattern, Data Format Specification 23.21."""
    mask = (1 << 32) - 1
    number = seed + (subsets - 1) * 1024
    p = number
    p ^= p >> 15
    p = (p - (p << 17)) & mask
    p = (p + (p << 7)) & mask
    p = (p + (p << 4)) & mask
    p ^= p >> 5
    p = (p + (p << 16)) & mask
    p ^= p >> 7
    p ^= p >> 3
    p = (p ^ (p << 6)) & mask
    p ^= p >> 17
    steps = [(p >> shift & 15) ** 2 for shift in (0, 4, 8, 12, 16, 20)]
    wide, narrow = 6 if subsets == 3 else 5, 4 if number & 2 else 5
    shifts = (narrow, wide) if number & 1 else (wide, narrow)
    steps = [step >> shifts[i % 2] for i, step in enumerate(steps)]
    sums = [(2 * steps[2 * k] * x + 2 * steps[2 * k + 1] * y + (p >> (14 - 4 * k))) & 63 for k in range(3)]
    a, b, c = sums[0], sums[1], sums[2] if subsets == 3 else 0
    return 0 if a >= b and a >= c else 1 if b >= c else 2


def endpoint_of(stored: int, bits: int, trits: int, quints: int) -> int:
    """The byte of a stored endpoint: ASTC's unquantisation, Data Format Specification 23.13."""
    if not trits and not quints:
        return stored if bits == 8 else (stored << (8 - bits)) | (stored >> (2 * bits - 8))
    factor, places = _SPREAD[bits, trits, quints]
    added = int("".join("0" if c == "0" else str(stored >> (ord(c) - ord("a")) & 1) for c in places), 2)
    flip = 511 if stored & 1 else 0
    value = (((stored >> bits) * factor + added) ^ flip) & 511
    return (flip & 0x80) | (value >> 2)


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[Any], ...]:
    """What decode_blocks takes, from the tables above."""
    mode_of = np.full(128, -1, np.int64)
    rows = np.array([row[1:] for row in MODES], np.int64)
    endpoints, weights = np.zeros((len(MODES), 256), np.int64), np.zeros((6, 32), np.int64)
    for mode, (code, size, *_, bits, trits, quints) in enumerate(MODES):
        mode_of[code :: 1 << size] = mode
        for stored in range((1 + 2 * trits + 4 * quints) << bits if bits else 0):
            endpoints[mode, stored] = endpoint_of(stored, bits, trits, quints)
    for size, row in WEIGHTS.items():
        weights[size, : len(row)] = row
    patterns, anchors = np.zeros((3, 32, 16), np.int64), np.zeros((3, 32, 3), np.int64)
    for kind, seeds in enumerate(SEEDS):
        for n, seed in enumerate(seeds):
            subsets = 3 if kind == 1 else 2
            pattern = [partition_of(seed, subsets, i % 4, i // 4) for i in range(16)]
            patterns[kind, n], anchors[kind, n, :subsets] = pattern, [pattern.index(s) for s in range(subsets)]
    return mode_of, rows, patterns, np.array([len(s) for s in SEEDS]), anchors, endpoints, weights
