"""Cameras that a checkpoint does not draw: another program's folder and our model through its mesh, in one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from svdmv.asset import textured_asset
from svdmv.bench import model_methods
from svdmv.bench.folder_methods import folder
from svdmv.bench.foreign import PROGRAMS
from svdmv.bench.mesh_scores import TrueObject
from svdmv.bench.methods import Method, method_from_name
from svdmv.bench.metrics import metric_from_name
from svdmv.bench.model_methods import checkpoint, drawable
from svdmv.bench.plan import RunPlan
from svdmv.bench.runner import run_suite
from svdmv.bench.suite import Suite, SuiteObject, load_suite
from svdmv.core import Asset, Orbit, ViewSet
from svdmv.diffusion.checkpoint import checkpoint_folder
from svdmv.diffusion.info import CheckpointInfo
from svdmv.io.pictures import write_png
from svdmv.reconstruct import reconstruct_mesh
from svdmv.render import render_views

ROBOT = SuiteObject("robot", "shape2:2000007")
INFO = CheckpointInfo.read(checkpoint_folder("svdmv-mini"))


def small(name: str) -> Suite:
    """A suite around the robot, which differs from its mirror image."""
    return replace(load_suite(name), objects=(ROBOT,), size_px=40, supersampling=1, light="studio")


@pytest.fixture(scope="module")
def suite() -> Suite:
    """SyncDreamer's 16 cameras at elevation 30, another lens and distance than ours."""
    return small("gso34-syncdreamer")


@pytest.fixture(scope="module")
def drawn(suite: Suite) -> ViewSet:
    """What a perfect checkpoint would draw: its own 21 cameras at the input's elevation."""
    known = TrueObject(replace(suite, framing="bounding_sphere"), ROBOT, None)
    orbit = replace(Orbit.static(30, INFO.num_views), radius=INFO.framing.radius, fov_y_deg=INFO.framing.fov_y_deg)
    cameras = orbit.cameras(INFO.image_size, INFO.image_size)
    return render_views(known.asset, cameras, orbit=orbit, supersampling=1, with_geometry=False)


def backwards(views: ViewSet) -> ViewSet:
    rgba = views.rgba_u8()[-np.arange(len(views)) % len(views)]
    return ViewSet(rgba[..., :3], views.cameras, rgba[..., 3], orbit=views.orbit)


def rough(views: ViewSet) -> Asset:
    made = reconstruct_mesh(views, method="hull", resolution=48)
    return textured_asset(made.mesh, made.views, faces=600, texture_size=64)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """True views, rendered once for all runs."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def ours(drawn: ViewSet, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Method]:
    """The method of a checkpoint whose network answers with the given orbit."""

    def made(views: ViewSet = drawn, through: str = "mesh") -> Method:
        monkeypatch.setattr(model_methods, "loaded_checkpoint", lambda *_: SimpleNamespace(info=INFO))
        monkeypatch.setattr(model_methods, "generate_views", lambda model, framed, sampling: [views])
        monkeypatch.setattr(model_methods, "reconstructed_asset", rough)
        return checkpoint(through=through)

    return made


def test_another_programs_row_and_ours_stand_on_its_cameras(
    suite: Suite, drawn: ViewSet, ours: Callable[..., Method], cache: Path, tmp_path: Path
) -> None:
    """Its strip is the truth; ours, drawn from 21 other cameras, is near it by its mesh, and far when run backwards."""
    truth = TrueObject(suite, ROBOT, None).views(suite.orbit(suite.tracks[0]).cameras(40, 40), 1)
    white = truth[0] * (truth[1][..., None] / 255) + (255 - truth[1][..., None])
    write_png(tmp_path / "theirs" / "robot" / "0.png", np.concatenate(list(white.round().astype(np.uint8)), 1))
    theirs = folder(str(tmp_path / "theirs"), "syncdreamer")
    wrong = replace(ours(backwards(drawn)), name="backwards", identity="")
    metrics = tuple(metric_from_name(m) for m in ("psnr_object", "iou"))
    methods = (theirs, ours(), method_from_name("copy", {}))
    result = run_suite(RunPlan(suite, methods, metrics, cache=cache), tmp_path / "out")
    assert result["complete"]
    assert result["azimuths_deg"]["elevation_plus30"] == [n * 22.5 for n in range(16)]
    mean = {name: {m: value["mean"] for m, value in row.items()} for name, row in result["mean"].items()}
    assert mean["theirs"]["psnr_object"] > 20
    assert mean["svdmv-mini-mesh"]["iou"] > 0.85
    assert mean["svdmv-mini-mesh"]["psnr_object"] > mean["copy"]["psnr_object"] + 3
    assert "its own orbit, made into a mesh" in result["methods"]["svdmv-mini-mesh"]["cameras"]
    assert not result["alignment"]["svdmv-mini-mesh"]["convention"]
    ours(backwards(drawn))
    other = run_suite(RunPlan(suite, (wrong,), metrics, cache=cache), tmp_path / "wrong")
    assert other["mean"]["backwards"]["psnr_object"]["mean"] < mean["svdmv-mini-mesh"]["psnr_object"] - 2


def test_views_alone_are_refused_on_cameras_that_it_does_not_draw(
    suite: Suite, ours: Callable[..., Method], cache: Path, tmp_path: Path
) -> None:
    plan = RunPlan(suite, (ours(through=""),), (metric_from_name("iou"),), cache=cache)
    result = run_suite(plan, tmp_path / "out")
    assert [p["failed"] for p in result["failed_predictions"]] == [
        "The checkpoint cannot draw this suite's cameras: 16 views, lens 49.13 degrees"
    ]
    assert result["mean"]["svdmv-mini"]["iou"]["mean"] is None, "not run, never zero"


def test_every_program_has_a_suite_and_ours_is_run_there() -> None:
    """Directly, or through a mesh where its cameras are none of ours; no suite is left where it cannot be run."""
    direct = set()
    for told in PROGRAMS.values():
        for name in told.suites:
            made = load_suite(name)
            task = SimpleNamespace(suite=made, track=made.tracks[0])
            if drawable(task, INFO):  # type: ignore[arg-type]
                direct.add(name)
            assert made.tracks[0].input_view == 0, "the input is given, framed and drawn around"
    assert direct == {"gso34_orbit21", "sv3d-static", "svd-mv-paper"}
