"""QOI by its specification, a pixel at a time in plain Python: the twin of the compiled coder."""

from __future__ import annotations


def pixels_by_the_book(data: bytes, count: int) -> list[tuple[int, int, int, int]]:
    """The first `count` pixels of a .qoi file, as the specification's list of chunks says."""
    seen, pixel, out, p = [(0, 0, 0, 0)] * 64, (0, 0, 0, 255), list[tuple[int, int, int, int]](), 14
    while len(out) < count:
        tag, p, run = data[p], p + 1, 1
        r, g, b, a = pixel
        if tag == 0b11111110:
            pixel, p = (*data[p : p + 3], a), p + 3
        elif tag == 0b11111111:
            pixel, p = tuple(data[p : p + 4]), p + 4
        elif tag >> 6 == 0b00:
            pixel = seen[tag]
        elif tag >> 6 == 0b01:
            pixel = ((r + (tag >> 4 & 3) - 2) % 256, (g + (tag >> 2 & 3) - 2) % 256, (b + (tag & 3) - 2) % 256, a)
        elif tag >> 6 == 0b10:
            green, second, p = (tag & 63) - 32, data[p], p + 1
            red, blue = green - 8 + (second >> 4), green - 8 + (second & 15)
            pixel = ((r + red) % 256, (g + green) % 256, (b + blue) % 256, a)
        else:
            run = (tag & 63) + 1
        r, g, b, a = pixel
        seen[(r * 3 + g * 5 + b * 7 + a * 11) % 64] = pixel
        out += [pixel] * run
    return out[:count]
