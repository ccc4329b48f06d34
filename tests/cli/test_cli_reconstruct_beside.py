"""What a method brings beside the mesh is written beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from analytic_shapes import sphere, views_of

from svdmv.cli.reconstruct import write_beside
from svdmv.core import Mesh
from svdmv.io.views import load_views
from svdmv.reconstruct import Reconstruction


def test_files_and_novel_views_are_written(tmp_path: Path) -> None:
    views = views_of(sphere(0.4), size=16, num_views=3)
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))
    write_beside(tmp_path, Reconstruction(mesh, "nerf", "because", views))
    assert list(tmp_path.iterdir()) == []
    made = Reconstruction(mesh, "nerf", "because", views, files={"points.ply": b"ply"}, renders=views)
    write_beside(tmp_path, made)
    assert (tmp_path / "points.ply").read_bytes() == b"ply"
    again = load_views(tmp_path / "novel")
    assert len(again) == 3
    assert again.depths is not None
    assert (tmp_path / "novel.mp4").stat().st_size > 200
