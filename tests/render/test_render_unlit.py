"""A material that says it is unlit keeps its colour in every light and shading, beside others that are lit."""

from __future__ import annotations

import numpy as np
import pytest
from render_solids import box_mesh, joined_meshes

from svdmv.core import Asset, Material, Orbit
from svdmv.render import render_views


@pytest.mark.parametrize("shading", ["pbr", "matte"])
def test_unlit_keeps_its_colour_in_any_light(shading: str) -> None:
    """The left box is unlit, linear (0.5, 0.25, 0.1), sRGB (188, 137, 89); the right one is the same, lit."""
    boxes = [box_mesh((-0.4, -0.2, -0.2), (-0.1, 0.2, 0.2)), box_mesh((0.1, -0.2, -0.2), (0.4, 0.2, 0.2))]
    factor = (0.5, 0.25, 0.1, 1.0)
    materials = (Material("a", factor, unlit=True), Material("b", factor))
    asset = Asset(joined_meshes(boxes), materials, np.repeat(np.arange(2, dtype=np.int32), 12))
    cameras = Orbit.static(20.0, 1).cameras(48, 48)
    for level in (0.1, 2.0):
        light = np.full((16, 32, 3), level, np.float32)
        views = render_views(asset, cameras, light=light, shading=shading, with_geometry=False)
        assert views.alphas is not None
        left, right = (half[alpha == 255] for half, alpha in zip(
            (views.images[0][:, :24], views.images[0][:, 24:]), (views.alphas[0][:, :24], views.alphas[0][:, 24:]),
            strict=True,
        ))  # fmt: skip
        np.testing.assert_allclose(left, np.broadcast_to((188, 137, 89), left.shape), atol=1)
        assert abs(float(right[:, 0].mean()) - 188) > 20
