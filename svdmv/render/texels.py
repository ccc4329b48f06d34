"""Materials as the kernels read them: one buffer of texels, with halvings of every picture.

Colours are averaged in linear light for the halvings, but stored sRGB-encoded: a look-up mixes neighbouring texels as
stored and decodes the mixture, which is what Cycles does with 8-bit pictures. (glTF would have them decoded first;
where a texel is larger than a pixel the two differ along every printed line.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Material
from svdmv.io.colour import linear_from_srgb

Floats = NDArray[np.float32]

MAX_TEXELS = 4_200_000
MIN_MIP_SIZE = 4
LEAST_OPAQUE = 0.998  # alpha from which on a blended material counts as opaque
BAND_ROWS = 64
LINEAR_OF_BYTE = linear_from_srgb(np.arange(256) / 255).astype(np.float32)
PLAIN_OF_BYTE = (np.arange(256) / 255).astype(np.float32)
FLAT_NORMAL = (0.5, 0.5, 1.0)


@dataclass(frozen=True, eq=False)
class Texels:
    """All materials in one buffer.

    Attributes:
        values: (T, C) uint16, 65535 = 1: sRGB-encoded RGB, roughness, metallic, alpha; then encoded emission RGB over
            `emission_scale` from channel `emission_at` on, and the normal map's RGB from `normal_at` on (-1 = none).
            Factors are included, but for the alpha of blended materials, which holds the picture's alone.
        rows: (R, 3) int64 offset, height, width of each mip level; first_rows (M,), num_levels (M,) by material.
        opacities: (M,) float32 factor of alpha of blended materials, -1 for those that are opaque or cut out.
        cutoffs: (M,) float32 alpha below which a sample is left out where surfaces count as there or not, 0 = never.
        unlit: (M,) bool, materials that show their base colour whatever the light.
    """

    values: NDArray[np.uint16]
    rows: NDArray[np.int64]
    first_rows: NDArray[np.int64]
    num_levels: NDArray[np.int64]
    opacities: Floats
    cutoffs: Floats
    unlit: NDArray[np.bool_]
    emission_at: int
    normal_at: int
    emission_scale: float


def texels_of(materials: Sequence[Material], *, with_normals: bool = True) -> Texels:
    """The buffer of some materials; pictures beyond MAX_TEXELS in sum are shrunk. Normal maps only on request."""
    glowing = any(max(m.emissive_factor_linear) > 0 for m in materials)
    bumpy = with_normals and any(m.normal_linear is not None for m in materials)
    emission_at = 6 if glowing else -1
    normal_at = (9 if glowing else 6) if bumpy else -1
    scale = max(1.0, *(max(m.emissive_factor_linear) for m in materials))
    sizes = [_picture_size(m, with_normals) for m in materials]
    shrink = max(1.0, float(np.sqrt(sum(h * w for h, w in sizes) / MAX_TEXELS)))
    chains = [_chain(max(1, int(h / shrink)), max(1, int(w / shrink))) for h, w in sizes]
    levels = np.array([level for chain in chains for level in chain], np.int64)
    offsets = np.concatenate([[0], np.cumsum(levels.prod(1))])
    values = np.empty((offsets[-1], 6 + 3 * glowing + 3 * bumpy), np.uint16)
    num_levels = np.array([len(chain) for chain in chains], np.int64)
    first_rows = np.concatenate([[0], np.cumsum(num_levels)[:-1]])
    for material, chain, first in zip(materials, chains, first_rows, strict=True):
        picture = _texels(material, chain[0], values.shape[1], emission_at, normal_at, scale)
        for k in range(len(chain)):
            picture = picture if k == 0 else _halved(picture)
            start, end = offsets[first + k], offsets[first + k + 1]
            whole = picture.reshape(-1, picture.shape[2]) * np.float32(65535)
            stored = values[start:end]
            stored[:, 3:] = np.rint(whole[:, 3:], out=whole[:, 3:])
            as_it_is = (
                material.base_color_srgb if k == 0 and material.base_color_factor_linear[:3] == (1, 1, 1) else None
            )
            if as_it_is is not None and as_it_is.shape[:2] == picture.shape[:2]:
                np.multiply(as_it_is[..., :3].reshape(-1, 3), 257, out=stored[:, :3], dtype=np.uint16)
            else:
                stored[:, :3] = _encoded(picture[..., :3]).reshape(-1, 3)
            if glowing:
                glow = slice(emission_at, emission_at + 3)
                stored[:, glow] = _encoded(picture[..., glow]).reshape(-1, 3)
    return Texels(
        values=values,
        rows=np.column_stack([offsets[:-1], levels]),
        first_rows=first_rows,
        num_levels=num_levels,
        opacities=np.array([_opacity(m) for m in materials], np.float32),
        cutoffs=np.array([_cutoff(m) for m in materials], np.float32),
        unlit=np.array([m.unlit for m in materials], bool),
        emission_at=emission_at,
        normal_at=normal_at,
        emission_scale=scale,
    )


def _encoded(linear: Floats) -> Floats:
    """sRGB-encoded values, 65535 = 1, of linear ones in [0, 1], in single precision."""
    coded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(coded * np.float32(65535))


def _lowest_alpha(material: Material) -> float:
    return 1.0 if material.base_color_srgb is None else float(material.base_color_srgb[..., 3].min()) / 255


def _opacity(material: Material) -> float:
    factor = material.base_color_factor_linear[3]
    seen_through = material.alpha_mode == "BLEND" and factor * _lowest_alpha(material) < LEAST_OPAQUE
    return min(factor, 1.0) if seen_through else -1.0


def _cutoff(material: Material) -> float:
    if material.alpha_mode == "OPAQUE":
        return 0.0
    factor = material.base_color_factor_linear[3] if material.alpha_mode == "MASK" else 1.0
    cutoff = material.alpha_cutoff if material.alpha_mode == "MASK" else 0.5
    return 0.0 if _lowest_alpha(material) * factor >= cutoff else cutoff


def _picture_size(material: Material, with_normals: bool) -> tuple[int, int]:
    """Height, width of the largest of the material's pictures that are read; (1, 1) without any."""
    pictures = [material.base_color_srgb, material.metallic_roughness_linear, material.emissive_srgb]
    pictures += [material.normal_linear] if with_normals else []
    sizes = [p.shape[:2] for p in pictures if p is not None]
    return max(sizes, key=lambda s: s[0] * s[1]) if sizes else (1, 1)


