"""Mesh -> asset: clean-up, simplification, UVs, a texture baked from views, and the acceptance report."""

from svdmv.asset.check import check_asset
from svdmv.asset.origin import OriginMap, origin_from_picture, picture_from_origin
from svdmv.asset.textured import BakedAsset, baked_asset, textured_asset

__all__ = [
    "BakedAsset",
    "OriginMap",
    "baked_asset",
    "check_asset",
    "origin_from_picture",
    "picture_from_origin",
    "textured_asset",
]
