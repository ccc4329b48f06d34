"""A slice of BasisLZ by the specification's text, bit by bit in plain Python: the twin of the compiled loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class _Reader:
    """Bits from the lowest up; Huffman codes are walked a bit at a time through a dictionary."""

    def __init__(self, data: bytes) -> None:
        self.bits = [byte >> k & 1 for byte in data for k in range(8)]
        self.at = 0

    def bit(self) -> int:
        self.at += 1
        return self.bits[self.at - 1]

    def symbol(self, codes: dict[tuple[int, ...], int]) -> int:
        code: tuple[int, ...] = ()
        while code not in codes:
            code += (self.bit(),)
        return codes[code]

    def chunked(self, width: int) -> int:
        value, shift, more = 0, 0, 1
        while more:
            value |= sum(self.bit() << k for k in range(width)) << shift
            shift, more = shift + width, self.bit()
        return value


def codes_of(table: Any) -> dict[tuple[int, ...], int]:
    """Code bits -> symbol, from a look-up table of symbol * 32 + length by the next 16 bits."""
    rows = [(place, int(row)) for place, row in enumerate(table) if row]
    return {tuple(place >> k & 1 for k in range(row & 31)): row >> 5 for place, row in rows}


def slice_by_the_book(
    data: bytes,
    tables: Sequence[Any],
    num_endpoints: int,
    num_selectors: int,
    history_size: int,
    down: int,
    across: int,
) -> tuple[list[list[int]], list[list[int]]]:
    """Endpoint and selector of each block, rows from the top."""
    reader = _Reader(data)
    groups, steps, chosen, runs = (codes_of(table) for table in tables)
    how = [[0] * (across + 1) for _ in range(down + 1)]  # of every block: 0 left, 1 above, 2 above left, 3 coded
    endpoints, selectors = [[0] * across for _ in range(down)], [[0] * across for _ in range(down)]
    history, newest = [0] * history_size, history_size // 2
    group = repeats = run = last = 0
    for y in range(down):
        for x in range(across):
            if x % 2 == 0 and y % 2 == 0:
                if repeats:
                    repeats -= 1
                else:
                    symbol = reader.symbol(groups)
                    if symbol == 256:
                        repeats = reader.chunked(4) + 3 - 1
                    else:
                        group = symbol
                how[y][x], how[y][x + 1], how[y + 1][x], how[y + 1][x + 1] = (group >> k & 3 for k in (0, 2, 4, 6))
            if how[y][x] == 3:
                last = (last + reader.symbol(steps)) % num_endpoints
            elif how[y][x] > 0:
                last = endpoints[y - 1][x - (how[y][x] == 2)]
            endpoints[y][x] = last
            if run:
                run, symbol = run - 1, num_selectors
            else:
                symbol = reader.symbol(chosen)
                if symbol == num_selectors + history_size:
                    length = reader.symbol(runs)
                    run = (length if length < 63 else reader.chunked(7)) + 3 - 1
                    symbol = num_selectors
            if symbol < num_selectors:
                selectors[y][x] = symbol
                if history:
                    history[newest] = symbol
                    newest = newest + 1 if newest + 1 < history_size else history_size // 2
            else:
                place = symbol - num_selectors
                selectors[y][x] = history[place]
                history[place // 2], history[place] = history[place], history[place // 2]
    return endpoints, selectors
