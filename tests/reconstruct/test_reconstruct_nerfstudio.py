"""nerfstudio's programs played by small ones: what they are asked, what is read back, what is said when they fail."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh
from analytic_shapes import sphere, views_of

from svdmv.core import ConfigError, DataError, MissingDependency, ViewSet
from svdmv.reconstruct import reconstruct_mesh
from svdmv.reconstruct.nerfstudio import world_from_nerfstudio
from svdmv.reconstruct.nerfstudio_programs import ProgramFailed, nerfstudio_folder, nerfstudio_health

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the stand-ins are scripts that a Unix shell starts")
# what the played nerfstudio does to the world: half size, a turn of the file's axes x -> y -> z -> x, a shift
SCALE = 0.5
TRANSFORM = [[0.0, 0.0, 1.0, 0.1], [1.0, 0.0, 0.0, 0.2], [0.0, 1.0, 0.0, 0.3]]
POINTS_OURS = np.array([[0.1, 0.2, 0.3], [-0.2, 0.3, 0.1], [0.0, -0.4, 0.2], [0.3, 0.0, -0.1]])

TRAIN = f"""#!{sys.executable}
import json, pathlib, sys
words = sys.argv[1:]
assert words[0] == "nerfacto" and "nerfstudio-data" in words
value = lambda name: words[words.index("--" + name) + 1]
tree = json.loads((pathlib.Path(value("data")) / "transforms.json").read_text())
assert len(tree["frames"]) == 5 and value("machine.device-type") == "cpu"
print("Step (% Done)\\n10 (50.00%)  1 ms\\n20 (100.00%)  1 ms")
run = pathlib.Path(value("output-dir")) / value("experiment-name") / "nerfacto" / value("timestamp")
run.mkdir(parents=True)
(run / "config.yml").write_text("a config")
(run / "dataparser_transforms.json").write_text(json.dumps({{"transform": {TRANSFORM}, "scale": {SCALE}}}))
"""


def trained_frame(points: np.ndarray) -> np.ndarray:
    """Ours -> the file's +Z up world (x, -z, y) -> what the played nerfstudio trains in; written out by hand."""
    file = np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1)
    turned = np.stack([file[:, 2] + 0.1, file[:, 0] + 0.2, file[:, 1] + 0.3], 1)
    return SCALE * turned


def export_script(mesh: Path, cloud: Path) -> str:
    return f"""#!{sys.executable}
import pathlib, shutil, sys
words = sys.argv[1:]
out = pathlib.Path(words[words.index("--output-dir") + 1])
out.mkdir(parents=True)
assert pathlib.Path(words[words.index("--load-config") + 1]).read_text() == "a config"
if words[0] == "tsdf":
    assert words[words.index("--texture-method") + 1] == "tsdf"
    (out / "box.txt").write_text(" ".join(words[words.index("--bounding-box-min") + 1:][:3]))
    shutil.copy("{mesh}", out / "tsdf_mesh.ply")
else:
    shutil.copy("{cloud}", out / "point_cloud.ply")
"""


