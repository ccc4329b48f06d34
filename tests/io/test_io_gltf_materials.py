"""What a glTF material says beyond its pictures."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from test_io_gltf_surface import TRIANGLE, model, notes_of, read

from svdmv.io.pictures import png_bytes


def test_normal_maps_take_their_scale_and_occlusion_is_noted(tmp_path: Path) -> None:
    """glTF 2.0, 3.9.3: x and y times scale, then of unit length: (0.6, 0, 0.8) at scale 0 is upright."""
    lean = np.round((np.array([0.6, 0, 0.8]) + 1) * 127.5).astype(np.uint8)
    image = {"uri": "data:image/png;base64," + base64.b64encode(png_bytes(np.full((2, 2, 3), lean))).decode()}

    def normal(scale: float) -> np.ndarray:
        material = {"normalTexture": {"index": 0, "scale": scale}, "occlusionTexture": {"index": 0}}
        tree = model([TRIANGLE, TRIANGLE[:, :2]], {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0},
                     materials=[material], textures=[{"source": 0}], images=[image])  # fmt: skip
        asset = read(tmp_path, tree)
        assert any("occlusion map" in note for note in notes_of(asset))
        assert asset.materials[0].normal_linear is not None
        return asset.materials[0].normal_linear[0, 0] / 127.5 - 1

    assert normal(1.0) == pytest.approx((0.6, 0, 0.8), abs=0.005)
    assert normal(0.0) == pytest.approx((0, 0, 1), abs=0.005)
    assert normal(2.0) == pytest.approx((1.2 / np.sqrt(2.08), 0, 0.8 / np.sqrt(2.08)), abs=0.006)
