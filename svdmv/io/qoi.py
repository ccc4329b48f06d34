"""QOI pictures: lossless RGBA that decodes several times faster than PNG, with the same bytes on every machine.

Source: "The Quite OK Image Format", specification version 1.0, 2022-01-05, qoiformat.org (public domain). Pillow and
ffmpeg read and write it as well.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from svdmv.core import DataError

_HEADER = struct.Struct(">4sIIBB")
_END = bytes(7) + b"\x01"
MOST_PIXELS = 2**28


def qoi_from_rgba(rgba: NDArray[np.uint8]) -> bytes:
    """A .qoi file of (H, W, 4) uint8, sRGB with straight alpha."""
    from svdmv.io._qoi_kernels import encode_kernel

    height, width = rgba.shape[:2]
    out = np.empty(height * width * 5, np.uint8)
    length = encode_kernel(np.ascontiguousarray(rgba).reshape(-1, 4), out)
    return _HEADER.pack(b"qoif", width, height, 4, 0) + out[:length].tobytes() + _END


def rgba_from_qoi(data: bytes, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 of a .qoi file; alpha 255 where the file has none.

    Args:
        data: the whole file.
        out: (H, W, 4) uint8, contiguous, to be filled and returned; None makes a new array.

    Raises:
        DataError: no QOI file, cut short, followed by other bytes, or of another size than `out`.
    """
    from svdmv.io._qoi_kernels import decode_kernel

    if len(data) < _HEADER.size + len(_END):
        raise _damaged(f"{len(data)} bytes")
    magic, width, height, _, _ = _HEADER.unpack_from(data)
    if magic != b"qoif" or not 0 < width * height <= MOST_PIXELS:
        raise _damaged(f"{magic!r}, {width}x{height} px")
    if out is None:
        out = np.empty((height, width, 4), np.uint8)
    if out.shape != (height, width, 4):
        raise _damaged(f"{width}x{height} px where {out.shape[1]}x{out.shape[0]} were expected")
    chunks = np.frombuffer(data, np.uint8)[_HEADER.size : -len(_END)]
    if decode_kernel(chunks, out.reshape(-1, 4)) != len(chunks) or data[-len(_END) :] != _END:
        raise _damaged("pixels that do not end where the file ends")
    return out


def _damaged(seen: str) -> DataError:
    return DataError("The QOI picture is damaged", where="rgba_from_qoi", seen=seen, expected="a whole .qoi file")