@pytest.fixture
def views() -> ViewSet:
    return views_of(sphere(0.4), size=24, num_views=5)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment whose ns-export returns a sphere of radius 0.4 and four points, in the trained frame."""
    folder = tmp_path / "environment"
    (folder / "bin").mkdir(parents=True)
    ball = trimesh.creation.icosphere(3, 0.4)
    trimesh.Trimesh(trained_frame(ball.vertices), ball.faces, process=False).export(tmp_path / "mesh.ply")
    colors = np.array([[255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [9, 9, 9, 255]], np.uint8)
    trimesh.PointCloud(trained_frame(POINTS_OURS), colors).export(tmp_path / "cloud.ply")
    write(folder, "ns-train", TRAIN)
    write(folder, "ns-export", export_script(tmp_path / "mesh.ply", tmp_path / "cloud.ply"))
    (folder / "lib/python3.11/site-packages/nerfstudio-1.1.5.dist-info").mkdir(parents=True)
    monkeypatch.setenv("SVDMV_NERFSTUDIO", str(folder))
    return folder


def write(folder: Path, name: str, text: str) -> None:
    path = folder / "bin" / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_mesh_and_cloud_come_back_in_our_frame(views: ViewSet, programs: Path, tmp_path: Path) -> None:
    steps: list[tuple[str, int, int]] = []
    made = reconstruct_mesh(
        views,
        method="nerfstudio",
        steps=20,
        points=4,
        folder=tmp_path / "work",
        device="cpu",
        report=lambda *row: steps.append(row),
    )
    radii = np.linalg.norm(made.mesh.vertices, axis=1)
    np.testing.assert_allclose(radii, 0.4, atol=1e-5)
    outward = (
        np.cross(
            *(made.mesh.vertices[made.mesh.faces[:, k]] - made.mesh.vertices[made.mesh.faces[:, 0]] for k in (1, 2))
        )
        * made.mesh.vertices[made.mesh.faces].mean(1)
    ).sum(1)
    assert (outward > 0).all()
    head, _, body = made.files["points.ply"].partition(b"end_header\n")
    assert b"element vertex 4" in head
    rows = np.frombuffer(body, [("position", "<f4", 3), ("color", "u1", 3)])
    np.testing.assert_allclose(rows["position"], POINTS_OURS, atol=1e-6)
    assert rows["color"].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]
    assert steps == [("nerfstudio", 10, 20), ("nerfstudio", 20, 20)]
    assert made.figures["nerfstudio"] == "1.1.5"
    # our box of half a side 0.62, in the trained frame, centred at 0.5 (0.1, 0.2, 0.3)
    low = [float(v) for v in (tmp_path / "work" / "mesh" / "box.txt").read_text().split()]
    np.testing.assert_allclose(low, [0.05 - 0.31, 0.1 - 0.31, 0.15 - 0.31], atol=1e-5)
    assert "ns-train" in (tmp_path / "work" / "log.txt").read_text()


def test_the_frame_by_hand(tmp_path: Path) -> None:
    """Trained = 2 (file + (1, 0, 0)): the trained point (4, 6, 8) is the file's (1, 3, 4), ours (1, 4, -3)."""
    tree = {"transform": [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0]], "scale": 2}
    (tmp_path / "dataparser_transforms.json").write_text(json.dumps(tree))
    np.testing.assert_allclose(world_from_nerfstudio(tmp_path) @ [4, 6, 8, 1], [1, 4, -3, 1])
    for damage in ("{}", "[", json.dumps({**tree, "scale": 0}), json.dumps({**tree, "transform": [1, 2]})):
        (tmp_path / "dataparser_transforms.json").write_text(damage)
        with pytest.raises(DataError, match="frame cannot be told"):
            world_from_nerfstudio(tmp_path)


@pytest.mark.parametrize(
    ("program", "text", "said"),
    [
        ("ns-train", "#!/bin/sh\necho out of memory\nexit 3\n", "exit code 3: out of memory"),
        ("ns-train", "#!/bin/sh\nexit 0\n", "no config.yml"),
        ("ns-export", "#!/bin/sh\nexit 0\n", "wrote no mesh"),
        ("ns-train", "no program at all", "ns-train failed"),
    ],
)
def test_programs_that_fail_are_told_by_name(
    views: ViewSet, programs: Path, tmp_path: Path, program: str, text: str, said: str
) -> None:
    write(programs, program, text)
    with pytest.raises(ProgramFailed, match=said):
        reconstruct_mesh(views, method="nerfstudio", steps=20, folder=tmp_path / "work", device="cpu")


def test_an_empty_or_damaged_mesh_is_refused(views: ViewSet, programs: Path, tmp_path: Path) -> None:
    (tmp_path / "mesh.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex x\nend_header\n")
    with pytest.raises(DataError, match="cannot be read"):
        reconstruct_mesh(views, method="nerfstudio", steps=20, device="cpu")


def test_without_nerfstudio_the_way_to_it_is_said(
    views: ViewSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SVDMV_NERFSTUDIO", str(tmp_path))
    with pytest.raises(MissingDependency) as caught:
        reconstruct_mesh(views, method="nerfstudio")
    assert "setup_nerfstudio" in str(caught.value.next_step)
    assert nerfstudio_health()[0] == "absent"
    monkeypatch.delenv("SVDMV_NERFSTUDIO")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(MissingDependency, match=r"cache/svdmv/nerfstudio"):
        nerfstudio_folder()


def test_health_wants_the_weights_that_stop_the_download(programs: Path) -> None:
    assert nerfstudio_health()[0] == "absent"
    place = programs / "torch_home" / "hub" / "checkpoints"
    place.mkdir(parents=True)
    (place / "alexnet-owt-7be5be79.pth").write_bytes(b"")
    state, detail = nerfstudio_health()
    assert state == "ok"
    assert "1.1.5" in detail


@pytest.mark.parametrize("bad", [{"resolution": 4}, {"points": -1}, {"steps": 1}, {"device": "tpu"}])
def test_settings_out_of_range_are_refused(views: ViewSet, programs: Path, bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        reconstruct_mesh(views, method="nerfstudio", **bad)
