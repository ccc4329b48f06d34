"""Mesh and views -> the asset that goes into a GLB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.asset.bake import baked_texture
from svdmv.asset.cleanup import cleaned_mesh
from svdmv.asset.origin import OriginMap
from svdmv.asset.relief import normal_map, places_of_texels
from svdmv.core import Asset, ConfigError, Material, Mesh, ViewSet, vertex_normals
from svdmv.geometry.atlas import atlas_stretch, unwrapped
from svdmv.geometry.raster import texel_map

DEFAULT_FACES = 10_000
DEFAULT_TEXTURE_SIZE = 1024
ROUGHNESS = 0.9


@dataclass(frozen=True, eq=False)
class BakedAsset:
    """An asset and where its texture comes from.

    Attributes:
        asset: one matte, opaque material; UVs in [0, 1], vertex normals across chart seams.
        origin: seen, generated or filled, texel by texel.
    """

    asset: Asset
    origin: OriginMap


def textured_asset(mesh: Mesh, views: ViewSet, **settings: Any) -> Asset:
    """The asset of `baked_asset`, which takes the same settings."""
    return baked_asset(mesh, views, **settings).asset


def baked_asset(
    mesh: Mesh,
    views: ViewSet,
    *,
    faces: int = DEFAULT_FACES,
    texture_size: int = DEFAULT_TEXTURE_SIZE,
    provenance: Mapping[str, Any] | None = None,
    input_view: int | None = 0,
    input_weight: float = 10.0,
    generated: bool = False,
    detail: NDArray[np.uint8] | None = None,
    smoothing: int = 10,
    relief: bool = False,
) -> BakedAsset:
    """A clean, simplified, unwrapped mesh with a base colour texture baked from the views.

    Args:
        mesh: triangles in world units, the frame of the views' cameras.
        views: N pictures, with alpha where the background must not be baked.
        faces: budget of faces, 20 or more.
        texture_size: side of the texture in texels, 16 .. 8192.
        provenance: JSON values to carry; figures of the making are added under "asset".
        input_view: the view that is a picture for certain, preferred where it sees the surface; None = all alike.
        input_weight: how many other views it outweighs.
        generated: whether the other views were drawn by a model; decides what the origin map calls seen.
        detail: the input view with more pixels, (D, D, 4) uint8 straight alpha; None = as it is among the views.
        smoothing: rounds of Taubin smoothing; 0 keeps the mesh as it is.
        relief: keep in a normal map what simplification takes from the surface.

    Raises:
        ConfigError: a setting is out of range.
        DataError: the mesh has no surface.
    """
    _check_settings(views, faces, texture_size, input_view)
    clean, notes = cleaned_mesh(mesh, faces=faces, smoothing=smoothing)
    normals = vertex_normals(clean.vertices, clean.faces)
    atlas = unwrapped(clean.vertices, clean.faces, texture_size=texture_size)
    stretch = atlas_stretch(clean.vertices, clean.faces, atlas.uvs[atlas.faces])
    if atlas.note:
        notes = (*notes, f"two triangles a cell instead of charts: {atlas.note}")
    weights, true_views = np.ones(len(views)), np.full(len(views), not generated)
    if input_view is not None:
        weights[input_view], true_views[input_view] = input_weight, True
    texture = baked_texture(
        clean.vertices,
        clean.faces,
        normals,
        atlas.uvs[atlas.faces],
        views,
        size=texture_size,
        view_weights=weights,
        true_views=true_views,
        anchors=np.arange(len(views)) == input_view,
        detail=None if detail is None or input_view is None else (input_view, detail),
    )
    final = Mesh(clean.vertices[atlas.source], atlas.faces, normals[atlas.source], atlas.uvs)
    material = Material(
        name="baked",
        base_color_srgb=texture.base_color_srgb,
        normal_linear=_relief(mesh, final, texture_size, smoothing) if relief else None,
        metallic=0.0,
        roughness=ROUGHNESS,
        alpha_mode="OPAQUE",
    )
    story = {
        "faces": len(final.faces),
        "texture_size": texture_size,
        "charts": atlas.charts,
        "unwrap": atlas.method,
        "stretch": round(stretch.mean, 4),
        "seen_share": texture.seen_share,
        "texture_origin": texture.origin_shares,
        **texture.figures,
        "notes": list(notes),
    }
    return BakedAsset(Asset(final, (material,), provenance={**(provenance or {}), "asset": story}), texture.origin)


def _relief(mesh: Mesh, final: Mesh, texture_size: int, smoothing: int) -> NDArray[np.uint8]:
    """Normals of the mesh before it was simplified."""
    assert final.uvs is not None
    whole, _ = cleaned_mesh(mesh, faces=len(mesh.faces), smoothing=smoothing)
    texels = texel_map(final.uvs[final.faces], texture_size, texture_size)
    return normal_map(final, texels, places_of_texels(final, texels, whole), whole)


def _check_settings(views: ViewSet, faces: int, texture_size: int, input_view: int | None) -> None:
    if faces < 20:
        raise ConfigError("The budget of faces is too small", where="faces", seen=faces, expected="20 or more")
    if not 16 <= texture_size <= 8192:
        raise ConfigError(
            "The texture size is out of range", where="texture_size", seen=texture_size, expected="16 .. 8192 texels"
        )
    if input_view is not None and not 0 <= input_view < len(views):
        expected = f"0 .. {len(views) - 1}, or None"
        raise ConfigError("There is no such input view", where="input_view", seen=input_view, expected=expected)
