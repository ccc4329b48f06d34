"""EXT_meshopt_compression and KHR_meshopt_compression: a compressed bufferView -> its bytes.

Source: both extensions in the Khronos glTF registry, appendices A (bitstreams) and B (filters).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

MESHOPT_NAMES = ("KHR_meshopt_compression", "EXT_meshopt_compression")
_MOST_RATIO = 1024  # 256 equal elements cost a quarter of a byte for each of their bytes at least
_LARGEST_EXPONENT = 100  # that the exponential filter allows
_STRIDES = {"OCTAHEDRAL": (4, 8), "QUATERNION": (8,), "COLOR": (4, 8)}


def bytes_from_meshopt(data: bytes, row: dict[str, Any]) -> bytes:
    """The `count` times `byteStride` bytes that a compressed stream stands for.

    Args:
        data: the stream.
        row: the extension's object: count, byteStride, mode and filter.

    Raises:
        ValueError: the stream is damaged, or the object contradicts the extension's rules.
    """
    from svdmv.io import _meshopt_kernels as kernels

    count, stride, mode, name = row["count"], row["byteStride"], row["mode"], row.get("filter", "NONE")
    stream = np.frombuffer(data, np.uint8)
    if not (isinstance(count, int) and isinstance(stride, int) and count >= 0):
        raise ValueError(f"count {count}, byteStride {stride}")
    if mode == "ATTRIBUTES":
        if stride % 4 or not 4 <= stride <= 256 or count * stride > _MOST_RATIO * len(data):
            raise ValueError(f"{count} elements of {stride} bytes in a stream of {len(data)}")
        out: NDArray[Any] = np.zeros((count, stride), np.uint8)
        done = kernels.decode_attributes(stream, stride, out)
    elif mode in ("TRIANGLES", "INDICES"):
        if stride not in (2, 4) or count > 3 * len(data) or (mode == "TRIANGLES" and count % 3):
            raise ValueError(f"{count} indices of {stride} bytes in a stream of {len(data)}")
        indices = np.zeros(count, np.uint32)
        decode = kernels.decode_triangles if mode == "TRIANGLES" else kernels.decode_indices
        done = decode(stream, indices)
        out = indices.astype("<u2" if stride == 2 else "<u4")
    else:
        raise ValueError(f"mode {mode!r}")
    if done != len(data):
        raise ValueError(f"a damaged stream of {len(data)} bytes, mode {mode}")
    return _filtered(out, name, stride).tobytes()


def _filtered(values: NDArray[Any], name: str, stride: int) -> NDArray[Any]:
    """The decoded bytes after one of the filters of appendix B."""
    if name == "NONE":
        return values
    if name == "EXPONENTIAL":
        packed = values.reshape(-1).view("<i4")
        exponent = (packed >> 24).clip(-_LARGEST_EXPONENT, _LARGEST_EXPONENT)
        return np.asarray(np.ldexp(((packed << 8) >> 8).astype(np.float32), exponent), "<f4")
    if stride not in _STRIDES.get(name, ()):
        raise ValueError(f"filter {name!r} on {stride} bytes")
    parts = values.reshape(-1).view("<i1" if stride == 4 else "<i2").reshape(-1, 4)
    if name == "OCTAHEDRAL":
        return _octahedral(parts)
    return _quaternions(parts) if name == "QUATERNION" else _colors(parts)


def _octahedral(parts: NDArray[Any]) -> NDArray[Any]:
    limit = np.iinfo(parts.dtype).max
    wide = parts.astype(np.float64)
    x, y = (wide[:, :2] / np.maximum(wide[:, 2:3], 1)).T
    z = 1 - np.abs(x) - np.abs(y)
    fold = np.minimum(z, 0)
    unit = np.stack([x - np.copysign(fold, x), y - np.copysign(fold, y), z], 1)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-30)
    out = parts.copy()
    out[:, :3] = np.rint(unit * limit)
    return out


def _quaternions(parts: NDArray[Any]) -> NDArray[Any]:
    wide = parts.astype(np.float64)
    small = wide[:, :3] / (parts[:, 3:4] | 3) * np.sqrt(0.5)
    largest = np.sqrt(np.maximum(0, 1 - (small**2).sum(1)))
    out = np.empty_like(parts)
    order = ((parts[:, 3:4] & 3) + np.arange(4)) % 4
    values = np.rint(np.column_stack([largest, small]).clip(-1, 1) * 32767).astype(parts.dtype)
    np.put_along_axis(out, order, values, axis=1)
    return out


def _colors(parts: NDArray[Any]) -> NDArray[Any]:
    """YCoCg with the scale in alpha's highest bit -> RGBA over the whole range of the type."""
    unsigned = parts.view("<u1" if parts.dtype.itemsize == 1 else "<u2")
    limit = np.iinfo(unsigned.dtype).max
    alpha = unsigned[:, 3].astype(np.int64)
    top = np.int64(1) << np.floor(np.log2(np.maximum(alpha, 1))).astype(np.int64)
    y, co, cg = unsigned[:, 0].astype(np.int64), parts[:, 1].astype(np.int64), parts[:, 2].astype(np.int64)
    opacity = alpha & (top - 1)
    values = np.stack([y + co - cg, y + cg, y - co - cg, (opacity << 1) | (opacity & 1)], 1)
    scaled = np.rint(values * (limit / (2 * top - 1))[:, None])
    return scaled.clip(0, limit).astype(unsigned.dtype)
