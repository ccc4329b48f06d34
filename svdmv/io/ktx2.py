"""KTX2 pictures as KHR_texture_basisu holds them -> pixels: BasisLZ (ETC1S), and UASTC, plain or packed with Zstandard.

Source: KTX 2.0 specification, sections 3 and 5.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.core import InputError, require
from svdmv.io.etc1s import codebook_from_bytes, rgb_from_slice
from svdmv.io.uastc import rgba_from_uastc

KTX2_MAGIC = b"\xabKTX 20\xbb\r\n\x1a\n"
_PLAIN, _BASIS_LZ, _ZSTANDARD, _ZLIB = range(4)
_ETC1S, _UASTC = 163, 166
_MOST_PIXELS = 16384**2


def rgba_from_ktx2(data: bytes, where: Path | str, *, max_side_px: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """(H, W, 4) uint8 as stored (no change of colour space), and notes, of a KTX2 file held in memory.

    Of the file's mip levels the largest whose sides are at most `max_side_px` is taken; a file without one is reduced.

    Raises:
        InputError: damaged (status load_error), or of a kind that is not decoded (status
            unsupported:KHR_texture_basisu). MissingDependency: packed with Zstandard, and zstandard is absent.
    """
    try:
        return _decoded(data, where, max_side_px)
    except (struct.error, ValueError, IndexError, OverflowError, zlib.error) as error:
        raise InputError(
            "The KTX2 picture is damaged",
            where=where,
            seen=str(error),
            expected="a complete KTX2 file",
            next_step="export the model again, or with PNG or JPEG textures",
        ) from error


def _decoded(data: bytes, where: Path | str, max_side_px: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    _, _, width, height, depth, layers, faces, num_levels, scheme = struct.unpack_from("<9I", data, 12)
    description_at, _, _, _, shared_at, shared_length = struct.unpack_from("<4I2Q", data, 48)
    model = data[description_at + 12]
    if (model, scheme) not in ((_ETC1S, _BASIS_LZ), (_UASTC, _PLAIN), (_UASTC, _ZSTANDARD), (_UASTC, _ZLIB)):
        raise InputError(
            "A KTX2 texture is of a kind that is not decoded here",
            where=where,
            seen=f"colour model {model}, supercompression {scheme}",
            expected="KTX2 with ETC1S (BasisLZ) or UASTC",
            next_step="save the model with PNG, JPEG or WebP textures, or with UASTC (toktx --encode uastc)",
            status="unsupported:KHR_texture_basisu",
        )
    if depth or layers or faces != 1 or not 0 < width * height <= _MOST_PIXELS:
        raise ValueError(f"{width}x{height} px, depth {depth}, {layers} layers, {faces} faces")
    num_levels = max(num_levels, 1)
    level = next((i for i in range(num_levels) if max(width, height) >> i <= max_side_px), num_levels - 1)
    start, length, whole = struct.unpack_from("<3Q", data, 80 + 24 * level)
    size = (max(width >> level, 1), max(height >> level, 1))
    if model == _UASTC:
        out = rgba_from_uastc(_unpacked(_part(data, start, length, 0, length), scheme, whole, size), *size)
    else:
        shared = data[shared_at : shared_at + shared_length]
        out = _etc1s_picture(data, start, length, shared, level, size)
    factor = -(-max(size) // max_side_px)
    if factor > 1:
        out = np.asarray(Image.fromarray(out).reduce(factor), np.uint8)
    if level or factor > 1:
        return out, (f"reduced from {width}x{height} to {out.shape[1]}x{out.shape[0]} px",)
    return out, ()


def _etc1s_picture(
    data: bytes, start: int, length: int, shared: bytes, level: int, size: tuple[int, int]
) -> NDArray[np.uint8]:
    """A level's pixels; alpha is the green of a slice of its own."""
    book = codebook_from_bytes(shared)
    _, colour_at, colour_length, alpha_at, alpha_length = struct.unpack_from("<5I", shared, 20 + 20 * level)
    out = np.full((size[1], size[0], 4), 255, np.uint8)
    out[..., :3] = rgb_from_slice(_part(data, start, length, colour_at, colour_length), book, *size)
    if alpha_length:
        out[..., 3] = rgb_from_slice(_part(data, start, length, alpha_at, alpha_length), book, *size)[..., 1]
    return out


def _unpacked(level: bytes, scheme: int, whole: int, size: tuple[int, int]) -> bytes:
    """A level's blocks. Raises ValueError when its packing is damaged or it does not hold what it says."""
    needed = 16 * -(-size[0] // 4) * -(-size[1] // 4)
    if scheme == _PLAIN:
        return level
    if whole != needed:
        raise ValueError(f"a level of {whole} bytes, {needed} are needed")
    if scheme == _ZLIB:
        return zlib.decompressobj().decompress(level, needed)
    zstandard = require("zstandard", "ktx2", "Reading a model whose KTX2 textures are packed with Zstandard")
    try:
        unpacked: bytes = zstandard.ZstdDecompressor().stream_reader(level).read(needed)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    return unpacked


def _part(data: bytes, start: int, length: int, at: int, size: int) -> bytes:
    """A slice of a level. Raises ValueError when it reaches out of the level or the file."""
    if at + size > length or start + length > len(data):
        raise ValueError("a level is cut off")
    return data[start + at : start + at + size]
