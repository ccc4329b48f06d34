"""Mesh -> asset: clean-up, simplification, UVs, a texture baked from views, and the acceptance report."""

from svdmv.asset.check import check_asset
from svdmv.asset.textured import textured_asset

__all__ = ["check_asset", "textured_asset"]
