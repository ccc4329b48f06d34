"""Compiled loop of UASTC LDR 4x4: blocks of 16 bytes to 16 pixels.

Imported inside functions only: numba is heavy.
"""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(forceinline=True)
def _bits(block: Any, at: int, count: int) -> int:
    """`count` bits of a block from bit `at` on, the lowest first; what lies behind its end counts as 0."""
    value = 0
    for i in range(min(count, 128 - at)):
        value |= (block[(at + i) >> 3] >> ((at + i) & 7) & 1) << i
    return value


@njit(cache=True, nogil=True)
def decode_blocks(
    blocks: Any, mode_of: Any, modes: Any, patterns: Any, num_patterns: Any, anchors: Any, endpoints: Any, weights: Any,
    out: Any,
) -> int:  # fmt: skip
    """Pixels (N, 16, 4) uint8 of blocks (N, 16) uint8; returns the first block that is none, or -1.

    mode_of: (128,) mode by the first 7 bits, -1 = none. modes: (19, 10) rows as uastc.MODES. patterns: (3, 32, 16)
    subset of each pixel by kind and number; num_patterns (3,); anchors (3, 32, 3) the first pixel of each subset.
    endpoints: (19, 256) stored value to byte. weights: (6, 32) by their bits.
    """
    stored, packs, chosen = [0] * 18, [0] * 6, [0] * 2
    low, high = [[0] * 4 for _ in range(3)], [[0] * 4 for _ in range(3)]
    for n in range(blocks.shape[0]):
        block = blocks[n]
        mode = mode_of[block[0] & 127]
        if mode < 0:
            return n
        at, hints, kind, subsets, planes, components, weight_bits, plain, trits, quints = modes[mode]
        if components == 0:
            for c in range(4):
                value = _bits(block, at + 8 * c, 8)
                for i in range(16):
                    out[n, i, c] = value
            continue
        at += hints
        pattern = 0
        if kind >= 0:
            size = 4 if kind == 1 else 5
            pattern = _bits(block, at, size)
            at += size
            if pattern >= num_patterns[kind]:
                return n
        second = 3  # the component that the second plane of weights is for
        if planes == 2 and components > 2:
            second = _bits(block, at, 2)
            at += 2
        count = 2 * components * subsets
        bundle = 5 if trits else 3
        if trits or quints:
            num_packs = (count + bundle - 1) // bundle
            for i in range(num_packs):
                left = min(count - i * bundle, bundle)
                size = (8 * left + 4) // 5 if trits else (7 * left + 2) // 3
                packs[i] = _bits(block, at, size)
                at += size
        for i in range(count):
            value = _bits(block, at, plain)
            at += plain
            if trits or quints:
                base = 3 if trits else 5
                value |= packs[i // bundle] % base << plain
                packs[i // bundle] //= base
            stored[i] = endpoints[mode, value]
        for s in range(subsets):
            for c in range(4):
                place = 2 * (s * components + (c if components > 2 else 0 if c < 3 else 1))
                there = c < components or components == 2
                low[s][c] = stored[place] if there else 255
                high[s][c] = stored[place + 1] if there else 255
        for i in range(16):
            s = patterns[kind, pattern, i] if kind >= 0 else 0
            first = i == 0 if kind < 0 else i == anchors[kind, pattern, s]
            size = weight_bits - 1 if first else weight_bits
            for p in range(planes):
                chosen[p] = weights[weight_bits, _bits(block, at, size)]
                at += size
            for c in range(4):
                w = chosen[1] if planes == 2 and c == second else chosen[0]
                out[n, i, c] = (low[s][c] * 257 * (64 - w) + high[s][c] * 257 * w + 32) >> 14
    return -1
