"""BasisLZ: the supercompressed ETC1S blocks of a KTX2 picture -> pixels.

Source: KTX 2.0 specification, appendices "BasisLZ Global Data" and "BasisLZ/ETC1S Bitstream Specification"; ETC1's
intensity table: Khronos Data Format Specification 1.3, section 21.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LENGTH_ORDER = (17, 18, 19, 20, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15, 16)
_INTENSITIES = np.array([(2, 8), (5, 17), (9, 29), (13, 42), (18, 60), (24, 80), (33, 106), (47, 183)])
_LOOK_AHEAD = 8  # zero bytes behind a section, so that a code may be looked up past its end


@dataclass(frozen=True, eq=False)
class Codebook:
    """What all pictures of a file share.

    Attributes:
        colors: (E, 4, 3) uint8: the four colours of each endpoint.
        selectors: (S, 16) uint8 in 0 .. 3: which of the four each texel of a block takes, rows from the top.
        tables: (4, 65536) int32 Huffman tables of slices.
        history_size: entries of the selector history.
    """

    colors: NDArray[np.uint8]
    selectors: NDArray[np.uint8]
    tables: NDArray[np.int32]
    history_size: int


class _Bits:
    """Bits of a section from the lowest up."""

    def __init__(self, data: bytes) -> None:
        self._data, self._end, self._at = data + bytes(_LOOK_AHEAD), 8 * len(data), 0

    def _peek(self) -> int:
        byte = self._at >> 3
        return int.from_bytes(self._data[byte : byte + 4], "little") >> (self._at & 7)

    def _skip(self, count: int) -> None:
        self._at += count
        if self._at > self._end:
            raise ValueError("a section ends early")

    def take(self, count: int) -> int:
        """The next `count` bits, at most 16."""
        value = self._peek() & ((1 << count) - 1)
        self._skip(count)
        return value

    def symbol(self, table: NDArray[np.int32]) -> int:
        """The next Huffman symbol."""
        row = int(table[self._peek() & 0xFFFF])
        if not row:
            raise ValueError("a code that is not in its table")
        self._skip(row & 31)
        return row >> 5

    def table(self) -> NDArray[np.int32]:
        """A stored Huffman table: (65536,) int32, symbol * 32 + length by the next 16 bits, 0 = no such code."""
        total, listed = self.take(14), self.take(5)
        if not total:
            return np.zeros(65536, np.int32)
        if not 1 <= listed <= len(_LENGTH_ORDER):
            raise ValueError("a damaged Huffman table")
        sizes = [0] * len(_LENGTH_ORDER)
        for place in _LENGTH_ORDER[:listed]:
            sizes[place] = self.take(3)
        inner, lengths = _lookup(sizes), list[int]()
        while len(lengths) < total:
            symbol = self.symbol(inner)
            if symbol <= 16:
                lengths.append(symbol)
            elif symbol in (17, 18):
                lengths += [0] * (self.take(3) + 3 if symbol == 17 else self.take(7) + 11)
            elif lengths and lengths[-1]:
                lengths += lengths[-1:] * (self.take(2) + 3 if symbol == 19 else self.take(7) + 7)
            else:
                raise ValueError("a damaged Huffman table")
        if len(lengths) != total:
            raise ValueError("a damaged Huffman table")
        return _lookup(lengths)


def _lookup(lengths: list[int]) -> NDArray[np.int32]:
    """The look-up table of canonical codes (RFC 1951, 3.2.2) of these lengths, by bits in the order of reading."""
    table, code = np.zeros(65536, np.int32), 0
    for length in range(1, 17):
        code <<= 1
        for symbol, own in enumerate(lengths):
            if own == length:
                if code >> length:
                    raise ValueError("a Huffman table with too many codes")
                first = int(f"{code:0{length}b}"[::-1], 2)
                table[first :: 1 << length] = symbol * 32 + length
                code += 1
    return table


def codebook_from_bytes(data: bytes) -> Codebook:
    """The codebook in a file's global data. Raises ValueError."""
    num_endpoints, num_selectors, *lengths = struct.unpack_from("<HHIIII", data)
    start = len(data) - sum(lengths)
    if start < 20:
        raise ValueError("the global data is cut off")
    ends = start + np.cumsum(lengths)
    endpoint_data, selector_data, table_data = (data[e - n : e] for e, n in zip(ends[:3], lengths[:3], strict=True))
    bits = _Bits(table_data)
    tables = np.stack([bits.table() for _ in range(4)])
    return Codebook(
        _colors(_Bits(endpoint_data), num_endpoints),
        _selectors(_Bits(selector_data), num_selectors),
        tables,
        bits.take(13),
    )


def _colors(bits: _Bits, count: int) -> NDArray[np.uint8]:
    steps = [bits.table() for _ in range(3)]
    intensity_steps = bits.table()
    channels = 1 if bits.take(1) else 3
    colour, intensity = [16] * channels, 0
    rows = np.zeros((count, 4), np.int64)
    for row in rows:
        intensity = (intensity + bits.symbol(intensity_steps)) & 7
        for c, value in enumerate(colour):
            colour[c] = (value + bits.symbol(steps[0 if value < 10 else 1 if value < 22 else 2])) & 31
        row[:3], row[3] = colour, intensity
    base = (rows[:, :3] << 3) | (rows[:, :3] >> 2)
    small, large = _INTENSITIES[rows[:, 3]].T
    steps_of_selector = np.stack([-large, -small, small, large], 1)
    return np.asarray(np.clip(base[:, None] + steps_of_selector[..., None], 0, 255), np.uint8)


def _selectors(bits: _Bits, count: int) -> NDArray[np.uint8]:
    if bits.take(2):
        raise ValueError("selectors of an unknown kind")
    plain = bits.take(1)
    steps = None if plain else bits.table()
    rows = np.zeros((count, 4), np.uint8)
    for i in range(count):
        for j in range(4):
            if steps is None or i == 0:
                rows[i, j] = bits.take(8)
            else:
                rows[i, j] = rows[i - 1, j] ^ bits.symbol(steps)
    return np.asarray((rows[:, :, None] >> np.array([0, 2, 4, 6])) & 3, np.uint8).reshape(count, 16)


def rgb_from_slice(data: bytes, book: Codebook, width: int, height: int) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 of one slice. Raises ValueError."""
    from svdmv.io._etc1s_kernels import decode_slice

    blocks = ((height + 3) // 4, (width + 3) // 4)
    endpoints, selectors = np.zeros(blocks, np.int32), np.zeros(blocks, np.int32)
    padded = np.frombuffer(data + bytes(_LOOK_AHEAD), np.uint8)
    sizes = (len(book.colors), len(book.selectors), book.history_size)
    if not decode_slice(padded, book.tables, *sizes, endpoints, selectors):
        raise ValueError("a slice is damaged")
    texels = book.colors[endpoints[..., None], book.selectors[selectors]]  # (down, across, 16, 3)
    rows = texels.reshape(*blocks, 4, 4, 3).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(rows.reshape(4 * blocks[0], 4 * blocks[1], 3)[:height, :width])