def _chain(height: int, width: int) -> list[tuple[int, int]]:
    """Sizes of a picture and its halvings, down to MIN_MIP_SIZE on the shorter side."""
    out = [(height, width)]
    while min(out[-1]) >= 2 * MIN_MIP_SIZE:
        out.append((out[-1][0] // 2, out[-1][1] // 2))
    return out


def _texels(
    material: Material, size: tuple[int, int], channels: int, emission_at: int, normal_at: int, scale: float
) -> Floats:
    """(H, W, channels) float32 in [0, 1] as in Texels.values, but linear."""
    out = np.empty((*size, channels), np.float32)
    factor = material.base_color_factor_linear
    out[..., :3], out[..., 5] = factor[:3], 1.0 if material.alpha_mode == "BLEND" else factor[3]
    if material.base_color_srgb is not None:
        out[..., :3] *= _resized(material.base_color_srgb[..., :3], LINEAR_OF_BYTE, *size)
        out[..., 5:6] *= _resized(material.base_color_srgb[..., 3:], PLAIN_OF_BYTE, *size)
    out[..., 3], out[..., 4] = material.roughness, material.metallic
    if material.metallic_roughness_linear is not None:
        out[..., 3:5] *= _resized(material.metallic_roughness_linear[..., 1:], PLAIN_OF_BYTE, *size)
    if emission_at >= 0:
        glow = out[..., emission_at : emission_at + 3]
        glow[:] = np.array(material.emissive_factor_linear, np.float32) / scale
        if material.emissive_srgb is not None:
            glow *= _resized(material.emissive_srgb, LINEAR_OF_BYTE, *size)
    if normal_at >= 0:
        out[..., normal_at:] = FLAT_NORMAL
        if material.normal_linear is not None:
            out[..., normal_at:] = _resized(material.normal_linear, PLAIN_OF_BYTE, *size)
    return out.clip(0, 1, out=out)


def _resized(picture: NDArray[np.uint8], table: Floats, height: int, width: int) -> Floats:
    """An 8-bit picture (H, W, C) through a table of 256 values, then on another grid: averaged when it shrinks."""
    factor = min(picture.shape[0] // height, picture.shape[1] // width)
    if factor > 1:
        picture = picture[: picture.shape[0] // factor * factor, : picture.shape[1] // factor * factor]
        reduced = np.empty((picture.shape[0] // factor, picture.shape[1] // factor, picture.shape[2]), np.float32)
        for top in range(0, len(reduced), BAND_ROWS):
            band = table[picture[top * factor : (top + BAND_ROWS) * factor]]
            parts = band.reshape(-1, factor, reduced.shape[1], factor, picture.shape[2])
            reduced[top : top + BAND_ROWS] = parts.mean((1, 3))
    else:
        reduced = table[picture]
    if reduced.shape[:2] == (height, width):
        return reduced
    if reduced.shape[:2] == (1, 1):
        return np.broadcast_to(reduced, (height, width, reduced.shape[2]))
    from PIL import Image

    larger = height > reduced.shape[0] or width > reduced.shape[1]
    how = Image.Resampling.BILINEAR if larger else Image.Resampling.BOX
    channels = [Image.fromarray(np.ascontiguousarray(reduced[..., c])) for c in range(reduced.shape[2])]
    return np.stack([np.asarray(c.resize((width, height), how)) for c in channels], -1)


def _halved(image: NDArray[Any]) -> Floats:
    """Box average of 2 x 2; an odd last row or column is left out."""
    even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
    out = even[::2, ::2] + even[1::2, ::2]
    out += even[::2, 1::2]
    out += even[1::2, 1::2]
    out *= np.float32(0.25)
    return np.asarray(out, np.float32)
