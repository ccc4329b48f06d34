"""Photo-consistency: a mesh that does not show what the picture shows is found out and said."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from quick_runs import QUICK, reconstruct_quick

from svdmv.core import Asset, Mesh, Orbit, ViewSet
from svdmv.dataset.shapes import shape_from_seed
from svdmv.io.meshes import normalised
from svdmv.pipeline import RunSettings, run_picture
from svdmv.reconstruct.result import Reconstruction
from svdmv.render import render_views
from svdmv.render.match import POOR_MATCH_DB, photo_consistency


@pytest.fixture(scope="module")
def mug() -> Asset:
    """A procedural mug in a ball of radius 0.5."""
    return normalised(shape_from_seed(4, "mug"), rule="bounding_sphere")[0]


@pytest.fixture(scope="module")
def views(mug: Asset) -> ViewSet:
    """Its true views."""
    orbit = Orbit.static(10, 3, radius=1.75)
    return render_views(mug, orbit.cameras(64, 64), orbit=orbit, shading="unlit", with_geometry=False)


def moved(asset: Asset, turn: np.ndarray, scale: float = 1.0) -> Asset:
    """The asset turned and scaled."""
    mesh = asset.mesh
    return replace(asset, mesh=Mesh(mesh.vertices @ turn.T * scale, mesh.faces, None, mesh.uvs, mesh.colors))


def test_the_true_mesh_matches(mug: Asset, views: ViewSet) -> None:
    match = photo_consistency(mug, views)
    assert match["ok"] is True
    assert match["foreground_psnr_db"] > 25
    assert match["iou"] > 0.95
    assert match["psnr_db"] >= match["foreground_psnr_db"]


@pytest.mark.parametrize(
    ("turn", "scale"), [(np.diag([1.0, 0.2, 1.0]), 1.0), (np.eye(3), 0.4), (np.eye(3)[[1, 2, 0]], 1.0)]
)
def test_a_wrong_mesh_does_not(mug: Asset, views: ViewSet, turn: np.ndarray, scale: float) -> None:
    right, wrong = photo_consistency(mug, views), photo_consistency(moved(mug, turn, scale), views)
    assert wrong["ok"] is False
    assert wrong["foreground_psnr_db"] < POOR_MATCH_DB
    assert wrong["iou"] < right["iou"]


def test_nothing_in_view_is_no_match(mug: Asset, views: ViewSet) -> None:
    away = replace(mug, mesh=replace(mug.mesh, vertices=mug.mesh.vertices + np.float32([0, 50, 0])))
    match = photo_consistency(away, views)
    assert (match["ok"], match["iou"]) == (False, 0.0)


def reconstruct_wrong(views: ViewSet) -> Reconstruction:
    """A needle where the ellipsoid should be."""
    made = reconstruct_quick(views)
    return replace(made, mesh=Mesh(made.mesh.vertices * np.float32([0.1, 1, 0.1]), made.mesh.faces))


def test_a_run_says_that_its_mesh_is_wrong(egg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from svdmv.reconstruct.door import METHODS

    monkeypatch.setitem(METHODS, "wrong", f"{__name__}:reconstruct_wrong")
    done = run_picture(egg, tmp_path / "out", RunSettings(**{**QUICK, "method": "wrong"}))
    assert done.notes[0].startswith("the mesh does not match the picture: ")
    record = json.loads((tmp_path / "out" / "provenance.json").read_text("utf-8"))
    assert record["photo_consistency"]["ok"] is False
    assert record["notes"] == list(done.notes)
    assert f"{record['photo_consistency']['foreground_psnr_db']} dB" in done.notes[0]


def test_a_run_whose_mesh_matches_does_not(quick_run: Path) -> None:
    record = json.loads((quick_run / "provenance.json").read_text("utf-8"))
    assert record["photo_consistency"]["ok"] is True
    assert not any("does not match" in note for note in record["notes"])
