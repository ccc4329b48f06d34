"""Where things land in the picture: axes, depth, normals, coverage, edges, clipping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from render_solids import WHITE, box_mesh, front_camera, joined_meshes, quad_asset, sphere_mesh

from svdmv.core import Asset, Camera, ConfigError, DataError, Material, Mesh, Orbit
from svdmv.render import render_views
from svdmv.render._kernels import rasterise
from svdmv.render.scene import scene_from_asset
from svdmv.render.split import split_long_edges


def letter_f(plane: str) -> Asset:
    """A solid letter F, readable from +Z (plane "z") or from +X (plane "x")."""
    bars = [((-0.3, -0.5), (-0.1, 0.5)), ((-0.1, 0.3), (0.35, 0.5)), ((-0.1, -0.05), (0.2, 0.12))]
    boxes = [box_mesh((a[0], a[1], -0.05), (b[0], b[1], 0.05)) for a, b in bars]
    mesh = joined_meshes(boxes)
    if plane == "x":  # +X takes the place of +Z, -Z that of +X: a quarter turn around +Y
        v = mesh.vertices
        mesh = Mesh(np.stack([v[:, 2], v[:, 1], -v[:, 0]], 1), mesh.faces)
    return Asset(mesh, (WHITE,))


@pytest.mark.parametrize(("azimuth", "plane"), [(0.0, "z"), (90.0, "x")])
def test_a_letter_reads_the_right_way_round(azimuth: float, plane: str) -> None:
    orbit = Orbit(np.array([azimuth]), np.array([0.0]), 2.0)
    alpha = render_views(letter_f(plane), orbit.cameras(40, 40), shading="unlit").alphas
    assert alpha is not None
    ink = alpha[0] > 127
    rows, columns = np.nonzero(ink)
    left, right = columns.min(), columns.max()
    third = (rows.max() - rows.min()) // 3
    top, bottom = ink[rows.min() : rows.min() + third], ink[rows.max() - third : rows.max() + 1]
    middle = (left + right) // 2 + 2
    assert ink[:, left + 1].sum() > 0.9 * (rows.max() - rows.min())  # the stem is on the left
    assert top[:, middle:].any()  # the upper bar goes right
    assert not bottom[:, middle:].any()  # and nothing is there below
    assert rows.mean() < (rows.min() + rows.max()) / 2  # more ink above: up is up


def test_azimuth_turns_to_the_cameras_own_right() -> None:
    """From azimuth 90 the +Z side is on the left, from 270 on the right (conventions: 90 = +X)."""
    marks = [box_mesh((0.3, -0.1, -0.1), (0.5, 0.1, 0.1)), box_mesh((-0.1, -0.1, 0.3), (0.1, 0.1, 0.5))]
    colors = np.repeat(np.array([[255, 0, 0], [0, 0, 255]], np.uint8), 8, 0)
    mesh = joined_meshes(marks)
    asset = Asset(Mesh(mesh.vertices, mesh.faces, colors=colors), (WHITE,))
    orbit = Orbit(np.array([0.0, 90.0, 180.0, 270.0]), np.zeros(4), 2.0)
    views = render_views(asset, orbit.cameras(40, 40), orbit=orbit, shading="unlit").rgba_u8().astype(int)

    def middle_column(view: int, channel: int) -> float:
        seen = (views[view, ..., 3] > 127) & (views[view, ..., channel] > 200)
        return float(np.nonzero(seen)[1].mean() + 0.5)

    red, blue = 0, 2
    assert middle_column(0, red) > 25
    assert middle_column(0, blue) == pytest.approx(20, abs=0.1)
    assert middle_column(1, blue) < 15
    assert middle_column(1, red) == pytest.approx(20, abs=0.1)
    assert middle_column(2, red) < 15
    assert middle_column(3, blue) > 25


def test_depth_of_a_plane_is_its_distance_everywhere() -> None:
    views = render_views(quad_asset(WHITE, half=3), [front_camera(20)], shading="unlit")
    assert views.depths is not None
    assert views.normals is not None
    np.testing.assert_allclose(views.depths, 2.0, rtol=1e-6)
    np.testing.assert_allclose(views.normals, np.broadcast_to([0, 0, 1], views.normals.shape), atol=1e-6)


def test_depth_and_normals_of_a_sphere_are_analytic() -> None:
    camera = Camera.looking_at((0.7, 0.5, 1.6), (0.05, 0, 0), 33.8, 60, 44)
    views = render_views(Asset(sphere_mesh(segments=256)), [camera], shading="unlit")
    assert views.depths is not None
    assert views.normals is not None
    rows, columns = np.nonzero(np.isfinite(views.depths[0]))
    pixels = np.stack([columns, rows], 1) + 0.5
    rays = camera.unproject(pixels, np.ones(len(pixels))) - camera.position
    b, c = rays @ camera.position, camera.position @ camera.position - 0.25
    a = (rays * rays).sum(1)
    root = b * b - a * c
    inner = root > 0.002
    depth = (-b - np.sqrt(np.maximum(root, 0))) / a
    np.testing.assert_allclose(views.depths[0, rows, columns][inner], depth[inner], atol=2e-3)
    normal = (camera.position + depth[:, None] * rays) / 0.5
    cosine = (views.normals[0, rows, columns] * normal).sum(1)
    assert cosine[inner].min() > 0.9995
    assert inner.sum() > 500


def test_depth_of_a_cube_from_in_front_and_from_a_corner() -> None:
    cube = Asset(box_mesh((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5)))
    corner = np.full(3, 2 / math.sqrt(3))
    cameras = [front_camera(41), Camera.looking_at(corner, (0, 0, 0), 33.8, 41, 41)]
    depths = render_views(cube, cameras, shading="unlit").depths
    assert depths is not None
    assert depths[0, 20, 20] == pytest.approx(1.5, abs=1e-5)
    assert depths[1, 20, 20] == pytest.approx(2 - math.sqrt(3) / 2, abs=1e-4)


@pytest.mark.parametrize("supersampling", [2, 3])
def test_alpha_of_a_sphere_adds_up_to_the_area_of_its_disc(supersampling: int) -> None:
    camera = front_camera(64, 2.2)
    alpha = render_views(
        Asset(sphere_mesh(segments=200)), [camera], shading="unlit", supersampling=supersampling
    ).alphas
    assert alpha is not None
    focal, radius, distance = camera.K[0, 0], 0.5, 2.2
    disc = math.pi * (focal * radius) ** 2 / (distance**2 - radius**2)
    assert alpha.sum() / 255 == pytest.approx(disc, rel=0.004)


def test_no_sample_falls_between_the_faces_of_a_sheet() -> None:
    """A jittered sheet whose vertices also sit exactly on pixel centres covers every sample."""
    rng = np.random.default_rng(5)
    n, size = 24, 40
    x, y = np.meshgrid(np.linspace(-3, size + 3, n), np.linspace(-3, size + 3, n))
    x[1:-1, 1:-1] += rng.uniform(-0.8, 0.8, (n - 2, n - 2))
    y[1:-1, 1:-1] += rng.uniform(-0.8, 0.8, (n - 2, n - 2))
    snapped = rng.uniform(size=x.shape) < 0.3
    x, y = np.where(snapped, np.round(x) + 0.5, x), np.where(snapped, np.round(y) + 0.5, y)
    screen = np.stack([x.ravel(), y.ravel(), np.ones(n * n)], 1)
    index = np.arange(n * n).reshape(n, n)
    a, b, c, d = index[:-1, :-1].ravel(), index[:-1, 1:].ravel(), index[1:, 1:].ravel(), index[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    ids, nearest = np.full((size, size), -1, np.int32), np.zeros((size, size), np.float32)
    zeros = np.zeros(len(faces), np.int64)
    rasterise(
        screen, faces, np.ones(len(faces), bool), zeros.astype(np.float32), np.zeros((n * n, 2), np.float32),
        np.ones((1, 6), np.uint16), np.array([[0, 1, 1]]), zeros, np.zeros((0, 0), np.float32), ids, nearest,
    )  # fmt: skip
    assert (ids >= 0).all()


def test_faces_behind_or_across_the_near_plane_are_left_out_and_nothing_breaks() -> None:
    """A camera inside a box sees the far walls whole; a face that reaches behind the eye is not drawn."""
    room = Asset(box_mesh((-1, -1, -1), (1, 1, 1)))
    inside = Camera.looking_at((0, 0, 0.2), (0, 0, -1), 60, 24, 24)
    away = Camera.looking_at((0, 0, 5), (0, 0, 9), 40, 24, 24)
    views = render_views(room, [inside, away])
    assert views.depths is not None
    assert views.depths[0, 12, 12] == pytest.approx(1.2, abs=1e-4)
    assert not np.isfinite(views.depths[1]).any()
    assert views.rgba_u8()[1].max() == 0


def test_arbitrary_intrinsics_move_and_stretch_the_picture() -> None:
    """A shift of the principal point by whole pixels shifts the picture; fx twice fy stretches it."""
    asset = Asset(box_mesh((-0.2, -0.1, 0), (0.1, 0.3, 0.2)))
    base = front_camera(40)
    K = base.K.copy()
    K[0, 2] += 5
    K[1, 2] -= 3
    wide = base.K.copy()
    wide[0, 0] *= 2
    wide[0, 2] *= 2
    cameras = [base, Camera(K, base.world_from_camera, 40, 40)]
    plain, moved = render_views(asset, cameras, shading="unlit").rgba_u8()
    np.testing.assert_array_equal(moved, np.roll(plain, (-3, 5), (0, 1)))
    stretched = render_views(asset, [Camera(wide, base.world_from_camera, 80, 40)], shading="unlit").rgba_u8()[0]
    assert stretched[..., 3].sum() == pytest.approx(2 * float(plain[..., 3].sum()), rel=0.01)


def test_missing_normals_are_sharp_on_a_cube_and_smooth_on_a_sphere() -> None:
    cube = scene_from_asset(Asset(box_mesh((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))), max_edge=np.inf)
    assert len(cube.vertices) == 24
    np.testing.assert_allclose(np.abs(cube.normals).max(1), 1)
    ball = sphere_mesh(segments=64)
    smooth = scene_from_asset(Asset(Mesh(ball.vertices, ball.faces)), max_edge=np.inf)
    cosine = (smooth.normals * smooth.vertices / 0.5).sum(1)
    assert cosine.min() > 0.995


def test_normals_of_length_zero_are_replaced() -> None:
    ball = sphere_mesh(segments=32)
    assert ball.normals is not None
    damaged = ball.normals.copy()
    damaged[::7] = 0
    scene = scene_from_asset(Asset(Mesh(ball.vertices, ball.faces, damaged)), max_edge=np.inf)
    np.testing.assert_allclose(np.linalg.norm(scene.normals, axis=1), 1, atol=1e-5)


def test_degenerate_faces_are_left_out_and_a_mesh_of_them_is_refused() -> None:
    box = box_mesh((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5))
    flat = np.array([[0, 0, 1], [2, 2, 2]], np.int32)
    mixed = Asset(Mesh(box.vertices, np.concatenate([flat, box.faces, flat])))
    a, b = (render_views(x, [front_camera(24)]).rgba_u8() for x in (Asset(box), mixed))
    np.testing.assert_array_equal(a, b)
    with pytest.raises(DataError, match="nothing to render"):
        render_views(Asset(Mesh(box.vertices, flat)), [front_camera(24)])
    with pytest.raises(DataError, match="nothing to render"):
        render_views(Asset(Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))), [front_camera(24)])


def test_long_edges_are_halved_without_cracks_below_the_limit() -> None:
    rng = np.random.default_rng(0)
    box = box_mesh((-1, -0.3, -0.5), (1, 0.3, 0.5))
    attributes = rng.normal(size=(8, 2))
    positions, extra, faces, parents = split_long_edges(
        box.vertices.astype(np.float64), attributes, box.faces, 0.2, 5000
    )
    corners = positions[faces]
    assert np.linalg.norm(corners - np.roll(corners, 1, 1), axis=2).max() <= 0.2
    assert len(extra) == len(positions)
    directed = set(map(tuple, np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()))
    assert all((b, a) in directed for a, b in directed)  # closed still: no T-junction
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    whole = np.bincount(parents, area)
    before = box.vertices.astype(np.float64)[box.faces]
    np.testing.assert_allclose(
        whole, np.linalg.norm(np.cross(before[:, 1] - before[:, 0], before[:, 2] - before[:, 0]), axis=1)
    )
    assert len(split_long_edges(box.vertices.astype(np.float64), attributes, box.faces, 0.01, 500)[0]) <= 500


def test_faces_take_their_own_material() -> None:
    red, green = (Material(base_color_factor_linear=c) for c in ((1.0, 0.0, 0.0, 1.0), (0.0, 1.0, 0.0, 1.0)))
    quad = quad_asset(WHITE).mesh
    asset = Asset(quad, (red, green), np.array([0, 1], np.int32))
    rgb = render_views(asset, [front_camera(40, 1.2)], shading="unlit").images[0]
    assert tuple(rgb[30, 30]) == (255, 0, 0)  # face 0 lies below the diagonal, towards the lower right
    assert tuple(rgb[10, 10]) == (0, 255, 0)


def test_requests_that_make_no_sense_are_refused() -> None:
    quad = quad_asset(WHITE)
    for options in ({"renderer": "nosuch"}, {"shading": "shiny"}, {"supersampling": 0}):
        with pytest.raises(ConfigError):
            render_views(quad, [front_camera(8)], **options)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ConfigError):
        render_views(quad, [])
    with pytest.raises(ConfigError):
        render_views(quad, [front_camera(8), front_camera(9)])
