"""Folders of other programs: each layout, written from the truth, reads back as the truth, on a chiral object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

import svdmv.bench.methods as methods
from svdmv.bench.folder_layouts import LAYOUTS, WONDER3D_VIEWS
from svdmv.bench.folder_methods import folder
from svdmv.bench.methods import Method, Task, method_from_name
from svdmv.bench.metrics import metric_from_name
from svdmv.bench.references import reference_views
from svdmv.bench.scoring import mean_of_views, scores_of
from svdmv.bench.suite import SuiteObject, load_suite
from svdmv.core import ConfigError, DataError, ViewSet
from svdmv.io.pictures import write_png
from svdmv.io.video import write_video

SIZE = 64


def task_of(name: str) -> Task:
    """The robot, which differs from its mirror image, on the cameras of a suite."""
    suite = replace(load_suite(name), objects=(SuiteObject("robot", "shape2:2000007"),), size_px=SIZE, supersampling=2)
    suite = replace(suite, tracks=suite.tracks[:1], light="studio")
    truth = reference_views(suite, suite.objects[0], None, None)[suite.tracks[0].name]
    return Task(suite, suite.tracks[0], "robot", truth.rgba_u8()[0], 0, truth)


SUITES = ("mini", "gso34-zero123", "gso34-stable-zero123", "gso34-syncdreamer", "zero123plus", "gso34-wonder3d")


@pytest.fixture(scope="session")
def tasks() -> dict[str, Task]:
    """One a camera set."""
    return {name: task_of(name) for name in SUITES}


def psnr(task: Task, prediction: ViewSet) -> float:
    scores = scores_of(task, prediction, [metric_from_name("psnr_object")], "white")
    return mean_of_views(scores.values["psnr_object"], scores.counted, "psnr_object")


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return np.round(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def write_numbered(root: Path, task: Task) -> None:
    for n, view in enumerate(task.truth.rgba_u8()):
        write_png(root / "robot" / f"{n:03d}.png", view)


def write_strip(root: Path, task: Task) -> None:
    write_png(root / "robot" / "0.png", np.concatenate(list(on_white(task.truth.rgba_u8())), 1))


def write_strip_of_25(root: Path, task: Task) -> None:
    views = on_white(task.truth.rgba_u8())
    write_png(root / "robot" / "0.png", np.concatenate([views[n % len(views)] for n in range(25)], 1))


def write_tiles(root: Path, task: Task) -> None:
    t = task.truth.rgba_u8()[1:]
    write_png(root / "robot.png", np.concatenate([np.concatenate([t[2 * r], t[2 * r + 1]], 1) for r in range(3)], 0))


def write_sv3d(root: Path, task: Task) -> None:
    """The input view comes last."""
    write_video(root / "robot" / "000000.mp4", np.roll(on_white(task.truth.rgba_u8()), -1, 0), 7)


def write_wonder3d(root: Path, task: Task) -> None:
    for name, view in zip(WONDER3D_VIEWS, task.truth.rgba_u8(), strict=True):
        write_png(root / "robot" / "masked_colors" / f"rgb_000_{name}.png", view)


CASES = [
    ("svdmv", "mini", write_numbered, 60),
    ("zero123", "gso34-zero123", write_numbered, 60),
    ("zero123xl", "gso34-zero123", write_numbered, 60),
    ("stable_zero123", "gso34-stable-zero123", write_numbered, 60),
    ("eschernet", "gso34-zero123", write_strip_of_25, 22),
    ("syncdreamer", "gso34-syncdreamer", write_strip, 22),
    ("zero123plus", "zero123plus", write_tiles, 60),
    ("sv3d", "mini", write_sv3d, 18),
    ("wonder3d", "gso34-wonder3d", write_wonder3d, 60),
]


@pytest.mark.parametrize(("layout", "suite", "write", "least_db"), CASES, ids=[c[0] for c in CASES])
def test_a_layout_reads_back_as_the_truth(
    tasks: dict[str, Task],
    tmp_path: Path,
    layout: str,
    suite: str,
    write: Callable[[Path, Task], None],
    least_db: float,
) -> None:
    """Opaque layouts lose the soft edge of alpha, the video more; a wrong order or sign would lose far more."""
    task = tasks[suite]
    write(tmp_path, task)
    made = folder(str(tmp_path), layout, "theirs")
    right = psnr(task, made.predict(task))
    assert right > least_db
    rgba = task.truth.rgba_u8()
    around = np.argsort(-np.array(task.track.azimuths_deg) % 360)
    flipped = psnr(task, task.views(rgba[around]))
    assert right > flipped + 5, "the object would not tell a wrong sign"


def test_every_layout_is_tried() -> None:
    assert {c[0] for c in CASES} == set(LAYOUTS)


def test_orthographic_views_are_refused_on_a_lens(tasks: dict[str, Task], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="orthographic") as caught:
        folder(str(tmp_path), "wonder3d").predict(tasks["mini"])
    assert "gso34-wonder3d" in caught.value.block()


def test_missing_extra_twice_and_absent(tasks: dict[str, Task], tmp_path: Path) -> None:
    task = tasks["mini"]
    write_numbered(tmp_path, task)
    (tmp_path / "robot" / "004.png").unlink()
    with pytest.raises(DataError) as caught:
        folder(str(tmp_path)).predict(task)
    assert "views 4 of 21" in caught.value.block()
    write_png(tmp_path / "robot" / "004.png", task.truth.rgba_u8()[4])
    write_png(tmp_path / "robot" / "4.png", task.truth.rgba_u8()[5])
    with pytest.raises(DataError, match="one number"):
        folder(str(tmp_path)).predict(task)
    (tmp_path / "robot" / "4.png").unlink()
    write_png(tmp_path / "robot" / "021.png", task.truth.rgba_u8()[4])
    with pytest.raises(DataError, match="more predicted views"):
        folder(str(tmp_path)).predict(task)
    with pytest.raises(DataError, match="no predictions"):
        folder(str(tmp_path)).predict(replace(task, object_name="ghost"))


def test_a_view_of_another_size(tasks: dict[str, Task], tmp_path: Path) -> None:
    write_numbered(tmp_path, tasks["mini"])
    write_png(tmp_path / "robot" / "003.png", np.zeros((48, 48, 4), np.uint8))
    with pytest.raises(DataError, match="not square and of one size") as caught:
        folder(str(tmp_path)).predict(tasks["mini"])
    assert "48x48, 64x64" in caught.value.block()


def test_grey_tiles_are_refused(tasks: dict[str, Task], tmp_path: Path) -> None:
    """Zero123++ leaves its background grey: scored as it is, the grey would be object."""
    write_png(tmp_path / "robot.png", np.full((192, 128, 3), 127, np.uint8))
    with pytest.raises(DataError, match="tiles cannot be read"):
        folder(str(tmp_path), "zero123plus").predict(tasks["zero123plus"])


def test_a_folder_that_is_not_there_and_an_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not there"):
        folder(str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match="layout is unknown"):
        folder(str(tmp_path), "mv")
    with pytest.raises(ConfigError, match="options that it does not take"):
        method_from_name("copy", {"model": "x"})


def mine() -> Method:
    """Somebody's own method."""
    return Method("mine", lambda task: task.truth, knows_truth=True)


def test_a_method_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{__name__}:mine", "svdmv.methods")
    monkeypatch.setattr(methods, "entry_points", lambda group: [point] if group == "svdmv.methods" else [])
    assert method_from_name("mine", {}).name == "mine"
    assert "mine" in methods.method_names()
