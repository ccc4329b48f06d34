"""transforms.json as other programs write it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from svdmv.core import Camera, DataError, InputError, Orbit
from svdmv.io.distortion import Distortion
from svdmv.io.transforms import frames_from_transforms, numeric_order, transforms_from_cameras

FRONT = [[1, 0, 0, 0], [0, 0, -1, -2], [0, 1, 0, 0], [0, 0, 0, 1]]  # Blender: at (0, -2, 0), looking along +Y


def frames(tree: dict[str, Any], sizes: dict[str, tuple[int, int]] | None = None) -> tuple[list[Any], list[str]]:
    notes: list[str] = []
    return frames_from_transforms(tree, "here", sizes or {}, notes), notes


def one(**more: Any) -> dict[str, Any]:
    return {"w": 100, "h": 60, "fl_x": 80.0, "frames": [{"file_path": "a.png", "transform_matrix": FRONT}], **more}


def test_the_front_camera_of_blender_is_ours():
    (frame,), notes = frames(one())
    ours = Camera.looking_at((0, 0, 2), (0, 0, 0), 40, 100, 60)
    np.testing.assert_allclose(frame.camera.world_from_camera, ours.world_from_camera, atol=1e-15)
    assert frame.camera.K.tolist() == [[80, 0, 50], [0, 80, 30], [0, 0, 1]]
    assert notes == []


def test_angles_stand_for_focal_lengths():
    tree = one(camera_angle_x=math.radians(90))
    del tree["fl_x"]
    (frame,), _ = frames(tree)
    np.testing.assert_allclose(frame.camera.K, [(50, 0, 50), (0, 50, 30), (0, 0, 1)])
    (frame,), _ = frames(one(camera_angle_y=math.radians(90)))
    np.testing.assert_allclose(frame.camera.K, [(80, 0, 50), (0, 30, 30), (0, 0, 1)])


def test_nerf_files_take_their_size_from_the_pictures():
    tree = {"camera_angle_x": math.radians(90), "frames": [{"file_path": "./train/r_0", "transform_matrix": FRONT}]}
    (frame,), _ = frames(tree, {"./train/r_0": (800, 800)})
    np.testing.assert_allclose(frame.camera.K, [(400, 0, 400), (0, 400, 400), (0, 0, 1)])
    with pytest.raises(InputError, match="size"):
        frames(tree)


def test_lenses_of_single_frames_win_over_the_shared_one():
    tree = one(cx=49.0, cy=31.0)
    tree["frames"].append({"file_path": "b.png", "transform_matrix": FRONT, "fl_x": 70, "fl_y": 71, "cx": 48, "cy": 29})
    (first, second), _ = frames(tree)
    assert first.camera.K.tolist() == [[80, 0, 49], [0, 80, 31], [0, 0, 1]]
    assert second.camera.K.tolist() == [[70, 0, 48], [0, 71, 29], [0, 0, 1]]


def test_frames_come_in_the_numeric_order_of_their_names():
    names = ["views/10.png", "views/9.png", "views/2.png", "views/010b.png", "a/1.png"]
    tree = one(frames=[{"file_path": n, "transform_matrix": FRONT} for n in names])
    order = [f.file_path for f in frames(tree)[0]]
    assert order == ["a/1.png", "views/2.png", "views/9.png", "views/010b.png", "views/10.png"]
    assert sorted(names, key=numeric_order) == order


def test_pictures_of_another_size_scale_the_lens():
    (frame,), notes = frames(one(), {"a.png": (50, 30)})
    assert frame.camera.K.tolist() == [[40, 0, 25], [0, 40, 15], [0, 0, 1]]
    assert "scaled" in notes[0]
    with pytest.raises(InputError, match="does not fit"):
        frames(one(), {"a.png": (60, 60)})


def test_lens_distortion_comes_with_the_frame():
    (frame,), notes = frames(one(k1=0.1, p2=0.01, k3=0.3))
    assert frame.distortion == Distortion((0.1, 0.0, 0.0, 0.01, 0.3))
    assert notes == []
    (frame,), _ = frames(one(camera_model="OPENCV_FISHEYE", k4=0.2))
    assert frame.distortion == Distortion((0.0, 0.0, 0.0, 0.2), fisheye=True)
    assert not frames(one())[0][0].distortion
    with pytest.raises(InputError, match="fourth"):
        frames(one(k4=0.1))


def test_rounded_poses_are_made_rigid_and_wrong_ones_refused():
    pose = Orbit.static(20, 3).cameras(8, 8)[1]
    (matrix,) = (f["transform_matrix"] for f in transforms_from_cameras([pose], ["a"])["frames"])
    rounded = [[round(v, 4) for v in row] for row in matrix]
    (frame,), notes = frames(one(frames=[{"file_path": "a", "transform_matrix": rounded}]))
    np.testing.assert_allclose(frame.camera.world_from_camera, pose.world_from_camera, atol=2e-4)
    assert "made rigid" in notes[0]
    three_rows = [{"file_path": "a", "transform_matrix": rounded[:3]}]
    assert len(frames(one(frames=three_rows))[0]) == 1
    scaled, mirrored = (np.array(FRONT) @ np.diag([s, 1, 1, 1]) for s in (1.5, -1.0))
    for bad in (
        scaled.tolist(),
        mirrored.tolist(),
        [[1, 2], [3, 4]],
        "no",
        [[None] * 4] * 4,
        (np.eye(4) * np.nan).tolist(),
    ):
        with pytest.raises(InputError):
            frames(one(frames=[{"file_path": "a", "transform_matrix": bad}]))


@pytest.mark.parametrize(
    "tree",
    [
        {},
        {"frames": []},
        {"frames": 3},
        {"frames": [3]},
        one(frames=[{"file_path": "a"}]),
        one(frames=[{"transform_matrix": FRONT}]),
        one(fl_x="wide"),
        one(fl_x=-1),
        one(fl_x=0, camera_angle_x=1),
        one(fl_x=float("nan")),
        one(w=0),
        one(camera_model="EQUIRECTANGULAR"),
        {"w": 5, "h": 5, "frames": [{"file_path": "a", "transform_matrix": FRONT}]},
    ],
)
def test_files_that_make_no_cameras_are_refused(tree: dict[str, Any]):
    with pytest.raises(InputError) as caught:
        frames(tree)
    assert "here" in str(caught.value.where)


def test_keys_for_nerfstudio_and_instant_ngp():
    orbit = Orbit.static(10, 3)
    tree = transforms_from_cameras(
        orbit.cameras(64, 48), ["views/000.png", "views/001.png", "views/002.png"], orbit=orbit
    )
    camera = orbit.cameras(64, 48)[0]
    assert (tree["w"], tree["h"], tree["camera_model"]) == (64, 48, "OPENCV")
    assert (tree["fl_x"], tree["fl_y"], tree["cx"], tree["cy"]) == (camera.K[0, 0], camera.K[1, 1], 32, 24)
    assert math.degrees(tree["camera_angle_y"]) == pytest.approx(33.8)
    assert tree["camera_angle_x"] == pytest.approx(2 * math.atan(32 / camera.K[0, 0]))
    assert tree["aabb_scale"] == 1
    assert tree["frames"][1]["file_path"] == "views/001.png"
    # every camera looks at the origin: minus its third column points from it to there (OpenGL looks along -Z)
    for frame in tree["frames"]:
        matrix = np.array(frame["transform_matrix"])
        np.testing.assert_allclose(matrix[:3, 2] * orbit.radius, matrix[:3, 3], atol=1e-12)
        assert matrix[2, 3] == pytest.approx(orbit.radius * math.sin(math.radians(10)))  # above the ground: +Z


def test_what_the_format_cannot_hold_is_refused():
    camera = Orbit.static(0, 1).cameras(4, 4)[0]
    skewed = Camera(camera.K + np.array([(0, 0.5, 0), (0, 0, 0), (0, 0, 0)]), camera.world_from_camera, 4, 4)
    with pytest.raises(DataError, match="skew"):
        transforms_from_cameras([skewed], ["a"])
    with pytest.raises(DataError, match="number"):
        transforms_from_cameras([camera], ["a", "b"])
