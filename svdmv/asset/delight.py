"""Light taken out of a texture: a guess at the albedo, and at how rough the surface is.

All that is known is one brightness for each direction of the surface. A smooth light (spherical harmonics of degree 2,
white) is fitted to the brightness over normals and divided out, as SV3D fits spherical Gaussians to the same
observation. What is painted with a direction of its own (a dark underside) is taken for shade: hence a guess.
Sources: R. Ramamoorthi, P. Hanrahan, An Efficient Representation for Irradiance Environment Maps, 2001; V. Voleti et
al., SV3D, 2024, section 4 and appendix E.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svdmv.asset.fill import dilated
from svdmv.core import Asset, DataError, vertex_normals
from svdmv.geometry.raster import texel_map
from svdmv.io.colour import linear_from_srgb, srgb_from_linear

ROUNDS = 6
ROBUST = 1.0  # of the fitted light: residuals beyond it count less and less
LIGHT_LIMITS = (0.35, 2.5)  # of the mean light
RIDGE = 1e-3
METALLIC, ROUGHNESS = 0.0, 0.8


def delit(asset: Asset) -> Asset:
    """The asset with the light of its base colour texture divided out; one material, metallic 0, roughness 0.8.

    Provenance gains "delight": how strong the light was over directions, lightest over darkest.

    Raises:
        DataError: no base colour texture, or no uvs.
    """
    mesh, material = asset.mesh, asset.materials[0]
    picture = material.base_color_srgb
    if picture is None or mesh.uvs is None or len(asset.materials) > 1:
        raise DataError(
            "Light can only be taken out of one texture",
            where="delit",
            seen=f"{len(asset.materials)} materials, " + ("no texture" if picture is None else "a texture"),
            expected="one material with a base colour texture",
        )
    height, width = picture.shape[:2]
    texels = texel_map(mesh.uvs[mesh.faces], width, height)
    rows, columns = np.nonzero(texels.face >= 0)
    normals = mesh.normals if mesh.normals is not None else vertex_normals(mesh.vertices, mesh.faces)
    corners = mesh.faces[texels.face[rows, columns]]
    sides = np.einsum("mk,mkc->mc", texels.weights[rows, columns], normals[corners]).astype(np.float64)
    sides /= np.maximum(np.linalg.norm(sides, axis=1, keepdims=True), 1e-12)
    linear = linear_from_srgb(picture[rows, columns, :3] / 255.0)
    light = fitted_light(sides, linear.max(1))
    factor = np.clip(light / light.mean(), *LIGHT_LIMITS)
    albedo = np.zeros((height, width, 3), np.uint8)
    albedo[rows, columns] = np.round(255 * srgb_from_linear(linear / factor[:, None]))
    out = picture.copy()
    out[..., :3] = dilated(albedo, texels.face >= 0)
    story = {"light_range": round(float(factor.max() / factor.min()), 3), "metallic": METALLIC, "roughness": ROUGHNESS}
    made = replace(material, base_color_srgb=out, metallic=METALLIC, roughness=ROUGHNESS)
    return replace(asset, materials=(made,), provenance={**asset.provenance, "delight": story})


def fitted_light(normals: NDArray[np.floating], brightness: NDArray[np.floating]) -> NDArray[np.float64]:
    """(M,) positive: the smooth function of the normal (M, 3) nearest to the brightness (M,), outliers discounted."""
    x, y, z = np.asarray(normals, np.float64).T
    basis = np.stack([np.ones_like(x), x, y, z, x * y, y * z, z * x, x * x - y * y, 3 * z * z - 1], 1)
    cells = np.floor((np.asarray(normals) + 1) * 8).astype(np.int64) @ (1, 17, 289)  # each direction counts alike
    _, index, count = np.unique(cells, return_inverse=True, return_counts=True)
    even = 1.0 / count[index.reshape(-1)]
    value = np.asarray(brightness, np.float64)
    weight = even.copy()
    light = np.full(len(value), float(np.average(value, weights=even)))
    for _ in range(ROUNDS):
        system = basis.T @ (basis * weight[:, None])
        system += RIDGE * np.trace(system) * np.diag([0.0] + [1.0] * 8)
        light = basis @ np.linalg.solve(system, basis.T @ (weight * value))
        off = (value - light) / (ROBUST * max(float(np.average(value, weights=even)), 1e-6))
        weight = even / np.maximum(1.0, np.abs(off))  # Huber's: convex
    positive: NDArray[np.float64] = np.maximum(light, 1e-3)
    return positive
