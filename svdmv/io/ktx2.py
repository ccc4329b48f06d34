"""KTX2 pictures with BasisLZ (ETC1S), as KHR_texture_basisu holds them -> pixels.

UASTC blocks, the extension's other kind, are refused by name. Source: KTX 2.0 specification, sections 3 and 5.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.core import InputError
from svdmv.io.etc1s import codebook_from_bytes, rgb_from_slice

KTX2_MAGIC = b"\xabKTX 20\xbb\r\n\x1a\n"
_BASIS_LZ, _ETC1S, _UASTC = 1, 163, 166
_MOST_PIXELS = 16384**2


def rgba_from_ktx2(data: bytes, where: Path | str, *, max_side_px: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """(H, W, 4) uint8 as stored (no change of colour space), and notes, of a KTX2 file held in memory.

    Of the file's mip levels the largest whose sides are at most `max_side_px` is taken; a file without one is reduced.

    Raises:
        InputError: damaged (status load_error), or of a kind that is not decoded (status
            unsupported:KHR_texture_basisu).
    """
    try:
        return _decoded(data, where, max_side_px)
    except (struct.error, ValueError, IndexError, OverflowError) as error:
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
    if model != _ETC1S or scheme != _BASIS_LZ:
        kind = "UASTC" if model == _UASTC else f"colour model {model}, supercompression {scheme}"
        raise InputError(
            "A KTX2 texture is of a kind that is not decoded here",
            where=where,
            seen=kind,
            expected="KTX2 with ETC1S (BasisLZ)",
            next_step="save the model with PNG, JPEG or WebP textures, or with ETC1S (toktx --encode etc1s)",
            status="unsupported:KHR_texture_basisu",
        )
    if depth or layers or faces != 1 or not 0 < width * height <= _MOST_PIXELS:
        raise ValueError(f"{width}x{height} px, depth {depth}, {layers} layers, {faces} faces")
    num_levels = max(num_levels, 1)
    level = next((i for i in range(num_levels) if max(width, height) >> i <= max_side_px), num_levels - 1)
    start, length, _ = struct.unpack_from("<3Q", data, 80 + 24 * level)
    shared = data[shared_at : shared_at + shared_length]
    book = codebook_from_bytes(shared)
    _, colour_at, colour_length, alpha_at, alpha_length = struct.unpack_from("<5I", shared, 20 + 20 * level)
    size = (max(width >> level, 1), max(height >> level, 1))
    out = np.full((size[1], size[0], 4), 255, np.uint8)
    out[..., :3] = rgb_from_slice(_part(data, start, length, colour_at, colour_length), book, *size)
    if alpha_length:
        out[..., 3] = rgb_from_slice(_part(data, start, length, alpha_at, alpha_length), book, *size)[..., 1]
    factor = -(-max(size) // max_side_px)
    if factor > 1:
        out = np.asarray(Image.fromarray(out).reduce(factor), np.uint8)
    if level or factor > 1:
        return out, (f"reduced from {width}x{height} to {out.shape[1]}x{out.shape[0]} px",)
    return out, ()


def _part(data: bytes, start: int, length: int, at: int, size: int) -> bytes:
    """A slice of a level. Raises ValueError when it reaches out of the level or the file."""
    if at + size > length or start + length > len(data):
        raise ValueError("a level is cut off")
    return data[start + at : start + at + size]
