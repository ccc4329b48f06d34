"""Decoders of the EXT_meshopt_compression bitstreams, compiled. Every read is checked: -1 comes back where data ends
early or names something that is not there, else the number of bytes read.

Source: EXT_meshopt_compression and KHR_meshopt_compression (Khronos glTF registry), appendix A: modes 0 (attributes),
1 (triangles), 2 (indices).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_GROUP = 16  # elements whose byte deltas share one width
_BLOCK_BYTES, _BLOCK_ELEMENTS = 8192, 256
_FIFO = 16


@njit(cache=True)
def decode_attributes(data: Any, stride: int, out: Any) -> int:
    """Mode 0, versions 0 and 1. data (N,) uint8 with header and tail; out (count, stride) uint8 is filled."""
    if len(data) == 0 or data[0] not in (0xA0, 0xA1):
        return -1
    version = data[0] & 1
    tail = max(stride + stride // 4, 24) if version else max(stride, 32)
    end = len(data) - tail
    if end < 1:
        return -1
    count = out.shape[0]
    modes = np.zeros(stride // 4, np.uint8)
    if version:
        modes[:] = data[len(data) - stride // 4 :]
        if not _modes_are_known(modes):
            return -1
    previous = data[len(data) - stride - version * (stride // 4) :][:stride].copy()
    most = min((_BLOCK_BYTES // stride) & ~(_GROUP - 1), _BLOCK_ELEMENTS)
    codes = np.zeros((most, stride), np.uint8)
    at = 1
    for first in range(0, count, most):
        size = min(count - first, most)
        controls = at
        at += version * (stride // 4)
        if at > end:
            return -1
        for k in range(stride):
            control = (data[controls + k // 4] >> (k % 4 * 2)) & 3 if version else -1
            at = _read_codes(data, at, end, control, size, codes[:, k])
            if at < 0:
                return -1
        for channel in range(stride // 4):
            _add_deltas(codes[:size], 4 * channel, modes[channel], previous, out[first : first + size])
    return at + tail if at == end else -1


@njit
def _modes_are_known(modes: Any) -> bool:
    known = True
    for mode in modes:
        known = known and (mode < 2 or mode & 15 == 2)
    return known


@njit
def _read_codes(data: Any, at: int, end: int, control: int, size: int, codes: Any) -> int:
    """The codes of one byte position of a block. control: -1 in version 0, else the width set: 0 = 0 1 2 4 bits,
    1 = 1 2 4 8 bits, 2 = all zero, 3 = plain bytes. Returns the place behind them."""
    if control == 2:
        codes[:size] = 0
        return at
    if control == 3:
        if at + size > end:
            return -1
        codes[:size] = data[at : at + size]
        return at + size
    groups = (size + _GROUP - 1) // _GROUP
    header = at
    at += (groups + 3) // 4
    if at > end:
        return -1
    deltas = np.zeros(_GROUP, np.uint8)
    for g in range(groups):
        mode = (data[header + g // 4] >> (g % 4 * 2)) & 3
        if control == -1:
            bits = (1 << mode) if mode else 0
        else:
            bits = (1 << (mode + control - 1)) if mode + control else 0
        at = _read_group(data, at, end, bits, deltas)
        if at < 0:
            return -1
        for i in range(min(_GROUP, size - g * _GROUP)):
            codes[g * _GROUP + i] = deltas[i]
    return at


@njit
def _read_group(data: Any, at: int, end: int, bits: int, deltas: Any) -> int:
    """16 codes of 0, 1, 2, 4 or 8 bits; the highest code of 1, 2 and 4 bits says "a whole byte follows". Returns the
    place behind them."""
    if bits == 0:
        deltas[:] = 0
        return at
    if bits == 8:
        if at + _GROUP > end:
            return -1
        deltas[:] = data[at : at + _GROUP]
        return at + _GROUP
    sentinel, per_byte = (1 << bits) - 1, 8 // bits
    extra = at + _GROUP // per_byte
    if extra > end:
        return -1
    for i in range(_GROUP):
        shift = i % per_byte if bits == 1 else 8 - bits * (i % per_byte + 1)
        code = (data[at + i // per_byte] >> shift) & sentinel
        if code == sentinel:
            if extra >= end:
                return -1
            code = data[extra]
            extra += 1
        deltas[i] = code
    return extra


@njit
def _add_deltas(codes: Any, first: int, mode: int, previous: Any, out: Any) -> None:
    """Four byte positions from `first` on: codes (size, stride) to values in out (size, stride), by channel mode:
    0 zigzag of bytes, 1 zigzag of 16 bits, 2 exclusive or of 32 bits turned by mode // 16. `previous` is kept up."""
    if mode & 15 == 2:
        turn = mode >> 4
        value = np.int64(0)
        for k in range(4):
            value |= np.int64(previous[first + k]) << (8 * k)
        for i in range(len(codes)):
            code = np.int64(0)
            for k in range(4):
                code |= np.int64(codes[i, first + k]) << (8 * k)
            value ^= ((code << turn) | (code >> (32 - turn))) & 0xFFFFFFFF
            for k in range(4):
                out[i, first + k] = (value >> (8 * k)) & 255
    else:
        width = 1 + mode
        bits = 8 * width
        for start in range(first, first + 4, width):
            value = np.int64(0)
            for k in range(width):
                value |= np.int64(previous[start + k]) << (8 * k)
            for i in range(len(codes)):
                code = np.int64(0)
                for k in range(width):
                    code |= np.int64(codes[i, start + k]) << (8 * k)
                value = (value + _unzigzagged(code)) & ((1 << bits) - 1)
                for k in range(width):
                    out[i, start + k] = (value >> (8 * k)) & 255
    for k in range(first, first + 4):
        previous[k] = out[len(codes) - 1, k]


