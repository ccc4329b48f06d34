"""KHR_materials_pbrSpecularGlossiness -> metallic-roughness, by factor or texel by texel.

A dielectric reflects 4 % head on and a metal its own colour. The share m of metal is the one for which a mix
4 % (1 - m) + c m of reflections and (1 - m) c 96 % of diffuse light gives the stored pair, in perceived brightness.
Source: appendix of KHR_materials_pbrSpecularGlossiness in the Khronos glTF registry.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.io.colour import linear_from_srgb, srgb_u8_from_linear

_DIELECTRIC = 0.04
_LEAST = 1e-6

Rgba = tuple[float, float, float, float]
Pixels = NDArray[np.uint8]


def metallic_roughness_from_specular_glossiness(
    diffuse: Rgba,
    specular: tuple[float, float, float],
    glossiness: float,
    diffuse_srgb: Pixels | None,
    specular_glossiness: Pixels | None,
) -> tuple[Rgba, float, float, Pixels | None, Pixels | None]:
    """Base colour factor, metallic, roughness, base colour picture and metallic-roughness picture.

    Args:
        diffuse, specular, glossiness: factors, linear.
        diffuse_srgb: (H, W, 4) uint8 sRGB, or None.
        specular_glossiness: (H, W, 4) uint8, RGB = specular in sRGB, A = glossiness; or None.

    Returns:
        With a picture the factors are worked into it and come back as 1.
    """
    if diffuse_srgb is None and specular_glossiness is None:
        base, metallic = _split(np.array(diffuse[:3]), np.array(specular))
        red, green, blue = (float(v) for v in base)
        return (red, green, blue, diffuse[3]), float(metallic), 1.0 - glossiness, None, None
    first = diffuse_srgb if diffuse_srgb is not None else specular_glossiness
    assert first is not None
    height, width = first.shape[:2]
    diffuse_linear, alpha = np.array(diffuse[:3]), np.full((1, 1), 255, np.uint8)
    if diffuse_srgb is not None:
        diffuse_linear = linear_from_srgb(diffuse_srgb[..., :3] / 255) * diffuse_linear
        alpha = diffuse_srgb[..., 3]
    specular_linear, gloss = np.array(specular), np.full((1, 1), glossiness)
    if specular_glossiness is not None:
        if specular_glossiness.shape[:2] != (height, width):
            parts = [Image.fromarray(specular_glossiness[..., k]).resize((width, height)) for k in range(4)]
            specular_glossiness = np.stack([np.asarray(p, np.uint8) for p in parts], -1)
        specular_linear = linear_from_srgb(specular_glossiness[..., :3] / 255) * specular_linear
        gloss = specular_glossiness[..., 3] / 255 * glossiness
    base, metallic = _split(diffuse_linear, specular_linear)
    base_srgb, rough = np.empty((height, width, 4), np.uint8), np.empty((height, width, 3), np.uint8)
    base_srgb[..., :3], base_srgb[..., 3] = srgb_u8_from_linear(base), alpha
    rough[..., 0] = 255
    rough[..., 1], rough[..., 2] = np.rint(255 * (1 - gloss)), np.rint(255 * metallic)
    return (1.0, 1.0, 1.0, diffuse[3]), 1.0, 1.0, base_srgb, rough


def _split(
    diffuse: NDArray[np.float64], specular: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear base colour (..., 3) and share of metal (...) of linear diffuse and specular colours."""
    bright_diffuse, bright_specular = _brightness(diffuse), _brightness(specular)
    unreflected = 1 - specular.max(-1)
    b = bright_diffuse * unreflected / (1 - _DIELECTRIC) + bright_specular - 2 * _DIELECTRIC
    c = _DIELECTRIC - bright_specular
    root = np.sqrt(np.maximum(b * b - 4 * _DIELECTRIC * c, 0))
    metallic = np.where(bright_specular < _DIELECTRIC, 0, np.clip((root - b) / (2 * _DIELECTRIC), 0, 1))
    m = metallic[..., None]
    as_plastic = diffuse * (unreflected[..., None] / (1 - _DIELECTRIC) / np.maximum(1 - m, _LEAST))
    as_metal = (specular - _DIELECTRIC * (1 - m)) / np.maximum(m, _LEAST)
    return np.clip(as_plastic + (as_metal - as_plastic) * m**2, 0, 1), metallic


def _brightness(colour: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt((colour**2) @ np.array([0.299, 0.587, 0.114])))
