"""The one hot loop of BasisLZ: a slice's bits -> which endpoint and which selector each 4x4 block uses.

Source: KTX 2.0 specification, appendix "BasisLZ/ETC1S Bitstream Specification", slice block decoding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_REPEAT_LAST = 256  # the symbol behind all 4^4 combinations of four blocks' predictions
_LEAST_REPEAT = 3
_LONGEST_SYMBOL_RUN = 63


@njit
def _symbol(data: Any, at: int, table: Any) -> tuple[int, int]:
    """The Huffman symbol at bit `at` and the place behind it; place -1 for a code that is not in the table. A table
    row is symbol * 32 + length, by the next 16 bits."""
    byte = at >> 3
    if byte + 3 > len(data):
        return 0, -1
    bits = (np.int64(data[byte]) | np.int64(data[byte + 1]) << 8 | np.int64(data[byte + 2]) << 16) >> (at & 7)
    row = table[bits & 0xFFFF]
    if row == 0:
        return 0, -1
    return row >> 5, at + (row & 31)


@njit
def _chunked(data: Any, at: int, width: int) -> tuple[int, int]:
    """A number in pieces of `width` bits, each behind the last and followed by a bit that says whether more come."""
    value: Any = 0
    shift = 0
    while shift < 32:
        byte = at >> 3
        if byte + 2 > len(data):
            return 0, -1
        piece = (np.int64(data[byte]) | np.int64(data[byte + 1]) << 8) >> (at & 7)
        at += width + 1
        value |= (piece & ((1 << width) - 1)) << shift
        shift += width
        if not (piece >> width) & 1:
            break
    return value, at


@njit(cache=True)
def decode_slice(
    data: Any, tables: Any, num_endpoints: int, num_selectors: int, history_size: int, endpoints: Any, selectors: Any
) -> bool:
    """Fill endpoints and selectors (blocks down, blocks across) int32; False when the bits are damaged.

    data (N,) uint8 with zeros behind its end; tables (4, 65536) int32: endpoint prediction, endpoint step, selector,
    run of the selector history.
    """
    down, across = endpoints.shape
    history = np.zeros(max(history_size, 1), np.int64)
    newest = history_size // 2
    kept = np.zeros((across + 1) // 2, np.int64)  # predictions of an even row's groups for the row below
    at, predictions, last_predictions, repeats, run = 0, 0, 0, 0, 0
    last: Any = 0
    endpoint: Any
    for y in range(down):
        for x in range(across):
            if x % 2 == 0:
                if y % 2:
                    predictions = kept[x // 2]
                else:
                    if repeats:
                        repeats -= 1
                        predictions = last_predictions
                    else:
                        predictions, at = _symbol(data, at, tables[0])
                        if at < 0:
                            return False
                        if predictions == _REPEAT_LAST:
                            repeats, at = _chunked(data, at, 4)
                            if at < 0:
                                return False
                            repeats += _LEAST_REPEAT - 1
                            predictions = last_predictions
                        else:
                            last_predictions = predictions
                    kept[x // 2] = predictions >> 4
            how = predictions & 3
            predictions >>= 2
            if (how == 0 and x == 0) or (how == 1 and y == 0) or (how == 2 and (x == 0 or y == 0)):
                return False
            if how == 0:
                endpoint = last
            elif how == 1:
                endpoint = np.int64(endpoints[y - 1, x])
            elif how == 2:
                endpoint = np.int64(endpoints[y - 1, x - 1])
            else:
                step, at = _symbol(data, at, tables[1])
                if at < 0:
                    return False
                endpoint = last + step
                if endpoint >= num_endpoints:
                    endpoint -= num_endpoints
            last = endpoint
            if run:
                run -= 1
                symbol = num_selectors
            else:
                symbol, at = _symbol(data, at, tables[2])
                if at < 0:
                    return False
                if symbol == num_selectors + history_size:
                    run, at = _symbol(data, at, tables[3])
                    if at < 0:
                        return False
                    if run == _LONGEST_SYMBOL_RUN:
                        run, at = _chunked(data, at, 7)
                        if at < 0:
                            return False
                    run += 3 - 1
                    symbol = num_selectors
            if symbol < num_selectors:
                selector = symbol
                if history_size:
                    history[newest] = selector
                    newest += 1
                    if newest == history_size:
                        newest = history_size // 2
            else:
                place = symbol - num_selectors
                if place >= history_size:
                    return False
                selector = history[place]
                if place:
                    history[place] = history[place // 2]
                    history[place // 2] = selector
            if endpoint >= num_endpoints or selector >= num_selectors:
                return False
            endpoints[y, x], selectors[y, x] = endpoint, selector
    return True