@njit
def _read_varint(data: Any, at: int, end: int) -> tuple[int, int]:
    """An unsigned LEB128 of at most 32 bits: value, place behind it; place -1 when data ends first."""
    value: Any = 0
    for shift in range(0, 35, 7):
        if at >= end:
            return 0, -1
        byte = np.int64(data[at])
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFF, at
    return 0, -1


@njit
def _unzigzagged(value: int) -> int:
    return (value >> 1) ^ -(value & 1)


@njit(cache=True)
def decode_triangles(data: Any, out: Any) -> int:
    """Mode 1. data (N,) uint8 with header and 16-byte tail; out (3 T,) uint32 is filled."""
    num = len(out) // 3
    end = len(data) - 16
    at = 1 + num
    if end < at or data[0] != 0xE1:
        return -1
    edges = np.zeros((_FIFO, 2), np.int64)
    recent = np.zeros(_FIFO, np.int64)
    edge_at, recent_at = 0, 0
    following, last = 0, 0
    b: Any
    c: Any
    for t in range(num):
        code = np.int64(data[1 + t])
        high, low = code >> 4, code & 15
        if high < 15:
            a, b = edges[(edge_at - 1 - high) % _FIFO]
            keep = True
            if low == 0:
                c = following
                following += 1
            elif low < 13:
                c = recent[(recent_at - 1 - low) % _FIFO]
                keep = False
            elif low < 15:
                c = last = last + (1 if low == 14 else -1)
            else:
                value, at = _read_varint(data, at, end)
                if at < 0:
                    return -1
                c = last = last + _unzigzagged(value)
            if keep:
                recent[recent_at] = c
                recent_at = (recent_at + 1) % _FIFO
        else:
            explicit = low >= 14
            if explicit:
                if at >= end:
                    return -1
                pair = np.int64(data[at])
                at += 1
                if pair == 0:
                    following = 0
            else:
                pair = np.int64(data[end + low])
            if low == 15:
                value, at = _read_varint(data, at, end)
                if at < 0:
                    return -1
                a = last = last + _unzigzagged(value)
            else:
                a = following
                following += 1
            z, w = pair >> 4, pair & 15
            if z == 0:
                b = following
                following += 1
            elif z == 15 and explicit:
                value, at = _read_varint(data, at, end)
                if at < 0:
                    return -1
                b = last = last + _unzigzagged(value)
            else:
                b = recent[(recent_at - z) % _FIFO]
            if w == 0:
                c = following
                following += 1
            elif w == 15 and explicit:
                value, at = _read_varint(data, at, end)
                if at < 0:
                    return -1
                c = last = last + _unzigzagged(value)
            else:
                c = recent[(recent_at - w) % _FIFO]
            edges[edge_at, 0], edges[edge_at, 1] = b, a
            edge_at = (edge_at + 1) % _FIFO
            recent[recent_at] = a
            recent_at = (recent_at + 1) % _FIFO
            if z == 0 or z == 15:
                recent[recent_at] = b
                recent_at = (recent_at + 1) % _FIFO
            if w == 0 or w == 15:
                recent[recent_at] = c
                recent_at = (recent_at + 1) % _FIFO
        edges[edge_at, 0], edges[edge_at, 1] = c, b
        edge_at = (edge_at + 1) % _FIFO
        edges[edge_at, 0], edges[edge_at, 1] = a, c
        edge_at = (edge_at + 1) % _FIFO
        out[3 * t], out[3 * t + 1], out[3 * t + 2] = a, b, c
    return at + 16


@njit(cache=True)
def decode_indices(data: Any, out: Any) -> int:
    """Mode 2. data (N,) uint8 with header and 4-byte tail; out (count,) uint32 is filled."""
    end = len(data) - 4
    if end < 1 or data[0] != 0xD1:
        return -1
    lasts = np.zeros(2, np.int64)
    at = 1
    for i in range(len(out)):
        value, at = _read_varint(data, at, end)
        if at < 0:
            return -1
        lasts[value & 1] += _unzigzagged(value >> 1)
        out[i] = lasts[value & 1] & 0xFFFFFFFF
    return at + 4
