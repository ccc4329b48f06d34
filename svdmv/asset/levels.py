"""The same asset with fewer faces: textures carried over, and what the faces lose kept in a normal map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from svdmv.asset.cleanup import cleaned_mesh
from svdmv.asset.fill import dilated
from svdmv.asset.relief import normal_map, places_of_texels
from svdmv.core import Asset, ConfigError, Material, Mesh, vertex_normals
from svdmv.geometry.atlas import unwrapped
from svdmv.geometry.raster import sampled_bilinear, texel_map
from svdmv.io.colour import linear_from_srgb, srgb_from_linear

LEAST_FACES = 20


def levels_of_detail(asset: Asset, budgets: Sequence[int], *, texture_size: int = 1024) -> list[Asset]:
    """One asset a budget of faces, each from the full one; textures halve from level to level, 64 texels at least.

    Raises:
        ConfigError: a budget below 20, or not falling.
        DataError: the mesh has no surface.
    """
    falls = all(a > b for a, b in pairwise(budgets))
    if not budgets or min(budgets) < LEAST_FACES or not falls:
        raise ConfigError(
            "These are no levels of detail",
            where="--lods",
            seen=", ".join(map(str, budgets)) or "nothing",
            expected=f"falling numbers of faces, each {LEAST_FACES} or more",
            next_step="--lods 5000,1000",
        )
    return [
        simplified_asset(asset, faces, texture_size=max(64, texture_size >> number))
        for number, faces in enumerate(budgets, 1)
    ]


def simplified_asset(asset: Asset, faces: int, *, texture_size: int = 1024) -> Asset:
    """The asset with at most `faces` faces, one matte material, and textures of its own.

    Base colours (of textures, factors and vertex colours) and the shape's normals are looked up where a line along the
    new surface's normal meets the old one; the normals become a tangent-space normal map as glTF has it.

    Raises:
        DataError: the mesh has no surface.
    """
    mesh = asset.mesh
    clean, notes = cleaned_mesh(mesh, faces=faces, smoothing=0)
    normals = vertex_normals(clean.vertices, clean.faces)
    atlas = unwrapped(clean.vertices, clean.faces, texture_size=texture_size)
    texels = texel_map(atlas.uvs[atlas.faces], texture_size, texture_size)
    final = Mesh(clean.vertices[atlas.source], atlas.faces, normals[atlas.source], atlas.uvs)
    places = places_of_texels(final, texels, mesh)
    color = np.zeros((texture_size, texture_size, 3), np.uint8)
    color[places.rows, places.columns] = base_colors(asset, places.owners, places.shares)
    base = np.full((texture_size, texture_size, 4), 255, np.uint8)
    base[..., :3] = dilated(color, texels.face >= 0)
    material = Material(
        name="baked",
        base_color_srgb=base,
        normal_linear=normal_map(final, texels, places, mesh),
        roughness=float(np.mean([material.roughness for material in asset.materials])),
    )
    story = {"faces": len(final.faces), "texture_size": texture_size, "charts": atlas.charts, "notes": list(notes)}
    return Asset(final, (material,), provenance={**asset.provenance, "level_of_detail": story})


def base_colors(asset: Asset, faces: NDArray[np.integer], shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(M, 3) uint8 sRGB: the base colour at places of the asset's faces (M,) with barycentric shares (M, 3).

    Factors multiply as in linear light; vertex colours are left out where a texture is.
    """
    mesh, owners = asset.mesh, asset.material_of_faces()[faces]
    out = np.full((len(faces), 3), 255, np.uint8)
    for index, material in enumerate(asset.materials):
        chosen = owners == index
        if not chosen.any():
            continue
        corners, part = mesh.faces[faces[chosen]], shares[chosen]
        shown: NDArray[np.floating] = np.ones((int(chosen.sum()), 3))
        if material.base_color_srgb is not None and mesh.uvs is not None:
            height, width = material.base_color_srgb.shape[:2]
            uvs = np.einsum("mk,mkc->mc", part, mesh.uvs[corners])
            uvs = uvs - np.floor(uvs) * ((uvs < 0) | (uvs > 1))
            shown = (
                sampled_bilinear(material.base_color_srgb[..., :3].astype(np.float32), uvs * (width, height)) / 255.0
            )
        elif mesh.colors is not None:
            shown = np.einsum("mk,mkc->mc", part, mesh.colors[corners]) / 255.0
        factor = np.asarray(material.base_color_factor_linear[:3])
        if (factor != 1).any():
            shown = srgb_from_linear(linear_from_srgb(shown) * factor)
        out[chosen] = np.round(255 * np.clip(shown, 0, 1))
    return out


def scaled_asset(asset: Asset, longest_side_m: float) -> Asset:
    """The asset with its longest side that many metres; the factor is added to provenance under "scale".

    Raises:
        ConfigError: no positive, finite number.
    """
    if not (np.isfinite(longest_side_m) and 1e-4 <= longest_side_m <= 1e5):
        raise ConfigError(
            "This is no size of an object", where="--metres", seen=longest_side_m, expected="0.0001 .. 100000 metres"
        )
    side = float(np.ptp(asset.mesh.bounds.astype(np.float64), axis=0).max())
    factor = longest_side_m / side
    matrix = np.diag([factor, factor, factor, 1.0])
    before = float(asset.provenance.get("scale", 1.0))
    return replace(
        asset, mesh=asset.mesh.transformed(matrix), provenance={**asset.provenance, "scale": before * factor}
    )
