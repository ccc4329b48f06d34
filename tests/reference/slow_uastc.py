"""Plain decoder of UASTC LDR 4x4: a block is one long number, and what it means is read from it word by word."""

from __future__ import annotations

from svdmv.io.uastc import MODES, SEEDS, WEIGHTS, endpoint_of, partition_of


def block_by_the_book(block: bytes) -> list[list[int]]:
    """RGBA of the 16 pixels of a block, row by row. Raises ValueError: no UASTC."""
    bits = int.from_bytes(block, "little")

    def taken(count: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << count) - 1), bits >> count
        return value

    found = [row for row in MODES if bits & ((1 << row[1]) - 1) == row[0]]
    if not found:
        raise ValueError("no such mode")
    _, size, hints, kind, subsets, planes, components, weight_bits, plain, trits, quints = found[0]
    taken(size)
    if not components:
        return [[taken(8) for _ in range(4)]] * 16
    taken(hints)
    pattern = [0] * 16
    if kind >= 0:
        number = taken(4 if kind == 1 else 5)
        if number >= len(SEEDS[kind]):
            raise ValueError("no such pattern")
        pattern = [partition_of(SEEDS[kind][number], subsets, i % 4, i // 4) for i in range(16)]
    apart = None if planes == 1 else taken(2) if components > 2 else 3
    count, digits = 2 * components * subsets, []
    group, base, sizes = (5, 3, (0, 2, 4, 5, 7, 8)) if trits else (3, 5, (0, 3, 5, 7))
    for first in range(0, count if trits or quints else 0, group):
        number = taken(sizes[min(group, count - first)])
        digits += [number // base**k % base for k in range(group)]
    ends = []
    for i in range(count):
        low = taken(plain)
        ends.append(endpoint_of(low + (digits[i] << plain if digits else 0), plain, trits, quints))
    pixels = []
    for i in range(16):
        own = [WEIGHTS[weight_bits][taken(weight_bits - (pattern.index(pattern[i]) == i))] for _ in range(planes)]
        start = 2 * components * pattern[i]
        pairs = [(ends[start + 2 * c], ends[start + 2 * c + 1]) for c in range(components)]
        pairs = [pairs[0]] * 3 + [pairs[1]] if components == 2 else pairs + [(255, 255)] * (4 - components)
        shares = [own[1] if c == apart else own[0] for c in range(4)]
        pixels.append(
            [((a * 257 * (64 - w) + b * 257 * w + 32) >> 6) >> 8 for (a, b), w in zip(pairs, shares, strict=True)]
        )
    return pixels
