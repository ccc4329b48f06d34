"""Meshes: the true one is perfect, a rule moves what it says and tells it, failures are named rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import svdmv.bench.mesh_scores as mesh_scores
import svdmv.bench.whole_figures as whole_figures
import svdmv.geometry.mesh_metrics as mesh_metrics
from svdmv.asset import textured_asset
from svdmv.bench.comparison import comparison_text
from svdmv.bench.folder_methods import folder
from svdmv.bench.mesh_scores import TrueObject, aligned_to, mesh_protocol, views_of_mesh
from svdmv.bench.methods import Method, Task
from svdmv.bench.metrics import metric_from_name
from svdmv.bench.model_methods import placed_on_input
from svdmv.bench.plan import RunPlan
from svdmv.bench.report import write_report
from svdmv.bench.runner import run_suite
from svdmv.bench.suite import Suite, SuiteObject, Track, load_suite
from svdmv.bench.tables import latex_table, markdown_table, mesh_rows, text_table
from svdmv.core import Asset, ConfigError, ViewSet
from svdmv.geometry.mesh_metrics import TrueSurface
from svdmv.io.meshes import write_asset
from svdmv.reconstruct import reconstruct_mesh


@pytest.fixture(scope="module")
def suite() -> Suite:
    track = Track("level", tuple(n * 360 / 7 for n in range(7)), (10.0,) * 7)
    robots = (SuiteObject("robot", "shape2:2000007"), SuiteObject("other", "shape2:2000001"))
    return replace(load_suite("mini"), objects=robots, tracks=(track,), size_px=32, supersampling=1)


@pytest.fixture(scope="module")
def robot(suite: Suite) -> Asset:
    return TrueObject(suite, suite.objects[0], None).asset


def moved(asset: Asset, degrees: float, scale: float, shift: float) -> Asset:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.array([[c * scale, 0, s * scale, shift], [0, scale, 0, 0], [-s * scale, 0, c * scale, 0], [0, 0, 0, 1]])
    return Asset(asset.mesh.transformed(matrix), asset.materials, asset.face_materials)


def far(asset: Asset, other: Asset) -> float:
    return float(np.abs(asset.mesh.vertices - other.mesh.vertices).max())


def test_rules_move_what_they_say(robot: Asset) -> None:
    changed = moved(robot, 0, 1.7, 0.4)
    same, facts = aligned_to(changed, robot, "none")
    assert same is changed
    assert facts == {}
    boxed, facts = aligned_to(changed, robot, "box")
    assert far(boxed, robot) < 1e-5
    assert facts["scale"] == pytest.approx(1 / 1.7, rel=1e-5)
    assert facts["turn_deg"] == 0
    turned, facts = aligned_to(moved(robot, 70, 0.5, 0), robot, "turn")
    assert facts["turn_deg"] == pytest.approx(290)
    assert far(turned, robot) < 1e-4
    with pytest.raises(ConfigError, match="rule for meshes"):
        mesh_protocol("icp", "unlit")


def coarse(patch: pytest.MonkeyPatch) -> None:
    """Fewer samples, watchers and cells: what is tested here are not the distances."""
    patch.setattr(mesh_scores, "TrueSurface", lambda v, f: TrueSurface(v, f, num_samples=2000))
    for name, value in (("NUM_WATCHERS", 16), ("WATCHER_PX", 96), ("GRID", 32)):
        patch.setattr(mesh_metrics, name, value)


@pytest.fixture(scope="module")
def result(suite: Suite, robot: Asset, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """The true robot as somebody's mesh under the suite's light; the other object has none."""
    root = tmp_path_factory.mktemp("meshes")
    write_asset(root / "in" / "robot.glb", robot)
    method = folder(str(root / "in"), name="theirs", mesh_light="suite")
    metrics = tuple(metric_from_name(m) for m in ("psnr", "iou"))
    with pytest.MonkeyPatch.context() as patch:
        coarse(patch)
        return run_suite(RunPlan(suite, (method,), metrics), root / "out")


def test_the_true_mesh_is_perfect(result: Mapping[str, Any]) -> None:
    figures = {name: row["mean"] for name, row in result["whole"]["theirs"].items()}
    assert figures["mesh_chamfer"] < 1e-5
    assert figures["mesh_f_score"] == 1
    assert figures["mesh_volume_iou"] > 0.999
    assert figures["mesh_normals"] > 0.95
    assert figures["mesh_faces"] > 100
    assert figures["mesh_components"] > 1
    assert result["mean"]["theirs"]["psnr"]["mean"] > 45, "its views are rendered again"
    assert result["whole"]["theirs"]["mesh_chamfer"]["per_object"]["other"] is None


def test_how_meshes_were_compared_is_told(result: Mapping[str, Any]) -> None:
    rules = result["methods"]["theirs"]["meshes"]
    assert rules["samples_a_side"] == 30_000
    assert rules["alignment"].startswith("none")
    assert "longest side" in rules["lengths"]
    titles, rows = mesh_rows(result)
    assert {"chamfer down", "volume iou up", "watertight share up", "faces"} <= set(titles)
    assert [name for name, _ in rows] == ["theirs"]
    for text in (text_table(result), markdown_table(result), latex_table(result)):
        assert "samples a side: 30000" in text


def test_an_object_without_a_mesh_is_a_named_row(result: Mapping[str, Any]) -> None:
    assert not result["complete"]
    assert [(p["object"], p["failed"]) for p in result["failed_predictions"]] == [
        ("other", "An object has no mesh: other")
    ]
    assert "other, theirs, level: An object has no mesh" in text_table(result)


def test_views_are_made_into_meshes_on_request(suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The truth's own views as a model: its hull is near; an orbit of nothing has no mesh and says so."""

    def predict(task: Task) -> ViewSet:
        rgba = task.truth.rgba_u8().copy()
        return task.views(rgba if task.object_name == "robot" else rgba * 0)

    def rough(views: ViewSet) -> Asset:
        made = reconstruct_mesh(views, method="hull", resolution=40)
        return textured_asset(made.mesh, made.views, faces=400, texture_size=64)

    coarse(monkeypatch)
    monkeypatch.setattr(whole_figures, "reconstructed_asset", rough)
    plan = RunPlan(suite, (Method("seer", predict),), (metric_from_name("iou"),), meshes=True)
    result = run_suite(plan, tmp_path / "out")
    figures = {name: row["per_object"]["robot"] for name, row in result["whole"]["seer"].items()}
    assert figures["mesh_watertight"] == 1
    assert figures["mesh_chamfer"] < 0.05
    assert figures["mesh_iou"] > 0.8
    assert (tmp_path / "out" / "predictions" / "seer" / "robot" / "level-s0" / "mesh.glb").is_file()
    assert [p["failed"].partition(":")[0] for p in result["failed_predictions"]] == ["mesh"]
    assert result["mean"]["seer"]["iou"]["objects"] == 2, "the views were scored all the same"
    assert "mesh_chamfer: +0.0000" in comparison_text(result, result)
    write_report([tmp_path / "out"], tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert page.count("class='turn'") == 2
    assert "its mesh" in page
    assert "src='http" not in page
    assert "<script src" not in page


def test_a_mesh_of_another_size_and_place_is_put_on_the_inputs_outline(suite: Suite, robot: Asset) -> None:
    """What `through=mesh` does: across the line of sight and in size, from the input picture alone."""
    camera = suite.orbit(suite.tracks[0]).cameras(64, 64)[0]
    given = views_of_mesh(robot, (camera,), suite, "unlit").rgba_u8()[0]
    placed = placed_on_input(moved(robot, 0, 0.6, 0.1), given, camera)
    again = views_of_mesh(placed, (camera,), suite, "unlit").rgba_u8()[0]
    masks = [rgba[..., 3] > 127 for rgba in (given, again)]
    assert (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum() > 0.93
