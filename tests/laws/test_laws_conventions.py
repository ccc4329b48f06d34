"""Every row of the conventions table (docs/conventions.md), proved with numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from svdmv.core import Asset, Camera, DataError, Mesh, Orbit
from svdmv.core.orbit import DEFAULT_FOV_Y_DEG, UNIT_BOX_RADIUS
from svdmv.io.colour import linear_from_srgb, srgb_from_linear
from svdmv.io.meshes import normalised
from svdmv.io.transforms import file_matrix_from_pose, pose_from_file_matrix, transforms_from_cameras


def camera_at(azimuth_deg: float, elevation_deg: float, radius: float = 2.0, size: int = 100) -> Camera:
    return Orbit(np.array([azimuth_deg]), np.array([elevation_deg]), radius, 90.0).cameras(size, size)[0]


def pixel_of(camera: Camera, point: tuple[float, float, float]) -> list[float]:
    pixels, _ = camera.project(np.array([point]))
    return pixels[0].tolist()


# world: right-handed, +Y up, +Z toward the viewer of the input picture


def test_world_is_right_handed_y_up_and_z_toward_the_viewer():
    front = camera_at(0, 0)
    assert front.position.tolist() == [0, 0, 2]  # the viewer stands at +Z
    right, up = pixel_of(front, (0.5, 0, 0)), pixel_of(front, (0, 0.5, 0))
    assert right[0] > 50  # +X appears on the right
    assert up[1] < 50  # +Y appears above
    _, depths = front.project([(0, 0, 0.5), (0, 0, -0.5)])
    np.testing.assert_allclose(depths, [1.5, 2.5])  # +Z is nearer


def test_world_of_blender_and_nerfstudio_is_x_minus_z_y():
    """Our camera in front (+Z) and above (+Y) stands at -Y and +Z in a Z-up world."""
    pose = np.eye(4)
    pose[:3, 3] = (1, 2, 3)
    assert file_matrix_from_pose(pose)[:3, 3].tolist() == [1, -3, 2]
    assert pose_from_file_matrix(file_matrix_from_pose(pose)).tolist() == pose.tolist()


# unit: longest side of the bounding box 1, centre at the origin; or by bounding sphere


BOX = Mesh(
    np.array([(1, 1, 1), (5, 1, 1), (5, 3, 1), (1, 3, 2)], np.float32), np.array([(0, 1, 2), (0, 2, 3)], np.int32)
)


def test_unit_box_has_longest_side_one_and_its_centre_at_the_origin():
    asset, matrix = normalised(Asset(BOX), "unit_box")  # sides 4, 2, 1; centre (3, 2, 1.5)
    np.testing.assert_allclose(asset.mesh.bounds, [(-0.5, -0.25, -0.125), (0.5, 0.25, 0.125)], atol=1e-7)
    np.testing.assert_allclose(
        matrix, [(0.25, 0, 0, -0.75), (0, 0.25, 0, -0.5), (0, 0, 0.25, -0.375), (0, 0, 0, 1)], atol=1e-15
    )


def test_bounding_sphere_puts_the_farthest_vertex_at_one_half():
    asset, _ = normalised(Asset(BOX), "bounding_sphere")
    assert np.linalg.norm(asset.mesh.vertices, axis=1).max() == pytest.approx(0.5, abs=1e-6)
    np.testing.assert_allclose(asset.mesh.bounds.mean(0), 0, atol=1e-7)


# camera: OpenCV axes; OpenGL is diag(1, -1, -1, 1) on the right


def test_camera_axes_are_right_down_forward():
    pose = camera_at(0, 0).world_from_camera
    assert (pose[:3, :3] + 0.0).tolist() == [[1, 0, 0], [0, -1, 0], [0, 0, -1]]  # columns: +X, -Y, -Z of the world


def test_opengl_axes_are_the_same_pose_times_a_diagonal():
    pose = camera_at(33, 21).world_from_camera
    world_up_z = np.array([(1, 0, 0, 0), (0, 0, -1, 0), (0, 1, 0, 0), (0, 0, 0, 1)])
    expected = world_up_z @ pose @ np.diag([1, -1, -1, 1])
    np.testing.assert_array_equal(file_matrix_from_pose(pose), expected)


def test_file_of_the_front_camera_by_hand():
    """In Blender: a camera at (0, -2, 0) that looks along +Y with +Z up has the rotation (90 degrees about X)."""
    tree = transforms_from_cameras([camera_at(0, 0)], ["a.png"])
    assert tree["frames"][0]["transform_matrix"] == [[1, 0, 0, 0], [0, 0, -1, -2], [0, 1, 0, 0], [0, 0, 0, 1]]


# pose name: world_from_camera maps camera points to the world


def test_world_from_camera_takes_camera_points_to_the_world():
    camera = camera_at(90, 0)  # at +X, looking along -X; its right is -Z, its down is -Y
    point = camera.world_from_camera @ (0.25, 0.5, 1.0, 1)
    np.testing.assert_allclose(point, (1.0, -0.5, -0.25, 1), atol=1e-15)
    np.testing.assert_allclose(camera.camera_from_world @ camera.world_from_camera, np.eye(4), atol=1e-15)


# azimuth, elevation, position


@pytest.mark.parametrize(
    ("azimuth", "elevation", "position"),
    [
        (0, 0, (0, 0, 2)),
        (90, 0, (2, 0, 0)),
        (180, 0, (0, 0, -2)),
        (270, 0, (-2, 0, 0)),
        (0, 30, (0, 1, math.sqrt(3))),
        (0, -30, (0, -1, math.sqrt(3))),
        (90, 60, (1, math.sqrt(3), 0)),
        (45, 0, (math.sqrt(2), 0, math.sqrt(2))),
    ],
)
def test_position_on_the_orbit(azimuth: float, elevation: float, position: tuple[float, float, float]):
    np.testing.assert_allclose(camera_at(azimuth, elevation).position, position, atol=1e-12)


def test_azimuth_grows_to_the_cameras_own_right_counter_clockwise_from_above():
    here, next_one = camera_at(0, 0), camera_at(10, 0)
    step_in_camera = here.camera_from_world[:3, :3] @ (next_one.position - here.position)
    assert step_in_camera[0] > 0  # +X of the camera is its right
    first, second = here.position[[0, 2]], next_one.position[[0, 2]]
    # seen from above (from +Y, with +X right and +Z toward the bottom of the page) a counter-clockwise turn
    assert first[1] * second[0] - first[0] * second[1] > 0


def test_a_turning_camera_moves_the_front_of_the_object_to_the_left():
    assert pixel_of(camera_at(10, 0), (0, 0, 0.5))[0] < 50


def test_positive_elevation_sees_the_top():
    above = camera_at(0, 30)
    _, depth_top = above.project([(0, 0.5, 0)])
    _, depth_bottom = above.project([(0, -0.5, 0)])
    assert depth_top[0] < depth_bottom[0]


def test_orbit_cameras_look_at_the_origin_without_roll():
    for azimuth, elevation in ((0, 0), (77, 12), (200, -40), (301, 85)):
        camera = camera_at(azimuth, elevation)
        np.testing.assert_allclose(pixel_of(camera, (0, 0, 0)), (50, 50), atol=1e-9)
        assert camera.world_from_camera[1, 0] == pytest.approx(0, abs=1e-12)  # the camera's right is level


def test_static_orbit_has_21_steps_and_starts_at_the_input_view():
    orbit = Orbit.static(10)
    assert orbit.num_views == 21
    assert orbit.azimuths_deg[0] == 0
    np.testing.assert_allclose(np.diff(orbit.azimuths_deg), 360 / 21)
    assert set(orbit.elevations_deg) == {10.0}


def test_poles_are_refused():
    with pytest.raises(DataError, match="pole"):
        Orbit.static(90)


# default lens


def test_default_lens_is_33_8_degrees_square_and_keeps_the_unit_cube_in_frame():
    assert DEFAULT_FOV_Y_DEG == 33.8
    camera = Orbit.static(0).cameras(576, 576)[0]
    # 288 / tan(16.9 degrees): tan = 0.303823
    np.testing.assert_allclose(camera.K, [(947.92, 0, 288), (0, 947.92, 288), (0, 0, 1)], atol=0.01)
    np.testing.assert_allclose(UNIT_BOX_RADIUS, 0.8660254 / 0.290702, rtol=1e-5)  # sqrt(3)/2 over sin 16.9 degrees
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    for view in Orbit.static(35.26).cameras(576, 576):
        pixels, _ = view.project(corners)
        assert pixels.min() >= 0
        assert pixels.max() <= 576


# pixel: (0, 0) is the top-left corner, first centre (0.5, 0.5)


def test_the_optical_axis_meets_the_picture_at_half_its_size():
    camera = Camera.looking_at((0, 0, 2), (0, 0, 0), 90, 100, 60)
    assert pixel_of(camera, (0, 0, 0)) == [50, 30]
    assert camera.K.tolist() == [[pytest.approx(30), 0, 50], [0, pytest.approx(30), 30], [0, 0, 1]]


def test_the_edge_of_the_field_of_view_is_the_edge_of_the_picture():
    """90 degrees: at distance 2 the frame spans -2 .. 2; the centre of pixel (0, 0) is half a pixel inside."""
    camera = Camera.looking_at((0, 0, 2), (0, 0, 0), 90, 4, 4)
    np.testing.assert_allclose(pixel_of(camera, (-2, 2, 0)), (0, 0), atol=1e-12)
    np.testing.assert_allclose(pixel_of(camera, (2, -2, 0)), (4, 4), atol=1e-12)
    np.testing.assert_allclose(camera.unproject([(0.5, 0.5)], [2.0]), [(-1.5, 1.5, 0)], atol=1e-12)


def test_half_the_size_halves_focal_length_and_centre():
    camera = Camera.looking_at((0, 0, 2), (0, 0, 0), 90, 100, 60).resized(50, 30)
    assert camera.K.tolist() == [[pytest.approx(15), 0, 25], [0, pytest.approx(15), 15], [0, 0, 1]]


# colour


def test_srgb_curve_by_known_values():
    """IEC 61966-2-1: half of the light is 188, code 128 is 21.6 % of the light, the foot is a line of slope 12.92."""
    assert round(float(srgb_from_linear(np.array(0.5))) * 255) == 188
    assert float(linear_from_srgb(np.array(128 / 255))) == pytest.approx(0.2158605, abs=1e-6)
    assert float(linear_from_srgb(np.array(0.03))) == pytest.approx(0.03 / 12.92)
    assert srgb_from_linear(np.array([0.0, 1.0, 2.0, -1.0])).tolist() == [0, pytest.approx(1), pytest.approx(1), 0]


# randomness


def test_random_orbits_depend_on_their_seed_alone():
    np.random.seed(0)
    first = Orbit.dynamic(10, 7)
    np.random.seed(1)
    state = np.random.get_state()[1].copy()
    Orbit.dynamic(10, 8)
    second = Orbit.dynamic(10, 7)
    np.testing.assert_array_equal(first.azimuths_deg, second.azimuths_deg)
    np.testing.assert_array_equal(first.elevations_deg, second.elevations_deg)
    assert not np.array_equal(first.elevations_deg, Orbit.dynamic(10, 8).elevations_deg)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # global state untouched
    assert (first.azimuths_deg[0], first.elevations_deg[0]) == (0, 10)
